"""Charge arithmetic. Pure: numbers in, one number out, no limit applied.

Q is the charge of one phase in microcoulombs, A the geometric area of the
electrode in square centimetres.
"""

from math import log10, sqrt


def charge_density_uc_cm2(charge_uc: float, area_cm2: float) -> float:
    """Charge density of one phase, D = Q / A, in uC/cm2."""
    return charge_uc / area_cm2


def shannon_k(charge_uc: float, area_cm2: float) -> float:
    """Shannon's k = log10(Q D) = log10(Q^2 / A), for `charge_uc` > 0.

    Above about 1.85 tissue was damaged in the data the rule was drawn from, platinum
    electrodes of 0.002 to 0.5 cm2 (McCreery, Agnew, Yuen, Bullara 1990). It is not a
    rule for microelectrodes (Cogan, Ludwig, Welle, Takmakov 2016).

    References
    ----------
    R. V. Shannon, "A model of safe levels for electrical stimulation", IEEE Trans.
    Biomed. Eng. 39:424-426, 1992.
    """
    return log10(charge_uc * charge_uc / area_cm2)


def largest_current_ua(k: float, area_cm2: float, phase_us: float) -> float:
    """The current at which a phase of `phase_us` reaches Shannon's `k`, in uA.

    I = sqrt(A 10^k) / PW, from k = log10((I PW)^2 / A).
    """
    return sqrt(area_cm2 * 10.0**k) / (phase_us * 1e-6)


def net_charge_fraction(first_uc: float, second_uc: float) -> float:
    """Charge one pulse leaves behind, as a fraction of its first phase: abs(Q1 - Q2) / Q1.

    Coupling capacitors alone do not make it harmless (van Dongen, Serdijn, "Does a
    coupling capacitor enhance the charge balance during neural stimulation?", Med. Biol.
    Eng. Comput. 54:93-101, 2016).
    """
    return abs(first_uc - second_uc) / first_uc


def mean_dc_na(net_charge_uc: float, rate_hz: float) -> float:
    """Mean direct current during a train: net charge of a pulse times pulse rate, in nA."""
    return abs(net_charge_uc) * rate_hz * 1e3


def output_v(
    current_ua: float, charge_uc: float, resistance_kohm: float, double_layer_uf: float
) -> float:
    """Voltage at the end of a phase, V = I R + Q / C, in V.

    The access resistance in series with the double layer (J. E. B. Randles, "Kinetics of
    rapid electrode reactions", Discuss. Faraday Soc. 1:11-19, 1947), without the resistance
    of the reactions at the electrode, which only takes voltage away.
    """
    return current_ua * resistance_kohm * 1e-3 + charge_uc / double_layer_uf


def residual_mv(net_charge_uc: float, double_layer_uf: float) -> float:
    """Voltage that the net charge of one pulse leaves on the double layer, in mV."""
    return abs(net_charge_uc) / double_layer_uf * 1e3


def sound_dose(level_db_spl: float, duration_s: float) -> float:
    """Share of a day's dose of sound: 85 dB for 8 h is one, 3 dB more is twice as much.

    References
    ----------
    NIOSH, "Criteria for a recommended standard: occupational noise exposure",
    publication 98-126, 1998; recalled. Its levels are A-weighted, those here are not.
    """
    hours: float = duration_s / 3600.0
    return hours / 8.0 * float(2.0 ** ((level_db_spl - 85.0) / 3.0))
