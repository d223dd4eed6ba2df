"""Gives so many pulses, with artefacts so far above the signal, and counts what they cause."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bci_core.bench.artefact.cases import Case
from bci_core.bench.artefact.pair import play_pair
from bci_core.bench.effect.runs import run_condition, with_amplifier
from bci_core.clock import VirtualClock
from bci_core.config.rig import Rig
from bci_core.errors import RunError
from bci_core.session import build

CALIBRATION_S = 60.0
"""Most that is played to see how large they are."""
WIDE_UV = 1e6
"""A front end that nothing saturates, to see how large an artefact is."""


@dataclass(slots=True)
class SelfTriggers:
    """What came of one detector.

    Attributes
    ----------
    case : Case
    above_signal_db : float
        Peak of the artefact before the front end saturates, over the signal's RMS.
    signal_uv, artefact_uv : float
        The two, on the first channel that the detector reads.
    blanking_s, simulated_s : float
    pulses, detections : int
    caused, tipped, hidden : int
        Detections that are there because of an artefact; that it tipped over a threshold within
        a hundredth of which they were without it; and that are not there because of it.
    """

    case: Case
    above_signal_db: float
    signal_uv: float
    artefact_uv: float
    blanking_s: float
    simulated_s: float = 0.0
    pulses: int = 0
    detections: int = 0
    caused: int = 0
    tipped: int = 0
    hidden: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        keys = self.__slots__[1:]
        return {"detector": self.case.name} | {key: getattr(self, key) for key in keys}


def measure_artefact(
    case: Case,
    n_pulses: int,
    above_signal_db: float,
    blanking_s: float | None,
    session_s: float,
    say: Callable[[str], None],
) -> SelfTriggers:
    """Play sessions, one seed after the other, until `n_pulses` have been given.

    Parameters
    ----------
    case : Case
    n_pulses : int
    above_signal_db : float
        Of the artefacts.
    blanking_s : float, optional
        In the place of the case's.
    session_s : float
        Length of each session; there are as many as the pulses need.
    say : callable (str)
        Is told how far it is.

    Raises
    ------
    RunError
        A session gave no pulse.
    """
    rig = case.rig(blanking_s)
    say(f"{case.name}: how large artefact and signal are")
    signal_uv, unit_uv = sizes(rig, min(session_s, CALIBRATION_S))
    ratio = 10.0 ** (above_signal_db / 20.0) * signal_uv / unit_uv
    rig = with_amplifier(rig, artefact_ratio=ratio)
    result = SelfTriggers(
        case, above_signal_db, signal_uv, ratio * unit_uv, rig.blanking.blanking_s
    )
    seed = 0
    while result.pulses < n_pulses:
        seed += 1
        pair = play_pair(with_amplifier(rig, seed=seed), session_s, case.nearly)
        if not pair.pulses:
            raise RunError(f"{case.name}: no pulse in {session_s:g} s, seed {seed}")
        result.simulated_s += session_s
        result.pulses += pair.pulses
        result.detections += len(pair.detected_s)
        result.caused += len(pair.caused(case.tolerance_s))
        result.tipped += len(pair.tipped(case.tolerance_s))
        result.hidden += len(pair.hidden(case.tolerance_s))
        say(
            f"{case.name}: {result.pulses} of {n_pulses} pulses, "
            f"{result.caused} detections caused by them"
        )
    return result


def sizes(rig: Rig, duration_s: float) -> tuple[float, float]:
    """RMS of the signal, and largest artefact at an `artefact_ratio` of 1, in microvolts.

    Both are measured on samples: those of a session less those of the same brain alone, with
    a front end that nothing saturates.
    """
    wide = with_amplifier(rig, artefact_ratio=1.0, range_uv=WIDE_UV, bits=32)
    with_artefact = run_condition(wide, "active", duration_s)
    alone = run_condition(wide, "unstimulated", duration_s)
    info = build.amplifier(rig, VirtualClock()).describe()
    column = build.detector(rig, info, build.CHECK_LEAD_S).channels[0]
    n = min(len(with_artefact.samples), len(alone.samples))
    signal = alone.samples[:n, column].astype(np.float64)
    artefact = with_artefact.samples[:n, column] - signal
    largest_uv = float(np.abs(artefact).max())
    if not largest_uv:
        raise RunError(f"{rig.name}: no pulse in {duration_s:g} s to see the artefact of")
    return float(signal.std()), largest_uv
