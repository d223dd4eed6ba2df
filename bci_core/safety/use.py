"""What a program uses of each limit, on a device with its steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from bci_core.events import Refusal
from bci_core.safety import charge
from bci_core.safety.pulses import Floats, Pulses, Steps, largest_total_ua, pulses_of, shift_us
from bci_core.safety.shape import label
from bci_core.stimulus import ClickTrain, PulseTrain, StimProgram


@dataclass(frozen=True, slots=True)
class Layout:
    """A program of pulse trains, laid out in time as a device delivers it.

    Attributes
    ----------
    program : StimProgram
    trains : tuple of Pulses
    moved_us : float
        By how much the trains may move against each other.
    on : mapping
        Which trains use each electrode.
    """

    program: StimProgram
    trains: tuple[Pulses, ...]
    moved_us: float
    on: Mapping[int, tuple[int, ...]]

    def different(self) -> dict[tuple[int, ...], int]:
        """An electrode for each different set of trains; what the others bear is the same."""
        first_with: dict[tuple[int, ...], int] = {}
        for electrode, which in self.on.items():
            first_with.setdefault(which, electrode)
        return first_with


def lay_out(program: StimProgram, steps: Steps | None = None) -> Layout:
    """Lay out a program of well-formed pulse trains; without steps, as it was asked for."""
    parts = program.parts
    trains = tuple(pulses_of(part, cast("PulseTrain", part.train), steps) for part in parts)
    on = {
        electrode: tuple(i for i, part in enumerate(parts) if electrode in part.electrodes)
        for electrode in program.every_electrode
    }
    return Layout(program, trains, shift_us(program, steps), on)


def overlaps(layout: Layout) -> list[Refusal]:
    """Pulses that would meet on an electrode once they are rounded: no device delivers both."""
    refusals = []
    for which, electrode in layout.different().items():
        room_us, duration_us = _intervals([layout.trains[i] for i in which], layout.moved_us)
        if (duration_us <= room_us * (1.0 + 1e-9)).all():
            continue
        at = int(np.argmax(duration_us - room_us))
        where = f"{label(layout.program)}, electrode {electrode}"
        code = "overlap" if len(which) > 1 else "pulse_period"
        refusals.append(Refusal(code, float(duration_us[at]), float(room_us[at]), "us", where))
    return refusals


@dataclass(frozen=True, slots=True)
class Use:
    """What a program uses, on the electrode where it uses most.

    Attributes
    ----------
    values : mapping
        By the keys of `limits.ALL_KINDS` that single programs use.
    charge_uc, net_charge_uc : mapping
        Per electrode: sum of the charge per phase, and of what the pulses leave behind.
    largest_net_uc : float
        That one pulse leaves behind.
    sound_dose : float
    loads : tuple of (current_ua, charge_uc)
        Of each different phase, with what is then on the electrode: for the voltage.
    """

    values: Mapping[str, float]
    charge_uc: Mapping[int, float]
    net_charge_uc: Mapping[int, float]
    largest_net_uc: float = 0.0
    sound_dose: float = 0.0
    loads: tuple[tuple[float, float], ...] = ()


def current_use(layout: Layout) -> Use:
    """What a program of pulse trains uses, whose pulses do not meet."""
    program, trains = layout.program, layout.trains
    full = [cast("PulseTrain", part.train).pulse for part in program.parts]
    worst = [
        _on_one_electrode([trains[i] for i in which], layout.moved_us)
        for which in layout.different()
    ]
    net_uc = {
        electrode: sum(float(trains[i].net_uc.sum()) for i in which)
        for electrode, which in layout.on.items()
    }
    charge_uc = {electrode: program.charge_on_uc(electrode) for electrode in layout.on}
    values = {key: max(each[key] for each in worst) for key in worst[0]}
    values |= {
        # Of the full amplitude, whether or not a train gets that far up its ramp.
        "amplitude_ua": max(max(p.amplitude_ua, p.second_amplitude_ua) for p in full),
        "total_current_ua": largest_total_ua(trains, layout.moved_us),
        "charge_per_phase_uc": max(p.charge_per_phase_uc for p in full),
        "net_charge_fraction": max(_fraction(train) for train in trains),
        "train_s": program.duration_s,
        "charge_per_hour_uc": max(charge_uc.values()),
        "net_charge_per_hour_uc": max(net_uc.values()),
        "on_time_per_hour_s": program.duration_s,
    }
    loads = tuple(load for train in trains for load in _loads(train))
    largest_net_uc = max(_largest(t.net_uc) for t in trains)
    return Use(values, charge_uc, net_uc, largest_net_uc, loads=loads)


def sound_use(program: StimProgram) -> Use:
    """What a program of click trains uses, each ear hearing them all."""
    trains = [cast("ClickTrain", part.train) for part in program.parts]
    dose = sum(charge.sound_dose(t.level_db_spl, t.click_s) * t.n_clicks for t in trains)
    values = {
        "level_db_spl": _loudest_db(program),
        "click_s": max(train.click_s for train in trains),
        "pulses_per_train": sum(train.n_clicks for train in trains),
        "train_s": program.duration_s,
        "on_time_per_hour_s": program.duration_s,
        "sound_dose_per_day": dose,
    }
    return Use(values, {}, {}, sound_dose=dose)


def _on_one_electrode(trains: list[Pulses], moved_us: float) -> dict[str, float]:
    """What depends on how the pulses of an electrode follow each other."""
    interval_us, duration_us = _intervals(trains, moved_us)
    net_uc = _in_order(trains, [train.net_uc for train in trains])
    n = len(interval_us)
    rate_hz = 1e6 / float(interval_us.min())
    steepest_ua = max(_steepest_ua(train) for train in trains)
    return {
        "pulse_rate_hz": rate_hz,
        "pulses_per_train": n,
        "duty": float((duration_us / interval_us).max()),
        "dc_na": float((net_uc / interval_us).max()) * 1e9,
        # An upper bound: the steepest step of any train, at the shortest interval of all.
        "ramp_ua_s": steepest_ua * rate_hz if n > 1 else 0.0,
    }


def _intervals(trains: list[Pulses], moved_us: float) -> tuple[Floats, Floats]:
    """Least time from each pulse of an electrode to the next, and its duration.

    The period of a train counts for its pulses, unless the next comes sooner.
    """
    period_us = _in_order(trains, [np.full(len(t.onset_us), t.period_us) for t in trains])
    duration_us = _in_order(trains, [np.full(len(t.onset_us), t.duration_us) for t in trains])
    if len(trains) == 1:
        return period_us, duration_us
    onset_us = np.sort(np.concatenate([train.onset_us for train in trains]))
    between_us = np.append(np.diff(onset_us) - moved_us, np.inf)
    return np.minimum(period_us, between_us), duration_us


def _in_order(trains: list[Pulses], amounts: list[Floats]) -> Floats:
    """Amounts of the pulses of several trains, in the order of their onsets."""
    if len(trains) == 1:
        return amounts[0]
    order = np.argsort(np.concatenate([train.onset_us for train in trains]), kind="stable")
    return np.concatenate(amounts)[order]


def _steepest_ua(train: Pulses) -> float:
    """Largest change of amplitude from a pulse to the next, from and to nothing included."""
    steps_ua = [
        np.abs(np.diff(ua, prepend=0.0, append=0.0)) for ua in (train.first_ua, train.second_ua)
    ]
    return _largest(*steps_ua)


def _fraction(train: Pulses) -> float:
    # A pulse that a ramp has rounded down to nothing leaves nothing.
    flows = train.first_uc > 0.0
    return float((train.net_uc[flows] / train.first_uc[flows]).max(initial=0.0))


def _loads(train: Pulses) -> list[tuple[float, float]]:
    """While the second phase lasts, what is on the electrode goes from Q1 to Q1 - Q2."""
    loads = []
    pairs = np.unique(np.column_stack([train.first_ua, train.second_ua]), axis=0)
    for first_ua, second_ua in pairs.tolist():
        first_uc, second_uc = first_ua * train.first_us * 1e-6, second_ua * train.second_us * 1e-6
        loads += [(first_ua, first_uc), (second_ua, abs(first_uc - second_uc))]
    return loads


def _loudest_db(program: StimProgram) -> float:
    """Highest level of the trains that last at the same time, their powers added up."""
    spans = [
        (part.delay_s, part.delay_s + part.train.duration_s, cast("ClickTrain", part.train))
        for part in program.parts
    ]
    if len(spans) == 1:
        return spans[0][2].level_db_spl
    together = (
        sum(10.0 ** (t.level_db_spl / 10.0) for start, end, t in spans if start <= at_s < end)
        for at_s, _, _ in spans
    )
    return float(10.0 * np.log10(max(together)))


def _largest(*amounts: Floats) -> float:
    return float(max(each.max() for each in amounts))
