"""What a limit is called, its unit, and the one comparison all of them use."""

from collections.abc import Mapping
from dataclasses import dataclass

TOLERANCE = 1e-9
"""Relative. A value that equals its bound but for rounding is within it."""


def at_most(value: float, bound: float) -> bool:
    """True when `value` is not over `bound`; the bound itself is allowed, NaN never is."""
    return value <= bound + TOLERANCE * abs(bound)


def at_least(value: float, bound: float) -> bool:
    """True when `value` is not under `bound`; the bound itself is allowed, NaN never is."""
    return value >= bound - TOLERANCE * abs(bound)


@dataclass(frozen=True, slots=True)
class LimitKind:
    """One kind of limit.

    Attributes
    ----------
    code : str
        In refusals, events and the ledger.
    unit : str
    least : bool
        True when values have to stay above the bound; a larger bound is then the tighter.
    """

    code: str
    unit: str
    least: bool = False

    def looser(self, bound: float, than: float) -> bool:
        """True when `bound` lets through what `than` refuses."""
        return not (at_least(bound, than) if self.least else at_most(bound, than))


KINDS: Mapping[str, LimitKind] = {
    "amplitude_ua": LimitKind("amplitude", "uA"),
    "total_current_ua": LimitKind("total_current", "uA"),
    "charge_per_phase_uc": LimitKind("charge_per_phase", "uC"),
    "charge_density_uc_cm2": LimitKind("charge_density", "uC/cm2"),
    "shannon_k": LimitKind("shannon_k", "log10(uC^2/cm2)"),
    "net_charge_fraction": LimitKind("net_charge", "of the first phase"),
    "dc_na": LimitKind("dc", "nA"),
    "net_charge_per_hour_uc": LimitKind("net_charge_per_hour", "uC"),
    "ramp_ua_s": LimitKind("ramp", "uA/s"),
    "pulse_rate_hz": LimitKind("pulse_rate", "Hz"),
    "pulses_per_train": LimitKind("pulses_per_train", "pulses"),
    "train_s": LimitKind("train", "s"),
    "duty": LimitKind("duty", "of the pulse period"),
    "lockout_s": LimitKind("lockout", "s", least=True),
    "trains_per_s": LimitKind("train_rate", "trains/s"),
    "trains_per_hour": LimitKind("trains_per_hour", "trains"),
    "charge_per_hour_uc": LimitKind("charge_per_hour", "uC"),
    "charge_per_day_uc": LimitKind("charge_per_day", "uC"),
    "on_time_per_hour_s": LimitKind("on_time_per_hour", "s"),
    "on_time_per_day_s": LimitKind("on_time_per_day", "s"),
    "ahead_s": LimitKind("ahead", "s"),
}
"""Every limit on current, by its key in section ``[safety]`` of a rig."""

SOUND_KINDS: Mapping[str, LimitKind] = {
    "level_db_spl": LimitKind("level", "dB SPL"),
    "click_s": LimitKind("click", "s"),
    "sound_dose_per_day": LimitKind("sound_dose_per_day", "of the daily dose"),
}
"""Limits that sound has and current has not."""

ALL_KINDS: Mapping[str, LimitKind] = {**KINDS, **SOUND_KINDS}
"""Every limit an envelope may hold. Which of them it does hold, its electrode class says."""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a limit is used.

    Attributes
    ----------
    limit : str
        Code, as in a `Refusal`.
    value, bound : float
        What is asked, and the most that is allowed.
    unit : str
        Of both.
    where : str
        The program that asks for it.
    """

    limit: str
    value: float
    bound: float
    unit: str
    where: str

    @property
    def within(self) -> bool:
        return at_most(self.value, self.bound)
