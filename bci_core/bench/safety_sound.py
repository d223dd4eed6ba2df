"""Random stimulation by sound, and a judge of its own: the power at the ear, tick by tick."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bci_core.capabilities import SoundCapabilities
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.stimulus import ClickTrain, ProgramPart, StimProgram

TICK_S = 0.001
"""Of every time that is drawn here, and so exact."""

LEVEL_STEP_DB = 0.5
SLACK = 1e-6
"""Relative. Rounding of the sums here."""

DEVICE = SoundCapabilities(
    n_channels=2,
    n_sources=2,
    n_programs=8,
    max_parts=4,
    max_pulses=1000,
    min_level_db_spl=0.0,
    max_level_db_spl=140.0,
    level_step_db=LEVEL_STEP_DB,
    min_click_s=TICK_S,
    max_click_s=10.0,
    min_interval_s=TICK_S,
    timing_step_us=TICK_S * 1e6,
    min_lockout_s=0.001,
    max_lease_s=10.0,
    max_command_latency_s=0.01,
    measures=(),
    simulated=True,
)
"""With wide limits, so that the envelope's decide."""

_LEAST = {"sound_dose_per_day": 4.5}
_DRAWN = (
    *("level_db_spl", "click_s", "sound_dose_per_day", "pulses_per_train", "train_s"),
    *("on_time_per_hour_s", "on_time_per_day_s"),
)


def random_envelope(rng: np.random.Generator) -> SafetyEnvelope:
    """Some limits other than the default, and low enough to be reached."""
    section: dict[str, Any] = {
        "electrode_class": "sound",
        "override_reason": "random",
        "overridden_by": "bench",
    }
    plain = SafetyEnvelope.from_settings(SafetySettings.model_validate(section)).limits()
    for key in _DRAWN:
        if rng.random() < 0.4:
            # A level is a logarithm already; the others are drawn on a scale of one. The dose
            # of a day is far above that of any train.
            least = _LEAST.get(key, 0.0)
            share = 10 ** -rng.uniform(least, least + 2.0)
            if key == "level_db_spl":
                share = 0.7 + 0.4 * rng.random()
            value = plain[key] * share
            section[key] = max(1, int(value)) if key == "pulses_per_train" else float(value)
    return SafetyEnvelope.from_settings(SafetySettings.model_validate(section))


def random_clicks(rng: np.random.Generator, limits: dict[str, float]) -> StimProgram:
    """One to three trains of clicks, in part at the same time, around the limits."""
    n_parts = 1 if rng.random() < 0.6 else int(rng.integers(2, 4))
    parts = []
    for i in range(n_parts):
        level = limits["level_db_spl"] * (0.8 + 0.22 * rng.random())
        click = max(1, int(limits["click_s"] * (0.1 + rng.random()) / TICK_S))
        interval = click + int(rng.integers(0, 1 + 10 * click))
        most = min(limits["train_s"] / TICK_S / interval, limits["pulses_per_train"] / n_parts)
        n_clicks = int(rng.integers(1, max(2, int(1.5 * most))))
        train = ClickTrain(
            round(level / LEVEL_STEP_DB) * LEVEL_STEP_DB,
            click * TICK_S,
            interval * TICK_S,
            n_clicks,
        )
        delay = 0 if i == 0 else int(rng.integers(0, 2 * interval))
        parts.append(ProgramPart(train, (1 + i % 2,), delay * TICK_S))
    return StimProgram(1, "random", parts[0].train, parts[0].electrodes, tuple(parts[1:]))


def judge_sound(program: StimProgram, limits: dict[str, float]) -> list[str]:
    """Every limit that a program passes, with the value; both ears hear every output."""
    parts = program.parts
    n_ticks = 1 + max(_tick(p.delay_s + p.train.duration_s) for p in parts)
    power = np.zeros(n_ticks)
    found = {"pulses_per_train": 0.0, "click_s": 0.0}
    for part in parts:
        train = part.train
        assert isinstance(train, ClickTrain)  # noqa: S101 - only such are drawn
        for i in range(train.n_clicks):
            at = _tick(part.delay_s + i * train.interval_s)
            power[at : at + _tick(train.click_s)] += 10.0 ** (train.level_db_spl / 10.0)
        found["pulses_per_train"] += train.n_clicks
        found["click_s"] = max(found["click_s"], train.click_s)
    sounding = np.flatnonzero(power)
    lasts_s = (sounding[-1] - sounding[0] + 1) * TICK_S
    found |= dict.fromkeys(("train_s", "on_time_per_hour_s", "on_time_per_day_s"), lasts_s)
    found["level_db_spl"] = float(10.0 * np.log10(power.max()))
    # 85 dB for 8 h is one dose, and 3 dB more is twice as much.
    levels = 10.0 * np.log10(power[sounding])
    found["sound_dose_per_day"] = float((2.0 ** ((levels - 85.0) / 3.0)).sum()) * TICK_S / 28_800.0
    return [
        f"{key}: {value:g}, limit {limits[key]:g}"
        for key, value in found.items()
        if value > limits[key] + SLACK * abs(limits[key])
    ]


def softer(rng: np.random.Generator, program: StimProgram) -> list[StimProgram]:
    """The same program at a lower level, with shorter clicks, and with fewer, further apart."""
    less = float(rng.random())

    def with_trains(change: Callable[[ClickTrain], ClickTrain]) -> StimProgram:
        parts = []
        for part in program.parts:
            assert isinstance(part.train, ClickTrain)  # noqa: S101 - only such are made here
            parts.append(replace(part, train=change(part.train)))
        return replace(program, train=parts[0].train, more=tuple(parts[1:]))

    def quieter(train: ClickTrain) -> ClickTrain:
        steps = int(less * 20.0)
        return replace(train, level_db_spl=max(1.0, train.level_db_spl - steps * LEVEL_STEP_DB))

    def shorter(train: ClickTrain) -> ClickTrain:
        return replace(train, click_s=max(1, int(_tick(train.click_s) * less)) * TICK_S)

    def slower(train: ClickTrain) -> ClickTrain:
        share = 0.2 + 0.8 * less
        interval = int(_tick(train.interval_s) / share)
        span = _tick(train.interval_s) * (train.n_clicks - 1)
        return replace(train, interval_s=interval * TICK_S, n_clicks=1 + span // interval)

    return [with_trains(change) for change in (quieter, shorter, slower)]


def _tick(time_s: float) -> int:
    return round(time_s / TICK_S)
