"""Settings of the band discriminant, and what they may not say at once."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bci_core.errors import Problem


class BandDiscriminantSettings(BaseModel):
    """Section ``[detector]`` of a rig with ``kind = "band_discriminant"``.

    The parts and their names are those of implanted adaptive stimulators: a linear
    discriminant of up to four band powers, one or two of them, with onset and
    termination durations and blanking after a change (Medtronic Summit RC+S; Stanslaski
    et al. 2018, IEEE Transactions on Biomedical Circuits and Systems 12:1230). What such a
    device subtracts from a power before it is weighted belongs into the threshold here.

    Attributes
    ----------
    channels : tuple of str
        One for all bands, or one for each.
    bands_hz : tuple of (float, float)
        Edges of each band.
    weights : tuple of float
        One for each band.
    threshold : float
        The state begins when the weighted sum is at or above this …
    release : float
        … and ends when it is below this.
    second_weights, second_threshold, second_release
        Of a second discriminant of the same bands; no weights, no second one.
    combine : {"all", "any"}
        Whether both discriminants have to be above, or one of them.
    scale : {"sd", "uv2"}
        What is weighted. "sd": how far the root mean square of the band is above its
        running baseline, in the baseline's standard deviations. "uv2": mean square, in
        microvolts squared, as devices have it; thresholds are then of one electrode in
        one person.
    averaging_s : float
        Power is the mean over this long …
    update_s : float
        … and looked at this often.
    onset_s, termination_s : float
        How long the sum has to stay above, or below, before the state changes.
    blanking_s : float
        After each change, samples are left out for this long: of a stimulus that ramps.
    hold_s : float
        The least time from one change to the next.
    baseline_s, learning_s, min_sd_uv
        For "sd"; see `bci_core.detection.band_power.BandPowerSettings`.
    order : int
        Of the Butterworth band-passes, at each edge.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channels: tuple[str, ...] = Field(min_length=1)
    bands_hz: tuple[tuple[float, float], ...] = Field(
        default=((13.0, 30.0),), min_length=1, max_length=16
    )
    weights: tuple[float, ...] = (1.0,)
    threshold: float = 2.0
    release: float = 1.0
    second_weights: tuple[float, ...] = ()
    second_threshold: float = 2.0
    second_release: float = 1.0
    combine: Literal["all", "any"] = "all"
    scale: Literal["sd", "uv2"] = "sd"
    averaging_s: float = Field(default=0.5, gt=0.0, le=600.0)
    update_s: float = Field(default=0.1, gt=0.0, le=60.0)
    onset_s: float = Field(default=0.2, ge=0.0, le=600.0)
    termination_s: float = Field(default=0.5, ge=0.0, le=600.0)
    blanking_s: float = Field(default=0.0, ge=0.0, le=600.0)
    hold_s: float = Field(default=1.0, ge=0.0, le=3600.0)
    baseline_s: float = Field(default=60.0, gt=0.0, le=36_000.0)
    learning_s: float = Field(default=5.0, gt=0.0, le=600.0)
    min_sd_uv: float = Field(default=0.01, gt=0.0, le=1e6)
    order: int = Field(default=2, ge=1, le=8)


def contradictions(settings: BandDiscriminantSettings, rate_hz: float) -> list[Problem]:
    """What the settings say that cannot be, whatever the stream."""
    n_bands = len(settings.bands_hz)
    problems = []
    if len(settings.channels) not in (1, n_bands):
        problems.append(
            Problem(
                "channels",
                f"names {len(settings.channels)} for {n_bands} bands; name 1 or {n_bands}",
            )
        )
    asked = [("weights", settings.weights, settings.threshold, settings.release)]
    if settings.second_weights:
        asked.append(
            (
                "second_weights",
                settings.second_weights,
                settings.second_threshold,
                settings.second_release,
            )
        )
    for name, weights, threshold, release in asked:
        if len(weights) != n_bands:
            problems.append(
                Problem(name, f"has {len(weights)} for {n_bands} bands; give one for each")
            )
        elif not any(weights):
            problems.append(Problem(name, "has nothing but 0; the sum would never change"))
        if release > threshold:
            where = name.replace("weights", "release")
            problems.append(
                Problem(
                    where,
                    f"is {release:g}, above the threshold of {threshold:g}; a state would be over "
                    "as it begins: lower it",
                )
            )
    if settings.averaging_s < settings.update_s:
        problems.append(
            Problem(
                "averaging_s",
                f"is {settings.averaging_s:g} s, below update_s of {settings.update_s:g} s; "
                "samples would be left out: raise it, or lower update_s",
            )
        )
    if settings.update_s * rate_hz < 0.5:
        problems.append(
            Problem(
                "update_s",
                f"is {settings.update_s:g} s, less than half a sample at {rate_hz:g} Hz: raise it",
            )
        )
    if settings.scale == "sd" and settings.onset_s >= settings.baseline_s:
        problems.append(
            Problem(
                "onset_s",
                f"is {settings.onset_s:g} s, not below baseline_s of {settings.baseline_s:g} s; "
                "a state would be normal before it is announced: lower it, or raise baseline_s",
            )
        )
    return problems
