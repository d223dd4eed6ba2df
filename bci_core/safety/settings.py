"""Section ``[safety]`` of a rig."""

from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from bci_core.safety.defaults import class_defaults
from bci_core.safety.electrodes import (
    AREA_KEYS,
    ElectrodeClass,
    area_problem,
    electrode_model,
    impedance_problem,
    is_electrical,
)
from bci_core.safety.limits import ALL_KINDS

_Amount = Annotated[float, Field(gt=0.0, allow_inf_nan=False, strict=True)]
_Fraction = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False, strict=True)]
_Count = Annotated[int, Field(gt=0, le=1_000_000, strict=True)]
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_Lockout = Annotated[float, Field(ge=60.0, le=86_400.0, allow_inf_nan=False, strict=True)]
_Lookback = Annotated[float, Field(ge=10.0, le=3600.0, allow_inf_nan=False, strict=True)]

MODEL_KEYS = ("access_resistance_kohm", "double_layer_uf")
"""Facts about the electrode, from which the compliance is judged."""


class SafetySettings(BaseModel):
    """Section ``[safety]`` of a rig.

    Only the first two keys are needed, and of sound the first alone: each limit that is left
    out has the default of the electrode class (`defaults.class_defaults`). A limit may be
    tightened freely. A looser one needs `override_reason` and `overridden_by`.

    Attributes
    ----------
    electrode_class : ElectrodeClass
        `macro`, `depth`, `ecog`, `microelectrode`, `transcranial` or `sound`.
    electrode_area_cm2 : float
        Geometric area of one electrode: 0.002 to 0.5 cm2, below for a microelectrode, up to
        100 cm2 on the scalp. Not for sound.
    override_reason, overridden_by : str
        Why a limit is looser than its default, and who answers for it.
    require_approvals : bool
        Two people's keys for looser limits (``bci approve``) on a simulated stimulator, too. A
        real one needs them always.
    access_resistance_kohm, double_layer_uf : float
        Of one electrode, for the voltage it needs, I R + Q / C; typical of the class where
        left out. An impedance that was measured counts where it is the larger.
    after_discharge_lockout_s : float
        How long nothing may be stimulated after a guard has stopped stimulation.
    after_discharge_lookback_s : float
        Electrodes stimulated within this time before that are not used again in the session.
    amplitude_ua : float
        Of the larger phase, on one electrode.
    total_current_ua : float
        Sum over all electrodes at any instant. Programs never overlap, since the lockout
        counts from the end of the last one; trains of one program may.
    charge_per_phase_uc : float
        Of the larger phase, on one electrode.
    charge_density_uc_cm2, shannon_k : float
        For macro, depth and ECoG electrodes only, where they are rules.
    net_charge_fraction : float
        Of one pulse, as a fraction of its first phase.
    dc_na : float
        Mean direct current during a train.
    net_charge_per_hour_uc : float
        What pulses leave behind on one electrode over any 3600 s, signs left out, those that
        were cut short included.
    ramp_ua_s : float
        Steepest change of amplitude, which for a train without a ramp is its onset. A single
        pulse has none.
    pulse_rate_hz, pulses_per_train, train_s : float, int, float
        Within one program, on one electrode. Clicks count as pulses.
    duty : float
        Fraction of the pulse period from the start of a pulse to its end.
    lockout_s : float
        Least time from the end of one program to the start of the next.
    trains_per_s : float
        Mean over the last 8 intervals between programs.
    trains_per_hour, charge_per_hour_uc, on_time_per_hour_s : int, float, float
        Over any 3600 s; the charge is that of each electrode. Sham trains count in full.
    charge_per_day_uc, on_time_per_day_s : float
        Over any 24 h, earlier sessions of the subject included.
    ahead_s : float
        How far ahead of now the deadline of a trigger may lie.
    level_db_spl, click_s : float
        Of one click, for sound only.
    sound_dose_per_day : float
        Share of the dose of 85 dB for 8 h, over any 24 h; for sound only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The limits are judged by what stands above them, so these four stay first.
    electrode_class: ElectrodeClass
    electrode_area_cm2: _Amount | None = Field(default=None, validate_default=True)
    override_reason: _Words | None = None
    overridden_by: _Words | None = None
    require_approvals: bool = False

    access_resistance_kohm: _Amount | None = None
    double_layer_uf: _Amount | None = None
    after_discharge_lockout_s: _Lockout = 60.0
    after_discharge_lookback_s: _Lookback = 10.0

    amplitude_ua: _Amount | None = None
    total_current_ua: _Amount | None = None
    charge_per_phase_uc: _Amount | None = None
    charge_density_uc_cm2: _Amount | None = None
    shannon_k: _Amount | None = None
    net_charge_fraction: _Fraction | None = None
    dc_na: _Amount | None = None
    net_charge_per_hour_uc: _Amount | None = None
    ramp_ua_s: _Amount | None = None
    pulse_rate_hz: _Amount | None = None
    pulses_per_train: _Count | None = None
    train_s: _Amount | None = None
    duty: _Fraction | None = None
    lockout_s: _Amount | None = None
    trains_per_s: _Amount | None = None
    trains_per_hour: _Count | None = None
    charge_per_hour_uc: _Amount | None = None
    charge_per_day_uc: _Amount | None = None
    on_time_per_hour_s: _Amount | None = None
    on_time_per_day_s: _Amount | None = None
    ahead_s: _Amount | None = None
    level_db_spl: _Amount | None = None
    click_s: _Amount | None = None
    sound_dose_per_day: _Fraction | None = None

    @field_validator("override_reason", "overridden_by", *MODEL_KEYS, *ALL_KINDS, mode="before")
    @classmethod
    def _given_means_given(cls, value: object) -> object:
        if value is None:
            raise ValueError("None is no value and no way to lift a limit; leave the key out")
        return value

    @field_validator("electrode_area_cm2")
    @classmethod
    def _area_fits_class(cls, area_cm2: float | None, info: ValidationInfo) -> float | None:
        electrode_class: ElectrodeClass | None = info.data.get("electrode_class")
        problem = "" if electrode_class is None else area_problem(electrode_class, area_cm2)
        if problem:
            raise ValueError(problem)
        return area_cm2

    @field_validator(*MODEL_KEYS)
    @classmethod
    def _electrode_is_plausible(cls, value: float, info: ValidationInfo) -> float:
        if not {"electrode_class", "electrode_area_cm2"} <= info.data.keys():
            return value
        electrode_class: ElectrodeClass = info.data["electrode_class"]
        area_cm2 = info.data["electrode_area_cm2"]
        problem = ""
        if not is_electrical(electrode_class):
            problem = "sound has no electrode; leave it out"
        elif info.field_name == "access_resistance_kohm":
            problem = impedance_problem(electrode_class, value)
        elif electrode_model(electrode_class, area_cm2).double_layer_uf is None:
            problem = "the skin conducts, so no double layer counts on the scalp; leave it out"
        if problem:
            raise ValueError(problem)
        return value

    @field_validator(*ALL_KINDS)
    @classmethod
    def _applies_and_is_signed(cls, value: float, info: ValidationInfo) -> float:
        if not {"electrode_class", "electrode_area_cm2"} <= info.data.keys():
            return value
        key = str(info.field_name)
        kind = ALL_KINDS[key]
        electrode_class: ElectrodeClass = info.data["electrode_class"]
        defaults = class_defaults(electrode_class, info.data["electrode_area_cm2"])
        if key not in defaults:
            why = " (Cogan 2016)" if key in AREA_KEYS else ""
            raise ValueError(
                f"{kind.code} is no rule for class {electrode_class}{why}; leave it out, the "
                "class has rules of its own"
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
        """The same settings with every limit of the class, and its electrode, written out."""
        defaults = class_defaults(self.electrode_class, self.electrode_area_cm2)
        full: dict[str, float | None] = {key: default.value for key, default in defaults.items()}
        if self.electrode_area_cm2 is not None:
            model = electrode_model(self.electrode_class, self.electrode_area_cm2)
            full["access_resistance_kohm"] = model.access_resistance_kohm
            full["double_layer_uf"] = model.double_layer_uf
        left_out = {key: value for key, value in full.items() if getattr(self, key) is None}
        return self.model_copy(update=left_out)
