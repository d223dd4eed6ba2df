"""The limits that an electrode class starts from.

A default is a number with its source. "Recalled" marks one that was not read
in the source it is ascribed to: a default to be checked and overridden, never
a standard. "Policy" marks a choice of this project, for want of any standard.
"""

from dataclasses import dataclass

from bci_core.safety.electrodes import ElectrodeClass, is_electrical


@dataclass(frozen=True, slots=True)
class Default:
    """A limit to start from, and where it comes from."""

    value: float
    source: str


DC_NA_PER_CM2 = 75_000.0
"""0.75 uA/mm2, ascribed to ISO 14708-3; recalled."""

SCALP_UA, SCALP_UA_PER_CM2 = 2000.0, 2000.0
"""Per electrode, Starstim, recalled; and above 2 mA/cm2 IEC 60601-2-10 asks for a notice (it
is not about the brain: cited for that figure only)."""


def class_defaults(electrode_class: ElectrodeClass, area_cm2: float | None) -> dict[str, Default]:
    """Every limit that applies to a class, by its key in `limits.ALL_KINDS`.

    Parameters
    ----------
    electrode_class : ElectrodeClass
    area_cm2 : float or None
        Of one electrode; None exactly for sound.
    """
    limits = {**_COMMON, **_OF_CLASS[electrode_class]}
    if not is_electrical(electrode_class) or area_cm2 is None:
        return limits
    if electrode_class is ElectrodeClass.TRANSCRANIAL:
        most_ua = min(SCALP_UA, SCALP_UA_PER_CM2 * area_cm2)
        limits["amplitude_ua"] = Default(most_ua, "Starstim, recalled; 2 mA/cm2, IEC 60601-2-10")
    else:
        of_area_na = DC_NA_PER_CM2 * area_cm2
        limits["dc_na"] = Default(of_area_na, "0.75 uA/mm2, ISO 14708-3, recalled")
    left_uc = limits["dc_na"].value * 1e-3 * limits["on_time_per_hour_s"].value
    source = "policy: what trains at the limit of dc leave in the hour's on-time"
    return {**_ELECTRICAL, **limits, "net_charge_per_hour_uc": Default(left_uc, source)}


_POLICY = "policy"
_SHANNON = Default(1.5, "Shannon 1992, with the k of Elemem; damage from about 1.85")
_RNS_DENSITY = Default(25.0, "NeuroPace RNS: programming above it is not allowed")
_RNS_RATE = Default(333.0, "NeuroPace RNS: highest rate")
_CERESTIM_PULSES = Default(255, "Blackrock CereStim: most pulses of a waveform")

_COMMON = {
    "lockout_s": Default(0.5, "Elemem: pause from the end of a stimulus"),
    "trains_per_s": Default(2.0, "Trodes: mean over the last 8 intervals"),
    "trains_per_hour": Default(7200, "policy: 2 a second for an hour"),
    "ahead_s": Default(5.0, "policy: a trigger falls due within one default lease"),
}

_ELECTRICAL = {
    "net_charge_fraction": Default(0.01, _POLICY),
    "duty": Default(0.5, _POLICY),
}

# Ramps: with one of 8 s no after-discharge was seen, where trains without had led to some
# (PMC6680545). The defaults let trains begin at once, as most protocols do: tighten them.
_OF_CLASS = {
    ElectrodeClass.MACRO: {
        "amplitude_ua": Default(12_700.0, "Boston Scientific Vercise: interlock per contact"),
        "total_current_ua": Default(20_000.0, "Boston Scientific Vercise: total"),
        # Holds whatever area the rig claims, so a mistyped area cannot raise it.
        "charge_per_phase_uc": Default(1.8, "30 uC/cm2 on the 0.06 cm2 of a DBS contact"),
        "charge_density_uc_cm2": Default(30.0, "Boston Scientific Vercise: warns above it"),
        "shannon_k": _SHANNON,
        "ramp_ua_s": Default(3_238_500.0, "policy: 12.7 mA at 255 Hz, without a ramp"),
        "pulse_rate_hz": Default(255.0, "Boston Scientific Vercise: highest rate"),
        "pulses_per_train": Default(1275, "policy: 255 Hz for 5 s"),
        "train_s": Default(5.0, "NeuroPace RNS: longest burst, recalled"),
        "charge_per_hour_uc": Default(42_120.0, "policy: half of continuous 3 mA, 60 us, 130 Hz"),
        "charge_per_day_uc": Default(1_010_880.0, "policy: 24 such hours"),
        "on_time_per_hour_s": Default(1800.0, "policy: half the time, as adaptive DBS"),
        "on_time_per_day_s": Default(43_200.0, "policy: half the time, as adaptive DBS"),
    },
    ElectrodeClass.DEPTH: {
        # In the pig brain safe currents were up to 24 times below those on the bench
        # (PMC8216108); these numbers hold no margin for that.
        "amplitude_ua": Default(3500.0, "Elemem: most for macro contacts"),
        "total_current_ua": Default(7000.0, "policy: two contacts at 3.5 mA"),
        "charge_per_phase_uc": Default(1.05, "Elemem: 3.5 mA for 300 us"),
        "charge_density_uc_cm2": _RNS_DENSITY,
        "shannon_k": _SHANNON,
        "ramp_ua_s": Default(700_000.0, "policy: 3.5 mA at 200 Hz, without a ramp"),
        "pulse_rate_hz": _RNS_RATE,
        "pulses_per_train": _CERESTIM_PULSES,
        "train_s": Default(3.0, "Elemem: longest theta-burst stimulus"),
        "charge_per_hour_uc": Default(
            2700.0, "policy: 180 trains of 0.5 mA, 300 us, 200 Hz, 0.5 s"
        ),
        "charge_per_day_uc": Default(27_000.0, "policy: 10 such hours"),
        "on_time_per_hour_s": Default(90.0, "policy: 180 trains of 0.5 s"),
        "on_time_per_day_s": Default(900.0, "policy: 10 such hours"),
    },
    ElectrodeClass.ECOG: {
        "amplitude_ua": Default(12_000.0, "NeuroPace RNS: highest current"),
        "total_current_ua": Default(12_000.0, "NeuroPace RNS: highest current"),
        "charge_per_phase_uc": Default(2.0, "25 uC/cm2 on the 0.08 cm2 of an RNS contact"),
        "charge_density_uc_cm2": _RNS_DENSITY,
        "shannon_k": _SHANNON,
        "ramp_ua_s": Default(3_996_000.0, "policy: 12 mA at 333 Hz, without a ramp"),
        "pulse_rate_hz": _RNS_RATE,
        "pulses_per_train": _CERESTIM_PULSES,
        "train_s": Default(5.0, "NeuroPace RNS: longest burst, recalled"),
        "charge_per_hour_uc": Default(
            1600.0, "policy: 1000 RNS bursts a day of 20 pulses of 1.92 uC"
        ),
        "charge_per_day_uc": Default(38_400.0, "policy: 1000 RNS bursts of 20 pulses of 1.92 uC"),
        "on_time_per_hour_s": Default(8.4, "policy: 1000 RNS bursts a day of 200 ms"),
        "on_time_per_day_s": Default(200.0, "policy: 1000 RNS bursts of 200 ms"),
    },
    ElectrodeClass.MICROELECTRODE: {
        "amplitude_ua": Default(100.0, "Blackrock CereStim: stock administrative maximum"),
        "total_current_ua": Default(1600.0, "policy: 16 current sources at 100 uA"),
        # Continuous 50 Hz, 8 h a day for 30 days: no neurons were lost at 2 nC, some at 4 nC
        # (McCreery, Pikov, Troyk, J. Neural Eng. 7:036005, 2010). So 4 nC is no safe dose
        # by itself; the hourly charge keeps it far from that regimen.
        "charge_per_phase_uc": Default(0.004, "4 nC, McCreery; the rule is recalled"),
        "ramp_ua_s": Default(30_000.0, "policy: 100 uA at 300 Hz, without a ramp"),
        "pulse_rate_hz": Default(300.0, "human intracortical microstimulation, recalled"),
        "pulses_per_train": _CERESTIM_PULSES,
        "train_s": Default(1.0, _POLICY),
        "lockout_s": Default(0.2, "Trodes: least interval between stimuli"),
        "charge_per_hour_uc": Default(
            36.0, "policy: a tenth of 2 nC at 50 Hz (McCreery, Pikov, Troyk 2010)"
        ),
        "charge_per_day_uc": Default(288.0, "policy: 8 such hours, as in McCreery, Pikov, Troyk"),
        "on_time_per_hour_s": Default(360.0, "policy: a tenth of the time"),
        "on_time_per_day_s": Default(2880.0, "policy: 8 such hours"),
    },
    ElectrodeClass.TRANSCRANIAL: {
        "total_current_ua": Default(4000.0, "Starstim: total, recalled"),
        "charge_per_phase_uc": Default(2000.0, "policy: 2 mA for half a cycle of 0.5 Hz"),
        "duty": Default(1.0, "policy: an alternating current has no pauses"),
        "dc_na": Default(20_000.0, "policy: 1 % of 2 mA"),
        "ramp_ua_s": Default(500_000.0, "policy: 2 mA at 250 Hz, without a ramp"),
        "pulse_rate_hz": Default(250.0, _POLICY),
        "pulses_per_train": Default(15_000, "policy: 250 Hz for 60 s"),
        "train_s": Default(60.0, _POLICY),
        "charge_per_hour_uc": Default(2_400_000.0, "policy: 2 mA for 20 min"),
        "charge_per_day_uc": Default(
            4_800_000.0, "policy: 2 mA for 40 min; 7.2 C is the most in trials, recalled"
        ),
        "on_time_per_hour_s": Default(1200.0, "policy: 20 min"),
        "on_time_per_day_s": Default(2400.0, "40 min, longest in trials, recalled"),
    },
    ElectrodeClass.SOUND: {
        "level_db_spl": Default(65.0, "policy: 10 dB above the 55 dB of Ngo 2013, recalled"),
        "click_s": Default(0.1, "policy: twice the clicks of Ngo 2013"),
        "sound_dose_per_day": Default(0.01, "policy: a hundredth of NIOSH's, recalled"),
        "pulses_per_train": Default(10, _POLICY),
        "train_s": Default(10.0, _POLICY),
        "lockout_s": Default(2.5, "Ngo 2013: pause after two clicks"),
        "on_time_per_hour_s": Default(1800.0, "policy: half the time"),
        "on_time_per_day_s": Default(14_400.0, "policy: 8 such hours"),
    },
}
