"""What a stimulator delivers: pulses, clicks, trains, and the programs it holds.

Amounts are frozen values with their unit in the name. Charges follow from
them and are computed in one place, here.
"""

from dataclasses import dataclass
from math import floor

STEP_TOLERANCE = 1e-6
"""Of a device's step; a value this close below a step is on it."""


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
    """Pulses at a constant rate, with a linear ramp at either end if wanted.

    Attributes
    ----------
    pulse : BiphasicPulse
        At full amplitude.
    rate_hz : float
        Pulses per second within the train. It matters also for a single pulse:
        it is the rate the pulse has to fit into.
    n_pulses : int
        At least 1, those of the ramps included.
    ramp_up_pulses, ramp_down_pulses : int
        Pulses before the first, and after the last, at full amplitude.
    """

    pulse: BiphasicPulse
    rate_hz: float
    n_pulses: int = 1
    ramp_up_pulses: int = 0
    ramp_down_pulses: int = 0

    @property
    def duration_s(self) -> float:
        """From the start of the first pulse to the end of the last."""
        return (self.n_pulses - 1) / self.rate_hz + self.pulse.duration_s

    @property
    def charge_uc(self) -> float:
        """Sum over the pulses of the charge per phase, in microcoulombs."""
        ramps = sum(1.0 - self.fraction_of(i) for i in self._ramped())
        return (self.n_pulses - ramps) * self.pulse.charge_per_phase_uc

    @property
    def duty(self) -> float:
        """Fraction of a pulse period that carries current or interphase pause."""
        return self.pulse.duration_s * self.rate_hz

    @property
    def ramp_ua_s(self) -> float:
        """Steepest change of amplitude, in uA/s; that of a train without ramp is its onset's."""
        pulses = 1 + min(self.ramp_up_pulses, self.ramp_down_pulses)
        return max(self.pulse.amplitude_ua, self.pulse.second_amplitude_ua) / pulses * self.rate_hz

    def fraction_of(self, index: int) -> float:
        """Amplitude of a pulse, counted from 0, as a fraction of the full one."""
        up = (index + 1) / (self.ramp_up_pulses + 1)
        down = (self.n_pulses - index) / (self.ramp_down_pulses + 1)
        return min(up, down, 1.0)

    def amplitude_of_ua(self, index: int, step_ua: float) -> float:
        """Amplitude of the first phase of a pulse, on a device that has such steps.

        Full amplitude is on a step already, or the device has refused it; the amplitudes of
        a ramp are rounded down to one.
        """
        fraction = self.fraction_of(index)
        if fraction == 1.0:
            return self.pulse.amplitude_ua
        return floor(self.pulse.amplitude_ua * fraction / step_ua + STEP_TOLERANCE) * step_ua

    def charge_in_steps_uc(self, step_ua: float) -> float:
        """`charge_uc`, with the amplitudes of the ramps as a device with such steps has them."""
        charge_uc = self.n_pulses * self.pulse.charge_per_phase_uc
        for i in self._ramped():
            missing = 1.0 - self.amplitude_of_ua(i, step_ua) / self.pulse.amplitude_ua
            charge_uc -= missing * self.pulse.charge_per_phase_uc
        return charge_uc

    def _ramped(self) -> list[int]:
        """Pulses below full amplitude."""
        up = range(min(self.ramp_up_pulses, self.n_pulses))
        down = range(max(len(up), self.n_pulses - self.ramp_down_pulses), self.n_pulses)
        return [*up, *down]


@dataclass(frozen=True, slots=True)
class ClickTrain:
    """Bursts of pink noise at a constant interval, for stimulation by sound.

    Attributes
    ----------
    level_db_spl : float
        Sound pressure level at the ear while a click lasts, re 20 uPa.
    click_s : float
        Duration of one click.
    interval_s : float
        From the start of one click to the start of the next.
    n_clicks : int
        At least 1.
    """

    level_db_spl: float
    click_s: float
    interval_s: float
    n_clicks: int = 1

    @property
    def duration_s(self) -> float:
        """From the start of the first click to the end of the last."""
        return (self.n_clicks - 1) * self.interval_s + self.click_s

    @property
    def n_pulses(self) -> int:
        """Clicks, as deliveries count them."""
        return self.n_clicks

    @property
    def charge_uc(self) -> float:
        """Sound carries no charge."""
        return 0.0

    def charge_in_steps_uc(self, step_ua: float) -> float:  # noqa: ARG002 - as a pulse train
        """Sound carries no charge."""
        return 0.0


@dataclass(frozen=True, slots=True)
class ProgramPart:
    """One train of a program that has several.

    Attributes
    ----------
    train : PulseTrain or ClickTrain
    electrodes : tuple of int
        The train is the same on each.
    delay_s : float
        From the start of the program to the start of the train, at least 0.
    """

    train: PulseTrain | ClickTrain
    electrodes: tuple[int, ...]
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StimProgram:
    """What a device holds in one slot, loaded before arming: a train, or several in a pattern.

    Attributes
    ----------
    program_id : int
        Slot on the device; a `Trigger` names it.
    name : str
        For the report and the ledger.
    train : PulseTrain or ClickTrain
        The same on each electrode, from the start of the program.
    electrodes : tuple of int
        Stimulator channels, counted from 1 as on the devices' own labels. Of a device for
        sound, its outputs.
    more : tuple of ProgramPart
        Further trains, at their own times on their own electrodes: bursts that follow the
        first, or a pattern in space and time.
    holds : tuple of int
        Slots of other programs, of which the device gives again the one it gave last; it has
        to remember that itself. `train` is then the strongest of them, by which every limit is
        judged. Empty for a program that is what it says.
    """

    program_id: int
    name: str
    train: PulseTrain | ClickTrain
    electrodes: tuple[int, ...]
    more: tuple[ProgramPart, ...] = ()
    holds: tuple[int, ...] = ()

    @property
    def parts(self) -> tuple[ProgramPart, ...]:
        """Every train, the first included."""
        return (ProgramPart(self.train, self.electrodes), *self.more)

    @property
    def duration_s(self) -> float:
        """From the start of the program to the end of the train that ends last."""
        return max(part.delay_s + part.train.duration_s for part in self.parts)

    @property
    def n_pulses(self) -> int:
        """Sum over the trains."""
        return sum(part.train.n_pulses for part in self.parts)

    @property
    def charge_uc(self) -> float:
        """Sum over the trains of their charge per phase, in microcoulombs."""
        return sum(part.train.charge_uc for part in self.parts)

    @property
    def every_electrode(self) -> tuple[int, ...]:
        """Each electrode that any of the trains uses, in order."""
        return tuple(sorted({e for part in self.parts for e in part.electrodes}))

    def charge_on_uc(self, electrode: int) -> float:
        """Sum of the charge per phase of all pulses on one electrode, in microcoulombs."""
        return sum(part.train.charge_uc for part in self.parts if electrode in part.electrodes)

    def charge_in_steps_uc(self, step_ua: float) -> float:
        """`charge_uc` on a device with such steps; see `PulseTrain.charge_in_steps_uc`."""
        return sum(part.train.charge_in_steps_uc(step_ua) for part in self.parts)
