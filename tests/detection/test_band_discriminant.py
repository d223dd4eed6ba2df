import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.band_discriminant import BandDiscriminant
from bci_core.detection.band_discriminant_settings import BandDiscriminantSettings
from bci_core.errors import ConfigError
from bci_core.events import EventKind
from bci_core.testing.check_detector import RULES, STREAM_RULES, trial_chunk

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz", "Pz"), "bench-1")
BANDS = ((4.0, 8.0), (13.0, 30.0))


def asked(**changes):
    return BandDiscriminantSettings(
        **(
            {
                "channels": ("Cz",),
                "bands_hz": BANDS,
                "weights": (-0.5, 1.0),
                "scale": "uv2",
                "threshold": 60.0,
                "release": 40.0,
                "hold_s": 0.0,
                "learning_s": 3.0,
            }
            | changes
        )
    )


def detector(**changes):
    return BandDiscriminant(asked(**changes), INFO, 0.0)


def with_beta(bursts_s, seconds=40.0, amplitude_uv=20.0, seed=0):
    """Noise of 5 uV on an offset, with 20 Hz on Cz in each (start, end)."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    samples = rng.normal(0.0, 5.0, (len(times_s), 3)) + np.array([0.0, 2e4, -1e4])
    for start_s, end_s in bursts_s:
        inside = (times_s >= start_s) & (times_s < end_s)
        samples[inside, 1] += amplitude_uv * np.sin(2 * np.pi * 20.0 * times_s[inside])
    return Chunk(samples.astype(np.float32), times_s)


def block_powers(settings, chunk, good):
    """Mean square of each update's good samples in each band, (n_updates, n_bands)."""
    n = round(settings.update_s * RATE_HZ)
    channels = settings.channels * (len(settings.bands_hz) // len(settings.channels))
    columns = []
    for channel, band_hz in zip(channels, settings.bands_hz, strict=True):
        x = chunk.samples[:, INFO.index_of(channel)].astype(float)
        sos = signal.butter(settings.order, band_hz, btype="bandpass", output="sos", fs=RATE_HZ)
        y, _ = signal.sosfilt(sos, x, zi=signal.sosfilt_zi(sos) * x[0])
        columns.append(
            [
                np.mean(y[i : i + n][good[i : i + n]] ** 2)
                for i in range(0, len(y) - n + 1, n)
                if good[i : i + n].mean() >= 0.5
            ]
        )
    index = [i + n - 1 for i in range(0, len(x) - n + 1, n) if good[i : i + n].mean() >= 0.5]
    return np.array(index), np.array(columns).T


def heights(levels, settings):
    """SD above a running baseline, NaN while there is none; see `baseline`."""
    updates_hz = RATE_HZ / round(settings.update_s * RATE_HZ)
    patience, learning = settings.baseline_s * updates_hz, settings.learning_s * updates_hz
    count = mean = variance = run = 0
    side, out = None, []
    for value in levels:
        sd = max(math.sqrt(variance), settings.min_sd_uv)
        out.append((value - mean) / sd if count >= learning else math.nan)
        run, side = (run + 1 if (value > mean) == side else 1), bool(value > mean)
        if run > patience:
            count = mean = variance = run = 0
            side = None
        reach = 2 * sd if count >= learning else math.inf
        count += 1
        weight = max(1 - math.exp(-1 / patience), 1 / count)
        step = min(max(value - mean, -reach), reach)
        mean += weight * step
        variance = (1 - weight) * (variance + weight * step**2)
    return np.array(out)


def twin(settings, chunk, flags=None):
    """(sample index, kind, first discriminant) of each change, by scipy and plain loops."""
    good = np.ones(len(chunk), dtype=bool) if flags is None else flags == 0
    updates_hz = RATE_HZ / round(settings.update_s * RATE_HZ)
    index, blocks = block_powers(settings, chunk, good)
    n = max(1, round(settings.averaging_s * updates_hz))
    power = np.stack([np.convolve(b, np.ones(n) / n, mode="valid") for b in blocks.T], axis=1)
    index = index[n - 1 :]
    if settings.scale == "sd":
        power = np.stack([heights(np.sqrt(p), settings) for p in power.T], axis=1)
    sums = [(power @ settings.weights, settings.threshold, settings.release)]
    if settings.second_weights:
        second = power @ settings.second_weights
        sums.append((second, settings.second_threshold, settings.second_release))
    combine = any if settings.combine == "any" else all
    active, since, changed, found = False, None, -math.inf, []
    for k, i in enumerate(index):
        above = combine(s[k] >= (low if active else high) for s, high, low in sums)
        if above == active:
            since = None
            continue
        since = k if since is None else since
        lasted_s = (k - since) / updates_hz
        enough_s = settings.termination_s if active else settings.onset_s
        if lasted_s >= enough_s - 1e-9 and i - changed >= settings.hold_s * RATE_HZ:
            active, since, changed = not active, None, i
            found.append((int(i), "onset" if active else "end", sums[0][0][k]))
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"channels": ("Fz", "Cz"), "update_s": 0.05, "averaging_s": 0.05, "order": 4},
        {"second_weights": (1.0, 0.1), "second_threshold": 8.0, "second_release": 5.0},
        {
            "second_weights": (0.0, 1.0),
            "second_threshold": 100.0,
            "second_release": 30.0,
            "combine": "any",
            "hold_s": 2.2,
        },
        {"scale": "sd", "weights": (0.0, 1.0), "threshold": 3.0, "release": 1.0},
        {"scale": "sd", "threshold": 2.0, "release": 0.5, "baseline_s": 8.0, "onset_s": 0.0},
    ],
)
def test_agrees_with_its_twin(changes):
    chunk = with_beta([(10, 12), (15, 15.6), (20, 24), (30, 38)])
    found = detector(**changes).update(chunk)
    expected = twin(asked(**changes), chunk)
    assert len(expected) >= 4
    assert [(d.sample_index, d.kind) for d in found] == [(i, kind) for i, kind, _ in expected]
    values = np.nan_to_num([value for *_, value in expected])
    np.testing.assert_allclose([d.value for d in found], values, rtol=1e-6)


def test_agrees_with_its_twin_on_flags():
    chunk = with_beta([(10, 12), (20, 24), (30, 38)])
    flags = (np.random.default_rng(3).random(len(chunk)) < 0.3).astype(np.uint8)
    flags[2900:3200] = 32
    found = detector().update(Chunk(chunk.samples, chunk.times_s, flags))
    expected = twin(asked(), chunk, flags)
    assert len(expected) >= 4
    assert [(d.sample_index, d.kind) for d in found] == [(i, kind) for i, kind, _ in expected]


def test_onset_and_end_take_turns():
    bursts_s = [(10, 12), (20, 25)]
    found = detector().update(with_beta(bursts_s))
    assert [d.kind for d in found] == [EventKind.ONSET, EventKind.END] * 2
    for (start_s, end_s), onset, end in zip(bursts_s, found[::2], found[1::2], strict=True):
        assert start_s + 0.2 <= onset.sample_s < start_s + 1.0
        assert end_s + 0.5 <= end.sample_s < end_s + 1.5
        assert onset.target_s == onset.sample_s
        assert onset.value >= 60.0
        assert end.value < 40.0


def test_durations_are_kept_to_the_update():
    chunk = with_beta([(10, 20)])
    early = detector(onset_s=0.0, termination_s=0.0).update(chunk)
    late = detector(onset_s=1.0, termination_s=2.0).update(chunk)
    assert [b.sample_s - a.sample_s for a, b in zip(early, late, strict=True)] == pytest.approx(
        [1.0, 2.0]
    )


def test_shorter_than_the_onset_duration_is_no_state():
    chunk = with_beta([(10, 10.5)])
    assert detector(onset_s=0.1).update(chunk)
    assert not detector(onset_s=1.5).update(chunk)


def test_the_hold_keeps_changes_apart():
    found = detector(hold_s=6.0).update(with_beta([(10, 12), (15, 17), (25, 27)]))
    gaps_s = np.diff([d.sample_s for d in found])
    assert gaps_s.min() >= 6.0
    assert [d.kind for d in found][:2] == [EventKind.ONSET, EventKind.END]


def test_blanked_samples_do_not_count():
    # What a stimulus does to the band right after a change is not seen.
    plain = with_beta([(10, 14)])
    (first, *_) = detector(blanking_s=3.0).update(plain)
    samples = plain.samples.copy()
    start = first.sample_index + 1
    burst = 500.0 * np.sin(2 * np.pi * 20.0 * plain.times_s[start : start + 500])
    samples[start : start + 500, 1] += burst.astype(np.float32)
    loud = Chunk(samples, plain.times_s)
    blanked = detector(blanking_s=3.0)
    trace = blanked.trace(loud)
    quiet_trace = detector(blanking_s=3.0).trace(plain)
    during = slice(start, start + 700)
    np.testing.assert_array_equal(trace[during], quiet_trace[during])
    assert detector().trace(loud)[during, 1].max() > 1e4


def test_relative_scale_needs_no_threshold_of_ones_own():
    for gain in (0.2, 1.0, 20.0):
        chunk = with_beta([(15, 17), (30, 33)])
        loud = Chunk((gain * chunk.samples).astype(np.float32), chunk.times_s)
        settings = BandDiscriminantSettings(channels=("Cz",), threshold=4.0)
        found = BandDiscriminant(settings, INFO, 0.0).update(loud)
        onsets = [d.sample_s for d in found if d.kind is EventKind.ONSET]
        assert len(onsets) == 2
        assert onsets == pytest.approx([15.5, 30.5], abs=0.5)


def test_the_outputs_are_state_and_sums():
    two = detector(second_weights=(1.0, 0.0))
    assert two.outputs == ("active", "discriminant (uV^2)", "second discriminant (uV^2)")
    chunk = with_beta([(10, 20)])
    trace = detector().trace(chunk)
    assert trace.shape == (len(chunk), 2)
    assert trace[round(15 * RATE_HZ), 0] == 1.0
    assert trace[round(9 * RATE_HZ), 0] == 0.0
    # A sine of 20 uV has a mean square of 200 uV².
    assert trace[round(18 * RATE_HZ), 1] == pytest.approx(200.0, rel=0.1)


def test_one_hundred_splits_give_the_same_to_the_bit():
    chunk = with_beta([(10, 12), (15, 15.6), (20, 24), (30, 38)])
    changes = {"scale": "sd", "weights": (0.0, 1.0), "threshold": 3.0, "release": 1.0}
    whole = detector(**changes, blanking_s=0.3)
    expected = whole.update(chunk)
    assert len(expected) >= 4
    for seed in range(100):
        rng = np.random.default_rng(seed)
        split, found, start = detector(**changes, blanking_s=0.3), [], 0
        while start < len(chunk):
            end = start + int(rng.choice([0, 1, 2, 7, 50, 333, 2000]))
            found += split.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
            start = end
        assert found == expected
        np.testing.assert_array_equal(split.state, whole.state)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(rule):
    rule(
        lambda: detector(scale="sd", weights=(0.0, 1.0), threshold=2.0, release=1.0),
        trial_chunk(INFO),
    )


@pytest.mark.parametrize("rule", STREAM_RULES, ids=lambda rule: rule.__name__)
def test_fits_any_stream(rule):
    def make_for(info):
        channels = (info.channels[0], info.channels[-1])
        return BandDiscriminant(asked(channels=channels, scale="sd"), info, 0.0)

    rule(make_for, INFO, trial_chunk(INFO))


def test_all_mistakes_at_once():
    with pytest.raises(ConfigError) as caught:
        BandDiscriminant(
            asked(
                channels=("Fz", "Cz", "Oz"),
                bands_hz=((4.0, 8.0), (30.0, 125.0)),
                weights=(1.0,),
                second_weights=(0.0, 0.0),
                release=70.0,
                second_release=9.0,
                averaging_s=0.001,
                update_s=0.0015,
                scale="sd",
                onset_s=60.0,
            ),
            INFO,
            math.inf,
        )
    assert [problem.where for problem in caught.value.problems] == [
        "channels",
        "bands_hz",
        "channels",
        "weights",
        "release",
        "second_weights",
        "second_release",
        "averaging_s",
        "update_s",
        "onset_s",
        "lead_s",
    ]


@pytest.mark.parametrize(
    "changes",
    [{"channels": ()}, {"bands_hz": ()}, {"update_s": 0.0}, {"combine": "xor"}, {"treshold": 3}],
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        detector(**changes)
