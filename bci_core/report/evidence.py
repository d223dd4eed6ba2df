"""Everything a session left behind, read together; what is missing is said, not guessed."""

import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from bci_core.detection.montage import montage_of
from bci_core.detection.montage_settings import MontageSettings
from bci_core.errors import ConfigError, SessionError
from bci_core.record.ledger import LedgerReport, verify_ledger
from bci_core.record.revealed import read_rows
from bci_core.record.xdf import SessionRecording, read_session_xdf
from bci_core.report.trace import Trace, trace


class SessionFiles(Protocol):
    """Where the files of a session are; `bci_core.session.folder.SessionFolder` is one."""

    @property
    def path(self) -> Path: ...
    @property
    def rig(self) -> Path: ...
    @property
    def xdf(self) -> Path: ...
    @property
    def ledger(self) -> Path: ...
    @property
    def summary(self) -> Path: ...
    @property
    def report(self) -> Path: ...
    @property
    def provenance(self) -> Path: ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the files of a session say.

    Attributes
    ----------
    folder : str
        Name of the session folder.
    ledger : LedgerReport
    trace : Trace
    recording : SessionRecording or None
    recording_problem : str
        Why there is no recording, or what is wrong with it; "" when all is well.
    rig, provenance : dict
        Empty where the file is missing or unreadable.
    """

    folder: str
    ledger: LedgerReport
    trace: Trace
    recording: SessionRecording | None
    recording_problem: str
    rig: dict[str, Any]
    provenance: dict[str, Any]

    def section(self, name: str) -> dict[str, Any]:
        """A section of the rig, empty where there is none."""
        found = self.rig.get(name)
        return found if isinstance(found, dict) else {}


def read_evidence(files: SessionFiles) -> Evidence:
    """Read a session folder.

    Raises
    ------
    SessionError
        The ledger is missing or was altered: no figure is made from it.
    """
    ledger = verify_ledger(files.ledger)
    told = trace(read_rows(files.ledger))
    stream = told.ready.get("stream", {}).get("name")
    recording, problem = _recording(files.xdf, stream)
    labels = tuple(told.ready.get("stream", {}).get("channels", ()))
    if recording is not None and len(labels) == len(recording.info.channels):
        # As the loop called them: those of another program's stream need not be unique.
        recording = replace(recording, info=replace(recording.info, channels=labels))
    rig = _rig(files.rig)
    if recording is not None:
        recording = _with_montage(recording, rig.get("montage") or {})
    return Evidence(
        folder=files.path.name,
        ledger=ledger,
        trace=told,
        recording=recording,
        recording_problem=problem,
        rig=rig,
        provenance=_provenance(files.provenance),
    )


def _recording(path: Path, name: str | None) -> tuple[SessionRecording | None, str]:
    try:
        read = read_session_xdf(path, name)
    except SessionError as error:
        return None, str(error).replace(str(path), path.name)
    problems = list(read.complaints)
    if read.truncated_bytes:
        problems.append(
            f"{path.name} ends in the middle of a block ({read.truncated_bytes} bytes not read): "
            "the recorder was killed"
        )
    return read, "; ".join(problems)


def _with_montage(recording: SessionRecording, section: dict[str, Any]) -> SessionRecording:
    """The samples with the channels that the loop derived from them, behind its own."""
    try:
        settings = MontageSettings.model_validate(section)
        if not settings.derives:
            return recording
        montage = montage_of(settings, recording.info)
    except (ValidationError, ConfigError):
        return recording  # of a rig that was altered; what reads the channels says so
    samples = montage.widened(recording.samples)
    montage.derive(samples)
    return replace(recording, info=montage.info, samples=samples)


def _rig(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _provenance(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
