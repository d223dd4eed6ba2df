"""What a simulated device's firmware drives, pulse by pulse: the current of its electrodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bci_core.capabilities import Capabilities
from bci_core.errors import DeviceError
from bci_core.events import Emission
from bci_core.stimulator.faults import OPEN_FACTOR
from bci_core.stimulator.limits import pulses_of
from bci_core.stimulator.ticks import Ticks
from bci_core.stimulus import BiphasicPulse, ClickTrain, PulseTrain, StimProgram
from drivers.stimulators.electrode import Electrode, ElectrodeSettings


@dataclass(frozen=True, slots=True)
class Slot:
    """One pulse of a program.

    Attributes
    ----------
    at, ticks : int
        When it begins, from the start of the program, and how long it lasts.
    part : int
        Which train of the program.
    index : int
        Which pulse of that train, from 0.
    """

    at: int
    ticks: int
    part: int
    index: int

    @property
    def end(self) -> int:
        return self.at + self.ticks


@dataclass(frozen=True, slots=True)
class Driven:
    """What driving one pulse, or the beginning of one, came to.

    Attributes
    ----------
    active_us : float
        From its start to when the output went to zero.
    charge_uc, net_charge_uc : float
        Charge of the larger phase, and first minus second, as commanded.
    measured_charge_uc, measured_net_uc : float
        The same on the electrode that got least, and on the one with most left.
    output_v : float
        Highest voltage at the output.
    emissions : tuple of Emission
    """

    active_us: float
    charge_uc: float
    net_charge_uc: float
    measured_charge_uc: float
    measured_net_uc: float
    output_v: float
    emissions: tuple[Emission, ...]


class Output(Protocol):
    """What the firmware needs of the part that makes current, or sound."""

    def slots(self, program: StimProgram) -> tuple[Slot, ...]:
        """Every pulse, in the order of their onsets."""
        ...

    def drive(self, program: StimProgram, slot: Slot, onset_s: float, for_us: float) -> Driven:
        """Make a pulse; less than its length in `for_us` cuts it short."""
        ...

    def hold(self, program: StimProgram, slot: Slot, from_s: float, for_s: float) -> Driven:
        """The output of a pulse that is over, held on by a fault."""
        ...

    def loosen(self, loose: bool) -> None:
        """The electrodes come off, or are back."""
        ...

    def magnitude_kohm(self, electrode: int, frequency_hz: float) -> float:
        """Impedance of one electrode.

        Raises
        ------
        DeviceError
            There is nothing of the kind to measure.
        """
        ...


class CurrentOutput:
    """Biphasic current on modelled electrodes, cathodic first.

    Parameters
    ----------
    able : Capabilities
        For the steps of amplitude and time, and the compliance.
    usual : ElectrodeSettings
        Of every electrode that is not in `odd`.
    odd : mapping of int to ElectrodeSettings
    shorted : bool
        Whether the device grounds its electrodes between pulses.
    """

    def __init__(
        self,
        able: Capabilities,
        usual: ElectrodeSettings,
        odd: Mapping[int, ElectrodeSettings],
        shorted: bool = False,
    ) -> None:
        self._able = able
        self._ticks = Ticks(able.timing_step_us)
        self._shorted = shorted
        self._clipped: set[int] = set()
        self.electrodes = {
            number: Electrode(odd.get(number, usual)) for number in range(1, able.n_channels + 1)
        }

    def slots(self, program: StimProgram) -> tuple[Slot, ...]:
        found: list[Slot] = []
        for number, part in enumerate(program.parts):
            train = pulses_of(part.train)
            ticks = self._ticks.after(train.pulse.duration_s)
            for index in range(int(train.n_pulses)):
                # Each from the start of the train, so that rounding does not add up over it.
                at = self._ticks.nearest(part.delay_s) + self._ticks.nearest(index / train.rate_hz)
                found.append(Slot(at, ticks, number, index))
        return tuple(sorted(found, key=lambda slot: (slot.at, slot.part)))

    def drive(self, program: StimProgram, slot: Slot, onset_s: float, for_us: float) -> Driven:
        part = program.parts[slot.part]
        pulse = self._pulse(pulses_of(part.train), slot.index)
        cut, active_us = _cut(pulse, for_us)
        second_s = onset_s + (pulse.phase_us + pulse.interphase_us) * 1e-6
        emissions: list[Emission] = []
        least_uc, most_net_uc, peak_v = cut.charge_per_phase_uc, 0.0, 0.0
        for number in part.electrodes:
            first = self._phase(number, -cut.amplitude_ua, cut.phase_us, onset_s, emissions)
            second = self._phase(
                number, cut.second_amplitude_ua, cut.second_phase_us, second_s, emissions
            )
            if self._shorted and for_us >= pulse.duration_s * 1e6:
                self.electrodes[number].short(onset_s + pulse.duration_s)
            least_uc = min(least_uc, max(first[0], second[0]))
            most_net_uc = max(most_net_uc, abs(first[0] - second[0]))
            peak_v = max(peak_v, first[1], second[1])
        return Driven(
            active_us,
            cut.charge_per_phase_uc,
            cut.net_charge_uc,
            least_uc,
            most_net_uc,
            peak_v,
            tuple(emissions),
        )

    def hold(self, program: StimProgram, slot: Slot, from_s: float, for_s: float) -> Driven:
        part = program.parts[slot.part]
        current_ua = self._pulse(pulses_of(part.train), slot.index).second_amplitude_ua
        emissions: list[Emission] = []
        phases = [
            self._phase(number, current_ua, for_s * 1e6, from_s, emissions)
            for number in part.electrodes
        ]
        charge_uc = max(charge for charge, _ in phases)
        peak_v = max(voltage for _, voltage in phases)
        return Driven(
            for_s * 1e6, charge_uc, -charge_uc, charge_uc, charge_uc, peak_v, tuple(emissions)
        )

    def loosen(self, loose: bool) -> None:
        for electrode in self.electrodes.values():
            electrode.access_factor = OPEN_FACTOR if loose else 1.0

    def take_clipped(self) -> set[int]:
        """Electrodes whose output has met the compliance since the last call."""
        clipped, self._clipped = self._clipped, set()
        return clipped

    def magnitude_kohm(self, electrode: int, frequency_hz: float) -> float:
        if electrode not in self.electrodes:
            raise DeviceError(
                f"electrode {electrode} cannot be measured; the device has electrodes 1 to "
                f"{self._able.n_channels}"
            )
        return self.electrodes[electrode].magnitude_kohm(frequency_hz)

    def _pulse(self, train: PulseTrain, index: int) -> BiphasicPulse:
        pulse = train.pulse
        if train.fraction_of(index) == 1.0:
            return pulse
        amplitude_ua = train.amplitude_of_ua(index, self._able.amplitude_step_ua)
        return BiphasicPulse(amplitude_ua, pulse.phase_us, pulse.interphase_us)

    def _phase(
        self,
        number: int,
        current_ua: float,
        phase_us: float,
        onset_s: float,
        emissions: list[Emission],
    ) -> tuple[float, float]:
        if phase_us <= 0.0 or current_ua == 0.0:
            return 0.0, 0.0
        phase = self.electrodes[number].drive(
            current_ua, phase_us, self._able.compliance_v, onset_s
        )
        if phase.peak_v >= self._able.compliance_v:
            self._clipped.add(number)
        mean_ua = phase.charge_uc / (phase_us * 1e-6)
        amplitude_ua = -mean_ua if current_ua < 0.0 else mean_ua
        emissions.append(Emission(onset_s, onset_s + phase_us * 1e-6, number, amplitude_ua))
        return phase.charge_uc, phase.peak_v


def trains(programs: Sequence[StimProgram]) -> list[PulseTrain | ClickTrain]:
    """Every different train of some programs, as a device counts waveforms."""
    return list(dict.fromkeys(part.train for program in programs for part in program.parts))


def _cut(pulse: BiphasicPulse, elapsed_us: float) -> tuple[BiphasicPulse, float]:
    """What is left of a pulse stopped after some time, and when its current ended, in us."""
    first_us = min(elapsed_us, pulse.phase_us)
    second_us = min(
        max(0.0, elapsed_us - pulse.phase_us - pulse.interphase_us), pulse.second_phase_us
    )
    cut = BiphasicPulse(
        pulse.amplitude_ua,
        first_us,
        pulse.interphase_us,
        recovery_amplitude_ua=pulse.second_amplitude_ua,
        recovery_phase_us=second_us,
    )
    if second_us > 0.0:
        return cut, pulse.phase_us + pulse.interphase_us + second_us
    return cut, first_us
