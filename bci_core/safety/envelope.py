"""The safety envelope: every limit of a rig, resolved to a number."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Self

from bci_core.errors import SafetyError
from bci_core.safety.defaults import class_defaults
from bci_core.safety.electrodes import (
    ElectrodeClass,
    ElectrodeModel,
    class_keys,
    electrode_model,
    has_area_rules,
    is_electrical,
)
from bci_core.safety.limits import ALL_KINDS
from bci_core.safety.settings import SafetySettings

__all__ = ["AreaRules", "Override", "SafetyEnvelope", "SafetySettings"]


@dataclass(frozen=True, slots=True)
class Override:
    """A limit that was made looser than the default of its electrode class.

    Attributes
    ----------
    limit : str
        Its code.
    value, default : float
        In `unit`.
    unit : str
    reason, by : str
        Why, and who answers for it.
    """

    limit: str
    value: float
    default: float
    unit: str
    reason: str
    by: str

    def __str__(self) -> str:
        return (
            f"{self.limit}: {self.value:g} {self.unit} instead of {self.default:g} {self.unit}, "
            f"by {self.by}: {self.reason}"
        )


@dataclass(frozen=True, slots=True)
class AreaRules:
    """Limits of the charge in one phase that depend on the area of the electrode."""

    charge_density_uc_cm2: float
    shannon_k: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyEnvelope:
    """Every limit, as a number. `SafetySettings` says what each means.

    A limit is None exactly where the class has no such rule: nothing is then compared,
    rather than compared with infinity. Sound has none on current, and current none on sound.

    Attributes
    ----------
    electrode_class : ElectrodeClass
    electrode_area_cm2 : float or None
        None exactly for sound.
    electrode : ElectrodeModel or None
        For the voltage an electrode needs; None exactly for sound.
    area_rules : AreaRules or None
        None exactly for classes where no such rule exists.
    overrides : tuple of Override
        What is looser than the default of the class; for the ledger.

    Raises
    ------
    SafetyError
        A limit or the area is NaN, infinite, zero or negative, or the limits are not those
        of the class. All are named.
    """

    electrode_class: ElectrodeClass
    electrode_area_cm2: float | None = None
    electrode: ElectrodeModel | None = None
    area_rules: AreaRules | None = None
    after_discharge_lockout_s: float = 60.0
    after_discharge_lookback_s: float = 10.0
    amplitude_ua: float | None = None
    total_current_ua: float | None = None
    charge_per_phase_uc: float | None = None
    net_charge_fraction: float | None = None
    dc_na: float | None = None
    net_charge_per_hour_uc: float | None = None
    ramp_ua_s: float | None = None
    pulse_rate_hz: float | None = None
    duty: float | None = None
    charge_per_hour_uc: float | None = None
    charge_per_day_uc: float | None = None
    level_db_spl: float | None = None
    click_s: float | None = None
    sound_dose_per_day: float | None = None
    pulses_per_train: int
    train_s: float
    lockout_s: float
    trains_per_s: float
    trains_per_hour: int
    on_time_per_hour_s: float
    on_time_per_day_s: float
    ahead_s: float
    overrides: tuple[Override, ...] = ()

    def __post_init__(self) -> None:
        limits = self.limits()
        wrong = [
            f"{ALL_KINDS[key].code}: {value:g} {ALL_KINDS[key].unit} is no limit; give a finite "
            "number above 0"
            for key, value in limits.items()
            if not (isfinite(value) and value > 0.0)
        ]
        facts = {"electrode_area": (self.electrode_area_cm2, "cm2")}
        if self.electrode is not None:
            resistance_kohm = self.electrode.access_resistance_kohm
            facts["access_resistance"] = (resistance_kohm, "kOhm")
            facts["double_layer"] = (self.electrode.double_layer_uf, "uF")
        facts["after_discharge_lockout"] = (self.after_discharge_lockout_s, "s")
        facts["after_discharge_lookback"] = (self.after_discharge_lookback_s, "s")
        wrong += [
            f"{name}: {value:g} {unit} is no {name}; give a finite number above 0"
            for name, (value, unit) in facts.items()
            if value is not None and not (isfinite(value) and value > 0.0)
        ]
        ours = class_keys(self.electrode_class)
        wrong += [
            f"{ALL_KINDS[key].code} ({ALL_KINDS[key].unit}) is a rule for class "
            f"{self.electrode_class} and missing"
            for key in ours
            if key not in limits
        ]
        wrong += [
            f"{ALL_KINDS[key].code} ({ALL_KINDS[key].unit}), {key}, is no rule for class "
            f"{self.electrode_class}"
            for key in limits
            if key not in ours
        ]
        electrical = is_electrical(self.electrode_class)
        if {self.electrode is None, self.electrode_area_cm2 is None} != {not electrical}:
            wrong.append("an electrode and its area belong to every class but sound, and to those")
        if wrong:
            raise SafetyError("safety envelope:\n" + "\n".join(f"  {line}" for line in wrong))

    @classmethod
    def from_settings(cls, settings: SafetySettings) -> Self:
        """Resolve each limit: the rig's where it gives one, else the default of the class."""
        full = settings.resolved()
        defaults = class_defaults(full.electrode_class, full.electrode_area_cm2)
        limits: dict[str, Any] = {key: getattr(full, key) for key in defaults}
        overrides = tuple(
            Override(
                limit=ALL_KINDS[key].code,
                value=limits[key],
                default=default.value,
                unit=ALL_KINDS[key].unit,
                reason=str(full.override_reason),
                by=str(full.overridden_by),
            )
            for key, default in defaults.items()
            if ALL_KINDS[key].looser(limits[key], than=default.value)
        )
        area_rules = electrode = None
        if has_area_rules(full.electrode_class):
            area_rules = AreaRules(limits.pop("charge_density_uc_cm2"), limits.pop("shannon_k"))
        if full.electrode_area_cm2 is not None:
            electrode = electrode_model(
                full.electrode_class,
                full.electrode_area_cm2,
                full.access_resistance_kohm,
                full.double_layer_uf,
            )
        return cls(
            electrode_class=full.electrode_class,
            electrode_area_cm2=full.electrode_area_cm2,
            electrode=electrode,
            area_rules=area_rules,
            after_discharge_lockout_s=full.after_discharge_lockout_s,
            after_discharge_lookback_s=full.after_discharge_lookback_s,
            overrides=overrides,
            **limits,
        )

    def tightened(self, **limits: float) -> Self:
        """The same with some limits tighter; the only change that a running session takes.

        Parameters
        ----------
        **limits : float
            By their keys in `limits.ALL_KINDS`.

        Raises
        ------
        SafetyError
            A limit that there is none, or that is no finite number above 0, or looser than
            it is. All are named; nothing changes.
        """
        present = self.limits()
        wrong = []
        for key, value in limits.items():
            kind = ALL_KINDS.get(key)
            if kind is None or key not in present:
                wrong.append(f"{key}: no limit here; limits: {', '.join(present)}")
            elif isinstance(value, bool) or not isinstance(value, int | float):
                wrong.append(f"{kind.code}: {value!r} is no number of {kind.unit}")
            elif not (isfinite(value) and value > 0.0):
                wrong.append(
                    f"{kind.code}: {value:g} {kind.unit} is no limit; give a finite number above 0"
                )
            elif kind.looser(value, than=present[key]):
                wrong.append(
                    f"{kind.code}: {value:g} {kind.unit} is looser than {present[key]:g} "
                    f"{kind.unit}; loosening needs a new session and two people's keys"
                )
        if wrong:
            raise SafetyError("not tightened:\n" + "\n".join(f"  {line}" for line in wrong))
        # The class whose rules they are decides where they are kept.
        rules = self.area_rules
        if rules is not None:
            own = {key: limits.pop(key) for key in list(limits) if hasattr(rules, key)}
            rules = replace(rules, **own)
        return replace(self, area_rules=rules, **limits)  # type: ignore[arg-type]

    def limits(self) -> dict[str, float]:
        """The limits that apply, by their keys in `limits.ALL_KINDS`."""
        owners = (self,) if self.area_rules is None else (self, self.area_rules)
        held = {
            key: getattr(owner, key) for key in ALL_KINDS for owner in owners if hasattr(owner, key)
        }
        return {key: value for key, value in held.items() if value is not None}
