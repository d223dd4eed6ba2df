"""The loops that are judged by what they do, and how that is measured.

Everything is measured on what the brain tells of itself (`Run.events`) or on the recorded
signal, never on what was set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from bci_core.bench.effect.runs import Run

Measure = Callable[[Run, Run, NDArray[np.float64]], NDArray[np.float64]]
"""A run, the unstimulated run of the same seed, and the span (begin, end) that counts, in
seconds from the first sample; one number an event."""


@dataclass(frozen=True, slots=True)
class Case:
    """A loop, and the quantity that it is there to change.

    Attributes
    ----------
    name, preset : str
    quantity, unit, events : str
        What is measured, in what, and on which.
    sign : int
        Whether the loop is to make it larger, 1, or smaller, -1.
    duration_s : float
        Of each run, unless another is asked for.
    settle_s, tail_s : float
        At the beginning, in which the loop learns what is usual, and at the end, in which an
        event may begin whose end is not seen: events that begin there do not count. Without
        the tail the longest would be left out most often.
    measure : callable
    """

    name: str
    preset: str
    quantity: str
    unit: str
    events: str
    sign: int
    duration_s: float
    settle_s: float
    tail_s: float
    measure: Measure


def ripple_ms(run: Run, _: Run, span_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """How long each ripple lasted."""
    return 1e3 * _lengths_s(run, "ripple", span_s)


def theta_moved_deg(run: Run, alone: Run, span_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much each cycle of theta is ahead of the usual at its end.

    A cycle that is shorter by a tenth than those of the same brain alone has been moved forward
    by a tenth of a turn.
    """
    usual_s = _lengths_s(alone, "theta_cycle", span_s).mean()
    return np.asarray(360.0 * (1.0 - _lengths_s(run, "theta_cycle", span_s) / usual_s))


def seizure_s(run: Run, _: Run, span_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """How long each seizure lasted that came by itself."""
    by_itself = run.of("seizure")["content"] == 0.0
    return _lengths_s(run, "seizure", span_s, by_itself)


EPOCH_S: Final = 10.0
SPINDLE_HZ: Final = (12.0, 15.0)
SPINDLE_CHANNEL: Final = "ctx001"


def spindle_power_db(run: Run, _: Run, span_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of the recorded signal between 12 and 15 Hz in each 10 s, in dB of 1 uV^2."""
    x = run.samples[:, run.channels.index(SPINDLE_CHANNEL)].astype(np.float64)
    band = signal.butter(4, SPINDLE_HZ, "bandpass", fs=run.rate_hz, output="sos")
    power = signal.sosfiltfilt(band, x) ** 2
    first, last = np.round(span_s * run.rate_hz).astype(int)
    n = round(EPOCH_S * run.rate_hz)
    epochs = power[first:last][: (last - first) // n * n].reshape(-1, n)
    return np.asarray(10.0 * np.log10(epochs.mean(axis=1)))


def _lengths_s(
    run: Run, event: str, span_s: NDArray[np.float64], which: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    told = run.of(event)
    since_s = told["onset_s"] - run.begin_s
    counts = (since_s >= span_s[0]) & (since_s < span_s[1])
    if which is not None:
        counts &= which
    return np.asarray((told["offset_s"] - told["onset_s"])[counts])


CASES: Final = (
    Case(
        name="ripple-disruption",
        preset="brain-ripple-disruption",
        quantity="ripple duration",
        unit="ms",
        events="ripples",
        sign=-1,
        duration_s=60.0,
        settle_s=5.0,
        tail_s=1.0,
        measure=ripple_ms,
    ),
    Case(
        name="theta-locked",
        preset="brain-theta",
        quantity="theta phase moved",
        unit="deg",
        events="theta cycles",
        sign=1,
        duration_s=25.0,
        settle_s=5.0,
        tail_s=1.0,
        measure=theta_moved_deg,
    ),
    Case(
        name="up-state-sound",
        preset="brain-up-state-sound",
        quantity="spindle power",
        unit="dB",
        events="epochs of 10 s",
        sign=1,
        duration_s=300.0,
        settle_s=20.0,
        tail_s=0.0,
        measure=spindle_power_db,
    ),
    Case(
        name="responsive",
        preset="brain-responsive",
        quantity="seizure length",
        unit="s",
        events="seizures",
        sign=-1,
        duration_s=480.0,
        settle_s=20.0,
        tail_s=120.0,
        measure=seizure_s,
    ),
)
