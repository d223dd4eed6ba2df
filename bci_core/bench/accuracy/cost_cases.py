"""Which detectors are timed, with which settings, against what.

To add one: a class in a module ``cost_…`` beside this one whose `step` takes a chunk and
gives the numbers the kernel holds after it, and a line in `CASES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_bands import (
    BandDiscriminantTwin,
    BandPowerTwin,
    ClassifierTwin,
    classifier_for,
)
from bci_core.bench.accuracy.cost_many import AreaTwin, LineLengthTwin, SpikesTwin
from bci_core.bench.accuracy.cost_others import AssemblyTwin, SignalQualityTwin, assembly_for
from bci_core.bench.accuracy.cost_ripple import RippleTwin
from bci_core.bench.accuracy.cost_single import PhaseTwin, SpindleTwin
from bci_core.bench.accuracy.cost_waves import AfterDischargeTwin, HalfWaveTwin
from bci_core.chunk import StreamInfo
from bci_core.detection.after_discharge import AfterDischarge, AfterDischargeSettings
from bci_core.detection.area import Area, AreaSettings
from bci_core.detection.band_discriminant import BandDiscriminant
from bci_core.detection.band_discriminant_settings import BandDiscriminantSettings
from bci_core.detection.band_power import BandPower, BandPowerSettings
from bci_core.detection.compiled import CompiledDetector
from bci_core.detection.half_wave import HalfWave, HalfWaveSettings
from bci_core.detection.line_length import LineLength, LineLengthSettings
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.detection.ripple import Ripple
from bci_core.detection.ripple_settings import RippleSettings
from bci_core.detection.signal_quality import SignalQuality, SignalQualitySettings
from bci_core.detection.slow_oscillation import (
    DRIFT_RATIO,
    SlowOscillation,
    SlowOscillationSettings,
)
from bci_core.detection.spikes import Spikes, SpikesSettings
from bci_core.detection.spindle import Spindle, SpindleSettings

N_CHANNELS = 64

Detectors = Sequence[CompiledDetector]


class Twin(Protocol):
    """The same in scipy and numpy, chunk by chunk."""

    def step(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Take a chunk in; the numbers after it."""
        ...


@dataclass(frozen=True, slots=True)
class Case:
    """One detector to time.

    Attributes
    ----------
    detector : str
        Registered name.
    detectors : callable (StreamInfo, n)
        Makes those of the first `n` channels: one of many channels, or one for each.
    twin : callable (StreamInfo)
        Of a stream of those channels alone.
    numbers : callable (detectors)
        Of the kernels' states: what `Twin.step` gives.
    twin_of : str
        What the twin is made of.
    rate_hz : float
    one_channel : bool
        It is a detector of one channel.
    all_at_once : bool
        Nevertheless the twin takes any number of channels at once.
    """

    detector: str
    detectors: Callable[[StreamInfo, int], Detectors]
    twin: Callable[[StreamInfo], Twin]
    numbers: Callable[[Detectors], NDArray[np.float64]]
    twin_of: str = "scipy and numpy"
    rate_hz: float = 1000.0
    one_channel: bool = False
    all_at_once: bool = False


def _outputs(detectors: Detectors) -> NDArray[np.float64]:
    return np.stack([detector.output() for detector in detectors])


def _amplitude_and_frequency(detectors: Detectors) -> NDArray[np.float64]:
    """Of the phase's outputs."""
    return _outputs(detectors)[:, 1:3]


def _each(make: Callable[[str, StreamInfo], Any]) -> Callable[[StreamInfo, int], Detectors]:
    return lambda info, n: [make(channel, info) for channel in info.channels[:n]]


BAND_POWER: dict[str, Any] = {"band_hz": (8.0, 13.0), "learning_s": 1.0}
BAND_DISCRIMINANT: dict[str, Any] = {"update_s": 0.1, "learning_s": 0.5}
LINE_LENGTH: dict[str, Any] = {"short_s": 0.5, "learning_s": 1.0}
# Of half-waves there are to be enough in two seconds, and an event is not to be announced.
HALF_WAVE: dict[str, Any] = LINE_LENGTH | {"above_trend_percent": 20.0, "min_duration_s": 5.0}
SIGNAL_QUALITY: dict[str, Any] = {"mains_hz": 50.0, "lead_off_hz": 31.2}
RIPPLE: dict[str, Any] = {"learning_s": 1.0}
SLOW_OSCILLATION: dict[str, Any] = {
    "band_hz": (0.5, 2.0),
    "min_amplitude_quantile": 0.5,
    "drift_ratio": DRIFT_RATIO,
}
SPINDLE: dict[str, Any] = {"learning_s": 0.5}
SPIKES: dict[str, Any] = {"learning_s": 0.01}

CASES: tuple[Case, ...] = (
    Case(
        "band_power",
        _each(lambda c, info: BandPower(BandPowerSettings(channel=c, **BAND_POWER), info, 0.0)),
        lambda info: BandPowerTwin(BandPowerSettings(channel="c0", **BAND_POWER), info),
        _outputs,
        one_channel=True,
        all_at_once=True,
    ),
    Case(
        "band_discriminant",
        _each(
            lambda c, info: BandDiscriminant(
                BandDiscriminantSettings(channels=(c,), **BAND_DISCRIMINANT), info, 0.0
            )
        ),
        lambda info: BandDiscriminantTwin(
            BandDiscriminantSettings(channels=("c0",), **BAND_DISCRIMINANT), info
        ),
        lambda detectors: _outputs(detectors)[:, 1],
        one_channel=True,
        all_at_once=True,
    ),
    Case("classifier", lambda info, _: [classifier_for(info)], ClassifierTwin, _outputs),
    Case(
        "line_length",
        lambda info, _: [
            LineLength(LineLengthSettings(channels=info.channels, **LINE_LENGTH), info, 0.0)
        ],
        lambda info: LineLengthTwin(
            LineLengthSettings(channels=info.channels, **LINE_LENGTH), info
        ),
        lambda detectors: detectors[0].output(),
        rate_hz=1024.0,
    ),
    Case(
        "area",
        lambda info, _: [Area(AreaSettings(channels=info.channels, **LINE_LENGTH), info, 0.0)],
        lambda info: AreaTwin(AreaSettings(channels=info.channels, **LINE_LENGTH), info),
        lambda detectors: detectors[0].output(),
        rate_hz=1024.0,
    ),
    Case(
        "half_wave",
        lambda info, _: [
            HalfWave(HalfWaveSettings(channels=info.channels, **HALF_WAVE), info, 0.0)
        ],
        lambda info: HalfWaveTwin(HalfWaveSettings(channels=info.channels, **HALF_WAVE), info),
        lambda detectors: detectors[0].output(),
        rate_hz=1024.0,
    ),
    Case(
        "after_discharge",
        lambda info, _: [
            AfterDischarge(AfterDischargeSettings(channels=info.channels, **HALF_WAVE), info, 0.0)
        ],
        lambda info: AfterDischargeTwin(
            AfterDischargeSettings(channels=info.channels, **HALF_WAVE), info
        ),
        lambda detectors: detectors[0].output(),
        rate_hz=1024.0,
    ),
    Case(
        "signal_quality",
        lambda info, _: [
            SignalQuality(
                SignalQualitySettings(channels=info.channels, **SIGNAL_QUALITY), info, 0.0
            )
        ],
        lambda info: SignalQualityTwin(
            SignalQualitySettings(channels=info.channels, **SIGNAL_QUALITY), info
        ),
        lambda detectors: detectors[0].output(),
    ),
    Case(
        "assembly",
        lambda info, _: [assembly_for(info)],
        AssemblyTwin,
        lambda detectors: detectors[0].output()[1:],
    ),
    Case(
        "phase",
        _each(lambda c, info: Phase(PhaseSettings(channel=c), info, 0.01)),
        lambda info: PhaseTwin(PhaseSettings(channel="c0"), info),
        _amplitude_and_frequency,
        "numpy and plain Python",
        one_channel=True,
    ),
    Case(
        "slow_oscillation",
        _each(lambda c, info: SlowOscillation(SlowOscillationSettings(channel=c), info, 0.01)),
        lambda info: PhaseTwin(PhaseSettings(channel="c0", **SLOW_OSCILLATION), info),
        _amplitude_and_frequency,
        "numpy and plain Python",
        one_channel=True,
    ),
    Case(
        "spindle",
        _each(lambda c, info: Spindle(SpindleSettings(channel=c, **SPINDLE), info, 0.0)),
        lambda info: SpindleTwin(SpindleSettings(channel="c0", **SPINDLE), info),
        _outputs,
        one_channel=True,
    ),
    Case(
        "ripple",
        lambda info, _: [Ripple(RippleSettings(channels=info.channels, **RIPPLE), info, 0.0)],
        lambda info: RippleTwin(RippleSettings(channels=info.channels, **RIPPLE), info),
        lambda detectors: detectors[0].output()[1:],
    ),
    Case(
        "spikes",
        lambda info, _: [Spikes(SpikesSettings(channels=info.channels, **SPIKES), info, 0.0)],
        lambda info: SpikesTwin(SpikesSettings(channels=info.channels, **SPIKES), info),
        lambda detectors: detectors[0].noise_uv(),  # type: ignore[attr-defined] # of Spikes
        rate_hz=30_000.0,
    ),
)
