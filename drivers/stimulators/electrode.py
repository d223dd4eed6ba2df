"""The electrodes a simulated device drives: what reaches the tissue of what was asked.

Each is a Randles circuit without its faradaic branch while current flows: the access
resistance in series with the double layer. The source keeps its current up to its
compliance voltage; from there the current falls as the double layer charges. Between
pulses the double layer discharges through the leak.

References
----------
D. R. Merrill, M. Bikson, J. G. R. Jefferys, "Electrical stimulation of excitable tissue:
design of efficacious and safe protocols", J. Neurosci. Methods 141:171-198, 2005.
"""

from dataclasses import dataclass
from math import exp, hypot, pi

from pydantic import BaseModel, ConfigDict, Field


class ElectrodeSettings(BaseModel):
    """One electrode, or all that are not named: keys of ``[stimulator]`` under ``electrode``.

    Attributes
    ----------
    access_kohm : float
        Resistance from electrode to tissue and back.
    double_layer_nf : float
        Capacitance of the interface.
    leak_ms : float
        Time constant with which a charged double layer discharges between pulses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    access_kohm: float = Field(default=40.0, gt=0.0, le=1e5)
    double_layer_nf: float = Field(default=20.0, gt=0.0, le=1e6)
    leak_ms: float = Field(default=50.0, gt=0.0, le=1e5)


@dataclass(frozen=True, slots=True)
class Phase:
    """What one phase came to.

    Attributes
    ----------
    charge_uc : float
        That flowed, sign left out.
    peak_v : float
        Highest voltage at the output, sign left out; the compliance where that was reached.
    """

    charge_uc: float
    peak_v: float


class Electrode:
    """One electrode and its state.

    Parameters
    ----------
    settings : ElectrodeSettings

    Attributes
    ----------
    access_factor : float
        By which the access resistance has changed: 1, or more on an electrode that comes off.
    """

    def __init__(self, settings: ElectrodeSettings) -> None:
        self._settings = settings
        self.access_factor = 1.0
        self._double_layer_v = 0.0
        self._since_s = 0.0

    @property
    def double_layer_v(self) -> float:
        """Voltage that is left on the double layer, at the end of the last phase."""
        return self._double_layer_v

    def drive(
        self, current_ua: float, phase_us: float, compliance_v: float, from_s: float
    ) -> Phase:
        """Drive a constant current, as far as the compliance lets it.

        Parameters
        ----------
        current_ua : float
            Cathodic below zero.
        phase_us : float
        compliance_v : float
        from_s : float
            When the phase begins; the double layer has discharged since the last one.
        """
        self._settle(from_s)
        sign = 1.0 if current_ua >= 0.0 else -1.0
        wanted_a, phase_s = abs(current_ua) * 1e-6, phase_us * 1e-6
        ohm = self._settings.access_kohm * 1e3 * self.access_factor
        farad = self._settings.double_layer_nf * 1e-9
        start_v = sign * self._double_layer_v  # above zero: it stands against the current
        room_v = compliance_v - start_v - wanted_a * ohm
        held_s = min(phase_s, max(0.0, room_v) * farad / wanted_a) if wanted_a else phase_s
        coulomb = wanted_a * held_s
        peak_v = abs(start_v + wanted_a * ohm + coulomb / farad)
        if held_s < phase_s:
            # From here the source holds its compliance voltage.
            over_v = max(0.0, compliance_v - start_v - coulomb / farad)
            coulomb += over_v * farad * (1.0 - exp(-(phase_s - held_s) / (ohm * farad)))
            peak_v = compliance_v
        self._double_layer_v += sign * coulomb / farad
        self._since_s = from_s + phase_s
        return Phase(coulomb * 1e6, peak_v)

    def short(self, at_s: float) -> None:
        """Connect it to ground, as devices do between pulses to recover charge."""
        self._double_layer_v = 0.0
        self._since_s = at_s

    def magnitude_kohm(self, frequency_hz: float) -> float:
        """Impedance for a small test current."""
        reactance_ohm = 1.0 / (2.0 * pi * frequency_hz * self._settings.double_layer_nf * 1e-9)
        ohm = self._settings.access_kohm * 1e3 * self.access_factor
        return hypot(ohm, reactance_ohm) * 1e-3

    def _settle(self, now_s: float) -> None:
        rested_s = max(0.0, now_s - self._since_s)
        self._double_layer_v *= exp(-rested_s / (self._settings.leak_ms * 1e-3))
        self._since_s = now_s
