"""What each channel carries: level, noise, mains hum, and whether it can be used at all."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.scoring.stretch import Stretch

Values = NDArray[np.float64]

WINDOW_S = 2.0
"""Of one spectrum (Welch's method). For the noise their median is taken, which short artefacts
do not move."""

FLOOR = (0.5, 0.75)
"""Where the noise is read, in parts of half the rate: above most of what a brain does, and
below where the filters of amplifiers begin."""

MAINS_HZ = (50.0, 60.0)
MAINS_WIDTH_HZ = 1.0
"""To either side of the line; the spectrum as far again on both sides is its background."""

BAD_SHARE = 0.05
"""A channel that is flat, railed or not finite for more of the time than this is bad."""

OUTLYING = 10.0
"""A channel whose noise is this many times the median of all is bad."""

LEAST_FOR_OUTLIERS = 4
"""Channels, below which none is compared with the others."""


@dataclass(frozen=True, slots=True)
class Levels:
    """One channel.

    Attributes
    ----------
    channel : str
    offset_uv : float
        Median.
    rms_uv : float
        About the mean.
    noise_uv_per_rthz : float
        Square root of the power density, median over `FLOOR`. The electrode's and the
        amplifier's noise, as far as nothing in the brain is as fast.
    mains_hz, mains_uv : float
        The stronger of `MAINS_HZ`, and its root mean square above the spectrum around it.
    band_uv, band_p90_uv : float or None
        Amplitude in the detector's band, by a zero-phase filter: median, and what is passed
        a tenth of the time. None where the detector has no band.
    flat_share, railed_share, not_finite_share : float
        Of the samples.
    bad : tuple of str
        Why it should not be used.
    """

    channel: str
    offset_uv: float
    rms_uv: float
    noise_uv_per_rthz: float
    mains_hz: float
    mains_uv: float
    band_uv: float | None
    band_p90_uv: float | None
    flat_share: float
    railed_share: float
    not_finite_share: float
    bad: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self) | {"bad": list(self.bad)}


def levels_of(
    stretch: Stretch, column: int, monitor: MonitorSettings, band_hz: tuple[float, float] | None
) -> Levels:
    """Measure one channel.

    Parameters
    ----------
    stretch : Stretch
    column : int
    monitor : MonitorSettings
        Says what is flat and what is railed.
    band_hz : (float, float) or None
        The detector's band.
    """
    raw = stretch.samples[:, column].astype(np.float64)
    finite = np.isfinite(raw)
    values = _repaired(raw, finite)
    rate_hz = stretch.info.rate_hz
    hz, density = _spectrum(values, rate_hz, "median")
    # The median is right for noise only: of a steady line it makes too much.
    lines = {line: _line_uv(*_spectrum(values, rate_hz, "mean"), line) for line in MAINS_HZ}
    mains_hz = max(lines, key=lambda line: lines[line])
    amplitude = _amplitude(values, band_hz, rate_hz)
    flat_n = max(2, int(np.ceil(monitor.flat_s * rate_hz)))
    found = Levels(
        channel=stretch.info.channels[column],
        offset_uv=float(np.median(values)),
        rms_uv=float(np.std(values)),
        noise_uv_per_rthz=_noise(hz, density, rate_hz),
        mains_hz=mains_hz,
        mains_uv=lines[mains_hz],
        band_uv=None if amplitude is None else float(np.median(amplitude)),
        band_p90_uv=None if amplitude is None else float(np.quantile(amplitude, 0.9)),
        flat_share=_flat_share(values, flat_n) if monitor.watch_flat else 0.0,
        railed_share=float(np.mean(np.abs(values) >= monitor.rail_uv)),
        not_finite_share=float(np.mean(~finite)),
    )
    return _judged(found)


def outliers(levels: Mapping[str, Levels]) -> dict[str, str]:
    """Channels far noisier than the others, each with the reason."""
    if len(levels) < LEAST_FOR_OUTLIERS:
        return {}
    usual = float(np.median([each.noise_uv_per_rthz for each in levels.values()]))
    return {
        name: f"noise {each.noise_uv_per_rthz:.3g} uV/sqrt(Hz), {OUTLYING:g} times the median "
        f"of all channels ({usual:.3g}) or more"
        for name, each in levels.items()
        if usual > 0.0 and each.noise_uv_per_rthz >= OUTLYING * usual
    }


def _judged(levels: Levels) -> Levels:
    bad = [
        f"{name} for {100 * share:.0f} % of the time"
        for name, share in (
            ("flat", levels.flat_share),
            ("railed", levels.railed_share),
            ("not finite", levels.not_finite_share),
        )
        if share > BAD_SHARE
    ]
    # More than half of the power.
    if levels.mains_uv > 0.0 and 2.0 * levels.mains_uv**2 > levels.rms_uv**2:
        bad.append(
            f"mains hum at {levels.mains_hz:g} Hz: {levels.mains_uv:.3g} of {levels.rms_uv:.3g} uV"
        )
    return replace(levels, bad=tuple(bad))


def _repaired(values: Values, finite: NDArray[np.bool_]) -> Values:
    """Each value that is not finite replaced by the last good one, as the monitor does."""
    if finite.all():
        return values
    last_good = np.maximum.accumulate(np.where(finite, np.arange(len(values)), -1))
    return np.where(last_good >= 0, values[np.maximum(last_good, 0)], 0.0)


def _spectrum(
    values: Values, rate_hz: float, average: Literal["mean", "median"]
) -> tuple[Values, Values]:
    from scipy.signal import welch

    size = min(len(values), round(WINDOW_S * rate_hz))
    hz, density = welch(values, rate_hz, nperseg=size, average=average)
    return np.asarray(hz), np.asarray(density)


def _noise(hz: Values, density: Values, rate_hz: float) -> float:
    low, high = (part * rate_hz / 2.0 for part in FLOOR)
    return float(np.sqrt(np.median(density[(hz >= low) & (hz <= high)])))


def _line_uv(hz: Values, density: Values, line_hz: float) -> float:
    """Root mean square of a line above the spectrum around it; 0 beyond half the rate."""
    away = np.abs(hz - line_hz)
    at = away <= MAINS_WIDTH_HZ
    around = (away > MAINS_WIDTH_HZ) & (away <= 3.0 * MAINS_WIDTH_HZ)
    if line_hz + 3.0 * MAINS_WIDTH_HZ > hz[-1] or not at.any() or not around.any():
        return 0.0
    above = np.sum(density[at] - np.median(density[around])) * (hz[1] - hz[0])
    return float(np.sqrt(max(above, 0.0)))


def _amplitude(
    values: Values, band_hz: tuple[float, float] | None, rate_hz: float
) -> Values | None:
    """Of the analytic signal in a band."""
    from scipy.signal import butter, hilbert, sosfiltfilt

    if band_hz is None or len(values) < 3 * rate_hz / band_hz[0]:
        return None
    sos = butter(2, band_hz, "bandpass", fs=rate_hz, output="sos")
    return np.abs(hilbert(sosfiltfilt(sos, values - np.median(values))))


def _flat_share(values: Values, flat_n: int) -> float:
    """Samples in runs of one value that are at least `flat_n` long."""
    borders = np.flatnonzero(np.diff(values) != 0.0) + 1
    runs = np.diff(np.concatenate([[0], borders, [len(values)]]))
    return float(runs[runs >= flat_n].sum() / len(values))
