"""The safety arithmetic on cases whose results are known."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isclose, pi

from bci_core.capabilities import Capabilities
from bci_core.errors import SafetyError
from bci_core.safety import charge
from bci_core.safety.check import check_programs
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.safety.limits import at_most
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram

DBS_CM2, SEEG_CM2, UTAH_CM2, ECOG_CM2, RNS_CM2 = 0.06, 5.024e-2, 2000e-8, pi * 0.115**2, 0.08
OPEN = {"override_reason": "to see one limit at a time", "overridden_by": "bench"}


@dataclass(frozen=True, slots=True)
class Vector:
    """One known case.

    Attributes
    ----------
    case, what : str
    value, expected : float or str
        ``"pass"`` or the code of the limit for a verdict.
    unit : str
    agrees : bool
        To the digits that are known.
    """

    case: str
    what: str
    value: float | str
    expected: float | str
    unit: str
    agrees: bool


# current uA, phase us, area cm2; Q uC, D uC/cm2, k; within k 1.5, within 30 uC/cm2
PULSES = {
    "DBS 3 mA 60 us": (3000, 60, DBS_CM2, 0.18, 3.0, -0.268, True, True),
    "DBS 20 mA 90 us": (20_000, 90, DBS_CM2, 1.80, 30.0, 1.732, False, True),
    "sEEG 3.5 mA 300 us": (3500, 300, SEEG_CM2, 1.05, 20.90, 1.341, True, True),
    "sEEG 0.5 mA 300 us": (500, 300, SEEG_CM2, 0.15, 2.986, -0.349, True, True),
    "Utah 20 uA 200 us": (20, 200, UTAH_CM2, 0.004, 200.0, -0.097, True, False),
    "Utah 100 uA 200 us": (100, 200, UTAH_CM2, 0.020, 1000.0, 1.301, True, False),
    "Utah 215 uA 1000 us": (215, 1000, UTAH_CM2, 0.215, 10_750.0, 3.364, False, False),
    "ECoG 10 mA 200 us": (10_000, 200, ECOG_CM2, 2.0, 48.14, 1.984, False, False),
    "RNS 12 mA 160 us": (12_000, 160, RNS_CM2, 1.92, 24.0, 1.664, False, True),
}

# k, area cm2, phase us; largest current uA
SHANNON = (
    (1.5, SEEG_CM2, 300, 4201),
    (1.7, SEEG_CM2, 300, 5289),
    (1.75, SEEG_CM2, 300, 5602),
    (1.85, SEEG_CM2, 300, 6286),
    (1.5, DBS_CM2, 60, 22_957),
    (1.5, UTAH_CM2, 200, 125.7),
    (1.85, UTAH_CM2, 200, 188.1),
)

# current uA, R kOhm, C uF, phase us; V, compliance V, within
COMPLIANCE = (
    (50, 40.0, 0.02, 200, 2.5, 4.7, True),
    (100, 40.0, 0.02, 200, 5.0, 4.7, False),
    (100, 40.0, 0.02, 200, 5.0, 5.3, True),
    (215, 40.0, 0.02, 200, 10.75, 9.5, False),
    (3000, 1.0, 3.0, 60, 3.06, 9.5, True),
)

# class, area cm2, current uA, phase us, gap us, rate Hz, pulses, limits; refused by
VERDICTS: tuple[
    tuple[str, float, float, float, float, float, int, dict[str, float], str], ...
] = (
    ("microelectrode", UTAH_CM2, 20, 200, 53, 100, 1, {}, "pass"),
    ("microelectrode", UTAH_CM2, 100, 200, 53, 100, 1, {}, "charge_per_phase"),
    ("macro", DBS_CM2, 3000, 60, 53, 130, 1, {}, "pass"),
    ("macro", DBS_CM2, 20_000, 90, 53, 130, 1, {"amplitude_ua": 20_000.0}, "shannon_k"),
    ("ecog", RNS_CM2, 12_000, 160, 53, 200, 1, {"shannon_k": 1.75}, "pass"),
    ("ecog", RNS_CM2, 12_000, 170, 53, 200, 1, {"shannon_k": 1.85, "charge_per_phase_uc": 3.0},
     "charge_density"),
    ("depth", SEEG_CM2, 500, 400, 53, 1000, 1, {"pulse_rate_hz": 5000.0, "duty": 1.0}, "pass"),
    ("depth", SEEG_CM2, 500, 500, 53, 1000, 1, {"pulse_rate_hz": 5000.0, "duty": 1.0},
     "pulse_period"),
    ("depth", SEEG_CM2, 500, 70, 53, 5000, 1, {"pulse_rate_hz": 5000.0, "duty": 1.0}, "pass"),
    ("depth", SEEG_CM2, 500, 300, 53, 200, 600, {}, "pulses_per_train"),
    ("depth", SEEG_CM2, 500, 300, 53, 200, 17, {}, "pass"),
)  # fmt: skip

DEVICE = Capabilities(
    n_channels=96,
    n_sources=16,
    n_programs=15,
    max_parts=8,
    max_pulses=1275,
    min_amplitude_ua=1.0,
    max_amplitude_ua=20_000.0,
    amplitude_step_ua=1.0,
    min_phase_us=1.0,
    max_phase_us=65_535.0,
    timing_step_us=1.0,
    min_interphase_us=0.0,
    min_rate_hz=1.0,
    max_rate_hz=5000.0,
    max_ramp_ua_s=1e9,
    max_charge_per_phase_uc=10.0,
    compliance_v=100.0,
    min_lockout_s=0.001,
    max_lease_s=10.0,
    max_command_latency_s=0.01,
    measures=(),
    simulated=True,
)
"""A device with wide limits, so that the envelope's decide."""


def vectors() -> list[Vector]:
    """Every known case, computed again."""
    parts: tuple[Callable[[], list[Vector]], ...] = (_pulses, _currents, _direct, _volts, _verdicts)
    return [vector for part in parts for vector in part()]


def refused_by(program: StimProgram, envelope: SafetyEnvelope, able: Capabilities) -> str:
    """Code of the first limit that refuses a program, or ``"pass"``."""
    try:
        check_programs([program], envelope, able)
    except SafetyError as error:
        return str(error).splitlines()[1].strip().split(":", 1)[0]
    return "pass"


def _number(case: str, what: str, value: float, expected: float, unit: str) -> Vector:
    agrees = isclose(value, expected, rel_tol=5e-4, abs_tol=5e-4 * (unit == "log10"))
    return Vector(case, what, value, expected, unit, agrees)


def _verdict(case: str, what: str, value: str, expected: str) -> Vector:
    return Vector(case, what, value, expected, "", value == expected)


def _word(within: bool) -> str:
    return "pass" if within else "fail"


def _pulses() -> list[Vector]:
    found = []
    for case, row in PULSES.items():
        current_ua, phase_us, area_cm2, charge_uc, density, k, by_k, by_density = row
        pulse_uc = BiphasicPulse(current_ua, phase_us).charge_per_phase_uc
        is_density = charge.charge_density_uc_cm2(pulse_uc, area_cm2)
        is_k = charge.shannon_k(pulse_uc, area_cm2)
        found += [
            _number(case, "Q", pulse_uc, charge_uc, "uC"),
            _number(case, "D", is_density, density, "uC/cm2"),
            _number(case, "k", is_k, k, "log10"),
            _verdict(case, "k at most 1.5", _word(at_most(is_k, 1.5)), _word(by_k)),
            _verdict(case, "D at most 30", _word(at_most(is_density, 30.0)), _word(by_density)),
        ]
    return found


def _currents() -> list[Vector]:
    found = [
        _number(
            f"k {k:g} on {area_cm2:.3g} cm2, {phase_us} us",
            "largest current",
            charge.largest_current_ua(k, area_cm2, phase_us),
            expected_ua,
            "uA",
        )
        for k, area_cm2, phase_us, expected_ua in SHANNON
    ]
    for phase_us, current_ua in ((60, 30_000), (90, 20_000), (450, 4000)):
        density = charge.charge_density_uc_cm2(
            BiphasicPulse(current_ua, phase_us).charge_per_phase_uc, DBS_CM2
        )
        found.append(
            _number(f"{current_ua} uA {phase_us} us, 0.06 cm2", "D", density, 30, "uC/cm2")
        )
    train = PulseTrain(BiphasicPulse(500, 300, 53), 200, 100)
    found.append(_number("0.5 mA 300 us 200 Hz 0.5 s", "charge", train.charge_uc, 15, "uC"))
    found.append(_number("300 us 200 Hz", "duty", train.duty, 0.1306, "of the period"))
    return found


def _direct() -> list[Vector]:
    found = []
    # one percent left by each pulse at 200 Hz, on an electrode that bears 0.75 uA/mm2
    cases = (
        ("Utah 100 uA 200 us", 100, 200, "microelectrode", UTAH_CM2, 40.0, 1.5, False),
        ("sEEG 3.5 mA 300 us", 3500, 300, "depth", SEEG_CM2, 2100.0, 3768.0, True),
    )
    for case, current_ua, phase_us, electrode_class, area_cm2, dc_na, bound_na, within in cases:
        pulse = BiphasicPulse(current_ua, phase_us, recovery_amplitude_ua=0.99 * current_ua)
        is_na = charge.mean_dc_na(pulse.net_charge_uc, 200.0)
        bound = _envelope(electrode_class, area_cm2).limits()["dc_na"]
        found += [
            _number(case, "direct current", is_na, dc_na, "nA"),
            _number(case, "its limit", bound, bound_na, "nA"),
            _verdict(case, "within it", _word(at_most(is_na, bound)), _word(within)),
        ]
    dbs = _envelope("macro", pi * 0.127 * 0.15).limits()["dc_na"]
    found.append(_number("DBS 1.27 x 1.5 mm", "limit of dc", dbs, 4488.7, "nA"))
    left_mv = charge.residual_mv(0.01 * 0.020, 0.02)
    found.append(_number("1 % of 20 nC on 20 nF", "residual", left_mv, 10.0, "mV"))
    return found


def _volts() -> list[Vector]:
    found = []
    for current_ua, kohm, layer_uf, phase_us, expected_v, compliance_v, within in COMPLIANCE:
        case = f"{current_ua} uA {phase_us} us, {kohm:g} kOhm, {layer_uf:g} uF"
        needs_v = charge.output_v(current_ua, current_ua * phase_us * 1e-6, kohm, layer_uf)
        micro = kohm > 5.0
        envelope = _envelope(
            "microelectrode" if micro else "macro",
            UTAH_CM2 if micro else DBS_CM2,
            access_resistance_kohm=kohm,
            double_layer_uf=layer_uf,
            **({"charge_per_phase_uc": 1.0, "amplitude_ua": 215.0} if micro else {}),
        )
        program = _program(current_ua, phase_us, 53, 100, 1)
        verdict = refused_by(program, envelope, replace(DEVICE, compliance_v=compliance_v))
        found += [
            _number(case, "voltage", needs_v, expected_v, "V"),
            _verdict(case, f"on {compliance_v} V", verdict, "pass" if within else "compliance"),
        ]
    return found


def _verdicts() -> list[Vector]:
    found = []
    for electrode_class, area_cm2, ua, us, gap_us, hz, n, limits, expected in VERDICTS:
        envelope = _envelope(electrode_class, area_cm2, **limits)
        verdict = refused_by(_program(ua, us, gap_us, hz, n), envelope, DEVICE)
        case = f"{electrode_class} {ua:g} uA {us:g} us {hz:g} Hz, {n} pulses"
        found.append(_verdict(case, "verdict", verdict, expected))
    return found


def _program(ua: float, us: float, gap_us: float, hz: float, n: int) -> StimProgram:
    return StimProgram(1, "known", PulseTrain(BiphasicPulse(ua, us, gap_us), hz, n), (1,))


def _envelope(electrode_class: str, area_cm2: float, **limits: float) -> SafetyEnvelope:
    section = {"electrode_class": electrode_class, "electrode_area_cm2": area_cm2}
    return SafetyEnvelope.from_settings(SafetySettings.model_validate(section | limits | OPEN))
