"""Section ``[arms]`` of a rig: what detections are allotted to."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_Count = Annotated[int, Field(ge=1, le=1000, strict=True)]
_Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Pause = Annotated[float, Field(ge=0.0, le=60.0, allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0.0, le=60.0, allow_inf_nan=False)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShamArm(_Settings):
    """Everything but the current.

    Attributes
    ----------
    count : int
        Trials (or periods) of this arm in a block.
    """

    count: _Count = 1


class CatchArm(ShamArm):
    """The trial is marked, and nothing beyond sham is asked of the device."""


class ActiveArm(ShamArm):
    """As the protocol plans it.

    Attributes
    ----------
    p_stim : float
        Probability that a trial of this arm is stimulated; else it is sham.
    """

    p_stim: _Share = 1.0


class DelayedArm(ActiveArm):
    """The same stimulus, later.

    Attributes
    ----------
    delay_s : float, or pair of float
        Fixed, or least and most of a delay drawn uniformly for each trial: 0.08 to 0.2 in
        studies of ripple disruption, 3 where content-specific patterns are the question.
    """

    delay_s: tuple[_Pause, _Pause] | _Positive

    @field_validator("delay_s")
    @classmethod
    def _ordered(cls, delay_s: float | tuple[float, float]) -> float | tuple[float, float]:
        if isinstance(delay_s, tuple) and not delay_s[0] < delay_s[1]:
            raise ValueError("the least delay must be below the most")
        return delay_s


class JitteredArm(ActiveArm):
    """The same stimulus, its lock to the event smeared. Only later: none can come before it.

    Attributes
    ----------
    jitter_s : float
        Delays are uniform from 0 to this.
    """

    jitter_s: _Positive


class PhaseShuffledArm(ActiveArm):
    """The same stimulus at any phase: delays are uniform over one cycle.

    Attributes
    ----------
    frequency_hz : float, optional
        Of that cycle. Left out, the middle of the band the detector listens to.
    """

    frequency_hz: Annotated[float, Field(gt=0.05, le=1000.0)] | None = None


class YokedArm(ActiveArm):
    """The times of another session's pulses: each trial takes the next one not yet taken.

    Attributes
    ----------
    session : str
        Folder of that session. Times are counted from the first sample of either.
    sha256 : str
        Of its ``ledger.jsonl``.
    within_s : float
        A trial for which no such time comes this soon after its target is sham.
    """

    session: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    within_s: _Positive


class ArmsSettings(_Settings):
    """Section ``[arms]``: control arms, and how trials are allotted to them.

    At least one arm, each a table below this one. A trial is a detection that the policy
    would act on and the protocol has a stimulus for. Arms come in permuted blocks: each
    block holds every arm as often as its count says, in an order drawn from a secret seed.

    Attributes
    ----------
    unit : str
        What is allotted: each ``trial``, or each ``period`` of time.
    period_s : float, optional
        Length of a period, counted from the loop's first sample.
    blocks : int
        How many times its count an arm has in a block.
    blind : bool
        Screen, ledger, streams and report do not tell the arms apart until ``bci unblind``.
    keepers : pair of str
        Who hold the two keys that unblinding needs.
    secret_seed : str, optional
        64 hexadecimal digits, for tests: an allotment that is in the rig is no secret.
        Left out, it comes from the system's source of randomness.
    """

    unit: Literal["trial", "period"] = "trial"
    period_s: Annotated[float, Field(ge=0.1, le=86_400.0)] | None = None
    blocks: Annotated[int, Field(ge=1, le=100, strict=True)] = 1
    blind: bool = False
    keepers: tuple[str, str] = ("first", "second")
    # Never into the folder: there the ledger has its hash, and only the keepers have more.
    secret_seed: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, exclude=True
    )
    active: ActiveArm | None = None
    sham: ShamArm | None = None
    delayed: DelayedArm | None = None
    jittered: JitteredArm | None = None
    phase_shuffled: PhaseShuffledArm | None = None
    yoked: YokedArm | None = None
    catch: CatchArm | None = None

    @field_validator("keepers")
    @classmethod
    def _two_people(cls, keepers: tuple[str, str]) -> tuple[str, str]:
        if keepers[0] == keepers[1]:
            raise ValueError("one person cannot hold both keys")
        if not all(name.replace("_", "").replace("-", "").isalnum() for name in keepers):
            raise ValueError("names are letters, digits, '-' and '_'")
        return keepers

    @model_validator(mode="after")
    def _is_a_design(self) -> "ArmsSettings":
        if not self.chosen():
            raise ValueError(f"no arm; give at least one of: {', '.join(KINDS)}")
        if (self.unit == "period") != (self.period_s is not None):
            raise ValueError('period_s goes with unit = "period", and only with it')
        return self

    def chosen(self) -> dict[str, ShamArm]:
        """The arms of this design, in a fixed order."""
        return {kind: arm for kind in KINDS if (arm := getattr(self, kind)) is not None}


KINDS = ("active", "sham", "delayed", "jittered", "phase_shuffled", "yoked", "catch")
"""Of arms, which are also their names."""
