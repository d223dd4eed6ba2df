"""The limits of a rig over the current that was seen: charge, density, rate, pauses, budgets."""

from math import log10

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.scenarios.evidence import Evidence, Train

ROUNDING = 1e-6
"""Relative: of times that are differences of two large ones."""

PAUSE_S = 0.002
"""What latencies that differ from train to train may take off a pause between them."""

WATCHDOG_S = 0.010
"""Longest phase of an output that is stuck on, which is the one limit that fault may pass."""

INTERVALS = 8


def limits_hold(e: Evidence) -> tuple[list[str], str]:
    """What passes a limit, in words; and the figures when nothing does."""
    limits = e.rig["safety"]
    wrong: list[str] = []
    found: dict[str, float] = {}

    def most(key: str, value: float, unit: str) -> None:
        found[key] = max(found.get(key, value), value)
        if key in limits and value > limits[key] * (1.0 + ROUNDING):
            wrong.append(f"{key}: {value:g} {unit}, limit {limits[key]:g} {unit}")

    sound = limits["electrode_class"] == "sound"
    for train in e.trains:
        if sound:
            most("level_db_spl", float(train.phases[:, 1].max()), "dB")
        else:
            _pulses(e, train, most)
        most("train_s", train.offset_s - train.onset_s, "s")
    _pauses(e, limits, wrong)
    starts_s = np.array([t.onset_s for t in e.trains])
    if len(starts_s) > INTERVALS:
        spans_s = starts_s[INTERVALS:] - starts_s[:-INTERVALS] + PAUSE_S
        most("trains_per_s", float(INTERVALS / spans_s.min()), "trains/s")
    most("trains_per_hour", len(e.trains), "trains")  # a bench is shorter than an hour
    most("on_time_per_hour_s", sum(t.offset_s - t.onset_s for t in e.trains), "s")
    told = ", ".join(f"{key} {value:.3g}" for key, value in found.items())
    return wrong, told or "no current"


def _pulses(e: Evidence, train: Train, most) -> None:  # type: ignore[no-untyped-def] # a closure
    limits = e.rig["safety"]
    stuck = any(
        train.onset_s <= end_s and train.offset_s >= begin_s
        for begin_s, end_s in e.faults("device.stuck_on")
    )
    for channel in np.unique(train.phases[:, 0]):
        phases = train.phases[train.phases[:, 0] == channel]
        amplitude_ua, length_s = np.abs(phases[:, 1]), phases[:, 3] - phases[:, 2]
        most("amplitude_ua", float(amplitude_ua.max()), "uA")
        if stuck:
            stuck_s = length_s > np.median(length_s) * 1.01
            if stuck_s.any() and length_s[stuck_s].max() > WATCHDOG_S:
                most("stuck", float("inf"), "s")
            amplitude_ua, length_s = amplitude_ua[~stuck_s], length_s[~stuck_s]
        charge_uc = float((amplitude_ua * length_s).max())
        most("charge_per_phase_uc", charge_uc, "uC")
        area_cm2 = limits.get("electrode_area_cm2")
        if area_cm2:
            most("charge_density_uc_cm2", charge_uc / area_cm2, "uC/cm2")
            most("shannon_k", log10(charge_uc**2 / area_cm2), "")
        _rates(phases, most)
        total_uc = _total_uc(e, channel)
        most("charge_per_hour_uc", total_uc, "uC")


def _rates(phases: NDArray[np.float64], most) -> None:  # type: ignore[no-untyped-def] # a closure
    firsts_s = phases[phases[:, 1] < 0.0][:, 2]
    most("pulses_per_train", len(firsts_s), "pulses")
    if len(firsts_s) > 1:
        # A device's clock has steps of up to 50 us, which single intervals show.
        mean_s = (firsts_s[-1] - firsts_s[0] + 1e-4) / (len(firsts_s) - 1)
        most("pulse_rate_hz", float(1.0 / mean_s), "Hz")


def _total_uc(e: Evidence, channel: float) -> float:
    mine = e.phases[(e.phases[:, 0] == channel) & (e.phases[:, 1] < 0.0)]
    return float(np.sum(np.abs(mine[:, 1]) * (mine[:, 3] - mine[:, 2])))


def _pauses(e: Evidence, limits: dict[str, float], wrong: list[str]) -> None:
    for before, after in zip(e.trains, e.trains[1:], strict=False):
        pause_s = after.onset_s - before.offset_s
        if pause_s < limits["lockout_s"] - PAUSE_S:
            wrong.append(f"lockout: {pause_s:g} s, limit {limits['lockout_s']:g} s")
