"""What the bench commands share: where the figures go, and how they are laid out."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperCommand

WIDE = 200
"""Columns of a table that goes to a file or a pipe, which have no width of their own."""


class BareJson(TyperCommand):
    """A command whose ``--json`` may stand alone, and then means standard output."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for at in reversed(range(len(args))):
            if args[at] == "--json" and (at + 1 == len(args) or args[at + 1].startswith("--")):
                args.insert(at + 1, "-")
        return super().parse_args(ctx, args)


Json = Annotated[
    Path | None,
    typer.Option("--json", help="File for the result as JSON; none, or -, for standard output."),
]

Kept = Annotated[
    Path | None,
    typer.Option("--out", help="Where the session folder is kept. [default: thrown away]"),
]
Plot = Annotated[Path | None, typer.Option("--plot", help="File for a page of plots.")]


def judge(console: Console, what: str, value: float | None, limit: float, unit: str) -> None:
    """One line: a figure against its budget."""
    if value is None:
        console.print(f"[yellow]unknown[/] {what}: nothing was measured")
        return
    mark = "[green]within budget[/]" if value <= limit else "[red]over budget[/]"
    console.print(f"{mark}: {what} {value:.3g} {unit}, budget {limit:g} {unit}")


def table(title: str, first: str, *others: str) -> Table:
    """An empty table, numbers to the right."""
    table = Table(title=title, title_justify="left", box=None)
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
    return table


def console_for(to: Path | None) -> Console:
    """Where people read: standard error when the JSON goes to standard output.

    A file that cannot be written is refused here, before minutes of measuring.
    """
    if not _is_stdout(to):
        require_writable("--json", to)
    console = Console(stderr=_is_stdout(to), highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


def require_writable(option: str, path: Path | None) -> None:
    """Refuse a file that was asked for and cannot be written, before anything is measured.

    Raises
    ------
    InputError
        It cannot be opened.
    """
    if path is None:
        return
    try:
        path.open("a").close()
    except OSError as error:
        from bci_core.errors import InputError

        raise InputError(f"{option} {path}: cannot be written ({error.strerror})") from error


def write(result: Mapping[str, Any] | Sequence[Any], to: Path | None) -> None:
    """The result as JSON, where that was asked for."""
    if to is None:
        return
    text = json.dumps(result, indent=2, allow_nan=False) + "\n"
    if _is_stdout(to):
        typer.echo(text, nl=False)
    else:
        to.write_text(text, "utf-8")


def _is_stdout(to: Path | None) -> bool:
    return to is not None and str(to) == "-"


def plain_text(text: str) -> str:
    """Text that is shown as it is, brackets included."""
    return text.replace("[", r"\[")
