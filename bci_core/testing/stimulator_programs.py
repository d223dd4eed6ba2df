"""Programs for the rules of `check_stimulator` to try, made from what a device says it can do."""

from dataclasses import replace
from math import ceil, floor
from typing import Any

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.stimulus import BiphasicPulse, ClickTrain, PulseTrain, StimProgram

Able = Capabilities | SoundCapabilities
Odd = list[tuple[str, StimProgram]]


def program_for(able: Able) -> StimProgram:
    """A program of three short pulses, or clicks, well inside these limits.

    Its values are on the device's steps, and half a step lower still inside its range. On a
    device whose amplitude may rise only slowly it begins with a ramp.
    """
    train = _clicks_for(able) if isinstance(able, SoundCapabilities) else _pulses_for(able)
    return StimProgram(1, "conformance", train, (1,))


def over_limit(good: StimProgram, able: Able) -> Odd:
    """The program with one value at a time just outside the device's limits."""
    if isinstance(able, SoundCapabilities):
        odd = _clicks_over_limit(good, able)
    else:
        odd = _pulses_over_limit(good, able)
    return [
        *odd,
        ("a channel too many", replace(good, electrodes=(able.n_channels + 1,))),
        ("channel 0", replace(good, electrodes=(0,))),
        ("no channel", replace(good, electrodes=())),
    ]


def off_step(good: StimProgram, able: Able) -> Odd:
    """The program with one value at a time between two steps of the device."""
    train = good.train
    us = 0.5 * able.timing_step_us
    if isinstance(able, SoundCapabilities):
        assert isinstance(train, ClickTrain)  # noqa: S101 - made for this device
        db = 0.5 * able.level_step_db
        return [
            ("a level between two steps", _with(good, level_db_spl=train.level_db_spl - db)),
            ("a click between two steps", _with(good, click_s=train.click_s - us * 1e-6)),
        ]
    assert isinstance(train, PulseTrain)  # noqa: S101 - made for this device
    pulse, ua = train.pulse, 0.5 * able.amplitude_step_ua
    return [
        ("an amplitude between two steps", _pulsed(good, amplitude_ua=pulse.amplitude_ua - ua)),
        ("a phase between two steps", _pulsed(good, phase_us=pulse.phase_us - us)),
        ("an interphase between two steps", _pulsed(good, interphase_us=pulse.interphase_us + us)),
    ]


def not_numbers(good: StimProgram, value: float) -> Odd:
    """The program with one amount at a time that is no amount."""
    if isinstance(good.train, ClickTrain):
        keys = ("level_db_spl", "click_s", "interval_s")
        return [(key, _with(good, **{key: value})) for key in keys]
    odd = [(key, _pulsed(good, **{key: value})) for key in ("amplitude_ua", "phase_us")]
    return [*odd, ("rate_hz", _with(good, rate_hz=value))]


def _pulses_for(able: Capabilities) -> PulseTrain:
    phase_us = _on_step(max(able.min_phase_us + able.timing_step_us, 200.0), able.timing_step_us)
    phase_us = min(phase_us, able.max_phase_us)
    most_ua = min(able.max_amplitude_ua, able.max_charge_per_phase_uc / (phase_us * 1e-6))
    amplitude_ua = floor(0.5 * most_ua / able.amplitude_step_ua) * able.amplitude_step_ua
    amplitude_ua = max(amplitude_ua, able.min_amplitude_ua + able.amplitude_step_ua)
    interphase_us = _on_step(able.min_interphase_us + able.timing_step_us, able.timing_step_us)
    pulse = BiphasicPulse(amplitude_ua, phase_us, interphase_us)
    rate_hz = max(able.min_rate_hz, min(able.max_rate_hz, 0.5 / pulse.duration_s))
    train = PulseTrain(pulse, rate_hz, min(3, able.max_pulses))
    if train.ramp_ua_s <= able.max_ramp_ua_s:
        return train
    # Slow and low, so that the ramp is short; each of its pulses one step above the last.
    ramp = 4
    pulse = replace(pulse, amplitude_ua=(ramp + 1) * able.amplitude_step_ua)
    rate_hz = max(able.min_rate_hz, min(rate_hz, able.max_ramp_ua_s / able.amplitude_step_ua))
    return PulseTrain(pulse, rate_hz, 2 * ramp + 3, ramp, ramp)


def _clicks_for(able: SoundCapabilities) -> ClickTrain:
    step_s = able.timing_step_us * 1e-6
    click_s = _on_step(max(0.02, able.min_click_s + step_s), step_s)
    span_db = able.max_level_db_spl - able.min_level_db_spl
    level = able.min_level_db_spl + floor(0.5 * span_db / able.level_step_db) * able.level_step_db
    interval_s = _on_step(max(3.0 * click_s, able.min_interval_s), step_s)
    return ClickTrain(level, min(click_s, able.max_click_s), interval_s, min(3, able.max_pulses))


def _pulses_over_limit(good: StimProgram, able: Capabilities) -> Odd:
    train = good.train
    assert isinstance(train, PulseTrain)  # noqa: S101 - made for this device
    pulse = train.pulse
    us, ua = able.timing_step_us, able.amplitude_step_ua
    odd = [
        ("too high an amplitude", _pulsed(good, amplitude_ua=able.max_amplitude_ua + ua)),
        ("too low an amplitude", _pulsed(good, amplitude_ua=able.min_amplitude_ua - ua)),
        ("too short a phase", _pulsed(good, phase_us=able.min_phase_us - us)),
        ("too short an interphase", _pulsed(good, interphase_us=able.min_interphase_us - us)),
        ("too high a rate", _with(good, rate_hz=able.max_rate_hz * 1.01)),
        ("too many pulses", _with(good, n_pulses=able.max_pulses + 1)),
        ("no pulse", _with(good, n_pulses=0)),
    ]
    most_us = able.max_charge_per_phase_uc / (pulse.amplitude_ua * 1e-6)
    charged_us = (floor(most_us / us + 1e-6) + 1) * us
    if charged_us <= able.max_phase_us:  # else no phase within its own limit reaches it
        slow = _with(good, rate_hz=able.min_rate_hz)
        odd.append(("too much charge per phase", _pulsed(slow, phase_us=charged_us)))
    longest_us = _on_step(0.5e6 / able.max_rate_hz, us) + us
    crowded = _pulsed(_with(good, rate_hz=able.max_rate_hz), phase_us=longest_us)
    odd.append(("pulses that overlap", crowded))
    part = good.parts[0]
    too_many = tuple(replace(part, delay_s=i * 2.0) for i in range(1, able.max_parts + 1))
    odd.append(("too many trains", replace(good, more=too_many)))
    if able.n_sources < able.n_channels:
        many = tuple(range(1, able.n_sources + 2))
        odd.append(("more electrodes at once than sources", replace(good, electrodes=many)))
    return odd


def _clicks_over_limit(good: StimProgram, able: SoundCapabilities) -> Odd:
    db, step_s = able.level_step_db, able.timing_step_us * 1e-6
    return [
        ("too loud", _with(good, level_db_spl=able.max_level_db_spl + db)),
        ("too soft", _with(good, level_db_spl=able.min_level_db_spl - db)),
        ("too short a click", _with(good, click_s=able.min_click_s - step_s)),
        ("too long a click", _with(good, click_s=able.max_click_s + step_s)),
        ("clicks too close", _with(good, interval_s=able.min_interval_s - step_s)),
        ("too many clicks", _with(good, n_clicks=able.max_pulses + 1)),
        ("no click", _with(good, n_clicks=0)),
    ]


def _with(good: StimProgram, **changes: Any) -> StimProgram:
    return replace(good, train=replace(good.train, **changes))


def _pulsed(good: StimProgram, **changes: float) -> StimProgram:
    assert isinstance(good.train, PulseTrain)  # noqa: S101 - made for a device for current
    return replace(good, train=replace(good.train, pulse=replace(good.train.pulse, **changes)))


def _on_step(value: float, step: float) -> float:
    return ceil(value / step - 1e-6) * step
