import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.band_power import BandPower, BandPowerSettings
from bci_core.detection.monitor import MonitorSettings, monitor_kernel
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.detection.sensing import Sensing
from bci_core.events import Detection

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz"), "bench-1")
ASKED = MonitorSettings(settle_s=1.0)


def phase():
    return Phase(
        PhaseSettings(channel="Cz", band_hz=(4, 8), target_deg=180, min_amplitude_uv=3), INFO, 0.01
    )


def band_power():
    return BandPower(BandPowerSettings(channel="Cz", band_hz=(4, 8), learning_s=2.0), INFO, 0.0)


class Crossings:
    """A detector in plain Python: upward zero crossings."""

    channels = (1,)

    def __init__(self):
        self._seen, self._last = 0, 0.0

    def update(self, chunk):
        found = []
        for value, time_s in zip(chunk.samples[:, 1].tolist(), chunk.times_s.tolist(), strict=True):
            if self._last <= 0.0 < value:
                found.append(Detection(self._seen, time_s, time_s, value))
            self._seen, self._last = self._seen + 1, value
        return found


def sine(seconds=20.0, frequency_hz=5.5):
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = 14.2 * np.cos(2 * np.pi * frequency_hz * times_s)
    noise = np.random.default_rng(0).normal(0.0, 0.3, (2, len(times_s)))
    return Chunk((wave + noise).T.astype(np.float32).copy(), times_s)


def troubled():
    """A sine with every kind of trouble, a few seconds apart."""
    chunk = sine()
    samples, times_s = chunk.samples.copy(), chunk.times_s.copy()
    samples[1000:1050, 1] = math.nan
    samples[2000:2010, 1] = math.inf
    samples[2500:2800, 1] = 4.0
    samples[3200:3205, 1] = 200_000.0
    samples[:, 0] = math.nan  # nobody reads it
    times_s[4000:] += 0.2
    return Chunk(samples, times_s)


def in_one(make, chunk):
    return Sensing(make(), INFO, ASKED).update(chunk)


@pytest.mark.parametrize("make", [phase, band_power, Crossings])
def test_the_chunk_is_left_as_it_was(make):
    chunk = troubled()
    before = chunk.samples.copy()
    in_one(make, chunk)
    np.testing.assert_array_equal(chunk.samples, before)


@pytest.mark.parametrize("make", [phase, Crossings])
def test_detections_near_a_fault_are_vetoed_and_others_not(make):
    found = in_one(make, troubled())
    vetoes = {
        "settling": [
            (0, 250),
            (1050, 1300),
            (2010, 2260),
            (2800, 3050),
            (3205, 3455),
            (4001, 4250),
        ],
        "not_finite": [(1000, 1050), (2000, 2010)],
        "flat": [(2624, 2800)],
        "railed": [(3200, 3205)],
        "gap": [(4000, 4001)],
    }
    expected = {i: veto for veto, runs in vetoes.items() for run in runs for i in range(*run)}
    assert len(found) > 60
    for d in found:
        assert d.veto == expected.get(d.sample_index, ""), d
    assert {d.veto for d in found} >= {"", "settling"}


def test_nan_is_recovered_from_within_the_settling_time():
    chunk = sine()
    samples = chunk.samples.copy()
    samples[2000:2100, 1] = math.nan
    found = in_one(phase, Chunk(samples, chunk.times_s))
    assert {d.veto for d in found if 2000 <= d.sample_index < 2100} <= {"not_finite"}
    trusted = [d for d in found if d.veto == ""]
    assert not any(2000 <= d.sample_index < 2350 for d in trusted)
    errors_deg = (360.0 * 5.5 * np.array([d.target_s for d in trusted]) % 360.0) - 180.0
    assert abs(errors_deg).max() < 10.0
    after = [d for d in trusted if d.sample_index >= 2350]
    assert len(after) == pytest.approx((5000 - 2350) / RATE_HZ * 5.5, abs=1.5)


def test_nan_from_the_first_sample_on_is_recovered_from():
    chunk = sine()
    samples = chunk.samples + np.float32(20_000.0)
    samples[:500] = math.nan
    found = [d for d in in_one(phase, Chunk(samples, chunk.times_s)) if d.sample_s > 5.0]
    errors_deg = (360.0 * 5.5 * np.array([d.target_s for d in found]) % 360.0) - 180.0
    assert abs(errors_deg).max() < 10.0
    assert not any(d.veto for d in found)


@pytest.mark.parametrize("make", [phase, band_power, Crossings])
@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 5000), max_size=20))
def test_any_split_gives_the_same_detections_and_vetoes(make, cuts):
    chunk = troubled()
    sensing, found = Sensing(make(), INFO, ASKED), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 5000], strict=True):
        found += sensing.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
    assert found == in_one(make, chunk)


@pytest.mark.parametrize("make", [phase, band_power])
@pytest.mark.parametrize("block", [1, 7, 1024])
def test_the_hot_path_finds_the_same(make, block):
    """As an inlet does it: blocks through both kernels, `collect` when there is something."""
    chunk = troubled()
    sensing = Sensing(make(), INFO, ASKED)
    compiled, monitor = sensing.compiled, sensing.monitor
    found, before = [], 0
    for start in range(0, len(chunk), block):
        samples = chunk.samples[start : start + block].copy()
        times_s = chunk.times_s[start : start + block]
        monitor_kernel(samples, times_s, monitor.settings, monitor.state, sensing.flags)
        flags = sensing.flags[: len(times_s)]
        n_found = compiled.kernel(
            samples, times_s, flags, compiled.settings, compiled.state, compiled.out
        )
        if n_found:
            found += sensing.collect(before, n_found, 0, times_s)
            before = 0
        else:
            before += len(times_s)
    whole = Sensing(make(), INFO, ASKED)
    assert found == whole.update(chunk)
    assert sensing.counts() == whole.counts()


def test_counts_what_the_detector_reads():
    sensing = Sensing(phase(), INFO, ASKED)
    sensing.update(troubled())
    counts = sensing.counts()
    assert (counts.samples, counts.gaps, counts.lost) == (5000, 1, 50)
    assert (counts.not_finite, counts.railed) == (60, 5)
    assert counts.flat == 300 - 124
