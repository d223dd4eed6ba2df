"""One brain three times: stimulated by the loop, with sham in its place, and left alone."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bci_core.clock import VirtualClock
from bci_core.config.rig import Part, Rig
from bci_core.control.arms_settings import ActiveArm, ArmsSettings, ShamArm
from bci_core.errors import InputError, RunError
from bci_core.events import Outcome
from bci_core.record.ledger_format import LedgerRow
from bci_core.record.revealed import read_rows
from bci_core.record.xdf import read_session_xdf
from bci_core.session.folder import SessionFolder
from bci_core.session.simulate import on_virtual_clock, play_session

Condition = Literal["active", "sham", "unstimulated"]
CONDITIONS: tuple[Condition, ...] = ("active", "sham", "unstimulated")

START_S = 1000.0
"""Where the virtual clock of a simulated session begins; that of the brain alone as well."""
READ_S = 0.02


@dataclass(frozen=True, slots=True)
class Run:
    """What is left of one run.

    Attributes
    ----------
    events : dict of str to dict of str to ndarray, (n_events,)
        The truth: columns by label, for each kind of event.
    begin_s : float
        Time of the first sample.
    rate_hz : float
    channels : tuple of str
    samples : ndarray, (n_samples, n_channels), float32
        As recorded, in microvolts.
    pulses, shams : int
        Triggers that were delivered, and those that were sham.
    """

    events: Mapping[str, Mapping[str, NDArray[np.float64]]]
    begin_s: float
    rate_hz: float
    channels: tuple[str, ...]
    samples: NDArray[np.float32]
    pulses: int = 0
    shams: int = 0

    def of(self, event: str) -> Mapping[str, NDArray[np.float64]]:
        """Columns of one kind of event; empty where there was none."""
        return self.events.get(event) or dict.fromkeys(_NUMBERS, np.zeros(0))

    def count(self, event: str) -> int:
        return len(self.of(event)["onset_s"])


_NUMBERS = ("onset_s", "offset_s", "phase_rad", "content", "value")


def with_amplifier(rig: Rig, **changed: Any) -> Rig:
    """The rig with some settings of its amplifier changed.

    Raises
    ------
    InputError
        Its amplifier has no such setting.
    """
    return replace(rig, amplifier=with_settings(rig.amplifier, **changed))


def with_settings(part: Part, **changed: Any) -> Part:
    """A part of a rig with some of its settings changed.

    Raises
    ------
    InputError
        It has no such setting.
    """
    settings = part.settings
    unknown = sorted(set(changed) - set(type(settings).model_fields))
    if unknown:
        raise InputError(f"{part.name!r} has no setting {unknown[0]!r}")
    return replace(part, settings=type(settings).model_validate(settings.model_dump() | changed))


def run_condition(rig: Rig, condition: Condition, duration_s: float) -> Run:
    """Run a rig's brain under one condition, for so many simulated seconds.

    The first two are sessions of the whole loop that differ in the arm only.

    Raises
    ------
    RunError
        The session was disarmed before its time.
    """
    if condition == "unstimulated":
        return _alone(rig, duration_s)
    arms = (
        ArmsSettings(active=ActiveArm()) if condition == "active" else ArmsSettings(sham=ShamArm())
    )
    with played(replace(rig, arms=arms), duration_s) as (folder, rows):
        return _run_of(folder, rows, rig)


@contextmanager
def played(rig: Rig, duration_s: float) -> Iterator[tuple[SessionFolder, list[LedgerRow]]]:
    """A simulated session of the rig, and the rows of its ledger; gone afterwards.

    Raises
    ------
    RunError
        The session was disarmed before its time.
    """
    with TemporaryDirectory() as scratch:
        folder, _ = play_session(rig, rig.name, Path(scratch), _Silent(), duration_s)
        rows = read_rows(folder.ledger)
        end = next(row.data for row in rows if row.event == "session.end")
        if end["status"] != "completed":
            raise RunError(f"{rig.name}: the simulated session failed ({end['reason']})")
        yield folder, rows


def _run_of(folder: SessionFolder, rows: Sequence[LedgerRow], rig: Rig) -> Run:
    outcomes = Counter(row.data["outcome"] for row in rows if row.event == "outcome")
    with folder.truth.open(newline="", encoding="utf-8") as file:
        told = [(row["event"], row) for row in csv.DictReader(file)]
    recorded = read_session_xdf(folder.xdf, rig.name)
    return Run(
        _columns(told),
        float(recorded.times_s[0]),
        recorded.info.rate_hz,
        tuple(recorded.info.channels),
        recorded.samples,
        outcomes[Outcome.DELIVERED],
        outcomes[Outcome.SHAM],
    )


def _alone(rig: Rig, duration_s: float) -> Run:
    clock = VirtualClock(START_S)
    amplifier: Any = on_virtual_clock(rig, clock)
    info = amplifier.open()
    labels, names = amplifier.truth_labels, amplifier.truth_events
    chunks, told = [], []
    while clock.now_s() - START_S < duration_s:
        chunk = amplifier.read(READ_S)
        if chunk is not None:
            chunks.append(chunk)
        told += [dict(zip(labels, row, strict=True)) for row in amplifier.truth()]
    amplifier.close()
    return Run(
        _columns([(names[int(row["event"])], row) for row in told]),
        float(chunks[0].times_s[0]),
        info.rate_hz,
        tuple(info.channels),
        np.concatenate([chunk.samples for chunk in chunks]),
    )


def _columns(
    told: Sequence[tuple[str, Mapping[str, Any]]],
) -> dict[str, dict[str, NDArray[np.float64]]]:
    by_event: dict[str, list[list[float]]] = {}
    for event, row in told:
        by_event.setdefault(event, []).append([float(row[label]) for label in _NUMBERS])
    return {
        event: dict(zip(_NUMBERS, np.array(rows).T, strict=True))
        for event, rows in by_event.items()
    }


def differing_events(one: Run, other: Run) -> int:
    """Events of the truth that are not the same, to the bit, in both runs.

    Those that were still under way when either run ended are not known, and not compared.
    """
    differing = 0
    for event in {*one.events, *other.events}:
        a, b = one.of(event), other.of(event)
        n = min(len(a["onset_s"]), len(b["onset_s"]))
        same = np.ones(n, dtype=bool)
        for label in _NUMBERS:
            same &= (a[label][:n] == b[label][:n]) | (
                np.isnan(a[label][:n]) & np.isnan(b[label][:n])
            )
        differing += int(n - same.sum())
        # The two ends are less than a read apart.
        differing += max(0, abs(len(a["onset_s"]) - len(b["onset_s"])) - 1)
    return differing


class _Silent:
    """Nobody watches."""

    def say(self, text: str) -> None: ...

    def show(self, state: Mapping[str, Any]) -> None: ...
