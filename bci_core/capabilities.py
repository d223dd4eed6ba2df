"""What a device says that it can do, in its own limits and steps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a stimulator for current can do, in its own limits and steps.

    Attributes
    ----------
    n_channels : int
        Electrodes it can reach.
    n_sources : int
        Electrodes it can drive at the same time.
    n_programs : int
        Slots, counted from 1.
    max_parts : int
        Trains of one program; 1 where a program is a single train.
    max_pulses : int
        Of one train.
    min_amplitude_ua, max_amplitude_ua, amplitude_step_ua : float
    min_phase_us, max_phase_us, timing_step_us, min_interphase_us : float
    min_rate_hz, max_rate_hz : float
    max_ramp_ua_s : float
        Steepest rise of amplitude; a train that starts steeper must ramp.
    max_charge_per_phase_uc : float
    compliance_v : float
        Voltage above which the current is no longer what was asked.
    min_lockout_s : float
        Least pause from the end of one program to the start of the next.
    max_lease_s : float
        Longest time it stays armed without being renewed.
    max_command_latency_s : float
        What the device itself needs, at most (99.9 %), from accepting a trigger to the
        earliest onset. The session adds it to the lead of predicted events.
    measures : tuple of str
        What it reports as measured, not as commanded: of ``"charge"``, ``"net_charge"``,
        ``"output_v"``, ``"impedance"``.
    simulated : bool
        True when no current leaves a wire.
    holds : bool
        Whether it remembers what it gave, and loads programs that hold; see `bci_core.holds`.
    """

    n_channels: int
    n_sources: int
    n_programs: int
    max_parts: int
    max_pulses: int
    min_amplitude_ua: float
    max_amplitude_ua: float
    amplitude_step_ua: float
    min_phase_us: float
    max_phase_us: float
    timing_step_us: float
    min_interphase_us: float
    min_rate_hz: float
    max_rate_hz: float
    max_ramp_ua_s: float
    max_charge_per_phase_uc: float
    compliance_v: float
    min_lockout_s: float
    max_lease_s: float
    max_command_latency_s: float
    measures: tuple[str, ...]
    simulated: bool
    holds: bool = False


@dataclass(frozen=True, slots=True)
class SoundCapabilities:
    """What a stimulator by sound can do, in its own limits and steps.

    Attributes
    ----------
    n_channels, n_sources, n_programs, max_parts, max_pulses : int
        As in `Capabilities`; the channels are outputs, the pulses clicks.
    min_level_db_spl, max_level_db_spl, level_step_db : float
    min_click_s, max_click_s : float
    min_interval_s : float
        Least time from the start of one click to the start of the next.
    timing_step_us : float
        Of its output: a sample.
    min_lockout_s, max_lease_s, max_command_latency_s : float
        As in `Capabilities`; the latency has the output buffer in it.
    measures : tuple of str
    simulated : bool
        True when no sound leaves it.
    """

    n_channels: int
    n_sources: int
    n_programs: int
    max_parts: int
    max_pulses: int
    min_level_db_spl: float
    max_level_db_spl: float
    level_step_db: float
    min_click_s: float
    max_click_s: float
    min_interval_s: float
    timing_step_us: float
    min_lockout_s: float
    max_lease_s: float
    max_command_latency_s: float
    measures: tuple[str, ...]
    simulated: bool
