"""Every pulse of a program, one by one, as a device with its steps delivers it.

A device rounds. What it does to a program is not told by the program, so each
amount here is the worst that its steps allow:

- amplitudes of a ramp are rounded down to a step, both phases each by itself,
  which may unbalance a pulse whose phases differ;
- a pulse period, or a delay between trains, that is off the timing step makes
  pulses come up to one step nearer to each other than was asked.

Full amplitudes and phases that are off a step are refused by the device itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from bci_core.stimulus import STEP_TOLERANCE, ProgramPart, PulseTrain, StimProgram

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Steps:
    """Of a device: amplitudes and times are multiples of these."""

    amplitude_ua: float
    timing_us: float


@dataclass(frozen=True, slots=True)
class Pulses:
    """Pulses of one train, in order.

    Attributes
    ----------
    onset_us : ndarray, (n,)
        From the start of the program.
    first_ua, second_ua : ndarray, (n,)
        Magnitudes of the phases.
    first_us, gap_us, second_us : float
        Durations.
    period_us : float
        Least time from onset to onset within the train, after rounding.
    n_electrodes : int
    """

    onset_us: Floats
    first_ua: Floats
    second_ua: Floats
    first_us: float
    gap_us: float
    second_us: float
    period_us: float
    n_electrodes: int

    @property
    def first_uc(self) -> Floats:
        return self.first_ua * (self.first_us * 1e-6)

    @property
    def second_uc(self) -> Floats:
        return self.second_ua * (self.second_us * 1e-6)

    @property
    def net_uc(self) -> Floats:
        """Charge that each pulse leaves behind, sign left out."""
        return np.abs(self.first_uc - self.second_uc)

    @property
    def duration_us(self) -> float:
        return self.first_us + self.gap_us + self.second_us


def pulses_of(part: ProgramPart, train: PulseTrain, steps: Steps | None) -> Pulses:
    """The pulses of a train; without steps, as they were asked for."""
    pulse, n = train.pulse, train.n_pulses
    first_ua = np.full(n, pulse.amplitude_ua)
    second_ua = np.full(n, pulse.second_amplitude_ua)
    ramped = {*range(min(train.ramp_up_pulses, n))}
    ramped |= {*range(max(0, n - train.ramp_down_pulses), n)}
    for i in ramped:
        if steps is None:
            first_ua[i] *= train.fraction_of(i)
            second_ua[i] *= train.fraction_of(i)
            continue
        first_ua[i] = train.amplitude_of_ua(i, steps.amplitude_ua)
        exact_ua = pulse.second_amplitude_ua * first_ua[i] / pulse.amplitude_ua
        second_ua[i] = _down(exact_ua, steps.amplitude_ua)
    period_us = asked_us = 1e6 / train.rate_hz
    if steps is not None:
        period_us = _down(asked_us, steps.timing_us)
    onset_us = part.delay_s * 1e6 + np.arange(n, dtype=np.float64) * asked_us
    return Pulses(
        onset_us,
        first_ua,
        second_ua,
        pulse.phase_us,
        pulse.interphase_us,
        pulse.second_phase_us,
        period_us,
        len(part.electrodes),
    )


def shift_us(program: StimProgram, steps: Steps | None) -> float:
    """By how much the trains of a program may move against each other through rounding."""
    if steps is None or len(program.parts) == 1:
        return 0.0
    times_us = [part.delay_s * 1e6 for part in program.parts]
    times_us += [
        1e6 / part.train.rate_hz for part in program.parts if isinstance(part.train, PulseTrain)
    ]
    on_step = all(_is_on(time_us, steps.timing_us) for time_us in times_us)
    return 0.0 if on_step else steps.timing_us


def largest_total_ua(trains: Sequence[Pulses], moved_us: float) -> float:
    """An upper bound of the sum of currents over all electrodes at any instant, signs left out.

    Every instant is looked at. A pulse counts from its start to its end with the larger of its
    phases, and for as much longer as the trains may move against each other. What is added up
    is therefore never below what flows, and a shorter pulse never counts for more.
    """
    if len(trains) == 1:
        (only,) = trains
        return float(max(only.first_ua.max(), only.second_ua.max())) * only.n_electrodes
    starts_us = np.concatenate([train.onset_us for train in trains])
    ends_us = np.concatenate([t.onset_us + t.duration_us + moved_us for t in trains])
    amounts_ua = np.concatenate(
        [np.maximum(t.first_ua, t.second_ua) * t.n_electrodes for t in trains]
    )
    # In whole nanoseconds, so that what ends as another begins does not overlap it by rounding.
    times_ns = np.rint(np.concatenate([ends_us, starts_us]) * 1e3)
    # A stable sort leaves what ends before what begins at the same time.
    order = np.argsort(times_ns, kind="stable")
    return float(np.cumsum(np.concatenate([-amounts_ua, amounts_ua])[order]).max())


def _down(value: float, step: float) -> float:
    """The largest multiple of a step that is not above a value, but for rounding."""
    return floor(value / step + STEP_TOLERANCE) * step


def _is_on(value: float, step: float) -> bool:
    return abs(value / step - round(value / step)) <= STEP_TOLERANCE
