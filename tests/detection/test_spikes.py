import math

import numpy as np
import pytest
from pydantic import ValidationError

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.detection.spike_threshold import threshold_crossings
from bci_core.detection.spikes import Spikes, SpikesSettings
from bci_core.errors import ConfigError
from bci_core.testing.check_detector import RULES, trial_chunk
from bci_core.testing.detector_input_rules import STREAM_RULES

RATE_HZ = 5000.0
INFO = StreamInfo("probe", RATE_HZ, ("a", "b", "c", "d", "e"), "probe-1")
FEW = ("d", "a", "c")  # neither all nor in order
SOON = {"learning_s": 0.5, "baseline_learning_s": 1.0, "noise_s": 1.0, "baseline_s": 10.0}


def spikes(**changes):
    return Spikes(SpikesSettings(**({"channels": FEW} | SOON | changes)), INFO, 0.0)


def probe(seconds=6.0, rate_hz=8.0, bursts_s=(), burst_hz=200.0, seed=0):
    """Noise of 5 uV with Poisson spikes on each channel, more of them in bursts."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0.0, 5.0, (round(seconds * RATE_HZ), len(INFO.channels)))
    times_s = np.arange(len(samples)) / RATE_HZ
    hz = np.full(len(samples), rate_hz)
    for start_s, end_s in bursts_s:
        hz[(times_s >= start_s) & (times_s < end_s)] = burst_hz
    fires = rng.random(samples.shape) < hz[:, np.newaxis] / RATE_HZ
    samples -= 60.0 * fires
    samples[1:] += 25.0 * fires[:-1]
    return Chunk(samples.astype(np.float32) + np.float32(2000.0), times_s)


def test_rates_are_those_of_all_crossings():
    detector, chunk = spikes(bin_s=0.1), probe()
    values = detector.trace(chunk)
    columns = [INFO.index_of(channel) for channel in FEW]
    index, channel = threshold_crossings(
        np.ascontiguousarray(chunk.samples[:, columns]),
        RATE_HZ,
        SpikesSettings(channels=FEW, **SOON),
    )
    counts = np.zeros((60, 3))
    np.add.at(counts, (index // 500, channel), 1.0)
    ends = np.arange(499, len(chunk), 500)
    learnt = ends >= 0.5 * RATE_HZ + 500
    assert counts[learnt].sum() > 100
    np.testing.assert_allclose(values[ends, 2:][learnt], counts[learnt] / 0.1)
    np.testing.assert_allclose(values[ends, 0][learnt], counts[learnt].sum(axis=1) / 0.1)
    assert detector.outputs == (
        "population_rate_hz", "population_sd", "rate_hz:d", "rate_hz:a", "rate_hz:c",
    )  # fmt: skip
    assert detector.counts().tolist() == counts[-1].tolist()
    assert detector.noise_uv() == pytest.approx([5.0] * 3, rel=0.2)


def test_bursts_of_the_population_are_announced_once_each():
    bursts_s = [(3.0, 3.1), (4.0, 4.3), (5.0, 5.05)]
    found = spikes().update(probe(bursts_s=bursts_s))
    assert len(found) == 3
    for d, (start_s, _) in zip(found, bursts_s, strict=True):
        assert start_s < d.sample_s <= start_s + 2 * 0.025
        assert d.target_s == d.sample_s
        assert (d.sample_index + 1) % 125 == 0  # the last sample of a bin
        assert d.value >= 4.0
        assert d.channel == -1


def test_a_lasting_change_of_rate_is_the_new_normal():
    chunk = probe(30.0, bursts_s=[(4.0, 30.0)], burst_hz=100.0)
    at_s = [d.sample_s for d in spikes(baseline_s=5.0).update(chunk)]
    assert 4.0 < at_s[0] < 4.1
    assert not [s for s in at_s if s > 4.0 + 5.0 + 1.0]


def test_every_crossing_of_few_channels():
    chunk = probe()
    detector = spikes(announce="crossing", channels=("b", "e"))
    found = detector.update(chunk)
    index, channel = threshold_crossings(
        np.ascontiguousarray(chunk.samples[:, [1, 4]]),
        RATE_HZ,
        SpikesSettings(channels=FEW, **SOON),
    )
    assert [d.sample_index for d in found] == np.unique(index).tolist()
    columns = {(i, (1, 4)[c]) for i, c in zip(index.tolist(), channel.tolist(), strict=True)}
    assert all((d.sample_index, d.channel) in columns for d in found)
    assert {d.channel for d in found} == {1, 4}
    assert all(d.value > 4.5 for d in found)


def test_where_two_cross_at_once_the_further_is_told():
    chunk = probe(rate_hz=0.0)
    samples = chunk.samples.copy()
    samples[20_000, [0, 2, 3]] -= (60.0, 40.0, 90.0)
    (found,) = [
        d
        for d in spikes(announce="crossing", channels=("a", "c", "d")).update(
            Chunk(samples, chunk.times_s)
        )
        if d.sample_index == 20_000
    ]
    assert found.channel == 3
    assert found.value == pytest.approx(90.0 / 5.0, rel=0.35)


def test_a_bin_with_a_flagged_sample_is_thrown_away():
    # A burst that is announced when it is clean, and not when one of its samples is flagged.
    chunk = probe(bursts_s=[(4.0, 4.025)])
    flags = np.zeros(len(chunk), dtype=np.uint8)
    flags[20_060] = 1
    assert [d.sample_index for d in spikes().update(chunk)] == [20_124]
    detector = spikes()
    assert not detector.update(Chunk(chunk.samples, chunk.times_s, flags))
    values = spikes().trace(Chunk(chunk.samples, chunk.times_s, flags))
    assert (values[20_000:20_249] == values[19_999]).all()  # until the end of the next bin
    assert (values[20_249] != values[19_999]).any()


def test_an_artefact_that_is_flagged_teaches_nothing():
    chunk = probe(20.0)
    samples, flags = chunk.samples.copy(), np.zeros(len(chunk), dtype=np.uint8)
    rng = np.random.default_rng(5)
    samples[40_000:60_000] += rng.normal(0.0, 800.0, (20_000, 5)).astype(np.float32)
    flags[40_000:60_000] = 1
    clean, through = spikes(), spikes()
    clean.update(Chunk(chunk.samples[:40_000], chunk.times_s[:40_000]))
    through.update(Chunk(samples[:60_000], chunk.times_s[:60_000], flags[:60_000]))
    assert (through.noise_uv() == clean.noise_uv()).all()
    assert not through.update(Chunk(samples[60_000:], chunk.times_s[60_000:]))


def test_nan_and_gaps_through_the_monitor():
    chunk = probe(bursts_s=[(4.0, 4.1)])
    samples = chunk.samples.copy()
    samples[10_000:10_100, 3] = np.nan
    samples[12_000, 0] = np.inf
    times_s = chunk.times_s.copy()
    times_s[13_000:] += 0.5
    detector = spikes()
    sensing = Sensing(detector, INFO, MonitorSettings(settle_s=0.2))
    found = sensing.update(Chunk(samples, times_s))
    assert np.isfinite(detector.state).all()
    assert [d.sample_s for d in found if not d.veto and 4.5 < d.sample_s < 4.61]
    assert not [d for d in found if not d.veto and d.sample_s < 4.4]


def random_parts(chunk, seed):
    rng = np.random.default_rng(seed)
    start = 0
    while start < len(chunk):
        end = start + int(rng.choice([0, 1, 2, 7, 50, 333, 2000]))
        flags = None if chunk.flags is None else chunk.flags[start:end]
        yield Chunk(chunk.samples[start:end], chunk.times_s[start:end], flags)
        start = end


@pytest.mark.parametrize("announce", ["population", "crossing"])
def test_one_hundred_splits_give_the_same_to_the_bit(announce):
    chunk = probe(4.0, bursts_s=[(2.5, 2.6), (3.2, 3.3)])
    flags = (np.random.default_rng(9).random(len(chunk)) < 0.001).astype(np.uint8)
    chunk = Chunk(chunk.samples, chunk.times_s, flags)
    whole = spikes(announce=announce)
    expected = whole.update(chunk)
    assert expected
    for seed in range(100):
        detector = spikes(announce=announce)
        found = [d for part in random_parts(chunk, seed) for d in detector.update(part)]
        assert found == expected
        np.testing.assert_array_equal(detector.state, whole.state)


@pytest.mark.parametrize("announce", ["population", "crossing"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(rule, announce):
    rule(lambda: spikes(announce=announce), CONTRACT[announce])


CONTRACT = {
    "population": probe(3.0, bursts_s=[(t, t + 0.05) for t in (1.8, 2.2, 2.6)]),
    "crossing": trial_chunk(INFO),
}


@pytest.mark.parametrize("announce", ["population", "crossing"])
@pytest.mark.parametrize("rule", STREAM_RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract_on_other_streams(rule, announce):
    def make_for(info):
        asked = SpikesSettings(channels=info.channels, announce=announce, **SOON)
        return Spikes(asked, info, 0.0)

    rule(make_for, INFO, CONTRACT[announce])


def test_a_thousand_channels_at_thirty_kilohertz():
    rate_hz, labels = 30_000.0, tuple(f"ch{c}" for c in range(1024))
    info = StreamInfo("probes", rate_hz, labels, "probes-1")
    rng = np.random.default_rng(0)
    one = rng.normal(0.0, 5.0, (9_000, 1)).astype(np.float32)
    one[6_100::300] -= 100.0
    samples = np.repeat(one, 1024, axis=1)
    detector = Spikes(SpikesSettings(channels=labels, learning_s=0.2), info, 0.0)
    detector.update(Chunk(samples, np.arange(9_000) / rate_hz))
    assert len(detector.output()) == 1026
    assert (detector.counts() >= 2).all()
    assert len(np.unique(detector.state[2:][-1024:])) == 1  # the same for each, to the bit


def test_all_mistakes_at_once():
    asked = SpikesSettings(
        channels=("a", "x", "a"),
        high_pass_hz=2500.0,
        release_sd=5.0,
        threshold_sd=4.0,
        baseline_s=0.02,
        bin_s=0.025,
    )
    with pytest.raises(ConfigError) as caught:
        Spikes(asked, INFO, math.inf)
    where = [problem.where for problem in caught.value.problems]
    assert where == [
        "channels", "channels", "high_pass_hz", "release_sd", "baseline_s", "lead_s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"channels": ()}, {"polarity": "up"}, {"bin_s": 0.0}, {"threshold_noise_sd": math.nan}],
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        spikes(**changes)
