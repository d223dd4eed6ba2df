"""Settings of the detectors with a short window and a long trend; see `short_and_long`."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection.filter_bank import columns_problems
from bci_core.detection.requirements import band_problems, lead_problems
from bci_core.errors import ConfigError, Problem


class ShortAndLongSettings(BaseModel):
    """What the detectors with a short window and a long trend have in common.

    Attributes
    ----------
    channels : tuple of str
        Labels of the channels to watch.
    band_hz : (float, float)
        Edges of the band-pass before everything else, one order at each. The default
        keeps muscle and mains out as far as the rhythms of seizures allow.
    short_s : float
        Length of the short window.
    long_s : float
        Time constant of the trend.
    learning_s : float
        How long a first trend is learnt, from samples without a flag; all count equally.
        Nothing begins before this is over.
    release_ratio : float
        The event is over when the short window is above the trend by less than this
        part of the threshold, for `end_s`.
    min_channels : int
        On how many channels the threshold must be passed at the same time.
    min_duration_s : float
        For how long without a break, for an event to be announced.
    end_s : float
        For how long it must be below the release, to have ended.
    again_s : float, optional
        An event that goes on is announced again so long after it was last; unless given,
        it is announced once. For a protocol that tries one therapy after another.
    max_duration_s : float
        After this an event is announced as ended, whatever the signal, and the trends
        are learnt anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channels: tuple[str, ...] = Field(min_length=1)
    band_hz: tuple[float, float] = (3.0, 35.0)
    short_s: float = Field(default=5.0, ge=0.25, le=60.0)
    long_s: float = Field(default=120.0, gt=0.0, le=36_000.0)
    learning_s: float = Field(default=20.0, gt=0.0, le=600.0)
    release_ratio: float = Field(default=0.5, ge=0.0, le=1.0)
    min_channels: int = Field(default=1, ge=1)
    min_duration_s: float = Field(default=1.0, ge=0.0, le=600.0)
    end_s: float = Field(default=2.0, ge=0.0, le=600.0)
    again_s: float | None = Field(default=None, gt=0.0, le=600.0)
    max_duration_s: float = Field(default=300.0, gt=0.0, le=36_000.0)


def check(
    detector: str,
    settings: ShortAndLongSettings,
    info: StreamInfo,
    lead_s: float,
    also: Sequence[Problem],
) -> None:
    """Raise ConfigError with everything that does not fit, and what was found wrong before."""
    problems = [
        *columns_problems(settings.channels, info),
        *band_problems(settings.band_hz, info),
        *lead_problems(lead_s),
        *also,
    ]
    if settings.min_channels > len(settings.channels):
        problems.append(
            Problem(
                "min_channels",
                f"is {settings.min_channels}, with {len(settings.channels)} in channels; "
                "nothing would be announced: lower it",
            )
        )
    if settings.short_s >= settings.long_s:
        problems.append(
            Problem(
                "short_s",
                f"is {settings.short_s:g} s, not below long_s of {settings.long_s:g} s; "
                "lower it, or raise long_s",
            )
        )
    if settings.min_duration_s >= settings.max_duration_s:
        problems.append(
            Problem(
                "min_duration_s",
                f"is {settings.min_duration_s:g} s, not below max_duration_s of "
                f"{settings.max_duration_s:g} s; nothing would be announced: lower it",
            )
        )
    if problems:
        raise ConfigError(f"detector {detector}", problems)
