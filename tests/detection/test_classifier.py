import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.classifier import Classifier, ClassifierSettings
from bci_core.detection.classifier_fit import fit
from bci_core.detection.classifier_model import load_model
from bci_core.detection.spectral_features import SpectralFeatures
from bci_core.errors import ConfigError
from bci_core.testing.check_detector import RULES, STREAM_RULES, trial_chunk

pytest.importorskip("sklearn")

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz", "Pz"), "bench-1")
DESIGN = SpectralFeatures(
    channels=("Cz", "Pz"), frequencies_hz=(6.0, 10.0, 20.0, 45.0), averaging_s=0.3
)
BLOCK_S = 4.0


def blocks(n, seed=0):
    """Noise with 10 Hz on Cz in every other block of 4 s: the state."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(round(n * BLOCK_S * RATE_HZ)) / RATE_HZ
    state = (times_s // BLOCK_S) % 2 == 1
    samples = rng.normal(0.0, 10.0, (len(times_s), 3)) + np.array([1e4, -2e4, 0.0])
    samples[:, 1] += 12.0 * state * np.sin(2 * np.pi * 10.0 * times_s)
    return Chunk(samples.astype(np.float32), times_s)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    chunk = blocks(80)
    at_s = np.sort(np.concatenate([np.arange(80) * BLOCK_S + k for k in (1.9, 2.9, 3.9)]))
    rows = DESIGN.measured(chunk, INFO, at_s)
    in_state = (at_s // BLOCK_S) % 2 == 1
    groups = at_s // (2.0 * BLOCK_S)
    model = fit(rows, in_state, DESIGN, positive="alpha", source="made up", groups=groups)
    assert model.figures.auc > 0.9
    path = tmp_path_factory.mktemp("model") / "alpha.json"
    model.save(path)
    return path


@pytest.fixture
def classifier(model_file):
    def make(info=INFO, **changes):
        asked = {"model": str(model_file), "direction": "above"} | changes
        return Classifier(ClassifierSettings(**asked), info, 0.0)

    return make


def features(chunk, design):
    """(n_samples, n_features) by scipy."""
    columns = []
    for frequency_hz in design.frequencies_hz:
        decay = 2.0 * 2.0 * np.pi * frequency_hz / design.cycles
        p = np.exp((-decay + 2j * np.pi * frequency_hz) / RATE_HZ)
        turn = np.exp(-2j * np.pi * frequency_hz / RATE_HZ)
        for channel in design.channels:
            x = chunk.samples[:, INFO.index_of(channel)].astype(float)
            y = signal.lfilter([1.0], np.poly([p] * 4), np.diff(x, prepend=x[0]))
            power = np.abs(2 * y / ((1 - turn) / (1 - p * turn) ** 4)) ** 2
            keep = math.exp(-1 / (design.averaging_s * RATE_HZ))
            columns.append(signal.lfilter([1 - keep], [1, -keep], power))
    return np.log10(np.maximum(np.stack(columns, axis=1), 1e-6))


def twin(asked, model, chunk, settled_s):
    """Probability of each answer, and what is found, by scikit-learn and a plain loop."""
    linear = pytest.importorskip("sklearn.linear_model")
    regression = linear.LogisticRegression()
    regression.classes_ = np.array([False, True])
    regression.coef_ = np.array([model.weights])
    regression.intercept_ = np.array([model.intercept])
    every = round(asked.every_s * RATE_HZ)
    index = np.arange(every - 1, len(chunk), every)
    index = index[index + 1 >= math.ceil(settled_s * RATE_HZ)]
    rows = features(chunk, model.features)[index]
    mean, variance = np.array(model.mean), np.array(model.sd) ** 2
    gain = 0.0
    if asked.normalisation_s is not None:
        gain = 1 - math.exp(-every / RATE_HZ / asked.normalisation_s)
    z = np.zeros_like(rows)
    for i, row in enumerate(rows):
        z[i] = (row - mean) / np.sqrt(variance)
        step = row - mean
        mean = mean + gain * step
        variance = (1 - gain) * (variance + gain * step**2)
    p = regression.predict_proba(z)[:, 1]
    side = 1 if asked.direction == "above" else -1
    found, since, announced = [], None, False
    for k, i in enumerate(index):
        bound = asked.threshold - side * asked.release_margin * announced
        if side * (p[k] - bound) < 0:
            since, announced = None, False
        else:
            since = k if since is None else since
            if not announced and (k - since) * every / RATE_HZ >= asked.min_duration_s - 1e-9:
                announced = True
                found.append((int(i), p[k]))
    return index, p, found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"direction": "below", "threshold": 0.4, "every_s": 0.1},
        {"min_duration_s": 0.5, "release_margin": 0.0},
        {"normalisation_s": 30.0, "threshold": 0.7, "every_s": 0.004},
    ],
)
def test_agrees_with_scikit_learn(classifier, model_file, changes):
    chunk = blocks(20, seed=5)
    detector = classifier(**changes)
    asked = ClassifierSettings(**({"model": str(model_file), "direction": "above"} | changes))
    index, p, expected = twin(asked, load_model(model_file), chunk, detector.settled_s)
    trace = classifier(**changes).trace(chunk)[:, 0]
    np.testing.assert_allclose(trace[index], p, rtol=1e-6, atol=1e-9)
    found = detector.update(chunk)
    assert len(expected) >= 5
    assert [d.sample_index for d in found] == [i for i, _ in expected]
    np.testing.assert_allclose([d.value for d in found], [v for _, v in expected], rtol=1e-6)


def test_finds_the_state_once_each_time(classifier):
    found = classifier(min_duration_s=0.3, release_margin=0.3).update(blocks(40, seed=9))
    starts_s = np.arange(1, 40, 2) * BLOCK_S
    for start_s in starts_s[1:]:
        inside = [d for d in found if start_s <= d.sample_s < start_s + BLOCK_S]
        assert len(inside) == 1
        assert inside[0].sample_s - start_s < 1.5
    assert len(found) <= len(starts_s) + 1
    assert all(d.target_s == d.sample_s for d in found)


def test_minimum_duration_is_reached_on_the_sample(classifier):
    chunk = blocks(12, seed=3)
    early = classifier(every_s=0.02).update(chunk)[0]
    late = classifier(every_s=0.02, min_duration_s=0.4).update(chunk)[0]
    assert late.sample_s - early.sample_s == pytest.approx(0.4)


def test_below_is_the_other_side(classifier):
    trace = classifier().trace(blocks(12, seed=3))[:, 0]
    above = classifier(threshold=0.6).update(blocks(12, seed=3))
    below = classifier(threshold=0.6, direction="below").update(blocks(12, seed=3))
    assert above
    assert below
    assert all(trace[d.sample_index] >= 0.6 for d in above)
    assert all(trace[d.sample_index] <= 0.6 for d in below)


def test_no_answer_before_the_power_has_settled(classifier):
    detector = classifier(direction="below", threshold=0.9)
    first = detector.update(blocks(4))[0]
    assert detector.settled_s <= first.sample_s < detector.settled_s + 0.1
    # Flagged samples are no part of that.
    chunk = blocks(4)
    flags = np.zeros(len(chunk), dtype=np.uint8)
    flags[: round(8 * RATE_HZ)] = 1
    later = classifier(direction="below", threshold=0.9).update(
        Chunk(chunk.samples, chunk.times_s, flags)
    )[0]
    assert later.sample_s - first.sample_s == pytest.approx(8.0, abs=0.1)


def test_no_answer_on_flagged_samples(classifier):
    chunk = blocks(6, seed=2)
    flags = np.zeros(len(chunk), dtype=np.uint8)
    flags[round(11.9 * RATE_HZ) : round(16 * RATE_HZ)] = 4
    found = classifier().update(Chunk(chunk.samples, chunk.times_s, flags))
    assert [d for d in classifier().update(chunk) if 12 < d.sample_s < 16]
    assert not [d for d in found if 11.9 <= d.sample_s < 16]


def test_a_running_normalisation_follows_another_gain(classifier):
    # An amplifier with half the gain: the model's own mean would call everything quiet.
    chunk = blocks(100, seed=6)
    quiet = Chunk((0.4 * chunk.samples).astype(np.float32), chunk.times_s)
    late = slice(round(200 * RATE_HZ), None)
    in_state = ((chunk.times_s // BLOCK_S) % 2 == 1)[late]
    in_state &= ((chunk.times_s % BLOCK_S) > 1.5)[late]
    stored = classifier().trace(quiet)[late, 0]
    running = classifier(normalisation_s=60.0).trace(quiet)[late, 0]
    assert (stored[in_state] > 0.5).mean() < 0.6
    assert (running[in_state] > 0.5).mean() > 0.85


def test_one_hundred_splits_give_the_same_to_the_bit(classifier):
    chunk = blocks(10)
    whole = classifier(normalisation_s=20.0)
    expected = whole.update(chunk)
    assert expected
    for seed in range(100):
        rng = np.random.default_rng(seed)
        split, found, start = classifier(normalisation_s=20.0), [], 0
        while start < len(chunk):
            end = start + int(rng.choice([0, 1, 7, 50, 333, 2000]))
            found += split.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
            start = end
        assert found == expected
        np.testing.assert_array_equal(split.state, whole.state)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(classifier, rule):
    rule(lambda: classifier(direction="below"), trial_chunk(INFO))


def test_silence_and_full_scale_leave_no_nan(classifier):
    detector = classifier(normalisation_s=10.0)
    for level_uv in (0.0, 1e6, -1e6, 0.0):
        n = round(20 * RATE_HZ)
        detector.update(Chunk(np.full((n, 3), level_uv, dtype=np.float32), np.arange(n) / RATE_HZ))
        assert np.isfinite(detector.state).all()


@pytest.mark.parametrize("rule", STREAM_RULES, ids=lambda rule: rule.__name__)
def test_fits_any_stream(rule, tmp_path, model_file):
    small = load_model(model_file)

    def make_for(info):
        design = SpectralFeatures(channels=info.channels, frequencies_hz=(5.0, 40.0))
        n = len(design)
        sizes = {"mean": (1.0,) * n, "sd": (0.3,) * n, "weights": (-1.0 / n,) * n}
        small.model_copy(update={"features": design, **sizes}).save(tmp_path / "any.json")
        return Classifier(ClassifierSettings(model=str(tmp_path / "any.json")), info, 0.0)

    rule(make_for, INFO, trial_chunk(INFO))


def test_all_mistakes_at_once(classifier):
    few = StreamInfo("bench", 80.0, ("Fz", "Cz"), "bench-1")
    with pytest.raises(ConfigError) as caught:
        classifier(info=few, release_margin=0.5, threshold=0.4, every_s=0.001)
    where = [problem.where for problem in caught.value.problems]
    assert where == ["channels", "frequencies_hz", "release_margin", "every_s"]


def test_a_model_that_is_not_there_is_named(classifier):
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        classifier(model="nowhere.json")


@pytest.mark.parametrize(
    "changes", [{"threshold": 0.0}, {"direction": "up"}, {"every_s": math.inf}, {"modl": "x"}]
)
def test_settings_refuse_what_makes_no_sense(classifier, changes):
    with pytest.raises(ValidationError):
        classifier(**changes)
