"""The safety envelope: every limit of a rig, resolved to a number."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from bci_core.errors import SafetyError
from bci_core.safety.electrodes import (
    LARGEST_SURFACE_CM2,
    SMALLEST_SURFACE_CM2,
    ElectrodeClass,
    class_defaults,
    has_area_rules,
)
from bci_core.safety.limits import KINDS

_Amount = Annotated[float, Field(gt=0.0, allow_inf_nan=False, strict=True)]
_Fraction = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False, strict=True)]
_Count = Annotated[int, Field(gt=0, le=1_000_000, strict=True)]
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class SafetySettings(BaseModel):
    """Section ``[safety]`` of a rig.

    Only the first two keys are needed: each limit that is left out has the default of the
    electrode class (`electrodes.class_defaults`). A limit may be tightened freely. A looser
    one needs `override_reason` and `overridden_by`.

    Attributes
    ----------
    electrode_class : ElectrodeClass
    electrode_area_cm2 : float
        Geometric area of one electrode: 0.002 to 0.5 cm2, or below for a microelectrode.
    override_reason, overridden_by : str
        Why a limit is looser than its default, and who answers for it.
    require_approvals : bool
        Two people's keys for looser limits (``bci approve``) on a simulated stimulator, too. A
        real one needs them always.
    amplitude_ua : float
        Of the larger phase, on one electrode.
    total_current_ua : float
        Sum over the electrodes of a program. Trains never overlap, since the lockout
        counts from the end of the last one, so no sum over programs is needed.
    charge_per_phase_uc : float
        Of the larger phase, on one electrode.
    charge_density_uc_cm2, shannon_k : float
        Not for microelectrodes, where they are no rule.
    net_charge_fraction : float
        Of one pulse, as a fraction of its first phase.
    dc_na : float
        Mean direct current during a train.
    pulse_rate_hz, pulses_per_train, train_s : float, int, float
        Within one train.
    duty : float
        Fraction of the pulse period from the start of a pulse to its end.
    lockout_s : float
        Least time from the end of one train to the start of the next.
    trains_per_s : float
        Mean over the last 8 intervals between trains.
    trains_per_hour, charge_per_hour_uc, on_time_per_hour_s : int, float, float
        Over any 3600 s; the charge is that of each electrode. Sham trains count in full.
    ahead_s : float
        How far ahead of now the deadline of a trigger may lie.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The limits are judged by what stands above them, so these four stay first.
    electrode_class: ElectrodeClass
    electrode_area_cm2: _Amount
    override_reason: _Words | None = None
    overridden_by: _Words | None = None
    require_approvals: bool = False

    amplitude_ua: _Amount | None = None
    total_current_ua: _Amount | None = None
    charge_per_phase_uc: _Amount | None = None
    charge_density_uc_cm2: _Amount | None = None
    shannon_k: _Amount | None = None
    net_charge_fraction: _Fraction | None = None
    dc_na: _Amount | None = None
    pulse_rate_hz: _Amount | None = None
    pulses_per_train: _Count | None = None
    train_s: _Amount | None = None
    duty: _Fraction | None = None
    lockout_s: _Amount | None = None
    trains_per_s: _Amount | None = None
    trains_per_hour: _Count | None = None
    charge_per_hour_uc: _Amount | None = None
    on_time_per_hour_s: _Amount | None = None
    ahead_s: _Amount | None = None

    @field_validator("override_reason", "overridden_by", *KINDS, mode="before")
    @classmethod
    def _given_means_given(cls, value: object) -> object:
        if value is None:
            raise ValueError("None is no value and no way to lift a limit; leave the key out")
        return value

    @field_validator("electrode_area_cm2")
    @classmethod
    def _area_fits_class(cls, area_cm2: float, info: ValidationInfo) -> float:
        electrode_class: ElectrodeClass | None = info.data.get("electrode_class")
        if electrode_class is None:
            return area_cm2
        if has_area_rules(electrode_class):
            if not SMALLEST_SURFACE_CM2 <= area_cm2 <= LARGEST_SURFACE_CM2:
                raise ValueError(
                    f"electrode_area is {area_cm2:g} cm2, limit {SMALLEST_SURFACE_CM2:g} to "
                    f"{LARGEST_SURFACE_CM2:g} cm2 for class {electrode_class}; was it meant in "
                    "mm2 (divide by 100), or is it a microelectrode?"
                )
        elif not area_cm2 < SMALLEST_SURFACE_CM2:
            raise ValueError(
                f"electrode_area is {area_cm2:g} cm2, limit: below {SMALLEST_SURFACE_CM2:g} cm2 "
                f"for class {electrode_class}; was it meant in um2 (divide by 1e8)?"
            )
        return area_cm2

    @field_validator(*KINDS)
    @classmethod
    def _applies_and_is_signed(cls, value: float, info: ValidationInfo) -> float:
        if not {"electrode_class", "electrode_area_cm2"} <= info.data.keys():
            return value
        key = str(info.field_name)
        kind = KINDS[key]
        electrode_class: ElectrodeClass = info.data["electrode_class"]
        defaults = class_defaults(electrode_class, info.data["electrode_area_cm2"])
        if key not in defaults:
            raise ValueError(
                f"{kind.code} is no rule for class {electrode_class} (Cogan 2016); leave it out, "
                "charge_per_phase_uc limits the charge there"
            )
        default = defaults[key]
        signed = info.data.get("override_reason") and info.data.get("overridden_by")
        if kind.looser(value, than=default.value) and not signed:
            raise ValueError(
                f"{kind.code} of {value:g} {kind.unit} is looser than the limit of class "
                f"{electrode_class}, {default.value:g} {kind.unit} ({default.source}); tighten "
                "it, or give both override_reason and overridden_by"
            )
        return value

    def resolved(self) -> "SafetySettings":
        """The same settings with every limit of the class written out."""
        defaults = class_defaults(self.electrode_class, self.electrode_area_cm2)
        left_out = {
            key: default.value for key, default in defaults.items() if getattr(self, key) is None
        }
        return self.model_copy(update=left_out)


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

    Attributes
    ----------
    electrode_class : ElectrodeClass
    electrode_area_cm2 : float
    area_rules : AreaRules or None
        None exactly for microelectrodes, for which no such rule exists: nothing is then
        compared, rather than compared with infinity.
    overrides : tuple of Override
        What is looser than the default of the class; for the ledger.

    Raises
    ------
    SafetyError
        A limit or the area is NaN, infinite, zero or negative, or the area rules do not
        belong to the class. All are named.
    """

    electrode_class: ElectrodeClass
    electrode_area_cm2: float
    area_rules: AreaRules | None
    amplitude_ua: float
    total_current_ua: float
    charge_per_phase_uc: float
    net_charge_fraction: float
    dc_na: float
    pulse_rate_hz: float
    pulses_per_train: int
    train_s: float
    duty: float
    lockout_s: float
    trains_per_s: float
    trains_per_hour: int
    charge_per_hour_uc: float
    on_time_per_hour_s: float
    ahead_s: float
    overrides: tuple[Override, ...] = ()

    def __post_init__(self) -> None:
        wrong = [
            f"{KINDS[key].code}: {value:g} {KINDS[key].unit} is no limit; give a finite number "
            "above 0"
            for key, value in self.limits().items()
            if not (isfinite(value) and value > 0.0)
        ]
        if not (isfinite(self.electrode_area_cm2) and self.electrode_area_cm2 > 0.0):
            wrong.append(
                f"electrode_area: {self.electrode_area_cm2:g} cm2 is no area; give a finite "
                "number above 0"
            )
        if has_area_rules(self.electrode_class) is (self.area_rules is None):
            wrong.append(
                "charge_density (uC/cm2) and shannon_k are rules for macro, depth and ecog "
                f"electrodes, and for those only; the class is {self.electrode_class}"
            )
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
                limit=KINDS[key].code,
                value=limits[key],
                default=default.value,
                unit=KINDS[key].unit,
                reason=str(full.override_reason),
                by=str(full.overridden_by),
            )
            for key, default in defaults.items()
            if KINDS[key].looser(limits[key], than=default.value)
        )
        area_rules = None
        if has_area_rules(full.electrode_class):
            area_rules = AreaRules(limits.pop("charge_density_uc_cm2"), limits.pop("shannon_k"))
        return cls(
            electrode_class=full.electrode_class,
            electrode_area_cm2=full.electrode_area_cm2,
            area_rules=area_rules,
            overrides=overrides,
            **limits,
        )

    def tightened(self, **limits: float) -> Self:
        """The same with some limits tighter; the only change that a running session takes.

        Parameters
        ----------
        **limits : float
            By their keys in `limits.KINDS`.

        Raises
        ------
        SafetyError
            A limit that there is none, or that is no finite number above 0, or looser than
            it is. All are named; nothing changes.
        """
        present = self.limits()
        wrong = []
        for key, value in limits.items():
            kind = KINDS.get(key)
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
        """The limits that apply, by their keys in `limits.KINDS`."""
        owners = (self,) if self.area_rules is None else (self, self.area_rules)
        return {
            key: getattr(owner, key) for key in KINDS for owner in owners if hasattr(owner, key)
        }
