"""Puts another stimulator into a rig of the bench, with a stimulus that the device can give."""

from math import ceil, floor
from typing import Any

from bci_core import registry
from bci_core.bench.scenarios.applicable import NotApplicable, require_kind
from bci_core.capabilities import Capabilities, SoundCapabilities

TRAIN_S = 0.4
SINGLE_PULSE_HZ = 100.0
"""The rate that a single pulse of the protocols has to fit into."""

MICROELECTRODE_UC = 0.004
"""Charge per phase above which the electrode of the rig is made a large one."""

LARGE = {"electrode_class": "ecog", "electrode_area_cm2": 0.08}


def fit(tree: dict[str, Any], driver: str, *, beyond: bool = False) -> None:
    """Change the rig to a driver with its default settings, and the stimulus to its steps.

    A value of the protocol that the device has as it is stays; the others become the nearest
    that it has. Settings the scenario has made for its own stimulator are left out. A rig that
    has this driver already stays as it is.

    Parameters
    ----------
    tree : dict
        The rig's sections.
    driver : str
    beyond : bool
        The amplitude becomes one that the device cannot give: half of its least step.

    Raises
    ------
    NotApplicable
        The rig stimulates by sound and the device by current, or the other way round; or the
        device can give its stimulus in no form.
    """
    if tree["stimulator"]["driver"] == driver:
        return
    part = registry.load("stimulator", driver)
    able = part(part.Settings()).capabilities
    sound = tree["safety"].get("electrode_class") == "sound"
    require_kind(able, driver, sound=sound)
    tree["stimulator"] = {"driver": driver}
    protocol = tree["protocol"]
    if isinstance(able, SoundCapabilities):
        if beyond:
            protocol["level_db_spl"] = able.min_level_db_spl - 0.5 * able.level_step_db
        return
    if protocol.get("table") == "device" and not able.holds:
        protocol["table"] = "host"
    for asked in (protocol, *protocol.get("therapies", ())):
        if "amplitude_ua" in asked:
            _fit_pulses(tree, asked, able)
    if "amplitudes_ua" in protocol:
        _fit_table(tree, protocol, able)
    if beyond:
        protocol["amplitude_ua"] = 0.5 * able.amplitude_step_ua


def _fit_table(tree: dict[str, Any], protocol: dict[str, Any], able: Capabilities) -> None:
    """A table of amplitudes, of trains with ramps of their own; what is no amplitude stays."""
    for i, entry in enumerate(protocol["amplitudes_ua"]):
        if isinstance(entry, float) and entry > 0.0:
            asked = protocol | {"amplitude_ua": entry}
            _fit_amounts(tree, asked, able)
            protocol["amplitudes_ua"][i] = asked["amplitude_ua"]
    protocol.update({key: asked[key] for key in ("phase_us", "interphase_us")})


def _fit_amounts(tree: dict[str, Any], asked: dict[str, Any], able: Capabilities) -> None:
    step_us = able.timing_step_us
    phase_us = _stepped(asked["phase_us"], step_us, able.min_phase_us, able.max_phase_us)
    most_ua = min(able.max_amplitude_ua, able.max_charge_per_phase_uc / (phase_us * 1e-6))
    least_ua = max(able.min_amplitude_ua, able.amplitude_step_ua)
    asked["phase_us"] = phase_us
    asked["amplitude_ua"] = _stepped(
        asked["amplitude_ua"], able.amplitude_step_ua, least_ua, most_ua
    )
    asked["interphase_us"] = _stepped(
        asked.get("interphase_us", 0.0), step_us, able.min_interphase_us, 1e4
    )
    if asked["amplitude_ua"] * phase_us * 1e-6 > MICROELECTRODE_UC:
        tree["safety"].update(LARGE)


def _fit_pulses(tree: dict[str, Any], asked: dict[str, Any], able: Capabilities) -> None:
    _fit_amounts(tree, asked, able)
    _require_ramp(asked, able)
    if "rate_hz" in asked:
        asked["rate_hz"] = max(able.min_rate_hz, min(asked["rate_hz"], able.max_rate_hz))
        steepest_hz = able.max_ramp_ua_s / asked["amplitude_ua"]
        asked["rate_hz"] = max(able.min_rate_hz, min(asked["rate_hz"], steepest_hz))
        if "n_pulses" in asked:
            whole = max(1, int(TRAIN_S * asked["rate_hz"]))
            asked["n_pulses"] = min(asked["n_pulses"], able.max_pulses, whole)


def _require_ramp(asked: dict[str, Any], able: Capabilities) -> None:
    """A stimulus without a ramp, on a device whose amplitude may only rise slowly."""
    rate_hz = asked.get("rate_hz", SINGLE_PULSE_HZ)
    lowest_hz = able.min_rate_hz if "n_pulses" in asked else rate_hz
    steepest_ua_s = asked["amplitude_ua"] * lowest_hz
    if steepest_ua_s > able.max_ramp_ua_s:
        raise NotApplicable(
            f"its amplitude may rise by {able.max_ramp_ua_s:g} uA/s, and this stimulus has no "
            f"ramp: {steepest_ua_s:g} uA/s at the least"
        )


def _stepped(value: float, step: float, least: float, most: float) -> float:
    """The nearest multiple of a step within a range."""
    low, high = ceil(least / step - 1e-9), floor(most / step + 1e-9)
    return max(low, min(round(value / step), high)) * step
