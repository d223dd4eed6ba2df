"""Limits of the pulse generator: what the box can do, and what a rig allows of it."""

from typing import Final, Self

from pydantic import Field, model_validator

from bci_core.capabilities import Capabilities
from bci_core.stimulator.queue import Reaction
from bci_core.stimulator.settings import StimulatorSettings
from drivers.stimulators.electrode import ElectrodeSettings
from drivers.stimulators.firmware_settings import NumberedElectrode
from drivers.stimulators.pulse_generator_bytes import (
    CYCLE_US,
    MAX_CYCLES,
    N_OUTPUTS,
    VOLTS_A_CODE,
    ZERO,
)

SIMULATED: Final = "simulated"

MIN_PHASE_US: Final = 100.0
MAX_DURATION_US: Final = MAX_CYCLES * CYCLE_US
MIN_RATE_HZ: Final = 1e6 / MAX_DURATION_US
MAX_RATE_HZ: Final = 5000.0
MAX_CODE: Final = ZERO - 1
"""Converter steps from 0 V that exist on both sides."""

TRIGGER_CYCLES: Final = 2
"""From the cycle in which the box reads a trigger to its output: one because it looks at
triggers in the next cycle, one because it writes its converter at the start of the one after."""

QUEUE_CYCLES: Final = 10
"""What other commands may be ahead of a trigger, at most, one a cycle."""

CRYSTAL: Final = 1e-4
"""By which the clock of a real box may be off the host's; a common crystal is within half."""

MUST_BE_STATED: Final = ("isolator_ua_per_v", "isolator_compliance_v", "usb_latency_ms")


class PulseGeneratorSettings(StimulatorSettings):
    """Section ``[stimulator]`` of a rig, for driver ``pulse_generator``.

    The box has none of these limits: the driver keeps them.

    Attributes
    ----------
    port : str
        The serial port of the box, or ``"simulated"``: the box's simulator in this process,
        at the other end of a pseudo-terminal.
    isolator_ua_per_v : float
        Gain of the stimulus isolators between the box's outputs and the electrodes.
    isolator_compliance_v : float
        Voltage they can drive through the electrodes.
    usb_latency_ms : float
        What a packet takes to the box at most. A train begins up to this and one cycle after
        its time, and the driver looks after it this much after its end.
    answer_timeout_ms : float
        After which a missing answer latches a fault while armed and while stopping.
    program_timeout_ms : float
        The same while programming. Below 500 ms: past that the box acknowledges a packet of
        which it has read only half.
    max_amplitude_ua, max_charge_per_phase_uc, max_rate_hz, max_pulses : float
        As of any stimulator. What an electrode bears is far less than a box: that is the
        safety envelope's to say.
    electrode, odd_electrodes
        Of the simulated port only: what hangs on the isolators.
    """

    port: str = Field(default=SIMULATED, min_length=1)
    isolator_ua_per_v: float = Field(default=100.0, ge=1.0, le=10_000.0)
    isolator_compliance_v: float = Field(default=40.0, ge=1.0, le=200.0)
    usb_latency_ms: float = Field(default=0.0, ge=0.0, le=50.0)
    answer_timeout_ms: float = Field(default=20.0, ge=1.0, le=200.0)
    program_timeout_ms: float = Field(default=400.0, ge=10.0, le=450.0)
    max_amplitude_ua: float = Field(default=100.0, gt=0.0, le=100_000.0)
    max_charge_per_phase_uc: float = Field(default=0.03, gt=0.0, le=10.0)
    max_rate_hz: float = Field(default=500.0, ge=MIN_RATE_HZ, le=MAX_RATE_HZ)
    max_pulses: int = Field(default=1000, ge=1, le=1_000_000)
    electrode: ElectrodeSettings = ElectrodeSettings()
    odd_electrodes: tuple[NumberedElectrode, ...] = ()

    @model_validator(mode="after")
    def _real_by_name(self) -> Self:
        missing = [key for key in MUST_BE_STATED if key not in self.model_fields_set]
        if not self.simulated and missing:
            raise ValueError(
                f"port {self.port!r} is a real box, and {', '.join(missing)} must be stated: "
                "read them off the isolator, and measure the USB"
            )
        if not self.simulated and self.faults:
            raise ValueError("faults can be planned for the simulated port only")
        # As for a real box, so that a rig tried on a simulated one suits it.
        least_s = self._reaction(CRYSTAL).least_lockout_s(self.max_lease_s)
        if self.min_lockout_s < least_s:
            raise ValueError(
                f"min_lockout_s of {self.min_lockout_s:g} s leaves no time to look after a train; "
                f"with usb_latency_ms of {self.usb_latency_ms:g} ms and max_lease_s of "
                f"{self.max_lease_s:g} s it must be at least {least_s:g} s"
            )
        if self.min_amplitude_ua > self.max_amplitude_ua:
            raise ValueError(
                f"max_amplitude_ua of {self.max_amplitude_ua:g} uA is below one step of the "
                f"converter, {self.min_amplitude_ua:g} uA with this isolator"
            )
        return self

    @property
    def simulated(self) -> bool:
        return self.port == SIMULATED

    @property
    def reaction(self) -> Reaction:
        """How the box takes a command to fire."""
        return self._reaction(0.0 if self.simulated else CRYSTAL)

    @property
    def min_amplitude_ua(self) -> float:
        """One step of the converter, through the isolator."""
        return VOLTS_A_CODE * self.isolator_ua_per_v

    def capabilities(self) -> Capabilities:
        """What a host is told: the box's ranges, within these limits."""
        step_ua = self.min_amplitude_ua
        most_ua = min(self.max_amplitude_ua, MAX_CODE * step_ua)
        cycles = TRIGGER_CYCLES + QUEUE_CYCLES + 1
        return Capabilities(
            n_channels=N_OUTPUTS,
            n_sources=N_OUTPUTS,
            n_programs=N_OUTPUTS,
            max_parts=N_OUTPUTS,
            max_pulses=self.max_pulses,
            min_amplitude_ua=step_ua,
            max_amplitude_ua=most_ua,
            amplitude_step_ua=step_ua,
            min_phase_us=MIN_PHASE_US,
            max_phase_us=MAX_DURATION_US,
            timing_step_us=CYCLE_US,
            min_interphase_us=0.0,
            min_rate_hz=MIN_RATE_HZ,
            max_rate_hz=self.max_rate_hz,
            max_ramp_ua_s=most_ua * self.max_rate_hz,
            max_charge_per_phase_uc=self.max_charge_per_phase_uc,
            compliance_v=self.isolator_compliance_v,
            min_lockout_s=self.min_lockout_s,
            max_lease_s=self.max_lease_s,
            max_command_latency_s=cycles * CYCLE_US * 1e-6 + self.usb_latency_ms * 1e-3,
            measures=(),
            simulated=self.simulated,
        )

    def _reaction(self, drift: float) -> Reaction:
        return Reaction(TRIGGER_CYCLES, self.usb_latency_ms * 1e-3, drift)
