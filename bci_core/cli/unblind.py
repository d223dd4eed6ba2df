"""``bci unblind``: two people open what a blind session has withheld."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bci_core.cli.keepers import Keepers
from bci_core.cli.options import Json


def unblind(
    session: Annotated[Path, typer.Argument(help="A session folder.")],
    keeper: Keepers = None,
    as_json: Json = False,
) -> None:
    """Open a blind session: which trial was of which arm, and what was delivered.

    Needs the keys of both keepers: files, BCI_PASSPHRASE_NAME, or typed. Checks the
    allotment against the hash published at the start, puts down in the ledger who opened
    it and when, and makes the report again. Cannot be undone.

    Example: `bci unblind sessions/2026-11-22_1405_theta-phase`
    """
    from bci_core.cli.keepers import openers_for
    from bci_core.clock import LslClock
    from bci_core.record.seal import SealedRows
    from bci_core.report.evidence import read_evidence
    from bci_core.report.html import write_report
    from bci_core.report.summary import write_summary
    from bci_core.session.folder import SessionFolder
    from bci_core.session.unblind import unblind_session

    folder = SessionFolder.open(session)
    names = [str(share["name"]) for share in SealedRows(folder.sealed).keepers]
    found = unblind_session(folder, openers_for(names, keeper), LslClock())
    evidence = read_evidence(folder)
    summary = write_summary(folder, evidence)
    write_report(folder, summary, evidence)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))  # noqa: T201 - the answer itself
        return
    console = Console(highlight=False, soft_wrap=True)
    trials = ", ".join(f"{arm} {n}" for arm, n in found.trials.items()) or "none"
    console.print(f"opened by {' and '.join(found.by)}; trials: {trials}", markup=False)
    console.print(f"as committed to at the start: {found.commitment}", markup=False)
    if found.unlogged:
        console.print(f"sealed rows that did not reach the ledger: {found.unlogged}", markup=False)
    console.print(f"report: {folder.report}", markup=False)


COMMANDS = (unblind,)
