import dataclasses
import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.assembly import Assembly, AssemblySettings
from bci_core.detection.assembly_features import AssemblyFeatures, binned
from bci_core.detection.assembly_learning import LearningSettings, learn_templates
from bci_core.detection.assembly_templates import AssemblyTemplates, load, save
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.detection.signal_quality import SignalQuality, SignalQualitySettings
from bci_core.detection.spike_threshold import SpikeThresholdSettings, threshold_crossings
from bci_core.errors import ConfigError
from bci_core.testing.check_detector import RULES
from bci_core.testing.detector_input_rules import STREAM_RULES

RATE_HZ = 1000.0
UNITS = tuple(f"u{k}" for k in range(10))
INFO = StreamInfo("sorter", RATE_HZ, ("sync", *reversed(UNITS), "spare"), "sorter-1")
BIN_N = 20
COUNTS = AssemblyFeatures(source="counts", bin_s=0.02)
WEIGHTS = np.zeros((2, 10))
WEIGHTS[0, :4] = 0.5
WEIGHTS[1, 4:7] = 1 / math.sqrt(3)


def templates(features=COUNTS, mean=0.05, sd=0.22, **changes):
    parts = {
        "weights": WEIGHTS,
        "thresholds": np.array([40.0, 30.0]),
        "mean": mean * np.ones(10),
        "sd": sd * np.ones(10),
        "shared": np.linspace(0.0, 0.3, 10),
        "own_sd": np.linspace(0.8, 1.0, 10),
        "units": UNITS,
        "features": features,
        "provenance": {},
    }
    return AssemblyTemplates(**(parts | changes))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("assembly") / "t.npz"
    save(templates(), path)
    return str(path)


def sorted_spikes(seconds=20.0, seed=0, patterns=()):
    """Counts of each unit in samples of 1 ms; `patterns` is a list of (bin, members)."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(2.5 / RATE_HZ, (round(seconds * RATE_HZ), 10)).astype(np.float32)
    for at, members in patterns:
        for unit in members:
            counts[at * BIN_N + rng.integers(BIN_N), unit] += 1
    samples = rng.normal(0.0, 100.0, (len(counts), 12)).astype(np.float32)
    samples[:, 1:11] = counts[:, ::-1]  # the stream's order is not the file's
    return Chunk(samples, np.arange(len(samples)) / RATE_HZ), counts


PATTERNS = [(100, (0, 1, 2, 3)), (300, (4, 5, 6)), (301, (4, 5, 6)), (500, (0, 1, 2, 3))]


def test_each_activation_is_announced_once_at_the_end_of_its_bin(file):
    chunk, _ = sorted_spikes(patterns=PATTERNS)
    detector = Assembly(AssemblySettings(templates=file), INFO, 0.0)
    found = {d.sample_index: d for d in detector.update(chunk)}
    for at in (100, 300, 500):
        d = found[(at + 1) * BIN_N - 1]
        assert d.value > 1.0
        assert d.channel == -1
        assert d.target_s == d.sample_s
    assert (302 * BIN_N - 1) not in found  # it went on
    assert len(found) <= 6  # chance


def test_agrees_with_the_templates_own_strength(file):
    chunk, counts = sorted_spikes(patterns=PATTERNS)
    detector = Assembly(AssemblySettings(templates=file), INFO, 0.0)
    course = detector.trace(chunk)
    assert detector.outputs == ("template", "strength:0", "strength:1")
    in_bins = counts.reshape(-1, BIN_N, 10).sum(axis=1)
    expected = load(file).strengths(in_bins)
    np.testing.assert_allclose(course[BIN_N - 1 :: BIN_N, 1:], expected, atol=1e-9)
    # … and stays until the next bin is full.
    assert (
        course[BIN_N - 1 : -1] == np.repeat(course[BIN_N - 1 :: BIN_N], BIN_N, axis=0)[:-BIN_N]
    ).all()
    which = course[BIN_N - 1 :: BIN_N, 0]
    assert [which[at] for at in (100, 300, 301, 500)] == [0, 1, 1, 0]
    assert (which == -1).sum() > 950


def test_the_strongest_of_two_at_once_is_announced(file):
    chunk, _ = sorted_spikes(patterns=[(100, range(7)), (100, (4, 5, 6))])
    detector = Assembly(AssemblySettings(templates=file), INFO, 0.0)
    until = 101 * BIN_N
    found = detector.update(Chunk(chunk.samples[:until], chunk.times_s[:until]))
    assert found[-1].sample_index == until - 1
    which, *strengths = detector.output()
    assert which == 1
    assert found[-1].value == strengths[1] / 30.0


def test_a_ratio_moves_the_thresholds(file):
    chunk, _ = sorted_spikes(patterns=PATTERNS)
    n = [
        len(Assembly(AssemblySettings(templates=file, threshold_ratio=r), INFO, 0.0).update(chunk))
        for r in (0.1, 1.0, 50.0)
    ]
    assert n[0] > n[1] > n[2] == 0


def test_a_bin_with_a_flagged_sample_gives_no_strength(file):
    chunk, _ = sorted_spikes(patterns=PATTERNS)
    flags = np.zeros(len(chunk), dtype=np.uint8)
    flags[100 * BIN_N + 7] = 4
    detector = Assembly(AssemblySettings(templates=file), INFO, 0.0)
    flagged = Chunk(chunk.samples, chunk.times_s, flags)
    course = detector.trace(flagged)
    assert (course[101 * BIN_N - 1 : 102 * BIN_N - 1] == (-1.0, 0.0, 0.0)).all()
    found = Assembly(AssemblySettings(templates=file), INFO, 0.0).update(flagged)
    whole = Assembly(AssemblySettings(templates=file), INFO, 0.0).update(chunk)
    assert found == [d for d in whole if d.sample_index != 101 * BIN_N - 1]
    assert len(whole) == len(found) + 1


def test_other_labels_in_the_stream(file):
    labels = tuple(f"ch{k}" for k in range(12))
    info = StreamInfo("other", RATE_HZ, labels, "other-1")
    chunk, _ = sorted_spikes(patterns=PATTERNS)
    channels = tuple(f"ch{k}" for k in range(10, 0, -1))
    expected = Assembly(AssemblySettings(templates=file), INFO, 0.0).update(chunk)
    found = Assembly(AssemblySettings(templates=file, channels=channels), info, 0.0).update(chunk)
    assert found == expected


@pytest.mark.parametrize("rate_hz", [50.0, 1000.0])
def test_one_sample_may_be_a_bin(tmp_path, rate_hz):
    save(templates(), tmp_path / "t.npz")
    info = StreamInfo("sorter", rate_hz, UNITS, "sorter-1")
    detector = Assembly(AssemblySettings(templates=str(tmp_path / "t.npz")), info, 0.0)
    size = round(0.02 * rate_hz)
    counts = np.zeros((3 * size, 10), dtype=np.float32)
    counts[size, :4] = 1.0
    (found,) = detector.update(Chunk(counts, np.arange(len(counts)) / rate_hz))
    assert found.sample_index == 2 * size - 1


# --- learnt from samples, and recognised in others ---

WIRES = StreamInfo("wires", 5000.0, UNITS, "wires-1")
FROM_SPIKES = AssemblyFeatures(
    source="spikes", bin_s=0.02, spikes=SpikeThresholdSettings(learning_s=0.5)
)
FROM_BAND = AssemblyFeatures(source="band_power", bin_s=0.1, band_hz=(80.0, 150.0))


def wires(seconds, seed):
    """Spikes on ten channels, and a pattern in the first four, in `at` seconds."""
    rng = np.random.default_rng(seed)
    n = round(seconds * 5000)
    samples = rng.normal(0.0, 5.0, (n, 10))
    fires = rng.random((n, 10)) < 1.5 / 5000
    at_s = np.arange(1.0, seconds - 0.5, 0.7)
    at_s += rng.uniform(0.0, 0.3, len(at_s))
    for s in at_s:
        bin_start = int(s / 0.02) * 100
        fires[bin_start + rng.integers(5, 90, 4), np.arange(4)] = True
    samples -= 80.0 * fires
    return Chunk(samples.astype(np.float32), np.arange(n) / 5000.0), at_s


def hums(seconds, seed):
    """Bursts of 110 Hz on single channels, and on the first three together in `at` seconds."""
    rng = np.random.default_rng(seed)
    n = round(seconds * 1000)
    times_s = np.arange(n) / 1000.0
    gain = np.ones((n, 10))
    for _ in range(round(4 * seconds)):
        start = rng.integers(n)
        gain[start : start + 100, rng.integers(10)] = 6.0
    at_s = np.arange(2.0, seconds - 1.0, 1.5)
    for s in at_s:
        gain[round(s * 1000) : round(s * 1000) + 100, :3] = 6.0
    tone = np.sin(2 * np.pi * 110.0 * times_s + rng.uniform(0, 6, (10, 1))).T
    samples = rng.normal(0.0, 5.0, (n, 10)) + 3.0 * gain * tone
    return Chunk(samples.astype(np.float32), times_s), at_s


@pytest.mark.parametrize(
    ("make", "info", "features", "seconds"),
    [
        (wires, WIRES, FROM_SPIKES, 60.0),
        (hums, StreamInfo("wires", 1000.0, UNITS, "wires-1"), FROM_BAND, 120.0),
    ],
    ids=["spikes", "band_power"],
)
def test_learnt_from_samples_and_recognised_in_others(tmp_path, make, info, features, seconds):
    first, _ = make(seconds, 0)
    values = binned(first.samples, info, features)
    learning = LearningSettings(shuffle_per_min=6.0, control_shared_rate=False)
    learnt = learn_templates(values, UNITS, features, learning)
    save(learnt, tmp_path / "t.npz")
    second, at_s = make(seconds, 1)
    detector = Assembly(AssemblySettings(templates=str(tmp_path / "t.npz")), info, 0.0)
    found_s = np.array([d.sample_s for d in detector.update(second)])
    late_s = found_s[np.searchsorted(found_s, at_s).clip(max=len(found_s) - 1)] - at_s
    assert ((late_s > -0.02) & (late_s < 2.5 * features.bin_s)).mean() > 0.6
    assert len(found_s) < 2.0 * len(at_s)
    assert np.isfinite(detector.state).all()


def test_spikes_are_those_of_the_spikes_detector():
    chunk, _ = wires(10.0, 3)
    values = binned(chunk.samples, WIRES, FROM_SPIKES)
    index, channel = threshold_crossings(chunk.samples, 5000.0, FROM_SPIKES.spikes)
    expected = np.zeros((500, 10))
    np.add.at(expected, (index // 100, channel), 1.0)
    np.testing.assert_array_equal(values, expected[25:])  # none before the noise is learnt


def test_band_power_agrees_with_scipy():
    chunk, _ = hums(10.0, 4)
    info = StreamInfo("wires", 1000.0, UNITS, "wires-1")
    flags = np.zeros(len(chunk), dtype=np.uint8)
    flags[4_321] = 1
    values = binned(chunk.samples, info, FROM_BAND, flags)
    sos = signal.butter(2, (80, 150), btype="bandpass", output="sos", fs=1000.0)
    start = signal.sosfilt_zi(sos)[:, :, np.newaxis] * chunk.samples[0]
    band, _ = signal.sosfilt(sos, chunk.samples.astype(float), axis=0, zi=start)
    expected = np.log10((band**2).reshape(100, 100, 10).mean(axis=1))
    np.testing.assert_allclose(values, np.delete(expected, 43, axis=0), rtol=1e-6)


def test_a_flat_channel_has_a_finite_band_power():
    info = StreamInfo("flat", 1000.0, UNITS, "flat-1")
    values = binned(np.full((1000, 10), 3e5, dtype=np.float32), info, FROM_BAND)
    assert np.isfinite(values).all()


# --- the contract ---


def random_parts(chunk, seed):
    rng = np.random.default_rng(seed)
    start = 0
    while start < len(chunk):
        end = start + int(rng.choice([0, 1, 2, 7, 50, 333, 2000]))
        yield Chunk(chunk.samples[start:end], chunk.times_s[start:end], chunk.flags[start:end])
        start = end


@pytest.mark.parametrize("source", ["counts", "spikes", "band_power"])
def test_one_hundred_splits_give_the_same_to_the_bit(tmp_path, source):
    features = {"counts": COUNTS, "spikes": FROM_SPIKES, "band_power": FROM_BAND}[source]
    made = templates(features, mean=1.5 if source == "band_power" else 0.1, sd=0.3)
    save(made, tmp_path / "t.npz")
    chunk, _ = {"counts": wires, "spikes": wires, "band_power": hums}[source](6.0, 2)
    flags = (np.random.default_rng(1).random(len(chunk)) < 2e-4).astype(np.uint8)
    chunk = Chunk(chunk.samples, chunk.times_s, flags)
    info = StreamInfo("wires", 1000.0 if source == "band_power" else 5000.0, UNITS, "wires-1")
    asked = AssemblySettings(templates=str(tmp_path / "t.npz"), threshold_ratio=0.05)
    whole = Assembly(asked, info, 0.0)
    expected = whole.update(chunk)
    assert expected
    for seed in range(100):
        detector = Assembly(asked, info, 0.0)
        found = [d for part in random_parts(chunk, seed) for d in detector.update(part)]
        assert found == expected
        np.testing.assert_array_equal(detector.state, whole.state)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(rule, file):
    chunk, _ = sorted_spikes(8.0, patterns=[(at, (0, 1, 2, 3)) for at in range(20, 400, 20)])
    # Rates, never quite the same: the monitor takes a unit that is silent for a flat channel.
    unrest = np.random.default_rng(1).normal(0.0, 1e-4, chunk.samples.shape)
    chunk = Chunk((chunk.samples + unrest).astype(np.float32), chunk.times_s)
    rule(lambda: Assembly(AssemblySettings(templates=file), INFO, 0.0), chunk)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract_on_spikes(rule, tmp_path):
    save(templates(FROM_SPIKES, mean=0.1, sd=0.3), tmp_path / "t.npz")
    asked = AssemblySettings(templates=str(tmp_path / "t.npz"), threshold_ratio=0.3)
    rule(lambda: Assembly(asked, WIRES, 0.0), wires(6.0, 2)[0])


@pytest.mark.parametrize("rule", STREAM_RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract_on_other_streams(rule, tmp_path):
    def make_for(info):
        n = len(info.channels)
        made = templates(
            AssemblyFeatures(source="band_power", band_hz=(80.0, 150.0), bin_s=0.05),
            weights=np.full((1, n), 1.0 / math.sqrt(n)),
            thresholds=np.array([0.5]),
            units=info.channels,
            shared=np.zeros(n),
            own_sd=np.ones(n),
        )
        made = dataclasses.replace(made, mean=np.full(n, 1.5), sd=np.ones(n))
        save(made, tmp_path / "t.npz")
        return Assembly(AssemblySettings(templates=str(tmp_path / "t.npz")), info, 0.0)

    rule(make_for, StreamInfo("wires", 1000.0, UNITS, "wires-1"), hums(6.0, 2)[0])


def test_nan_and_gaps_through_the_monitor(file):
    chunk, _ = sorted_spikes(patterns=PATTERNS)
    samples, times_s = chunk.samples.copy(), chunk.times_s.copy()
    samples[4_000:4_010, 3] = np.nan
    times_s[5_000:] += 1.0
    detector = Assembly(AssemblySettings(templates=file), INFO, 0.0)
    sensing = Sensing(detector, INFO, MonitorSettings(settle_s=0.2))
    found = sensing.update(Chunk(samples, times_s))
    assert np.isfinite(detector.state).all()
    assert any(d.sample_index == 501 * BIN_N - 1 and not d.veto for d in found)


@pytest.mark.parametrize("guarded", [False, True])
def test_a_silent_unit_is_no_flat_channel_unless_a_guard_watches_it(file, guarded):
    chunk, _ = sorted_spikes(patterns=PATTERNS)
    samples = chunk.samples.copy()
    samples[:, 3] = 0.0
    guard = SignalQuality(SignalQualitySettings(channels=("u0",)), INFO, 0.0) if guarded else None
    detector = Assembly(AssemblySettings(templates=file), INFO, 0.0)
    sensing = Sensing(detector, INFO, MonitorSettings(settle_s=0.2), guard)
    found = sensing.update(Chunk(samples, chunk.times_s))
    assert (sensing.counts().flat > 0) is guarded
    assert bool([d for d in found if not d.veto]) is not guarded


def problems(settings, info=INFO, lead_s=0.0):
    with pytest.raises(ConfigError) as caught:
        Assembly(settings, info, lead_s)
    return caught.value.problems


def test_units_that_are_not_there_name_both_sides(file):
    info = StreamInfo("other", RATE_HZ, (*UNITS[:8], "x", "y"), "other-1")
    (problem,) = problems(AssemblySettings(templates=file), info)
    assert problem.where == "templates"
    for part in (file, "10 units", "u0", "'other'", "u8, u9"):
        assert part in problem.message


def test_channels_must_be_as_many_as_units(file):
    found = problems(AssemblySettings(templates=file, channels=("u0", "u1", "nobody")))
    assert [p.where for p in found] == ["channels", "channels"]
    assert "nobody" in found[0].message
    assert "3, but" in found[1].message


def test_all_mistakes_at_once(tmp_path):
    save(templates(FROM_SPIKES), tmp_path / "t.npz")
    asked = AssemblySettings(templates=str(tmp_path / "t.npz"), source="counts")
    info = StreamInfo("slow", 500.0, UNITS[:4], "slow-1")
    where = [p.where for p in problems(asked, info, math.nan)]
    assert where == ["templates", "source", "high_pass_hz", "lead_s"]


@pytest.mark.parametrize("band_hz", [None, (400.0, 600.0), (150.0, 80.0)])
def test_a_band_that_does_not_fit_is_refused(tmp_path, band_hz):
    features = AssemblyFeatures(source="band_power", band_hz=band_hz)
    save(templates(features), tmp_path / "t.npz")
    found = problems(AssemblySettings(templates=str(tmp_path / "t.npz")))
    assert [p.where for p in found] == ["band_hz"]
    with pytest.raises(ConfigError, match="band_hz"):
        binned(np.zeros((100, 12), dtype=np.float32), INFO, features)


def test_a_missing_file_is_a_mistake_of_the_settings(tmp_path):
    found = problems(AssemblySettings(templates=str(tmp_path / "none.npz")), lead_s=-1.0)
    assert [p.where for p in found] == ["templates", "lead_s"]
    assert "none.npz" in found[0].message


@pytest.mark.parametrize(
    "changes", [{"templates": ""}, {"threshold_ratio": 0.0}, {"source": "dreams"}, {"temlates": 1}]
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        AssemblySettings(**({"templates": "t.npz"} | changes))
