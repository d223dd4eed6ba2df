"""Live figures of a session: a panel on a terminal, plain lines on a pipe."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

LINE_EVERY_S = 1.0


class PlainProgress:
    """One line a second, for pipes and logs.

    Parameters
    ----------
    console : Console
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None: ...

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, state: Mapping[str, Any]) -> None:
        if state["elapsed_s"] >= self._next_s:
            self._next_s = (state["elapsed_s"] // LINE_EVERY_S + 1.0) * LINE_EVERY_S
            self.say("  ".join(f"{name} {value}" for name, value in figures(state)))


class LiveProgress:
    """A panel that is redrawn in place.

    Parameters
    ----------
    console : Console
    title : str
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._live = Live(console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, state: Mapping[str, Any]) -> None:
        table = Table(
            title=self._title,
            title_justify="left",
            show_header=False,
            box=None,
            min_width=len(self._title),
        )
        table.add_column(style="dim", justify="right")
        table.add_column()
        for name, value in figures(state):
            armed = name == "state"
            style = "bold green" if value == "ARMED" else "bold yellow" if armed else ""
            table.add_row(name, Text(value, style=style))
        self._live.update(table)


def figures(state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the operator is shown, in order."""
    refused, faults = state.get("refused", {}), state.get("sample_faults", {})
    latency_ms = state.get("latency_ms")
    disarmed = state.get("disarmed", "starting")
    return [
        ("elapsed", f"{state['elapsed_s']:.0f}/{state['duration_s']:g} s"),
        ("state", f"disarmed: {disarmed}" if disarmed else "ARMED"),
        ("samples", f"{state.get('samples', 0)}"),
        ("lost", f"{state.get('lost', 0)}"),
        *([("flagged", _counted(faults))] if faults else []),
        ("detections", f"{state.get('detections', 0)}"),
        *_ends(state),
        ("refused", f"{sum(refused.values())} {_counted(refused)}".rstrip()),
        ("latency", "-" if latency_ms is None else f"{latency_ms:.2f} ms"),
    ]


def _ends(state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How triggers ended; a blind session does not tell pulses from sham."""
    if "done" in state:
        return [("pulses or sham", f"{state['done']}")]
    return [("pulses", f"{state.get('delivered', 0)}"), ("sham", f"{state.get('sham', 0)}")]


def _counted(numbers: Mapping[str, int]) -> str:
    return " ".join(f"{name}:{number}" for name, number in numbers.items())


def progress_on(console: Console, title: str) -> PlainProgress | LiveProgress:
    """The form that fits where it goes."""
    return LiveProgress(console, title) if console.is_terminal else PlainProgress(console)
