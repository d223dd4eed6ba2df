"""The folder that holds one session, and the note in it that says the session is running."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bci_core.clock import Clock
from bci_core.errors import SessionError
from bci_core.record.blind_ledger import SEALED_FILE

LIFELINE = "lifeline"
"""File beside the session's keys by which the device learns at once that the loop has died."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_START_TOLERANCE_S = 2.0  # the start time is reckoned from the wall clock, which can be set


@dataclass(frozen=True, slots=True)
class SessionFolder:
    """Paths of one session. Made by `create`, found by `open` and `latest`.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    @classmethod
    def create(cls, root: Path, name: str, clock: Clock) -> "SessionFolder":
        """Make the folder ``YYYY-MM-DD_HHMM_name`` (UTC) below `root`.

        A second session of the same name in the same minute gets ``-2``, and so on.

        Raises
        ------
        SessionError
            The name would not be safe in a path, or the folder cannot be made.
        """
        if not _NAME.fullmatch(name):
            raise SessionError(
                f"{name!r} cannot name a session: use letters, digits, '-' and '_', at most 64"
            )
        stem = f"{clock.utc():%Y-%m-%d_%H%M}_{name}"
        number = 1
        while True:
            path = root / (stem if number == 1 else f"{stem}-{number}")
            try:
                root.mkdir(parents=True, exist_ok=True)
                path.mkdir()
                cls(path).logs.mkdir()
            except FileExistsError as error:
                if not root.is_dir():
                    raise SessionError(f"{root}: is a file; give a folder for sessions") from error
                number += 1
            except OSError as error:
                raise SessionError(
                    f"{path}: the session folder cannot be made ({error.strerror}); "
                    "give another place with --out"
                ) from error
            else:
                return cls(path)

    @classmethod
    def open(cls, path: Path) -> "SessionFolder":
        """A session folder that is there.

        Raises
        ------
        SessionError
            There is no such folder, or it is not one of a session.
        """
        folder = cls(path)
        if not path.is_dir():
            raise SessionError(f"{path}: there is no such folder; give that of a session")
        if not folder.ledger.is_file():
            raise SessionError(f"{path}: is not a session folder: it has no {folder.ledger.name}")
        return folder

    @classmethod
    def latest(cls, root: Path) -> "SessionFolder":
        """The session below `root` that began last.

        Raises
        ------
        SessionError
            There is none.
        """
        found = cls.all_in(root)
        if not found:
            raise SessionError(f"{root}: holds no session; run one with: bci run")
        return found[-1]

    @classmethod
    def all_in(cls, root: Path) -> list["SessionFolder"]:
        """Every session directly below `root`, in the order they began."""
        found = [cls(ledger.parent) for ledger in root.glob("*/ledger.jsonl")]
        return sorted(found, key=lambda folder: (folder._began(), folder.path.name))

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def rig(self) -> Path:
        """The resolved rig."""
        return self.path / "rig.toml"

    @property
    def xdf(self) -> Path:
        """Samples, events and triggers, as LabRecorder writes them."""
        return self.path / "session.xdf"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.jsonl"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @property
    def sealed(self) -> Path:
        """What a blind session does not tell yet."""
        return self.path / SEALED_FILE

    @property
    def allocation(self) -> Path:
        """Seed of the control arms, where they are not blind; for its owner's eyes."""
        return self.path / "allocation.json"

    @property
    def lsl_config(self) -> Path:
        """How far discovery of the session's streams reaches, for liblsl."""
        return self.path / "lsl_api.cfg"

    @property
    def logs(self) -> Path:
        """Folder of what each process said."""
        return self.path / "logs"

    @property
    def running(self) -> Path:
        """There only while the session runs, or when its supervisor was killed."""
        return self.path / "running.json"

    def mark_running(self, supervisor_pid: int, stimulator_pid: int) -> None:
        """Note the processes that can end the session.

        With each goes the time it started, since process ids are used again.

        Raises
        ------
        SessionError
            A process is not there, or the note cannot be written.
        """
        pids = {"supervisor": supervisor_pid, "stimulator": stimulator_pid}
        whole = self.running.with_suffix(".tmp")
        try:
            note = {
                node: {"pid": pid, "started_s": psutil.Process(pid).create_time()}
                for node, pid in pids.items()
            }
            whole.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
            whole.replace(self.running)  # readers see the old note or the new one
        except (OSError, psutil.Error) as error:
            raise SessionError(f"{self.running}: cannot be written ({error})") from error

    def mark_ended(self) -> None:
        """Take the note away; nothing happens when there is none."""
        with suppress(OSError):
            self.running.unlink()

    def running_processes(self) -> dict[str, int]:
        """Process id of each noted node that is still the process it was; empty when none is."""
        try:
            note = json.loads(self.running.read_text(encoding="utf-8"))
            noted = {node: (int(p["pid"]), float(p["started_s"])) for node, p in note.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
        return {node: pid for node, (pid, started_s) in noted.items() if _is_same(pid, started_s)}

    def is_running(self) -> bool:
        """Whether the supervisor that noted itself still runs."""
        return "supervisor" in self.running_processes()

    def _began(self) -> str:
        """UTC of the first ledger row; the folder's own date where there is none."""
        try:
            with self.ledger.open(encoding="utf-8") as lines:
                return str(json.loads(lines.readline())["utc"])
        except (OSError, ValueError, KeyError, TypeError):
            return self.name[:10]


def _is_same(pid: int, started_s: float) -> bool:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(float(process.create_time()) - started_s) < _START_TOLERANCE_S
    except (psutil.Error, ValueError):
        return False
