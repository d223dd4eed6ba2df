"""``bci report``, ``bci convert`` and ``bci ledger verify``: what is on disk."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bci_core.cli.options import Json, Unit

ledger_app = typer.Typer(help="The ledger of a session.", no_args_is_help=True)
Session = Annotated[Path, typer.Argument(help="A session folder.")]


def report(session: Session, as_json: Json = False) -> None:
    """Make summary and report of a session again from its recording and ledger.

    Example: `bci report sessions/2026-11-22_1405_theta-phase`
    """
    import json

    from bci_core.cli.run import show_summary
    from bci_core.report.evidence import read_evidence
    from bci_core.report.html import write_report
    from bci_core.report.summary import write_summary
    from bci_core.session.folder import SessionFolder

    folder = SessionFolder.open(session)
    evidence = read_evidence(folder)
    summary = write_summary(folder, evidence)
    write_report(folder, summary, evidence)
    if as_json:
        print(json.dumps(summary, indent=2))  # noqa: T201 - the answer itself
    else:
        show_summary(Console(), summary, str(folder.path))


def convert(
    recording: Annotated[Path, typer.Argument(help="EDF, BDF, XDF, BrainFlow CSV or .npz.")],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    to: Annotated[str, typer.Option("--to", help="Format: brainflow.")] = "brainflow",
    board: Annotated[str, typer.Option("--board", help="BrainFlow board.")] = "SYNTHETIC_BOARD",
    unit: Unit = None,
) -> None:
    """Write a recording as the file that BrainFlow's PLAYBACK_FILE_BOARD plays.

    Example: `bci convert night.edf --to brainflow --board CYTON_BOARD --out night.csv`
    """
    from bci_core.errors import InputError
    from bci_core.record.convert import to_brainflow
    from bci_core.record.recording import read_recording

    if to != "brainflow":
        raise InputError(f"--to: cannot write {to!r}; formats: brainflow")
    read = read_recording(recording, unit=unit)
    to_brainflow(read, board, out)
    n_samples, n_channels = read.samples.shape
    Console(highlight=False).print(
        f"{out}: {n_samples} samples of {n_channels} channels at {read.rate_hz:g} Hz, as {board}",
        markup=False,
    )


@ledger_app.command()
def verify(session: Session, as_json: Json = False) -> None:
    """Verify that no row of a ledger was changed, removed, added or moved.

    Exit status 0 when the chain holds, 2 when it does not; the first bad row is named.

    Example: `bci ledger verify sessions/2026-11-22_1405_theta-phase`
    """
    import json

    from bci_core.record.ledger import verify_ledger
    from bci_core.session.folder import SessionFolder

    found = verify_ledger(SessionFolder.open(session).ledger)
    if as_json:
        told = {"rows": found.rows, "head": found.head, "closed": found.closed}
        print(json.dumps(told, indent=2))  # noqa: T201 - the answer itself
        return
    end = "closed" if found.closed else "not closed: the session did not end in order"
    Console(highlight=False).print(
        f"{found.rows} rows, chain holds, {end}; head {found.head}", markup=False
    )


COMMANDS = (report, convert)
