"""Electrode classes, and the limits each starts from.

A default is a number with its source. "Recalled" marks one that was not read
in the source it is ascribed to: a default to be checked and overridden, never
a standard. "Policy" marks a choice of this project, for want of any standard.
"""

from dataclasses import dataclass
from enum import StrEnum


class ElectrodeClass(StrEnum):
    """What kind of electrode it is; it decides which limits apply."""

    MACRO = "macro"
    DEPTH = "depth"
    ECOG = "ecog"
    MICROELECTRODE = "microelectrode"


SMALLEST_SURFACE_CM2 = 0.002
LARGEST_SURFACE_CM2 = 0.5
"""Electrode areas of the data behind Shannon's rule (McCreery, Agnew, Yuen, Bullara, "Charge
density and charge per phase as cofactors in neural injury", IEEE Trans. Biomed. Eng.
37:996-1001, 1990). Anything smaller is a microelectrode here."""

DC_NA_PER_CM2 = 75_000.0
"""0.75 uA/mm2, ascribed to ISO 14708-3; recalled."""


@dataclass(frozen=True, slots=True)
class Default:
    """A limit to start from, and where it comes from."""

    value: float
    source: str


def has_area_rules(electrode_class: ElectrodeClass) -> bool:
    """Whether charge density and Shannon's k are rules for this class.

    "Microelectrodes in particular do not follow the charge per phase and charge density
    co-dependence" (Cogan, Ludwig, Welle, Takmakov, "Tissue damage thresholds during
    therapeutic electrical stimulation", J. Neural Eng. 13:021001, 2016). There the charge
    per phase decides alone.
    """
    return electrode_class is not ElectrodeClass.MICROELECTRODE


def class_defaults(electrode_class: ElectrodeClass, area_cm2: float) -> dict[str, Default]:
    """Every limit that applies to a class, by its key in `limits.KINDS`."""
    dc = Default(DC_NA_PER_CM2 * area_cm2, "0.75 uA/mm2, ISO 14708-3, recalled")
    return {**_COMMON, "dc_na": dc, **_OF_CLASS[electrode_class]}


_POLICY = "policy"
_SHANNON = Default(1.5, "Shannon 1992, with the k of Elemem; damage from about 1.85")
_RNS_DENSITY = Default(25.0, "NeuroPace RNS: programming above it is not allowed")
_RNS_RATE = Default(333.0, "NeuroPace RNS: highest rate")
_CERESTIM_PULSES = Default(255, "Blackrock CereStim: most pulses of a waveform")

_COMMON = {
    "net_charge_fraction": Default(0.01, _POLICY),
    "duty": Default(0.5, _POLICY),
    "lockout_s": Default(0.5, "Elemem: pause from the end of a stimulus"),
    "trains_per_s": Default(2.0, "Trodes: mean over the last 8 intervals"),
    "trains_per_hour": Default(7200, "policy: 2 a second for an hour"),
    "ahead_s": Default(5.0, "policy: a trigger falls due within one default lease"),
}

_OF_CLASS = {
    ElectrodeClass.MACRO: {
        "amplitude_ua": Default(12_700.0, "Boston Scientific Vercise: interlock per contact"),
        "total_current_ua": Default(20_000.0, "Boston Scientific Vercise: total"),
        # Holds whatever area the rig claims, so a mistyped area cannot raise it.
        "charge_per_phase_uc": Default(1.8, "30 uC/cm2 on the 0.06 cm2 of a DBS contact"),
        "charge_density_uc_cm2": Default(30.0, "Boston Scientific Vercise: warns above it"),
        "shannon_k": _SHANNON,
        "pulse_rate_hz": Default(255.0, "Boston Scientific Vercise: highest rate"),
        "pulses_per_train": Default(1275, "policy: 255 Hz for 5 s"),
        "train_s": Default(5.0, "NeuroPace RNS: longest burst, recalled"),
        "charge_per_hour_uc": Default(42_120.0, "policy: half of continuous 3 mA, 60 us, 130 Hz"),
        "on_time_per_hour_s": Default(1800.0, "policy: half the time, as adaptive DBS"),
    },
    ElectrodeClass.DEPTH: {
        # In the pig brain safe currents were up to 24 times below those on the bench
        # (PMC8216108); these numbers hold no margin for that.
        "amplitude_ua": Default(3500.0, "Elemem: most for macro contacts"),
        "total_current_ua": Default(7000.0, "policy: two contacts at 3.5 mA"),
        "charge_per_phase_uc": Default(1.05, "Elemem: 3.5 mA for 300 us"),
        "charge_density_uc_cm2": _RNS_DENSITY,
        "shannon_k": _SHANNON,
        "pulse_rate_hz": _RNS_RATE,
        "pulses_per_train": _CERESTIM_PULSES,
        "train_s": Default(3.0, "Elemem: longest theta-burst stimulus"),
        "charge_per_hour_uc": Default(
            2700.0, "policy: 180 trains of 0.5 mA, 300 us, 200 Hz, 0.5 s"
        ),
        "on_time_per_hour_s": Default(90.0, "policy: 180 trains of 0.5 s"),
    },
    ElectrodeClass.ECOG: {
        "amplitude_ua": Default(12_000.0, "NeuroPace RNS: highest current"),
        "total_current_ua": Default(12_000.0, "NeuroPace RNS: highest current"),
        "charge_per_phase_uc": Default(2.0, "25 uC/cm2 on the 0.08 cm2 of an RNS contact"),
        "charge_density_uc_cm2": _RNS_DENSITY,
        "shannon_k": _SHANNON,
        "pulse_rate_hz": _RNS_RATE,
        "pulses_per_train": _CERESTIM_PULSES,
        "train_s": Default(5.0, "NeuroPace RNS: longest burst, recalled"),
        "charge_per_hour_uc": Default(
            1600.0, "policy: 1000 RNS bursts a day of 20 pulses of 1.92 uC"
        ),
        "on_time_per_hour_s": Default(8.4, "policy: 1000 RNS bursts a day of 200 ms"),
    },
    ElectrodeClass.MICROELECTRODE: {
        "amplitude_ua": Default(100.0, "Blackrock CereStim: stock administrative maximum"),
        "total_current_ua": Default(1600.0, "policy: 16 current sources at 100 uA"),
        # Continuous 50 Hz, 8 h a day for 30 days: no neurons were lost at 2 nC, some at 4 nC
        # (McCreery, Pikov, Troyk, J. Neural Eng. 7:036005, 2010). So 4 nC is no safe dose
        # by itself; the hourly charge keeps it far from that regimen.
        "charge_per_phase_uc": Default(0.004, "4 nC, McCreery; the rule is recalled"),
        "pulse_rate_hz": Default(300.0, "human intracortical microstimulation, recalled"),
        "pulses_per_train": _CERESTIM_PULSES,
        "train_s": Default(1.0, _POLICY),
        "lockout_s": Default(0.2, "Trodes: least interval between stimuli"),
        "charge_per_hour_uc": Default(
            36.0, "policy: a tenth of 2 nC at 50 Hz (McCreery, Pikov, Troyk 2010)"
        ),
        "on_time_per_hour_s": Default(360.0, "policy: a tenth of the time"),
    },
}
