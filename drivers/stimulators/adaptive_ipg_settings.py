"""Limits of the simulated implanted pulse generator: what it can do, and what a rig allows."""

from enum import StrEnum

from pydantic import Field

from bci_core.capabilities import Capabilities
from drivers.stimulators.electrode import ElectrodeSettings
from drivers.stimulators.firmware_settings import WiredSettings

N_CONTACTS = 16
GROUPS, PROGRAMS_A_GROUP = "ABCD", 4
N_PROGRAMS = len(GROUPS) * PROGRAMS_A_GROUP
AMPLITUDE_STEP_UA = 100.0
TIMING_STEP_US = 10.0
MIN_INTERPHASE_US, MAX_INTERPHASE_US = 0.0, 1000.0
TOTAL_UA = 20_000.0
"""Over all contacts at once, as the Boston Scientific Vercise."""

HARD_DENSITY_UC_CM2 = 25.0
"""Programming above it is not allowed by the NeuroPace RNS: it refuses, where others warn."""

COMPLIANCE_V = 12.0
"""A choice of this project; implants reach some 10 to 15 V."""


class Mode(StrEnum):
    """What kind of therapy the device gives, which decides its ranges."""

    ADAPTIVE = "adaptive"
    """Trains whose amplitude ramps, as adaptive deep brain stimulation."""
    RESPONSIVE = "responsive"
    """Short bursts at full amplitude, as the responsive stimulator for epilepsy."""


RANGES: dict[Mode, dict[str, float]] = {
    Mode.ADAPTIVE: {
        "max_amplitude_ua": 12_700.0,
        "min_phase_us": 10.0,
        "max_phase_us": 450.0,
        "min_rate_hz": 2.0,
        "max_rate_hz": 255.0,
        "max_pulses": 5000,
    },
    Mode.RESPONSIVE: {
        "max_amplitude_ua": 12_000.0,
        "min_phase_us": 40.0,
        "max_phase_us": 1000.0,
        "min_rate_hz": 1.0,
        "max_rate_hz": 333.0,
        "max_pulses": 1665,
    },
}
"""Adaptive: Boston Scientific Vercise (12.7 mA a contact, 10-450 us, 2-255 Hz), trains bounded
by this project to about 20 s. Responsive: NeuroPace RNS (12 mA, 40-1000 us, 1-333 Hz), bursts of
up to 5 s, the last two recalled."""


class AdaptiveIpgSettings(WiredSettings):
    """Section ``[stimulator]`` of a rig, for driver ``adaptive_ipg``.

    Attributes
    ----------
    mode : Mode
        ``adaptive`` or ``responsive``.
    contact_area_cm2 : float
        Of one contact; above 25 uC/cm2 a phase the device refuses a program.
    max_ramp_ma_s : float
        Steepest rise of amplitude in adaptive mode; a choice of this project, the 1 to 10 s
        of ramp of a Vercise at 3 mA. Responsive bursts have no ramp.
    max_therapies_per_day : int
        Programs started within any 24 h; the RNS gives up to some 1000 a day.
    battery_mah, battery_charge : float
        Capacity, and the share of it that is left at the start.
    telemetry_loss : float
        Share of acknowledgements that the radio loses.
    telemetry_interval_ms : float
        Reports come together, at the end of each interval. 0 sends each as it is made.
    command_latency_ms, command_latency_sigma : float
        Of the radio link, 20 to 100 ms.
    """

    mode: Mode = Mode.ADAPTIVE
    contact_area_cm2: float = Field(default=0.06, ge=0.001, le=1.0)
    max_ramp_ma_s: float = Field(default=3.0, gt=0.0, le=100.0)
    max_therapies_per_day: int = Field(default=1000, ge=1, le=100_000)
    battery_mah: float = Field(default=200.0, gt=0.0, le=10_000.0)
    battery_charge: float = Field(default=0.8, ge=0.0, le=1.0)
    telemetry_loss: float = Field(default=0.0, ge=0.0, le=0.9)
    telemetry_interval_ms: float = Field(default=0.0, ge=0.0, le=1000.0)
    command_latency_ms: float = Field(default=45.0, ge=0.0, le=1000.0)
    command_latency_sigma: float = Field(default=0.25, ge=0.0, le=2.0)
    max_lease_s: float = Field(default=10.0, ge=0.05, le=60.0)
    electrode: ElectrodeSettings = ElectrodeSettings(access_kohm=1.0, double_layer_nf=3000.0)

    def capabilities(self) -> Capabilities:
        """What a host is told."""
        ranges = RANGES[self.mode]
        steepest_ua_s = ranges["max_amplitude_ua"] * ranges["max_rate_hz"]
        adaptive = self.mode is Mode.ADAPTIVE
        return Capabilities(
            n_channels=N_CONTACTS,
            n_sources=N_CONTACTS,
            n_programs=N_PROGRAMS,
            max_parts=1 if adaptive else 2,
            max_pulses=int(ranges["max_pulses"]),
            min_amplitude_ua=AMPLITUDE_STEP_UA,
            max_amplitude_ua=ranges["max_amplitude_ua"],
            amplitude_step_ua=AMPLITUDE_STEP_UA,
            min_phase_us=ranges["min_phase_us"],
            max_phase_us=ranges["max_phase_us"],
            timing_step_us=TIMING_STEP_US,
            min_interphase_us=MIN_INTERPHASE_US,
            min_rate_hz=ranges["min_rate_hz"],
            max_rate_hz=ranges["max_rate_hz"],
            max_ramp_ua_s=self.max_ramp_ma_s * 1e3 if adaptive else steepest_ua_s,
            max_charge_per_phase_uc=HARD_DENSITY_UC_CM2 * self.contact_area_cm2,
            compliance_v=COMPLIANCE_V,
            min_lockout_s=self.min_lockout_s,
            max_lease_s=self.max_lease_s,
            max_command_latency_s=self.max_command_latency_s,
            measures=("charge", "impedance", "net_charge"),
            simulated=True,
            holds=adaptive,
        )
