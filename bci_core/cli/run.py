"""``bci run`` and ``bci stop``."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bci_core.cli.keepers import Keepers, keepers_for
from bci_core.cli.options import Json, Source

Out = Annotated[Path, typer.Option("--out", help="Where session folders are made.")]


def run(
    source: Source = "theta-phase",
    duration_s: Annotated[
        float | None, typer.Option("--duration", help="Seconds to stay armed. [default: the rig's]")
    ] = None,
    out: Out = Path("sessions"),
    as_json: Json = False,
    keeper: Keepers = None,
    private: Annotated[
        bool, typer.Option("--private", help="In a network namespace of its own.")
    ] = False,
    operator: Annotated[
        str, typer.Option("--operator", help="Who runs it; somebody else resets faults.")
    ] = "operator",
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Report at the end, or leave it to later.")
    ] = True,
) -> None:
    """Run a closed-loop session.

    Ctrl-C, SIGTERM, `bci stop` and, in a terminal, the space bar or s disarm first, then close
    every file. Exit status: 0 completed, 1 failed, 2 bad input, 130 or 143 stopped.

    Example: `bci run theta-phase --duration 20`
    """
    from bci_core.session import privacy

    if private:
        arguments = [a for a in sys.argv[1:] if a != "--private"]
        raise typer.Exit(privacy.run_private(arguments))

    from bci_core.errors import InputError
    from bci_core.session.nodes import waiting_nodes

    with waiting_nodes() as waiting:
        # Takes a while to import, and the nodes do likewise meanwhile.
        from bci_core.cli.progress import progress_on
        from bci_core.cli.stop_key import HINT, stop_key
        from bci_core.clock import LslClock
        from bci_core.config.load import load_rig
        from bci_core.session.run import run_session

        rig = load_rig(source)
        duration_s = rig.session.duration_s if duration_s is None else duration_s
        if not 0.0 < duration_s <= 86_400.0:
            raise InputError(
                f"--duration: must be over 0 and at most 86400 seconds, not {duration_s:g}"
            )
        if not operator.strip():
            raise InputError("--operator: 0 names, limit 1 name: say who runs the session")
        console = Console(stderr=as_json)
        hint = f" · {HINT}" if sys.stdin is not None and sys.stdin.isatty() else ""
        title = f"bci · {rig.name} · simulated unless stated{hint}"
        keepers = keepers_for(rig, keeper)
        with progress_on(console, title) as progress:
            finished = run_session(
                rig,
                source,
                out,
                LslClock(),
                progress,
                duration_s,
                waiting,
                operator,
                stop_key,
                keepers,
                report,
            )
    if as_json:
        told = {"folder": str(finished.folder.path), **finished.summary}
        print(json.dumps(told, indent=2))  # noqa: T201 - the answer itself
    elif report:
        show_summary(console, finished.summary, str(finished.folder.path))
    else:
        how = f"{finished.ending.status}: {finished.ending.reason}; `bci report` makes the report"
        console.print(f"{finished.folder.path}: {how}", markup=False, highlight=False)
    raise typer.Exit(finished.ending.exit_status)


def stop(
    out: Out = Path("sessions"),
    session: Annotated[
        Path | None, typer.Option(help="Session folder. [default: the one that is running]")
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for its end.")
    ] = 30.0,
) -> None:
    """Stop a running session from another terminal: disarm at once, then close files.

    The stimulator itself is told first, whatever the loop and the supervisor are doing.

    Example: `bci stop`
    """
    from bci_core.clock import LslClock
    from bci_core.session.stop import stop_session

    folder = stop_session(session, out, timeout_s, LslClock())
    Console().print(f"stopped {folder}", markup=False, highlight=False)


def show_summary(console: Console, summary: dict[str, Any], folder: str) -> None:
    """The summary as a small table, and where the rest is."""
    table = Table(show_header=False, box=None)
    table.add_column(style="dim", justify="right")
    table.add_column()
    table.add_row("status", f"{summary.get('status')}: {summary.get('reason', '')}")
    ends = "delivered" if summary.get("done") is None else "done"
    for key in ("duration_s", "samples", "samples_lost", "detections", "triggers", ends):
        value = summary.get(key)
        table.add_row(key, f"{value:.1f}" if isinstance(value, float) else str(value))
    refused = summary.get("refused") or {}
    table.add_row("refused", ", ".join(f"{k} {v}" for k, v in refused.items()) or "none")
    path = (summary.get("latency_ms") or {}).get("received_to_accepted")
    if path and path["n"]:
        table.add_row(
            "received → accepted",
            f"p50 {path['p50']:.2f} ms, p99 {path['p99']:.2f} ms, max {path['max']:.2f} ms",
        )
    phase = summary.get("phase")
    if phase and phase["n"]:
        table.add_row(
            "phase",
            f"mean error {phase['mean_error_deg']:+.1f}°, "
            f"resultant length {phase['resultant_length']:.4f}, n {phase['n']}",
        )
    table.add_row("folder", folder)
    table.add_row("report", f"{folder}/report.html")
    console.print(table)


COMMANDS = (run, stop)
