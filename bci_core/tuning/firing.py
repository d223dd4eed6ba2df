"""The rig's detector tried over samples: how it fires, and at which other values it would."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from pydantic import ValidationError

from bci_core.chunk import StreamInfo
from bci_core.config.rig import Rig
from bci_core.detection.compiled import CompiledDetector
from bci_core.detection.sensing import Sensing
from bci_core.errors import BciError, InputError
from bci_core.events import Detection, EventKind
from bci_core.scoring.run import Run, run_detector
from bci_core.scoring.stretch import Stretch
from bci_core.scoring.subject import detector_of
from bci_core.tuning.levels import Levels
from bci_core.tuning.sweep import threshold_of, values_around

LEAD_S = 0.02
"""Stands in for the lead that a session measures."""

GATE = "min_amplitude_uv"
GATED = {GATE, "target_deg", "band_hz"}
"""Keys of a detector that follows an oscillation, and has a gate on its amplitude."""
ADAPTIVE_GATE = "min_amplitude_quantile"
"""Key of a gate that follows the amplitude by itself; where it is set, nothing is filled in."""
LOWEST_GATE_UV = 1e-3
GATE_QUANTILE, GATE_SHARE = 0.9, 0.5
"""The gate is half of what the amplitude passes a tenth of the time: a rhythm that is always
as strong keeps all of its cycles, one that waxes and wanes like noise about half."""
NOISE_QUANTILE, NOISE_S = 0.95, 60.0
"""White noise as strong as the channel's, tried for so long, passes the gate in a twentieth of
its cycles at most."""
LEAST_VALUES = 20
"""Amplitudes that a gate is set from, at least."""

QUANTILES = {"p5": 0.05, "p50": 0.5, "p95": 0.95, "p99": 0.99}
READS_HZ = 100.0
"""How often the detector's outputs are read."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rate:
    """How often the detector would have fired with a threshold at this value."""

    value: float
    detections: int
    per_min: float


def with_settings(settings: Any, changed: Mapping[str, Any]) -> Any:
    """A detector's settings with some replaced, checked like any others."""
    return type(settings).model_validate(settings.model_dump() | dict(changed))


def run_with(rig: Rig, stretch: Stretch, changed: Mapping[str, Any]) -> Run:
    """The rig's detector, with some of its settings changed, through the rig's monitor."""
    settings = with_settings(rig.detector.settings, changed)
    made = detector_of(rig.detector.name, settings, stretch.info, LEAD_S)
    return run_detector(made, stretch, rig.monitor)


def onsets_of(run: Run) -> list[Detection]:
    """What would have been acted on."""
    return [d for d in run.detections if d.kind is EventKind.ONSET and not d.veto]


def per_min(count: int, run: Run) -> float:
    """Of the time in which detections are not vetoed."""
    return 60.0 * count / run.trusted_s if run.trusted_s > 0.0 else 0.0


def has_gate(rig: Rig) -> bool:
    """Whether the detector has the settings `GATED`, and no gate of its own making is in use."""
    settings = rig.detector.settings
    return set(type(settings).model_fields) >= GATED and not getattr(settings, ADAPTIVE_GATE, 0.0)


def gate_uv(rig: Rig, stretch: Stretch, used: Sequence[Levels]) -> float | None:
    """A gate for the detector's own amplitude; see `GATE_SHARE` and `NOISE_QUANTILE`.

    Returns
    -------
    float or None
        Microvolts; None for a detector that has no such gate, or saw too few cycles.
    """
    if not has_gate(rig):
        return None
    amplitudes_uv = _amplitudes_uv(rig, stretch)
    if len(amplitudes_uv) < LEAST_VALUES:
        return None
    strong_uv = float(np.quantile(amplitudes_uv, GATE_QUANTILE))
    noise_uv = max(each.noise_uv_per_rthz for each in used) * sqrt(stretch.info.rate_hz / 2.0)
    of_noise_uv = _amplitudes_uv(rig, _white_noise(noise_uv, stretch.info)) or [0.0]
    by_noise_uv = float(np.quantile(of_noise_uv, NOISE_QUANTILE))
    return _rounded(max(GATE_SHARE * strong_uv, by_noise_uv, LOWEST_GATE_UV))


def _amplitudes_uv(rig: Rig, stretch: Stretch) -> list[float]:
    """What the detector takes the amplitude to be, once a cycle."""
    return [d.value for d in onsets_of(run_with(rig, stretch, {GATE: LOWEST_GATE_UV}))]


def _white_noise(rms_uv: float, info: StreamInfo) -> Stretch:
    n = round(NOISE_S * info.rate_hz)
    values = np.random.default_rng(0).normal(0.0, rms_uv, (n, 1)).astype(np.float32)
    # The same on all channels: the detector reads one.
    return Stretch(np.repeat(values, len(info.channels), axis=1), np.arange(n) / info.rate_hz, info)


def rates_around(
    rig: Rig, stretch: Stretch, filled_in: Mapping[str, Any], say: Say
) -> tuple[str, tuple[Rate, ...]]:
    """The key of the detector's threshold, and how often it fires at values around the rig's."""
    settings = with_settings(rig.detector.settings, filled_in)
    key = threshold_of(rig.detector.name, type(settings))
    if key is None:
        return "", ()
    rates = []
    for value in values_around(type(settings), key, getattr(settings, key)):
        say(f"{key} {value:g}")
        try:
            run = run_with(rig, stretch, {**filled_in, key: value})
        except (BciError, ValidationError):
            continue  # contradicts another setting, which stays as it is
        count = len(onsets_of(run))
        rates.append(Rate(value, count, per_min(count, run)))
    return key, tuple(rates)


def threshold_within(key: str, rates: Sequence[Rate], at_most_per_min: float, rig: Rig) -> float:
    """The lowest value that fires no more often than `at_most_per_min`, nor does any above it.

    Raises
    ------
    InputError
        There is none, or no threshold to set.
    """
    if not key:
        raise InputError(
            f"--at-most-per-min: detector {rig.detector.name} has no threshold to set; "
            "leave the option out"
        )
    # From the top down, as far as it holds: a rate may rise again where events merge.
    within: float | None = None
    for rate in sorted(rates, key=lambda each: -each.value):
        if rate.per_min > at_most_per_min:
            break
        within = rate.value
    if within is None:
        least = min(rates, key=lambda each: each.per_min)
        raise InputError(
            f"--at-most-per-min {at_most_per_min:g}: no {key} that was tried keeps to it; the "
            f"least is {least.per_min:.3g} a minute at {least.value:g}. Set {key} higher in the rig"
        )
    return within


def outputs_of(
    rig: Rig, stretch: Stretch, changed: Mapping[str, Any], run: Run
) -> dict[str, dict[str, float]]:
    """Quantiles of the detector's outputs, read a hundred times a second."""
    settings = with_settings(rig.detector.settings, changed)
    made = detector_of(rig.detector.name, settings, stretch.info, LEAD_S)
    if not isinstance(made, CompiledDetector) or not made.outputs:
        return {}
    sensing = Sensing(made, stretch.info, rig.monitor, montage=stretch.montage)
    size = max(1, round(stretch.info.rate_hz / READS_HZ))
    rows = []
    for start, chunk in zip(range(0, len(stretch), size), stretch.chunks(size), strict=True):
        sensing.update(chunk)
        if run.flags[start + len(chunk) - 1] == 0:
            rows.append(made.output())
    if not rows:
        return {}
    values = np.quantile(np.array(rows), list(QUANTILES.values()), axis=0)
    return {
        label: {name: float(values[q, i]) for q, name in enumerate(QUANTILES)}
        for i, label in enumerate(made.outputs)
    }


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
