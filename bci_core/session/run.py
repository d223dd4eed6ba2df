"""From a rig's name to a finished session folder."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bci_core.clock import Clock, VirtualClock
from bci_core.config.load import dump_rig
from bci_core.config.rig import Rig
from bci_core.errors import BciError, LedgerError
from bci_core.record.ledger import Ledger
from bci_core.record.provenance import write_provenance
from bci_core.safety.check import worst_case
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.history import Dose
from bci_core.session import build, doses, privacy
from bci_core.session.approvals import approvals_path, limits_statement
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


REPORT_PER_XDF, REPORT_PER_LEDGER = 6.0, 5.0
"""Memory that a report takes, for each byte of its files: measured on 600 s of `bench-latency`."""

StopKey = Callable[[Callable[[], None]], AbstractContextManager[Any]]


def no_key(_pressed: Callable[[], None]) -> AbstractContextManager[Any]:
    """For a session without a terminal."""
    return nullcontext()


def run_session(
    rig: Rig,
    source: str,
    out: Path,
    clock: Clock,
    progress: Progress,
    duration_s: float,
    waiting: Sequence[WaitingNode] = (),
    operator: str = "operator",
    stop_key: StopKey = no_key,
    keepers: Sequence["Keeper"] = (),
    report: bool = True,
) -> Finished:
    """Check, run and report one session, with nodes that may be waiting for it already.

    `operator` runs it; `stop_key` watches for a key while it runs, and calls what it is given.
    A blind session needs its two `keepers`. Without `report`, the page is left for later.

    Raises
    ------
    ConfigError
        The rig has mistakes that only its parts can find; nothing was started.
    SafetyError
        What an earlier session has stimulated is not known (`doses.earlier_doses`).
    InputError
        The keepers are not those of the rig.
    """
    check_keepers(rig, keepers)
    lsl_text = privacy.confine(rig.lsl)
    info = build.check(rig, source, clock)
    earlier = doses.earlier_doses(out, rig.rig.subject, clock)
    folder = SessionFolder.create(out, rig.name, clock)
    opened = open_session(folder, rig, clock, lsl_text, source, earlier, keepers)
    progress.say(f"session {folder.path}")
    if opened.told:
        progress.say(opened.told)
    outputs = build.outputs(rig, info)
    supervisor = Supervisor(
        rig, info, folder, opened, clock, progress, duration_s, waiting, outputs, operator
    )
    with stop_key(supervisor.press_stop):
        ending = supervisor.run()
    return Finished(folder, ending, finish(folder, progress, report))


def open_session(
    folder: SessionFolder,
    rig: Rig,
    clock: Clock,
    lsl_text: str = "",
    source: str | None = None,
    earlier: Sequence[Dose] = (),
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
    source : str, optional
        Where the rig is from. The approvals of its limits are beside it, and are kept beside the
        session's rig; without, none are asked for.
    earlier : sequence of Dose
        What earlier sessions have used of the day's budgets.
    keepers : sequence of Keeper
        Of a blind session.

    Raises
    ------
    LedgerError
        The folder cannot be written.
    SafetyError
        Approvals are missing, or do not count.
    """
    approved_by = [] if source is None else build.approvals(rig, source)
    # The limits of the electrode class too, whatever a later version of it says.
    rig_text = dump_rig(replace(rig, safety=rig.safety.resolved()))
    try:
        folder.logs.mkdir(exist_ok=True)
        folder.rig.write_text(rig_text, "utf-8")
        if approved_by and source is not None:
            shutil.copyfile(approvals_path(source), approvals_path(str(folder.rig)))
        write_provenance(folder.provenance, rig)
        if lsl_text:
            folder.lsl_config.write_text(lsl_text, "utf-8")
    except OSError as error:
        raise LedgerError(f"{folder.path}: cannot be written ({error.strerror})") from error
    ledger = Ledger(folder.ledger, clock)
    envelope = SafetyEnvelope.from_settings(rig.safety)
    able = build.stimulator(rig).capabilities
    start = {
        "name": rig.name,
        "description": rig.rig.description,
        "subject": rig.rig.subject,
        "rig_sha256": hashlib.sha256(rig_text.encode()).hexdigest(),
        "privacy": privacy.describe(rig.lsl),
        "simulated": able.simulated,
        "virtual_time": isinstance(clock, VirtualClock),
    }
    ledger.append("session.start", "supervisor", start)
    opened = commit(rig, folder, ledger, keepers)
    programs = build.protocol(rig).programs()
    uses = worst_case(programs, envelope, able)
    ledger.append("limit.worst_case", "supervisor", {"uses": [asdict(use) for use in uses]})
    ledger.append(doses.EVENT, "supervisor", doses.dose_row(rig, programs, earlier, able))
    for override in envelope.overrides:
        ledger.append("safety.override", "supervisor", asdict(override))
    for person in approved_by:
        signer = {"by": person.name, "role": person.role, "key": person.fingerprint}
        ledger.append("safety.approval", "supervisor", limits_statement(rig) | signer)
    ledger.sync()
    return opened


def finish(folder: SessionFolder, progress: Progress, report: bool = True) -> dict[str, Any]:
    """Summary and, unless it is left for later, report.

    Trouble with either is told, and leaves the recording alone.
    """
    too_large = _too_large(folder)
    if too_large:
        progress.say(f"no report: {too_large}; `bci report {folder.path}` makes it elsewhere")
        return {}
    # Plotting takes long to import, and a session should be armed soon.
    from bci_core.report.evidence import read_evidence
    from bci_core.report.summary import write_summary

    summary: dict[str, Any] = {}
    try:
        evidence = read_evidence(folder)
        summary = write_summary(folder, evidence)
        if report:
            from bci_core.report.html import write_report

            write_report(folder, summary, evidence)
    except (BciError, OSError) as error:
        progress.say(f"no report: {error}; `bci report {folder.path}` makes it again")
    return summary


def _too_large(folder: SessionFolder) -> str:
    """Why this machine had better not read the whole session into memory; "" where it can."""
    files = ((folder.xdf, REPORT_PER_XDF), (folder.ledger, REPORT_PER_LEDGER))
    needed = sum(times * path.stat().st_size for path, times in files if path.exists())
    available = psutil.virtual_memory().available
    if needed <= available:
        return ""
    return f"it takes about {needed / 1e9:.1f} GB of memory, {available / 1e9:.1f} GB are free"
