"""What is measured of one channel, against signals whose levels are known."""

import numpy as np
import pytest

from bci_core.chunk import StreamInfo
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.scoring.stretch import Stretch
from bci_core.tuning.levels import Levels, levels_of, outliers

RATE_HZ = 500.0
N = round(60 * RATE_HZ)
T = np.arange(N) / RATE_HZ


def measured(values: np.ndarray, band_hz: tuple[float, float] | None = None) -> Levels:
    info = StreamInfo("made", RATE_HZ, ("Cz",), "made")
    stretch = Stretch(values.astype(np.float32)[:, None], T, info)
    return levels_of(stretch, 0, MonitorSettings(), band_hz)


def noise(uv: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, uv, N)


def test_offset_and_size_are_those_of_the_signal() -> None:
    found = measured(noise(10.0) - 250.0)
    assert found.offset_uv == pytest.approx(-250.0, abs=0.5)
    assert found.rms_uv == pytest.approx(10.0, rel=0.02)
    assert found.bad == ()


def test_the_noise_is_that_of_white_noise_whatever_is_slower() -> None:
    slow = 200.0 * np.sin(2 * np.pi * 3.0 * T)
    expected = 10.0 / np.sqrt(RATE_HZ / 2.0)
    assert measured(noise(10.0) + slow).noise_uv_per_rthz == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("line_hz", [50.0, 60.0])
def test_mains_hum_is_found_at_its_frequency_and_size(line_hz: float) -> None:
    found = measured(noise(10.0) + 4.0 * np.sqrt(2) * np.sin(2 * np.pi * line_hz * T))
    assert found.mains_hz == line_hz
    assert found.mains_uv == pytest.approx(4.0, rel=0.1)
    assert found.bad == ()


def test_a_channel_of_hum_is_bad() -> None:
    (why,) = measured(noise(3.0) + 20.0 * np.sin(2 * np.pi * 50.0 * T)).bad
    assert "mains hum at 50 Hz" in why


def test_the_amplitude_in_the_band_is_that_of_a_sine() -> None:
    found = measured(noise(1.0) + 20.0 * np.sin(2 * np.pi * 8.0 * T), (5.0, 11.0))
    assert found.band_uv == pytest.approx(20.0, rel=0.03)
    assert found.band_p90_uv == pytest.approx(20.0, rel=0.05)
    assert measured(noise(1.0)).band_uv is None


def test_short_artefacts_hardly_move_noise_and_hum() -> None:
    clean = noise(10.0)
    dirty = clean.copy()
    dirty[5000:5100] += 5000.0
    assert measured(dirty).noise_uv_per_rthz == pytest.approx(
        measured(clean).noise_uv_per_rthz, rel=0.1
    )


@pytest.mark.parametrize(
    ("fill", "why"), [(3.0, "flat"), (200_000.0, "railed"), (np.nan, "not finite")]
)
def test_a_channel_that_is_away_for_long_is_bad_and_one_that_is_for_short_is_not(
    fill: float, why: str
) -> None:
    long, short = noise(10.0), noise(10.0)
    long[: N // 4] = fill
    short[1000:1200] = fill
    assert any(f"{why} for 25 %" in reason for reason in measured(long).bad)
    assert measured(short).bad == ()


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_a_channel_of_nothing_is_bad_and_nothing_breaks(fill: float) -> None:
    found = measured(np.full(N, fill), (5.0, 11.0))
    assert found.bad
    assert all(np.isfinite(v) for v in found.to_dict().values() if isinstance(v, float))


def test_a_channel_far_noisier_than_the_others_is_told() -> None:
    levels = {str(i): measured(noise(1.0 if i else 30.0, i)) for i in range(5)}
    assert list(outliers(levels)) == ["0"]
    assert outliers(dict(list(levels.items())[:3])) == {}
