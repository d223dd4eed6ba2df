"""From a rig's name to a finished session folder."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bci_core.clock import Clock
from bci_core.config.load import dump_rig
from bci_core.config.rig import Rig
from bci_core.errors import BciError, LedgerError
from bci_core.record.ledger import Ledger
from bci_core.record.provenance import write_provenance
from bci_core.safety.check import worst_case
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.session import build, privacy
from bci_core.session.arms import Opened, check_keepers, commit
from bci_core.session.ending import Ending
from bci_core.session.folder import SessionFolder
from bci_core.session.process import WaitingNode
from bci_core.session.progress import Progress
from bci_core.session.supervisor import Supervisor

if TYPE_CHECKING:
    from bci_core.record.keepers import Keeper


@dataclass(frozen=True, slots=True)
class Finished:
    """A session that is over.

    Attributes
    ----------
    folder : SessionFolder
    ending : Ending
    summary : dict
        As in ``summary.json``.
    """

    folder: SessionFolder
    ending: Ending
    summary: dict[str, Any]


def run_session(
    rig: Rig,
    source: str,
    out: Path,
    clock: Clock,
    progress: Progress,
    duration_s: float,
    waiting: Sequence[WaitingNode] = (),
    keepers: Sequence["Keeper"] = (),
) -> Finished:
    """Check, run and report one session, with nodes that may be waiting for it already.

    A blind one needs its two keepers.

    Raises
    ------
    ConfigError
        The rig has mistakes that only its parts can find; nothing was started.
    InputError
        The keepers are not those of the rig.
    """
    check_keepers(rig, keepers)
    lsl_text = privacy.confine(rig.lsl)
    info = build.check(rig, source, clock)
    folder = SessionFolder.create(out, rig.name, clock)
    opened = open_session(folder, rig, clock, lsl_text, keepers)
    progress.say(f"session {folder.path}")
    if opened.told:
        progress.say(opened.told)
    outputs = build.outputs(rig, info)
    supervisor = Supervisor(
        rig, info, folder, opened, clock, progress, duration_s, waiting, outputs
    )
    return Finished(folder, supervisor.run(), finish(folder, progress))


def open_session(
    folder: SessionFolder,
    rig: Rig,
    clock: Clock,
    lsl_text: str = "",
    keepers: Sequence["Keeper"] = (),
) -> Opened:
    """Write down what is settled before anything starts: rig, origins, arms, limits.

    Parameters
    ----------
    folder : SessionFolder
    rig : Rig
    clock : Clock
    lsl_text : str
        Configuration of liblsl; "" for a session that does not use it.
    keepers : sequence of Keeper
        Of a blind session.

    Raises
    ------
    LedgerError
        The folder cannot be written.
    """
    # The limits of the electrode class too, whatever a later version of it says.
    rig_text = dump_rig(replace(rig, safety=rig.safety.resolved()))
    try:
        folder.logs.mkdir(exist_ok=True)
        folder.rig.write_text(rig_text, "utf-8")
        write_provenance(folder.provenance, rig)
        if lsl_text:
            folder.lsl_config.write_text(lsl_text, "utf-8")
    except OSError as error:
        raise LedgerError(f"{folder.path}: cannot be written ({error.strerror})") from error
    ledger = Ledger(folder.ledger, clock)
    envelope = SafetyEnvelope.from_settings(rig.safety)
    start = {
        "name": rig.name,
        "description": rig.rig.description,
        "subject": rig.rig.subject,
        "rig_sha256": hashlib.sha256(rig_text.encode()).hexdigest(),
        "privacy": privacy.describe(rig.lsl),
        "simulated": build.stimulator(rig).capabilities.simulated,
    }
    ledger.append("session.start", "supervisor", start)
    opened = commit(rig, folder, ledger, keepers)
    uses = worst_case(build.protocol(rig).programs(), envelope)
    ledger.append("limit.worst_case", "supervisor", {"uses": [asdict(use) for use in uses]})
    for override in envelope.overrides:
        ledger.append("safety.override", "supervisor", asdict(override))
    ledger.sync()
    return opened


def finish(folder: SessionFolder, progress: Progress) -> dict[str, Any]:
    """Summary and report; trouble with either is told, and leaves the recording alone."""
    # Plotting takes long to import, and a session should be armed soon.
    from bci_core.report.evidence import read_evidence
    from bci_core.report.html import write_report
    from bci_core.report.summary import write_summary

    summary: dict[str, Any] = {}
    try:
        evidence = read_evidence(folder)
        summary = write_summary(folder, evidence)
        write_report(folder, summary, evidence)
    except (BciError, OSError) as error:
        progress.say(f"no report: {error}; `bci report {folder.path}` makes it again")
    return summary
