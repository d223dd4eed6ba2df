"""Recognises stored patterns of co-activity as they come back."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection import bins
from bci_core.detection.assembly_features import (
    feature_problems,
    feature_settings,
    feature_state,
    last_bin,
    take_in,
)
from bci_core.detection.assembly_templates import AssemblyTemplates, load
from bci_core.detection.compiled import CompiledDetector, announce
from bci_core.detection.filter_bank import columns_problems
from bci_core.detection.requirements import lead_problems
from bci_core.errors import ConfigError, InputError, Problem
from bci_core.jit import KERNEL, compiled

NO_TEMPLATE = -1.0

# settings; five numbers a unit follow (column, mean, sd, shared, own sd), then the thresholds,
# the weights of one template after the other, and the features'
_N_UNITS, _N_TEMPLATES, _PER_UNIT = range(3)
# state; one strength a template, whether each is active, one z a unit, and the features' follow
_TEMPLATE, _STRENGTHS = range(2)


class AssemblySettings(BaseModel):
    """Section ``[detector]`` of a rig with ``kind = "assembly"``.

    Attributes
    ----------
    templates : str
        File of the templates; a relative path starts from the working directory. It names
        the units, and says how bins are made of samples.
    channels : tuple of str
        The stream's labels of the file's units, in the file's order, where they have
        other names there. Empty: they have the same.
    source : str or None
        ``"spikes"``, ``"band_power"`` or ``"counts"``: what the templates must have been
        learnt from. None takes whatever the file says.
    threshold_ratio : float
        Multiplies the thresholds of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    templates: str = Field(min_length=1)
    channels: tuple[str, ...] = ()
    source: Literal["spikes", "band_power", "counts"] | None = None
    threshold_ratio: float = Field(default=1.0, gt=0.0, le=100.0)


class Assembly(CompiledDetector):
    """Announces each activation of a template once, at the end of the bin that shows it.

    Bins are made by `bci_core.detection.assembly_features`, the strength of each template
    in a bin is that of `bci_core.detection.assembly_templates`. An activation begins
    where a strength goes above its threshold and lasts while the following bins are above
    it too. Where several begin in one bin, the strongest, in units of its threshold, is
    announced.

    `value` is the strength over the threshold; `channel` is -1, since a template is not a
    channel; `target_s` is `sample_s`: now. Which template it is stands in `outputs`: the
    first is the number (from 0) of the template announced at the end of the last bin, or
    else of the strongest that goes on, or -1; the others are the strengths (without unit:
    products of z).

    A bin that holds a flagged sample gives no strength: the outputs are -1 and 0 until the
    next good one, and nothing is learnt from it. With ``source = "spikes"`` the same holds
    until the noise has been learnt. With ``"counts"`` a silent unit is no flat channel
    (`reads_counts`), unless a guard has the monitor watch the same stream.

    Parameters
    ----------
    settings : AssemblySettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Raises
    ------
    ConfigError
        The templates cannot be read, were learnt from something else, or on other units
        than the stream has; or what they need does not fit its rate.
    """

    Settings: ClassVar[type[BaseModel]] = AssemblySettings

    def __init__(self, settings: AssemblySettings, info: StreamInfo, lead_s: float) -> None:
        try:
            templates = load(settings.templates)
        except InputError as error:
            problems = [Problem("templates", str(error)), *lead_problems(lead_s)]
            raise ConfigError("detector assembly", problems) from error
        problems = [
            *_unit_problems(settings, templates, info),
            *_source_problems(settings, templates),
            *feature_problems(templates.features, info),
            *lead_problems(lead_s),
        ]
        if problems:
            raise ConfigError("detector assembly", problems)
        self.templates = templates
        self.reads_counts = templates.features.source == "counts"
        columns = tuple(info.index_of(label) for label in settings.channels or templates.units)
        features = feature_settings(templates.features, info.rate_hz)
        numbers = [
            np.array([len(columns), len(templates)]),
            np.array(columns),
            templates.mean,
            templates.sd,
            templates.shared,
            templates.own_sd,
            templates.thresholds * settings.threshold_ratio,
            templates.weights.ravel(),
            features,
        ]
        own = np.zeros(_STRENGTHS + 2 * len(templates) + len(columns))
        own[_TEMPLATE] = NO_TEMPLATE
        super().__init__(
            assembly_kernel,
            np.concatenate(numbers),
            np.concatenate([own, feature_state(features, len(columns))]),
            columns,
            outputs=("template", *(f"strength:{k}" for k in range(len(templates)))),
            outputs_at=_TEMPLATE,
        )


def _unit_problems(
    settings: AssemblySettings, templates: AssemblyTemplates, info: StreamInfo
) -> list[Problem]:
    units = templates.units
    where = f"{settings.templates} was learnt on {len(units)} units ({_some(units)})"
    if settings.channels:
        problems = columns_problems(settings.channels, info)
        if len(settings.channels) != len(units):
            problems.append(
                Problem("channels", f"are {len(settings.channels)}, but {where}; name one for each")
            )
        return problems
    absent = [unit for unit in units if unit not in info.channels]
    if not absent:
        return []
    return [
        Problem(
            "templates",
            f"{where}; the stream {info.name!r} has {len(info.channels)} channels "
            f"({_some(info.channels)}), and no {_some(absent)}: name the stream's labels in "
            "`channels`, or learn templates on this stream",
        )
    ]


def _source_problems(settings: AssemblySettings, templates: AssemblyTemplates) -> list[Problem]:
    learnt = templates.features.source
    if settings.source in (None, learnt):
        return []
    return [
        Problem(
            "source",
            f"is {settings.source!r}, but {settings.templates} was learnt from {learnt!r}; "
            "leave it out, or learn other templates",
        )
    ]


def _some(labels: tuple[str, ...] | list[str], most: int = 8) -> str:
    shown = ", ".join(labels[:most])
    return shown if len(labels) <= most else f"{shown}, … {labels[-1]}"


@compiled("void(float64[::1], int64, float64[::1], float64[::1])")
def _own_activity(
    settings: NDArray[np.float64],
    n: int,
    values: NDArray[np.float64],
    z: NDArray[np.float64],
) -> None:
    """z-score a bin, less what each unit shares with the others."""
    mean = settings[_PER_UNIT + n : _PER_UNIT + 2 * n]
    sd = settings[_PER_UNIT + 2 * n : _PER_UNIT + 3 * n]
    shared = settings[_PER_UNIT + 3 * n : _PER_UNIT + 4 * n]
    own_sd = settings[_PER_UNIT + 4 * n : _PER_UNIT + 5 * n]
    total = 0.0
    for c in range(n):
        z[c] = (values[c] - mean[c]) / sd[c]
        total += z[c]
    for c in range(n):
        others = (total - z[c]) / max(n - 1, 1)
        z[c] = (z[c] - shared[c] * others) / own_sd[c]


@compiled("float64(float64[::1], float64[::1])")
def _strength(weights: NDArray[np.float64], z: NDArray[np.float64]) -> float:
    together = alone = 0.0
    for c in range(z.shape[0]):
        part = weights[c] * z[c]
        together += part
        alone += part * part
    return float(together * together - alone)


@compiled(KERNEL)
def assembly_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `Assembly`."""
    n, n_templates = int(settings[_N_UNITS]), int(settings[_N_TEMPLATES])
    columns = settings[_PER_UNIT : _PER_UNIT + n]
    thresholds_at = _PER_UNIT + 5 * n
    weights_at = thresholds_at + n_templates
    features = settings[weights_at + n_templates * n :]
    strengths = state[_STRENGTHS : _STRENGTHS + n_templates]
    active = state[_STRENGTHS + n_templates : _STRENGTHS + 2 * n_templates]
    z_at = _STRENGTHS + 2 * n_templates
    z = state[z_at : z_at + n]
    feature_memory = state[z_at + n :]
    n_found = 0
    for i in range(samples.shape[0]):
        told = take_in(features, feature_memory, columns, samples[i], flags[i] == 0)
        if told == bins.FILLING:
            continue
        state[_TEMPLATE] = NO_TEMPLATE
        strengths[:] = 0.0
        if told == bins.SPOILT:
            continue
        _own_activity(settings, n, last_bin(feature_memory, n), z)
        most, most_of_new = 0.0, 0.0
        strongest = newest = NO_TEMPLATE
        for k in range(n_templates):
            strengths[k] = _strength(settings[weights_at + k * n : weights_at + (k + 1) * n], z)
            height = strengths[k] / settings[thresholds_at + k]
            if height <= 1.0:
                active[k] = 0.0
                continue
            if height > most:
                most, strongest = height, float(k)
            if active[k] == 0.0 and height > most_of_new:
                most_of_new, newest = height, float(k)
            active[k] = 1.0
        state[_TEMPLATE] = strongest
        if newest != NO_TEMPLATE:
            state[_TEMPLATE] = newest
            n_found = announce(out, n_found, i, times_s[i], most_of_new)
    return n_found
