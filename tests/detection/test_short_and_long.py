"""What line_length, area, half_wave and after_discharge have in common."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.after_discharge import AfterDischarge
from bci_core.detection.area import Area
from bci_core.detection.half_wave import HalfWave
from bci_core.detection.line_length import LineLength
from bci_core.errors import ConfigError
from bci_core.events import EventKind
from bci_core.testing.check_detector import RULES

RATE_HZ = 250.0
INFO = StreamInfo("grid", RATE_HZ, ("G1", "G2", "G3"), "grid-1")
KINDS = (LineLength, Area, HalfWave, AfterDischarge)
QUICK = {"long_s": 20.0, "learning_s": 5.0}
BIN = 31  # samples of an eighth of a second, at this rate


def make(kind, **changes):
    return kind(kind.Settings(**({"channels": ("G1", "G2")} | changes)), INFO, 0.0)


def brain(seconds, seed=0, level_uv=20.0):
    """Noise whose power falls with the square of its frequency, on three channels."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(size=(n, 3)), axis=0)
    spectrum /= np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 1.0)[:, None]
    noise = np.fft.irfft(spectrum, n, axis=0)
    return level_uv * noise / noise.std(axis=0)


def with_seizure(samples, start_s, end_s, columns=(0, 1, 2), size_uv=300.0):
    """The samples with spikes of 60 ms at 6 Hz, each followed by a slow wave."""
    ill = samples.copy()
    times_s = np.arange(len(samples)) / RATE_HZ
    inside = (times_s >= start_s) & (times_s < end_s)
    phase = (6.0 * (times_s - start_s)) % 1.0
    spike = np.where(phase < 0.36, np.sin(np.pi * phase / 0.36) ** 2, 0.0)
    wave = np.where(phase >= 0.36, -0.5 * np.sin(np.pi * (phase - 0.36) / 0.64) ** 2, 0.0)
    ill[np.ix_(inside, columns)] += size_uv * (spike + wave)[inside][:, None]
    return ill


def chunk_of(samples, flags=None, start_s=0.0):
    times_s = start_s + np.arange(len(samples)) / RATE_HZ
    return Chunk(np.ascontiguousarray(samples, dtype=np.float32), times_s, flags)


def onsets(found):
    return [d for d in found if d.kind is EventKind.ONSET]


@pytest.mark.parametrize("kind", KINDS)
def test_one_onset_and_one_end(kind):
    found = make(kind).update(chunk_of(with_seizure(brain(90), 45.0, 60.0)))
    assert [d.kind for d in found] == [EventKind.ONSET, EventKind.END]
    onset, end = found
    assert 45.0 < onset.sample_s < 50.0
    assert 60.0 < end.sample_s < 70.0
    assert onset.target_s == onset.sample_s
    assert onset.value >= 1.0
    assert onset.channel in (0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_is_announced_again_as_long_as_it_lasts_where_that_is_asked(kind):
    ill = chunk_of(with_seizure(brain(90), 45.0, 60.0))
    *found, end = make(kind, again_s=3.0).update(ill)
    assert {d.kind for d in found} == {EventKind.ONSET}
    assert end.kind is EventKind.END
    once = make(kind).update(ill)
    assert (found[0].sample_s, end.sample_s) == (once[0].sample_s, once[1].sample_s)
    assert len(found) >= 4
    steps_s = np.diff([d.sample_s for d in found])
    assert steps_s.min() >= 3.0 - 1e-9
    assert steps_s.max() < 5.0
    assert found[-1].sample_s < end.sample_s


@pytest.mark.parametrize("kind", KINDS)
def test_names_the_strongest_channel_and_counts_channels(kind):
    ill = with_seizure(brain(70), 45.0, 55.0, columns=(1,))
    assert onsets(make(kind).update(chunk_of(ill)))[0].channel == 1
    assert not make(kind, min_channels=2).update(chunk_of(ill))
    both = with_seizure(ill, 45.0, 55.0, columns=(0,))
    assert onsets(make(kind, min_channels=2).update(chunk_of(both)))


@pytest.mark.parametrize("kind", KINDS)
def test_columns_follow_the_order_of_the_channels(kind):
    ill = chunk_of(with_seizure(brain(70), 45.0, 55.0, columns=(2,)))
    found = make(kind, channels=("G3", "G1")).update(ill)
    assert onsets(found)[0].channel == 2


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_an_hour_of_steady_background(kind):
    assert not make(kind).update(chunk_of(brain(3600.0)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_scale_and_the_offset_do_not_matter(kind):
    ill = with_seizure(brain(70), 45.0, 55.0)
    plain = [d.sample_index for d in make(kind).update(chunk_of(ill))]
    scaled = [d.sample_index for d in make(kind).update(chunk_of(0.5 * ill + 30_000.0))]
    assert len(plain) == 2
    assert scaled == plain


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_before_the_trend_is_learnt(kind):
    ill = with_seizure(brain(60), 12.0, 25.0)
    assert not onsets(make(kind, learning_s=40.0).update(chunk_of(ill)))
    assert onsets(make(kind, learning_s=10.0).update(chunk_of(ill)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_seizure_does_not_become_the_trend(kind):
    found = make(kind).update(chunk_of(with_seizure(brain(300), 45.0, 250.0)))
    assert [d.kind for d in found] == [EventKind.ONSET, EventKind.END]
    assert 250.0 < found[1].sample_s < 260.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_that_lasts_is_cut_off_and_becomes_the_trend(kind):
    quiet, loud = brain(60, 1), 5.0 * brain(200, 2)
    ill = with_seizure(np.concatenate([quiet, loud]), 230.0, 245.0, size_uv=2000.0)
    found = make(kind, max_duration_s=30.0, long_s=60.0).update(chunk_of(ill))
    at_s = [d.sample_s for d in onsets(found)]
    # After the step, the cut-off and the time to learn: the new level is normal.
    assert not [s for s in at_s if 60.0 + 5.0 + 30.0 + 20.0 + 10.0 < s < 230.0]
    assert [s for s in at_s if 230.0 < s < 238.0]


@pytest.mark.parametrize("kind", KINDS)
def test_recovers_from_steps_of_a_volt_within_the_time_it_states(kind):
    trouble = np.repeat(np.array([0.0, 1e6, -1e6, 1e6, 0.0, 1e5]), 500)[:, None].repeat(3, axis=1)
    settled_s = 12.0 + 120.0 + 20.0 + 10.0  # the trouble, long_s, learning_s, and some
    ill = np.concatenate([trouble, brain(settled_s + 30.0)])
    ill = with_seizure(ill, settled_s, settled_s + 15.0)
    detector = make(kind)
    found = detector.update(chunk_of(ill))
    assert [d for d in onsets(found) if settled_s < d.sample_s < settled_s + 8.0]
    assert np.isfinite(detector.state).all()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_learnt_from_flagged_samples(kind):
    # Ten times the level, flagged: neither an event later on nor a raised trend.
    ill = brain(200)
    ill[40 * 250 : 100 * 250] *= 10.0
    ill = with_seizure(ill, 150.0, 160.0)
    flags = np.zeros(len(ill), dtype=np.uint8)
    flags[40 * 250 : 100 * 250] = 16
    found = make(kind, release_ratio=1.0).update(chunk_of(ill, flags))
    late = [d.sample_s for d in onsets(found) if d.sample_s > 110.0]
    assert len(late) == 1
    assert 150.0 < late[0] < 155.0


@pytest.mark.parametrize("kind", KINDS)
def test_time_stands_still_while_samples_are_held(kind):
    ill = with_seizure(brain(60), 45.0, 55.0, size_uv=100.0)
    start, end = 46 * 250, 51 * 250
    ill[start:end] = ill[start - 1]
    flags = np.zeros(len(ill), dtype=np.uint8)
    flags[start:end] = 32
    detector = make(kind)
    detector.update(chunk_of(ill[: start + BIN], flags[: start + BIN]))
    before = detector.output()
    rest_s = (start + BIN) / RATE_HZ
    held = chunk_of(ill[start + BIN : end - BIN], flags[start + BIN : end - BIN], rest_s)
    assert not detector.update(held)
    np.testing.assert_array_equal(detector.output(), before)
    after = chunk_of(ill[end - BIN :], flags[end - BIN :], (end - BIN) / RATE_HZ)
    assert onsets(detector.update(after))


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_the_ratios(kind):
    detector = make(kind)
    assert len(detector.outputs) == 2
    assert detector.outputs[0].startswith("G1 ")
    ill = chunk_of(with_seizure(brain(50), 45.0, 50.0, columns=(1,)))
    detector.update(ill)
    calm, strong = detector.output()
    assert calm < 1.0 < strong


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(kind, rule):
    ill = chunk_of(with_seizure(brain(28), 14.0, 22.0))
    rule(lambda: make(kind, short_s=2.0, **QUICK), ill)


@pytest.mark.parametrize("kind", KINDS)
def test_one_hundred_splits_give_the_same_to_the_bit(kind):
    ill = chunk_of(with_seizure(brain(40), 14.0, 25.0))
    whole = make(kind, **QUICK)
    expected = whole.update(ill)
    assert expected
    for seed in range(100):
        rng = np.random.default_rng(seed)
        split, found, start = make(kind, **QUICK), [], 0
        while start < len(ill):
            end = start + int(rng.choice([0, 1, 4, 33, 500, 3000]))
            found += split.update(Chunk(ill.samples[start:end], ill.times_s[start:end]))
            start = end
        assert found == expected
        np.testing.assert_array_equal(split.state, whole.state)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_channels", "rate_hz"), [(1, 100.0), (1024, 250.0), (2, 30_000.0)])
def test_any_number_of_channels_and_rate(kind, n_channels, rate_hz):
    channels = tuple(f"c{i}" for i in range(n_channels))
    info = StreamInfo("any", rate_hz, channels, "any-1")
    detector = kind(kind.Settings(channels=channels, **QUICK), info, 0.0)
    n = round(11.0 * rate_hz)
    times_s = np.arange(n) / rate_hz
    wave = 5.0 * np.random.default_rng(0).normal(size=n)
    wave += np.where(times_s > 7.0, 1000.0 * np.sin(2 * np.pi * 6.0 * times_s), 0.0)
    samples = np.repeat(wave.astype(np.float32)[:, None], n_channels, axis=1)
    found = detector.update(Chunk(samples, times_s))
    assert [d.kind for d in found] == [EventKind.ONSET]


@pytest.mark.parametrize("kind", KINDS)
def test_all_mistakes_at_once(kind):
    asked = kind.Settings(
        channels=("G1", "G9", "G1"),
        band_hz=(30.0, 125.0),
        min_channels=4,
        short_s=30.0,
        long_s=10.0,
        min_duration_s=50.0,
        max_duration_s=40.0,
    )
    with pytest.raises(ConfigError) as caught:
        kind(asked, INFO, math.nan)
    where = [problem.where for problem in caught.value.problems]
    assert sorted(where) == sorted(
        [
            "channels",
            "channels",
            "band_hz",
            "min_channels",
            "short_s",
            "min_duration_s",
            "lead_s",
        ]
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changes", [{"channels": ()}, {"short_s": 0.0}, {"long_s": math.inf}, {"trend_s": 1.0}]
)
def test_settings_refuse_what_makes_no_sense(kind, changes):
    with pytest.raises(ValidationError):
        make(kind, **changes)


# The slow, obvious twin.


def band_of(asked, samples):
    sos = signal.butter(1, asked.band_hz, btype="bandpass", output="sos", fs=RATE_HZ)
    rest = signal.sosfilt_zi(sos)
    columns = [signal.sosfilt(sos, x, zi=rest * x[0])[0] for x in samples.T]
    return np.stack(columns, axis=1)


def twin(asked, quantity, threshold):
    """(sample index, kind, value) of each event.

    `quantity` is (n_samples, n_channels); `threshold` gives it for a trend.
    """
    bins_hz = RATE_HZ / BIN
    n_bins = len(quantity) // BIN
    values = quantity[: n_bins * BIN].reshape(n_bins, BIN, -1).mean(axis=1)
    window = round(asked.short_s * bins_hz)
    learning, longest = asked.learning_s * bins_hz, asked.max_duration_s * bins_hz
    gain = 1.0 - math.exp(-1.0 / (asked.long_s * bins_hz))
    trend = np.zeros(values.shape[1])
    learnt, low = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    lasted = below = 0
    enough = max(1, math.ceil(asked.min_duration_s * bins_hz - 1e-6))
    over = max(1, math.ceil(asked.end_s * bins_hz - 1e-6))
    again = math.inf if asked.again_s is None else math.ceil(asked.again_s * bins_hz - 1e-6)
    told_at = 0
    found = []
    for k in range(n_bins):
        recent = values[max(0, k + 1 - window) : k + 1]
        short = recent.sum(axis=0) / window
        announced = lasted >= enough
        ratios = np.zeros(values.shape[1])
        n_above = 0
        for c in range(values.shape[1]):
            if not announced:
                low[c] = low[c] + 1 if short[c] < 0.25 * trend[c] else 0
                if low[c] * gain > 1:
                    trend[c] = learnt[c] = low[c] = 0
                value = values[k, c]
                if learnt[c] >= learning and k + 1 >= window:
                    value = min(value, threshold(trend[c]))
                learnt[c] += 1
                trend[c] += max(gain, 1 / learnt[c]) * (value - trend[c])
            if learnt[c] >= learning and k + 1 >= window:
                part = asked.release_ratio if announced else 1.0
                bound = trend[c] + part * (threshold(trend[c]) - trend[c])
                n_above += short[c] >= bound
                ratios[c] = short[c] / threshold(trend[c])
        is_on = n_above >= asked.min_channels
        if not announced:
            lasted, below = (lasted + 1, 0) if is_on else (0, 0)
            if lasted >= enough:
                found.append(((k + 1) * BIN - 1, EventKind.ONSET, ratios.max()))
                told_at = k
            continue
        lasted, below = lasted + 1, 0 if is_on else below + 1
        assert lasted - enough < longest  # the twin knows no cut-off
        if below >= over:
            found.append(((k + 1) * BIN - 1, EventKind.END, ratios.max()))
            lasted = 0
        elif is_on and k - told_at >= again:
            found.append(((k + 1) * BIN - 1, EventKind.ONSET, ratios.max()))
            told_at = k
    return found


TWINS = {
    LineLength: lambda x: np.abs(np.diff(x, axis=0, prepend=0.0)) * RATE_HZ,
    Area: np.abs,
}


@pytest.mark.parametrize("kind", [LineLength, Area])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"short_s": 2.0, "long_s": 30.0, "learning_s": 8.0, "min_duration_s": 0.0},
        {"min_channels": 2, "release_ratio": 0.0, "end_s": 0.0},
        {"again_s": 1.7},
    ],
)
def test_agrees_with_its_twin(kind, changes):
    asked = kind.Settings(channels=("G1", "G2"), **changes)
    ill = with_seizure(with_seizure(brain(200), 45.0, 60.0), 100.0, 103.0, columns=(1,))
    ill[150 * 250 :] *= 0.1
    found = kind(asked, INFO, 0.0).update(chunk_of(ill))
    band = band_of(asked, ill.astype(np.float32).astype(float)[:, :2])
    factor = 1.0 + asked.above_trend_percent / 100.0
    expected = twin(asked, TWINS[kind](band), lambda trend: factor * trend)
    assert len(expected) >= 2
    assert [(d.sample_index, d.kind) for d in found] == [e[:2] for e in expected]
    np.testing.assert_allclose([d.value for d in found], [e[2] for e in expected], rtol=1e-6)
