"""``bci``: the commands, and the one place where errors become messages and exit statuses."""

import sys

import typer
from rich.console import Console

from bci_core import __version__, jit
from bci_core.cli import (
    bench,
    bench_arming,
    bench_artefact,
    bench_effect,
    bench_kill,
    bench_loopback,
    bench_run,
    bench_safety,
    bench_soak,
    calibrate,
    driver,
    learn,
    look,
    node,
    orders,
    people,
    records,
    replay,
    run,
    score,
    tune,
    unblind,
)
from bci_core.cli.bench_output import BareJson
from bci_core.errors import BciError

app = typer.Typer(
    name="bci",
    help="Closed-loop brain–computer interface middleware. Research software: everything is "
    "simulated unless a rig names a real device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
bench.app.command(cls=BareJson)(bench_arming.arming)
bench.app.command(cls=BareJson)(bench_artefact.artefact)
bench.app.command(cls=BareJson)(bench_effect.effect)
bench.app.command(cls=BareJson)(bench_kill.kill)
bench.app.command(cls=BareJson)(bench_loopback.loopback)
bench.app.command(cls=BareJson)(bench_run.run)
bench.app.command(cls=BareJson)(bench_safety.safety)
bench.app.command(cls=BareJson)(bench_soak.soak)
app.add_typer(bench.app, name="bench")
app.add_typer(driver.app, name="driver")
app.add_typer(people.keys_app, name="keys")
app.add_typer(learn.app, name="learn")
app.add_typer(records.ledger_app, name="ledger")
for module in (run, look, replay, score, tune, calibrate, records, people, orders, unblind, node):
    for command in module.COMMANDS:
        app.command(name=command.__name__.rstrip("_").replace("_", "-"))(command)


def _version(show: bool) -> None:
    if show:
        print(f"bci {__version__}")  # noqa: T201 - the answer itself
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def main() -> None:
    """Entry point: 0 done, 1 a failed run, 2 bad input, 128 + n stopped by signal n."""
    if sys.argv[1:2] == ["run"]:
        jit.interpret()  # the loop has a process of its own
    try:
        app()
    except BciError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"bci: {error}", markup=False)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
