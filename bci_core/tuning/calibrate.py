"""What an operator should know before arming: the channels, and what the detector makes of them.

Channels are measured one by one (`bci_core.tuning.levels`). Then the rig's own detector
runs over the samples, through the rig's own monitor: how often it would have fired, how
often at other thresholds, and what its outputs usually are. Values that follow from
that are put into its settings; nothing else of the rig changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bci_core.config.rig import Rig
from bci_core.scoring.run import Run, run_detector
from bci_core.scoring.stretch import Stretch, with_montage
from bci_core.scoring.subject import detector_of
from bci_core.tuning.firing import (
    GATE,
    LEAD_S,
    LEAST_VALUES,
    Rate,
    Say,
    gate_uv,
    has_gate,
    onsets_of,
    outputs_of,
    per_min,
    rates_around,
    run_with,
    threshold_within,
)
from bci_core.tuning.levels import Levels, levels_of, outliers

TOLD = 8
"""Channels whose turn is told, about."""

VETOED_SHARE = 0.2
"""Of the time; more is worth a warning."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything that was measured.

    Attributes
    ----------
    duration_s, rate_hz : float
    samples : mapping of str to int
        The monitor's counts, over the channels the detector reads.
    trusted_share : float
        Of the time; in the rest, detections are vetoed.
    levels : mapping of str to Levels
        By channel, in the stream's order.
    used : tuple of str
        Channels the detector, and the guard if there is one, read.
    detections : int
        Onsets with the rig's settings, vetoed ones left out.
    per_min : float
        Of trusted time.
    vetoed : mapping of str to int
    guard_alarms : int or None
        Onsets that the rig's guard found, each of which ends a session; None without one.
    threshold : str
        Key that `rates` are of; "" where the detector has none.
    threshold_now : float or None
        Its value in the rig, or the one filled in.
    rates : tuple of Rate
    outputs : mapping of str to mapping
        Quantiles of what the detector publishes, over trusted samples.
    filled_in : mapping
        Settings of the detector that were changed, and their values.
    warnings : tuple of str
        What should be mended, or understood, before arming.
    ready : bool
        Whether the channels of `used` can be.
    """

    duration_s: float
    rate_hz: float
    samples: Mapping[str, int]
    trusted_share: float
    levels: Mapping[str, Levels]
    used: tuple[str, ...]
    detections: int
    per_min: float
    vetoed: Mapping[str, int]
    guard_alarms: int | None
    threshold: str
    threshold_now: float | None
    rates: tuple[Rate, ...]
    outputs: Mapping[str, Mapping[str, float]]
    filled_in: Mapping[str, Any]
    warnings: tuple[str, ...]
    ready: bool

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return plain | {
            "samples": dict(self.samples),
            "levels": {name: each.to_dict() for name, each in self.levels.items()},
            "used": list(self.used),
            "rates": [asdict(rate) for rate in self.rates],
            "warnings": list(self.warnings),
        }


def calibrate(rig: Rig, stretch: Stretch, at_most_per_min: float | None, say: Say) -> Calibration:
    """Measure the channels and the detector.

    Parameters
    ----------
    rig : Rig
    stretch : Stretch
        From the rig's amplifier, or a recording with the same channels.
    at_most_per_min : float or None
        For samples in which nothing is to be found: the lowest threshold tried that fires
        no more often than this is filled in.
    say : callable (str)
        Is given lines of progress.

    Raises
    ------
    ConfigError
        The detector cannot be made for these samples.
    InputError
        No threshold that was tried keeps to `at_most_per_min`, or there is none to set.
    """
    stretch = with_montage(stretch, rig.montage)
    settings = rig.detector.settings
    filled_in: dict[str, Any] = {}
    say(f"{rig.detector.name} over {stretch.end_s - stretch.times_s[0]:.0f} s")
    guard = None
    used = detector_of(rig.detector.name, settings, stretch.info, LEAD_S).channels
    if rig.guard is not None:
        guard = detector_of(rig.guard.name, rig.guard.settings, stretch.info, LEAD_S)
        used = tuple(dict.fromkeys((*used, *guard.channels)))
    levels = _levels(rig, stretch, say)
    names = tuple(stretch.info.channels[column] for column in used)
    gate = gate_uv(rig, stretch, [levels[name] for name in names])
    if gate is not None:
        filled_in[GATE] = gate
    key, rates = rates_around(rig, stretch, filled_in, say)
    if at_most_per_min is not None:
        filled_in[key] = threshold_within(key, rates, at_most_per_min, rig)
    run = run_with(rig, stretch, filled_in)
    alarms = None if guard is None else len(onsets_of(run_detector(guard, stretch, rig.monitor)))
    onsets = onsets_of(run)
    warnings = _warnings(rig, stretch, run, levels, names, filled_in, len(onsets))
    if alarms:
        warnings.append(f"the guard would have ended the session: {alarms} alarms")
    return Calibration(
        duration_s=stretch.end_s - float(stretch.times_s[0]),
        rate_hz=stretch.info.rate_hz,
        samples=asdict(run.counts),
        trusted_share=run.trusted_s * stretch.info.rate_hz / len(stretch),
        levels=levels,
        used=names,
        detections=len(onsets),
        per_min=per_min(len(onsets), run),
        vetoed=run.vetoed,
        guard_alarms=alarms,
        threshold=key,
        threshold_now=filled_in.get(key, getattr(settings, key, None)) if key else None,
        rates=rates,
        outputs=outputs_of(rig, stretch, filled_in, run),
        filled_in=filled_in,
        warnings=tuple(warnings),
        ready=not any(levels[name].bad for name in names),
    )


def _levels(rig: Rig, stretch: Stretch, say: Say) -> dict[str, Levels]:
    band = getattr(rig.detector.settings, "band_hz", None)
    band_hz = band if band is not None and len(band) == 2 else None
    levels: dict[str, Levels] = {}
    every = max(1, len(stretch.info.channels) // TOLD)
    for column, name in enumerate(stretch.info.channels):
        if column % every == 0:
            say(f"channel {column + 1} of {len(stretch.info.channels)}: {name}")
        levels[name] = levels_of(stretch, column, rig.monitor, band_hz)
    for name, why in outliers(levels).items():
        levels[name] = replace(levels[name], bad=(*levels[name].bad, why))
    return levels


def _warnings(
    rig: Rig,
    stretch: Stretch,
    run: Run,
    levels: Mapping[str, Levels],
    used: Sequence[str],
    filled_in: Mapping[str, Any],
    n_onsets: int,
) -> list[str]:
    warnings = []
    for name, each in levels.items():
        reads = "which is read" if name in used else "which is not read"
        warnings += [f"channel {name}, {reads}: {why}" for why in each.bad]
    if run.counts.lost:
        warnings.append(f"{run.counts.lost} samples were lost, in {run.counts.gaps} gaps")
    vetoed_share = 1.0 - run.trusted_s * stretch.info.rate_hz / len(stretch)
    if vetoed_share > VETOED_SHARE:
        warnings.append(
            f"detections are vetoed for {100 * vetoed_share:.0f} % of the time, the "
            f"{rig.monitor.settle_s:g} s at the start included"
        )
    duration_s = stretch.end_s - float(stretch.times_s[0])
    learning_s = getattr(rig.detector.settings, "baseline_s", 0.0)
    if duration_s < learning_s:
        warnings.append(
            f"{duration_s:.0f} s is less than baseline_s, {learning_s:g} s: the detector's "
            "baseline has not settled; take longer"
        )
    if has_gate(rig) and GATE not in filled_in:
        warnings.append(
            f"{GATE} is left as it is: fewer than {LEAST_VALUES} cycles were seen; take longer"
        )
    if not n_onsets:
        warnings.append("the detector would not have fired at all")
    per_s = per_min(n_onsets, run) / 60.0
    if per_s > rig.policy.max_rate_hz:
        warnings.append(
            f"it would have fired {per_s:.3g} times a second; the policy lets "
            f"{rig.policy.max_rate_hz:g} pass (max_rate_hz) and refuses the rest"
        )
    return warnings
