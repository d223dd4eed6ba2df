"""A slow, independent judge of stimulation: the current of every electrode, tick by tick.

It shares no code with the safety layer. It draws a program as a device with its steps would
deliver it, as an array of current over time for each electrode, and reads amplitudes, charges,
rates and sums off that array; trains that were let through it adds up again for each window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from bci_core.stimulus import PulseTrain, StimProgram

Floats = NDArray[np.float64]
Rounding = Callable[[float], int]

ROUNDINGS: tuple[Rounding, ...] = (round, floor, lambda x: -floor(-x))
"""Ways a device may put a time on its clock: to the nearest tick, down, or up."""

SLACK = 1e-6
"""Relative. Rounding of the sums here; a thousand times the tolerance that is allowed there."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of the electrode and the device, as the judge needs them."""

    area_cm2: float
    resistance_kohm: float
    double_layer_uf: float | None
    tick_us: float
    step_ua: float


def draw(program: StimProgram, facts: Facts, to_tick: Rounding) -> dict[int, Floats]:
    """Current of each electrode in uA, cathodic below zero, one value a tick."""
    tick_us, step_ua = facts.tick_us, facts.step_ua
    last_us = 0.0
    for part in program.parts:
        assert isinstance(part.train, PulseTrain)  # noqa: S101 - only such are drawn
        last_us = max(last_us, (part.delay_s + part.train.n_pulses / part.train.rate_hz) * 1e6)
    n_ticks = int(last_us / tick_us) + 8 + _longest_pulse(program, tick_us)
    drawn = {e: np.zeros(n_ticks) for part in program.parts for e in part.electrodes}
    for part in program.parts:
        train = part.train
        assert isinstance(train, PulseTrain)  # noqa: S101
        pulse = train.pulse
        first, gap = round(pulse.phase_us / tick_us), round(pulse.interphase_us / tick_us)
        second_us = pulse.recovery_phase_us or pulse.phase_us
        second = round(second_us / tick_us)
        for i in range(train.n_pulses):
            at = to_tick((part.delay_s + i / train.rate_hz) * 1e6 / tick_us)
            share = min(
                1.0,
                (i + 1) / (train.ramp_up_pulses + 1),
                (train.n_pulses - i) / (train.ramp_down_pulses + 1),
            )
            first_ua, second_ua = pulse.amplitude_ua, pulse.recovery_amplitude_ua
            second_ua = first_ua if second_ua is None else second_ua
            if share < 1.0:
                ramped_ua = floor(first_ua * share / step_ua + 1e-6) * step_ua
                second_ua = floor(second_ua * ramped_ua / first_ua / step_ua + 1e-6) * step_ua
                first_ua = ramped_ua
            for electrode in part.electrodes:
                wave = drawn[electrode]
                wave[at : at + first] -= first_ua
                wave[at + first + gap : at + first + gap + second] += second_ua
    return drawn


def _longest_pulse(program: StimProgram, tick_us: float) -> int:
    longest_us = 0.0
    for part in program.parts:
        assert isinstance(part.train, PulseTrain)  # noqa: S101
        pulse = part.train.pulse
        second_us = pulse.recovery_phase_us or pulse.phase_us
        longest_us = max(longest_us, pulse.phase_us + pulse.interphase_us + second_us)
    return round(longest_us / tick_us)


def judge(drawn: dict[int, Floats], facts: Facts, limits: dict[str, float]) -> list[str]:
    """Every limit that the drawn currents pass, with the value.

    Parameters
    ----------
    drawn : dict
        By electrode, as `draw` makes them.
    facts : Facts
    limits : dict
        By their keys in section ``[safety]``, and ``compliance_v``.
    """
    found: dict[str, float] = {}

    def saw(key: str, value: float) -> None:
        found[key] = max(found.get(key, 0.0), value)

    saw("total_current_ua", float(np.abs(np.array(list(drawn.values()))).sum(axis=0).max()))
    flows = np.flatnonzero(np.abs(np.array(list(drawn.values()))).sum(axis=0))
    lasts_s = (flows[-1] - flows[0] + 1) * facts.tick_us * 1e-6 if len(flows) else 0.0
    for key in ("train_s", "on_time_per_hour_s", "on_time_per_day_s"):
        saw(key, lasts_s)
    for wave in drawn.values():
        _judge_electrode(wave, facts, saw)
    charge_uc = found.get("charge_per_phase_uc", 0.0)
    if "shannon_k" in limits and charge_uc > 0.0:
        found["charge_density_uc_cm2"] = charge_uc / facts.area_cm2
        found["shannon_k"] = log10(charge_uc * charge_uc / facts.area_cm2)
    return [
        f"{key}: {value:g}, limit {limits[key]:g}"
        for key, value in found.items()
        if key in limits and value > limits[key] + SLACK * abs(limits[key])
    ]


def _judge_electrode(wave: Floats, facts: Facts, saw: Callable[[str, float], None]) -> None:
    signs = np.sign(wave)
    edges = np.flatnonzero(np.diff(signs, prepend=0.0))
    runs = [(int(at), signs[at]) for at in edges if signs[at] != 0.0]
    ends = {int(at): int(edges[i + 1]) for i, at in enumerate(edges[:-1])}
    tick_s = facts.tick_us * 1e-6
    pulses: list[tuple[int, int, float, float, float]] = []  # start, end, Q1, Q2, uA
    for at, sign in runs:
        charge_uc = float(np.abs(wave[at : ends[at]]).sum()) * tick_s
        peak_ua = float(np.abs(wave[at : ends[at]]).max())
        saw("amplitude_ua", peak_ua)
        saw("charge_per_phase_uc", charge_uc)
        if sign < 0:
            pulses.append((at, ends[at], charge_uc, 0.0, peak_ua))
        else:
            start, _, first_uc, _, first_ua = pulses[-1]
            pulses[-1] = (start, ends[at], first_uc, charge_uc, max(first_ua, peak_ua))
    saw("pulses_per_train", len(pulses))
    total_uc = sum(max(first_uc, second_uc) for _, _, first_uc, second_uc, _ in pulses)
    net_uc = [abs(first_uc - second_uc) for _, _, first_uc, second_uc, _ in pulses]
    saw("charge_per_hour_uc", total_uc)
    saw("charge_per_day_uc", total_uc)
    saw("net_charge_per_hour_uc", sum(net_uc))
    for i, (start, end, first_uc, _, peak_ua) in enumerate(pulses):
        saw("net_charge_fraction", net_uc[i] / first_uc)
        saw("compliance_v", _peak_v(wave[start:end], facts))
        if i + 1 < len(pulses):
            interval_s = (pulses[i + 1][0] - start) * tick_s
            saw("pulse_rate_hz", 1.0 / interval_s)
            saw("duty", (end - start) * tick_s / interval_s)
            saw("dc_na", net_uc[i] / interval_s * 1e3)
            saw("ramp_ua_s", abs(pulses[i + 1][4] - peak_ua) / interval_s)
            if i == 0:
                saw("ramp_ua_s", peak_ua / interval_s)


def _peak_v(pulse_ua: Floats, facts: Facts) -> float:
    """A resistance and a capacitor in series, over one pulse from rest."""
    over_resistance_v = pulse_ua * facts.resistance_kohm * 1e-3
    if facts.double_layer_uf is None:
        return float(np.abs(over_resistance_v).max())
    stored_uc = np.cumsum(pulse_ua) * facts.tick_us * 1e-6
    return float(np.abs(over_resistance_v + stored_uc / facts.double_layer_uf).max())


@dataclass(slots=True)
class Through:
    """A train that was let through, and what is known of it so far.

    Attributes
    ----------
    start_s, end_s : float
    on_time_s : float
    charge_uc, net_charge_uc : dict
        By electrode.
    """

    start_s: float
    end_s: float
    on_time_s: float
    charge_uc: dict[int, float]
    net_charge_uc: dict[int, float]


def judge_last(trains: Sequence[Through], limits: dict[str, float]) -> list[str]:
    """Every limit over time that the last of these trains passes, counted from the start.

    Asked at each train that is let through, this covers every window: the fullest is one
    that ends with a train.
    """
    wrong = []
    last = trains[-1]

    def over(key: str, value: float) -> None:
        if value > limits[key] * (1.0 + SLACK):
            wrong.append(f"{key}: {value:g}, limit {limits[key]:g}")

    for before in trains[:-1]:
        pause_s = last.start_s - before.end_s
        if pause_s < limits["lockout_s"] * (1.0 - SLACK):
            wrong.append(f"lockout_s: {pause_s:g}, limit {limits['lockout_s']:g}")
    if len(trains) > 8:
        over("trains_per_s", 8.0 / (last.start_s - trains[-9].start_s))
    for span_s, name in ((3600.0, "hour"), (86_400.0, "day")):
        inside = [t for t in trains if t.end_s > last.start_s - span_s + 1e-6]
        over(f"on_time_per_{name}_s", sum(t.on_time_s for t in inside))
        for electrode in last.charge_uc:
            over(f"charge_per_{name}_uc", sum(t.charge_uc.get(electrode, 0.0) for t in inside))
            if name == "hour":
                net_uc = sum(t.net_charge_uc.get(electrode, 0.0) for t in inside)
                over("net_charge_per_hour_uc", net_uc)
        if name == "hour":
            over("trains_per_hour", len(inside))
    return wrong
