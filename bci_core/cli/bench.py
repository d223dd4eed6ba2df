"""``bci bench``: figures, each beside something measured in the same run."""

import typer

app = typer.Typer(help="Measure this machine and this build.", no_args_is_help=True)
