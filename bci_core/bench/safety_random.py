"""Random rigs and programs, around the limits, so that about as many pass as do not."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bci_core.bench.safety_oracle import Facts
from bci_core.bench.safety_vectors import DEVICE
from bci_core.capabilities import Capabilities
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.stimulus import BiphasicPulse, ProgramPart, PulseTrain, StimProgram

CLASSES = ("macro", "depth", "ecog", "microelectrode", "transcranial")

_AREA_CM2 = {
    "macro": (0.03, 0.2),
    "depth": (0.01, 0.2),
    "ecog": (0.01, 0.3),
    "microelectrode": (1e-6, 1e-4),
    "transcranial": (0.6, 40.0),
}
_TICKS_US = (5.0, 10.0, 33.12, 50.0)
_STEPS_UA = {"macro": 100.0, "depth": 50.0, "ecog": 100.0, "microelectrode": 1.0}
_MOST_TICKS = 8000.0
"""Longest program, so that the judge, who looks at every tick, gets through many."""

_STATIC = (
    *("amplitude_ua", "total_current_ua", "charge_per_phase_uc", "dc_na", "ramp_ua_s"),
    *(
        "pulse_rate_hz",
        "pulses_per_train",
        "train_s",
        "duty",
        "charge_per_hour_uc",
        "net_charge_per_hour_uc",
    ),
)
_SELDOM_REACHED = ("pulses_per_train", "train_s", "charge_per_hour_uc", "net_charge_per_hour_uc")


@dataclass(frozen=True, slots=True)
class RandomRig:
    """An envelope, a device, and what the judge is told of them."""

    envelope: SafetyEnvelope
    able: Capabilities
    facts: Facts
    limits: dict[str, float]


def random_rig(rng: np.random.Generator) -> RandomRig:
    """A class, an area, a device, and some limits other than the default."""
    electrode_class = CLASSES[int(rng.integers(len(CLASSES)))]
    low, high = _AREA_CM2[electrode_class]
    section: dict[str, Any] = {
        "electrode_class": electrode_class,
        "electrode_area_cm2": float(low * (high / low) ** rng.random()),
        "override_reason": "random",
        "overridden_by": "bench",
    }
    plain = SafetyEnvelope.from_settings(SafetySettings.model_validate(section)).limits()
    for key in _STATIC:
        if rng.random() < 0.3:
            kind = type(plain[key])
            share = 0.2 + 1.3 * rng.random()
            if key in _SELDOM_REACHED:
                share = 1.5 * 10.0 ** (-2.5 * rng.random())
            value = min(1.0, plain[key] * share) if key == "duty" else plain[key] * share
            section[key] = max(1, int(value)) if kind is int else float(value)
    envelope = SafetyEnvelope.from_settings(SafetySettings.model_validate(section))
    step_ua = _STEPS_UA.get(electrode_class, 10.0)
    on_scalp = electrode_class == "transcranial"
    tick_us = 500.0 if on_scalp else _TICKS_US[int(rng.integers(len(_TICKS_US)))]
    able = replace(
        DEVICE,
        amplitude_step_ua=step_ua,
        timing_step_us=tick_us,
        compliance_v=float(2.0 + 28.0 * rng.random()),
    )
    model = envelope.electrode
    assert model is not None  # noqa: S101 - no sound among the classes
    facts = Facts(
        section["electrode_area_cm2"],
        model.access_resistance_kohm,
        model.double_layer_uf,
        tick_us,
        step_ua,
    )
    limits = envelope.limits() | {"compliance_v": able.compliance_v}
    return RandomRig(envelope, able, facts, limits)


def random_program(rng: np.random.Generator, rig: RandomRig) -> StimProgram:
    """One to four trains, on the device's steps in amplitude and phase; not always in time.

    One in five has bursts: the same train on the same electrodes, again and again.
    """
    if rng.random() < 0.2:
        return _bursts(rng, rig)
    n_parts = 1 if rng.random() < 0.6 else int(rng.integers(2, 5))
    parts = []
    for i in range(n_parts):
        train = _train(rng, rig, n_parts)
        electrodes = tuple(sorted({int(e) for e in rng.integers(1, 5, int(rng.integers(1, 4)))}))
        delay_ticks = 0.0 if i == 0 else float(rng.random() * _MOST_TICKS / n_parts)
        if rng.random() < 0.5:
            delay_ticks = float(round(delay_ticks))
        parts.append(ProgramPart(train, electrodes, delay_ticks * rig.facts.tick_us * 1e-6))
    return StimProgram(1, "random", parts[0].train, parts[0].electrodes, tuple(parts[1:]))


def _bursts(rng: np.random.Generator, rig: RandomRig) -> StimProgram:
    n_bursts = int(rng.integers(2, 6))
    train = _train(rng, rig, 2 * n_bursts)
    electrodes = tuple(sorted({int(e) for e in rng.integers(1, 5, int(rng.integers(1, 4)))}))
    period_s = train.n_pulses / train.rate_hz * (1.0 + rng.random())
    more = [ProgramPart(train, electrodes, i * period_s) for i in range(1, n_bursts)]
    return StimProgram(1, "bursts", train, electrodes, tuple(more))


def _burst_period_s(program: StimProgram) -> float:
    """Of bursts: from the start of one to that of the next. 0 for any other program."""
    first, *rest = program.parts
    period_s = rest[0].delay_s if rest else 0.0
    alike = all(part.train == first.train and part.electrodes == first.electrodes for part in rest)
    even = all(
        abs(part.delay_s - i * period_s) <= 1e-9 * period_s for i, part in enumerate(rest, start=1)
    )
    apart = period_s >= first.train.n_pulses / _rate_hz(first)
    return period_s if alike and even and apart else 0.0


def _rate_hz(part: ProgramPart) -> float:
    assert isinstance(part.train, PulseTrain)  # noqa: S101 - only such are made here
    return part.train.rate_hz


def _train(rng: np.random.Generator, rig: RandomRig, n_parts: int) -> PulseTrain:
    tick_us, step_ua, limits = rig.facts.tick_us, rig.facts.step_ua, rig.limits
    rate_hz = float(limits["pulse_rate_hz"] * (0.02 + 1.03 * rng.random()))
    period_ticks = 1e6 / rate_hz / tick_us
    phase = max(1, int(period_ticks * 0.5 * min(1.0, limits["duty"]) * rng.random() ** 2))
    gap = int(rng.integers(0, 4))
    most_ua = min(
        limits["amplitude_ua"],
        limits["charge_per_phase_uc"] / (phase * tick_us * 1e-6),
    )
    steps = max(1, int(most_ua * (0.05 + 1.0 * rng.random()) / step_ua))
    pulse = BiphasicPulse(steps * step_ua, phase * tick_us, gap * tick_us)
    if rng.random() < 0.3:
        pulse = _unbalanced(rng, pulse, steps, step_ua, tick_us)
    longest = max(1, int(_MOST_TICKS / n_parts / period_ticks))
    n_pulses = int(rng.integers(1, min(longest, 40) + 1))
    ramps = [int(rng.integers(0, n_pulses)) if rng.random() < 0.3 else 0 for _ in range(2)]
    return PulseTrain(pulse, rate_hz, n_pulses, *ramps)


def _unbalanced(
    rng: np.random.Generator, pulse: BiphasicPulse, steps: int, step_ua: float, tick_us: float
) -> BiphasicPulse:
    """A longer, weaker second phase, or one that is a few steps off."""
    if rng.random() < 0.5 and steps % 2 == 0:
        return replace(
            pulse,
            recovery_amplitude_ua=steps // 2 * step_ua,
            recovery_phase_us=2 * round(pulse.phase_us / tick_us) * tick_us,
        )
    off = int(rng.integers(-1, 2))
    return replace(pulse, recovery_amplitude_ua=max(1, steps + off) * step_ua)


def weaker(rng: np.random.Generator, program: StimProgram, rig: RandomRig) -> list[StimProgram]:
    """The same program with less amplitude, shorter phases, a lower rate.

    Only of programs whose phases are alike: else less of one may be less balance. A lower rate
    is of a train that lasts no longer, or of bursts, of their pulses or of the bursts
    themselves; not of other patterns, where what meets is a matter of timing.
    """
    if any(_pulse(part).recovery_amplitude_ua is not None for part in program.parts):
        return []
    less = float(rng.random())
    step_ua, tick_us = rig.facts.step_ua, rig.facts.tick_us

    def with_pulses(**floors: float) -> StimProgram:
        parts = []
        for part in program.parts:
            pulse = _pulse(part)
            changed = {
                key: max(step, int(getattr(pulse, key) * less / step) * step)
                for key, step in floors.items()
            }
            assert isinstance(part.train, PulseTrain)  # noqa: S101
            train = replace(part.train, pulse=replace(pulse, **changed))
            parts.append(replace(part, train=train))
        return replace(program, train=parts[0].train, more=tuple(parts[1:]))

    found = [with_pulses(amplitude_ua=step_ua), with_pulses(phase_us=tick_us)]
    train, period_s = program.train, _burst_period_s(program)
    if isinstance(train, PulseTrain) and (period_s or not program.more):
        share = 0.2 + 0.8 * less
        fewer = max(1, int(train.n_pulses * share))
        slower = replace(train, rate_hz=train.rate_hz * share, n_pulses=fewer)
        more = tuple([replace(part, train=slower) for part in program.more])
        found.append(replace(program, train=slower, more=more))
        if period_s:
            n_more = int(len(program.more) * share)
            seldom = [
                replace(part, delay_s=i * period_s / share)
                for i, part in enumerate(program.more[:n_more], start=1)
            ]
            found.append(replace(program, more=tuple(seldom)))
    return found


def _pulse(part: ProgramPart) -> BiphasicPulse:
    assert isinstance(part.train, PulseTrain)  # noqa: S101 - only such are made here
    return part.train.pulse
