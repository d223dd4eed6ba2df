"""What a judge has: files of a session folder, read without any code of the loop's.

The recording by pyxdf, the ledger as JSON lines whose chain is worked out again here, the
rig as TOML, and the truth that the bench has written down.
"""

import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyxdf
from numpy.typing import NDArray

JITTER_S = 0.0015
"""How far a logged onset may lie from that of the current: the steps of a device's clock."""

DRIFTED_S = 0.05
"""The same, of a device whose clock has been made to run away."""

UNKNOWN_S = 1.5
"""For how long current may come of a trigger whose end nobody knows."""


@dataclass(slots=True)
class Train:
    """Current that the ledger explains by one trigger.

    Attributes
    ----------
    seq : int
    decision, outcome : dict
        Its rows of the ledger.
    phases : ndarray, (n_phases, 4)
        Channel, amplitude, onset and offset in seconds, in the order of the onsets.
    """

    seq: int
    decision: dict[str, Any]
    outcome: dict[str, Any]
    phases: NDArray[np.float64]

    @property
    def onset_s(self) -> float:
        return float(self.phases[:, 2].min())

    @property
    def offset_s(self) -> float:
        return float(self.phases[:, 3].max())


@dataclass(slots=True)
class Evidence:
    """A session, as its folder has it.

    Attributes
    ----------
    rig, truth : dict
    rows : list of dict
        Of the ledger.
    broken : list of str
        What is wrong with the ledger's chain or the recording.
    samples, times_s : ndarray
        As recorded: what has reached the loop, in that order.
    phases : ndarray, (n_phases, 4)
        All current: channel, amplitude, onset and offset in seconds.
    trains : list of Train
    unexplained : ndarray, (n, 4)
        Current that no row of the ledger explains.
    """

    rig: dict[str, Any]
    truth: dict[str, Any]
    rows: list[dict[str, Any]]
    broken: list[str]
    samples: NDArray[np.float64]
    times_s: NDArray[np.float64]
    phases: NDArray[np.float64]
    trains: list[Train] = field(default_factory=list)
    unexplained: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))

    def data(self, event: str) -> list[dict[str, Any]]:
        """The particulars of all rows of one kind."""
        return [row["data"] for row in self.rows if row["event"] == event]

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Decisions whose trigger was let through."""
        return [d for d in self.data("decision") if d["seq"] and not d["refusal"]]

    def faults(self, *kinds: str) -> list[tuple[float, float]]:
        """When faults of these kinds began and ended."""
        told = self.truth["faults"]
        return [(f["begin_s"], f["end_s"]) for f in told if f["kind"] in kinds]


def killed(truth: dict[str, Any], *roles: str) -> bool:
    """Whether a bench has killed one of these processes."""
    told = truth["faults"]
    return any(f["kind"] == "process.killed" and f["role"] in roles for f in told)


def read_evidence(path: Path) -> Evidence:
    """Read a session folder of the bench."""
    broken: list[str] = []
    rig = tomllib.loads((path / "rig.toml").read_text("utf-8"))
    truth = json.loads((path / "truth.json").read_text("utf-8"))
    torn = truth["books_failed_s"] is not None or killed(truth, "supervisor")
    rows = _ledger(path / "ledger.jsonl", broken, complete=not torn)
    streams = _streams(path / "session.xdf", broken)
    name = rig["rig"]["name"]
    samples, times_s = streams.get(name, (np.zeros((0, 1)), np.zeros(0)))
    phases, _ = streams.get(f"{name}-current", (np.zeros((0, 4)), np.zeros(0)))
    wanted = [name + ending for ending in ("", "-events", "-loop", "-current")]
    broken += [f"the recording has no stream {each!r}" for each in wanted if each not in streams]
    # A recorder may have been killed, or a witness come too late: what either has seen, was.
    seen = np.array(truth.get("phases", []), dtype=np.float64).reshape(-1, 4)
    phases = np.unique(np.concatenate((phases.reshape(-1, 4), seen)), axis=0)
    phases = phases[phases[:, 1] != 0.0]
    phases = phases[np.argsort(phases[:, 2], kind="stable")]
    evidence = Evidence(rig, truth, rows, broken, samples, times_s, phases)
    explain(evidence)
    return evidence


def _ledger(path: Path, broken: list[str], *, complete: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    previous = "0" * 64
    *lines, rest = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            content = {key: value for key, value in row.items() if key != "hash"}
            text = json.dumps(content, sort_keys=True, separators=(",", ":"))
            fits = row["seq"] == number and row["prev"] == previous
            fits = fits and row["hash"] == hashlib.sha256(text.encode()).hexdigest()
        except (ValueError, KeyError, TypeError):
            broken.append(f"row {number} of the ledger cannot be read")
            return rows
        if not fits:
            broken.append(f"row {number} of the ledger does not fit the chain")
        previous = row["hash"]
        rows.append(row)
    if complete and (rest or not rows or rows[-1]["event"] != "session.end"):
        broken.append("the ledger is not closed")
    return rows


def _streams(path: Path, broken: list[str]) -> dict[str, Any]:
    try:
        found, _ = pyxdf.load_xdf(
            path,
            synchronize_clocks=False,
            dejitter_timestamps=False,
            handle_clock_resets=False,
            verbose=False,
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, the recording cannot be read
        broken.append(f"the recording cannot be read ({error})")
        return {}
    return {
        each["info"]["name"][0]: (
            each["time_series"]
            if isinstance(each["time_series"], list)
            else np.asarray(each["time_series"], dtype=np.float64),
            np.asarray(each["time_stamps"], dtype=np.float64),
        )
        for each in found
    }


def explain(e: Evidence) -> None:
    """Give each phase of current to the trigger whose report covers it, the device's own first."""
    decisions = {d["seq"]: d for d in e.sent if d["verdict"] == "stim"}
    reports = {r["seq"]: r for r in e.data("outcome")}
    # One that came twice was refused the second time; it is the other report that has an onset.
    reports |= {r["seq"]: r for r in e.data("delivery") if r["onset_s"] is not None}
    onsets_s, offsets_s = e.phases[:, 2], e.phases[:, 3]
    open_ = np.ones(len(onsets_s), dtype=bool)
    jitter_s = DRIFTED_S if e.faults("device.clock_drift") else JITTER_S
    for seq, decision in decisions.items():
        report = reports.get(seq, {"seq": seq, "outcome": "unknown", "onset_s": None})
        if report["outcome"] in ("sham", "refused"):
            continue
        if report["onset_s"] is None:
            begin_s = decision["now_s"]
            end_s = begin_s + UNKNOWN_S if report["outcome"] == "unknown" else begin_s
        else:
            begin_s, end_s = report["onset_s"], report["offset_s"] or report["onset_s"]
        mine = open_ & (onsets_s >= begin_s - jitter_s) & (offsets_s <= end_s + jitter_s)
        if mine.any():
            open_ &= ~mine
            e.trains.append(Train(seq, decision, report, e.phases[mine]))
    e.trains.sort(key=lambda train: train.onset_s)
    e.unexplained = e.phases[open_]
