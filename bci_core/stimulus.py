"""What a stimulator delivers: pulses, trains, and the programs it holds.

Amounts are frozen values with their unit in the name. Charges follow from
them and are computed in one place, here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BiphasicPulse:
    """Two rectangular phases of opposite sign, cathodic first.

    Attributes
    ----------
    amplitude_ua : float
        Magnitude of the first phase, in microamperes.
    phase_us : float
        Duration of the first phase, in microseconds.
    interphase_us : float
        Pause between the phases, in microseconds.
    recovery_amplitude_ua, recovery_phase_us : float or None
        The second phase, where it differs from the first; None repeats the first,
        which balances the charge.
    """

    amplitude_ua: float
    phase_us: float
    interphase_us: float = 0.0
    recovery_amplitude_ua: float | None = None
    recovery_phase_us: float | None = None

    @property
    def second_amplitude_ua(self) -> float:
        if self.recovery_amplitude_ua is None:
            return self.amplitude_ua
        return self.recovery_amplitude_ua

    @property
    def second_phase_us(self) -> float:
        return self.phase_us if self.recovery_phase_us is None else self.recovery_phase_us

    @property
    def charge_per_phase_uc(self) -> float:
        """Charge of the larger phase, in microcoulombs."""
        return max(self.first_charge_uc, self.second_charge_uc)

    @property
    def first_charge_uc(self) -> float:
        return self.amplitude_ua * self.phase_us * 1e-6

    @property
    def second_charge_uc(self) -> float:
        return self.second_amplitude_ua * self.second_phase_us * 1e-6

    @property
    def net_charge_uc(self) -> float:
        """Charge left in the tissue by one pulse (first minus second phase)."""
        return self.first_charge_uc - self.second_charge_uc

    @property
    def duration_s(self) -> float:
        return (self.phase_us + self.interphase_us + self.second_phase_us) * 1e-6


@dataclass(frozen=True, slots=True)
class PulseTrain:
    """Pulses at a constant rate.

    Attributes
    ----------
    pulse : BiphasicPulse
    rate_hz : float
        Pulses per second within the train. It matters also for a single pulse:
        it is the rate the pulse has to fit into.
    n_pulses : int
        At least 1.
    """

    pulse: BiphasicPulse
    rate_hz: float
    n_pulses: int = 1

    @property
    def duration_s(self) -> float:
        """From the start of the first pulse to the end of the last."""
        return (self.n_pulses - 1) / self.rate_hz + self.pulse.duration_s

    @property
    def charge_uc(self) -> float:
        """Sum over the pulses of the charge per phase, in microcoulombs."""
        return self.n_pulses * self.pulse.charge_per_phase_uc

    @property
    def duty(self) -> float:
        """Fraction of a pulse period that carries current or interphase pause."""
        return self.pulse.duration_s * self.rate_hz


@dataclass(frozen=True, slots=True)
class StimProgram:
    """A train on some electrodes, loaded on the device before arming.

    Attributes
    ----------
    program_id : int
        Slot on the device; a `Trigger` names it.
    name : str
        For the report and the ledger.
    train : PulseTrain
        The same on each electrode.
    electrodes : tuple of int
        Stimulator channels, counted from 1 as on the devices' own labels.
    """

    program_id: int
    name: str
    train: PulseTrain
    electrodes: tuple[int, ...]
