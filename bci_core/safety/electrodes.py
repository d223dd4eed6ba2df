"""Electrode classes: which rules each has, its areas, and its electrical model.

The limits that a class starts from are in `bci_core.safety.defaults`.
"""

from dataclasses import dataclass
from enum import StrEnum

from bci_core.safety.limits import KINDS, SOUND_KINDS

AREA_KEYS = ("charge_density_uc_cm2", "shannon_k")
"""Limits of the charge of one phase that depend on the area of the electrode."""

_ELECTRICAL = {
    *("amplitude_ua", "total_current_ua", "charge_per_phase_uc", "net_charge_fraction", "dc_na"),
    *("net_charge_per_hour_uc", "ramp_ua_s", "pulse_rate_hz", "duty"),
    *("charge_per_hour_uc", "charge_per_day_uc", *AREA_KEYS),
}


class ElectrodeClass(StrEnum):
    """What kind of electrode it is; it decides which limits apply."""

    MACRO = "macro"
    DEPTH = "depth"
    ECOG = "ecog"
    MICROELECTRODE = "microelectrode"
    TRANSCRANIAL = "transcranial"
    """On the scalp."""
    SOUND = "sound"
    """No electrode: clicks at the ear."""


SMALLEST_SURFACE_CM2 = 0.002
LARGEST_SURFACE_CM2 = 0.5
"""Electrode areas of the data behind Shannon's rule (McCreery, Agnew, Yuen, Bullara, "Charge
density and charge per phase as cofactors in neural injury", IEEE Trans. Biomed. Eng.
37:996-1001, 1990). Anything smaller is a microelectrode here."""

LARGEST_SCALP_CM2 = 100.0
"""Electrodes on the scalp begin where those of the surface end; policy."""


def has_area_rules(electrode_class: ElectrodeClass) -> bool:
    """Whether charge density and Shannon's k are rules for this class.

    "Microelectrodes in particular do not follow the charge per phase and charge density
    co-dependence" (Cogan, Ludwig, Welle, Takmakov, "Tissue damage thresholds during
    therapeutic electrical stimulation", J. Neural Eng. 13:021001, 2016). There the charge
    per phase decides alone. The rules say nothing of electrodes that touch no neural tissue.
    """
    return electrode_class in (ElectrodeClass.MACRO, ElectrodeClass.DEPTH, ElectrodeClass.ECOG)


def is_electrical(electrode_class: ElectrodeClass) -> bool:
    """Whether current flows, so that the rules on current apply."""
    return electrode_class is not ElectrodeClass.SOUND


def class_keys(electrode_class: ElectrodeClass) -> tuple[str, ...]:
    """The limits that apply to a class, by their keys in `limits.ALL_KINDS`."""
    if not is_electrical(electrode_class):
        return (*(key for key in KINDS if key not in _ELECTRICAL), *SOUND_KINDS)
    if has_area_rules(electrode_class):
        return tuple(KINDS)
    return tuple(key for key in KINDS if key not in AREA_KEYS)


def area_problem(electrode_class: ElectrodeClass, area_cm2: float | None) -> str:
    """Why an area is not plausible for the class, or ""."""
    if not is_electrical(electrode_class):
        return "" if area_cm2 is None else "sound has no electrode; leave the area out"
    if area_cm2 is None:
        return f"the area of one electrode, in cm2, is needed for class {electrode_class}"
    asked = f"electrode_area is {area_cm2:g} cm2, limit"
    if electrode_class is ElectrodeClass.MICROELECTRODE:
        if area_cm2 < SMALLEST_SURFACE_CM2:
            return ""
        return (
            f"{asked}: below {SMALLEST_SURFACE_CM2:g} cm2 for class {electrode_class}; was it "
            "meant in um2 (divide by 1e8)?"
        )
    low, high = SMALLEST_SURFACE_CM2, LARGEST_SURFACE_CM2
    if electrode_class is ElectrodeClass.TRANSCRANIAL:
        low, high = LARGEST_SURFACE_CM2, LARGEST_SCALP_CM2
    if low <= area_cm2 <= high:
        return ""
    return (
        f"{asked} {low:g} to {high:g} cm2 for class {electrode_class}; was it meant in mm2 "
        "(divide by 100), or is it a microelectrode?"
    )


@dataclass(frozen=True, slots=True)
class ElectrodeModel:
    """What decides the voltage that a current needs.

    Attributes
    ----------
    access_resistance_kohm : float
        Of the tissue around the electrode, with its lead.
    double_layer_uf : float or None
        Capacitance of the electrode's surface; None on the scalp, where the skin conducts.
    """

    access_resistance_kohm: float
    double_layer_uf: float | None


DOUBLE_LAYER_UF_PER_CM2 = 50.0
"""3 uF on the 0.06 cm2 of a DBS contact; recalled."""

_RESISTANCE_KOHM = {
    ElectrodeClass.MACRO: 1.0,
    ElectrodeClass.DEPTH: 1.0,
    ElectrodeClass.ECOG: 1.0,
    ElectrodeClass.MICROELECTRODE: 40.0,
    ElectrodeClass.TRANSCRANIAL: 10.0,
}
"""Of a typical DBS contact and a typical Utah electrode, recalled; on the scalp the most that
Starstim accepts, recalled. The rig's own is better, and an impedance that was measured best."""

_MICRO_DOUBLE_LAYER_UF = 0.02
"""Of a Utah electrode; recalled."""

IMPEDANCE_KOHM = {
    ElectrodeClass.MACRO: (0.05, 3.5),
    ElectrodeClass.DEPTH: (0.05, 3.5),
    ElectrodeClass.ECOG: (0.25, 3.5),
    ElectrodeClass.MICROELECTRODE: (5.0, 1000.0),
    ElectrodeClass.TRANSCRANIAL: (0.1, 20.0),
}
"""Below is a short circuit, above an open one. Macro: below 50 Ohm and above 2 to 3.5 kOhm in
DBS; ECoG: NeuroPace RNS, 250 to 3500 Ohm; microelectrodes: recalled; depth and scalp: policy."""


def electrode_model(
    electrode_class: ElectrodeClass,
    area_cm2: float,
    access_resistance_kohm: float | None = None,
    double_layer_uf: float | None = None,
) -> ElectrodeModel:
    """The electrode as stated, and as typical of its class where it is not."""
    resistance_kohm = access_resistance_kohm or _RESISTANCE_KOHM[electrode_class]
    if electrode_class is ElectrodeClass.TRANSCRANIAL:
        return ElectrodeModel(resistance_kohm, None)
    typical_uf = DOUBLE_LAYER_UF_PER_CM2 * area_cm2
    if electrode_class is ElectrodeClass.MICROELECTRODE:
        typical_uf = _MICRO_DOUBLE_LAYER_UF
    return ElectrodeModel(resistance_kohm, double_layer_uf or typical_uf)


def impedance_problem(electrode_class: ElectrodeClass, magnitude_kohm: float) -> str:
    """Why an impedance is not that of a working electrode of the class, or ""."""
    low, high = IMPEDANCE_KOHM[electrode_class]
    if low <= magnitude_kohm <= high:
        return ""
    return (
        f"impedance: {magnitude_kohm:g} kOhm, limit {low:g} to {high:g} kOhm for class "
        f"{electrode_class}: a short or an open circuit"
    )
