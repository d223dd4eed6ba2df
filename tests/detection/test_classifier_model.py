"""The model, its features, its fit and its file."""

import json
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.classifier_fit import fit
from bci_core.detection.classifier_model import load_model
from bci_core.detection.spectral_features import SpectralFeatures
from bci_core.errors import ConfigError, InputError

pytest.importorskip("sklearn")

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz", "Pz"), "bench-1")
DESIGN = SpectralFeatures(channels=("Fz", "Cz"), frequencies_hz=(4.0, 10.0, 40.0))


def events(n=400, seed=0, separation=1.2):
    """Rows of features in which two of six tell positive from negative events."""
    rng = np.random.default_rng(seed)
    recalled = rng.random(n) < 0.4
    rows = rng.normal([2.0, 1.0, 0.0, 2.0, 1.0, 0.0], 0.3, (n, 6))
    rows[:, 1] += 0.3 * separation * recalled
    rows[:, 5] -= 0.15 * separation * recalled
    return rows, recalled


@pytest.fixture(scope="module")
def model():
    return fitted(*events())


def fitted(rows, recalled, **changes):
    return fit(rows, recalled, DESIGN, positive="recalled", source="made up", **changes)


def test_it_is_as_good_as_the_best_there_can_be():
    rows, recalled = events(2000)
    model = fitted(rows, recalled)
    figures = model.figures
    assert (figures.n_trained, figures.n_held_out) == (1500, 500)
    # Two normal classes, shifted by 1.2 and 0.6 SD: AUC is Phi(|shift| / sqrt(2)) = 0.83.
    assert figures.auc == pytest.approx(0.83, abs=0.04)
    assert figures.auc_cross_validated == pytest.approx(0.83, abs=0.04)
    assert figures.brier < 0.8 * figures.brier_of_base_rate
    assert figures.base_rate == pytest.approx(0.4, abs=0.04)


def test_figures_are_those_of_the_events_kept_aside():
    rows, recalled = events()
    model = fitted(rows, recalled, held_out=0.3)
    p, y = model.probability(rows[280:]), recalled[280:]
    assert model.figures.brier == pytest.approx(np.mean((p - y) ** 2))
    above = p[y][:, np.newaxis] - p[~y][np.newaxis]
    assert model.figures.auc == pytest.approx(np.mean(above > 0) + np.mean(above == 0) / 2)
    # What is kept aside has no part in the model.
    changed = rows.copy()
    changed[280:] = 0.0
    assert fitted(changed, recalled, held_out=0.3).weights == model.weights


def test_the_probability_is_that_of_scikit_learn(model):
    calibration = pytest.importorskip("sklearn.calibration")
    linear = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    rows, recalled = events()
    regression = linear.LogisticRegression(C=model.figures.penalty_c, max_iter=5000)
    twin = calibration.CalibratedClassifierCV(
        pipeline.make_pipeline(scaler, regression), cv=5, ensemble=False
    ).fit(rows[:300], recalled[:300])
    np.testing.assert_allclose(
        model.probability(rows), twin.predict_proba(rows)[:, 1], rtol=1e-9, atol=1e-12
    )


def test_the_probability_is_calibrated():
    rows, recalled = events(4000)
    p = fitted(rows[:3000], recalled[:3000]).probability(rows[3000:])
    for low, high in ((0.1, 0.3), (0.3, 0.5), (0.5, 0.7)):
        inside = (p >= low) & (p < high)
        assert inside.sum() > 100
        assert recalled[3000:][inside].mean() == pytest.approx(p[inside].mean(), abs=0.08)


def test_features_that_say_nothing_give_the_base_rate():
    rows, recalled = events(2000, separation=0.0)
    model = fitted(rows, recalled)
    assert model.figures.auc == pytest.approx(0.5, abs=0.06)
    np.testing.assert_allclose(model.probability(rows), model.figures.base_rate, atol=0.06)


def test_a_feature_that_never_varies_does_no_harm():
    rows, recalled = events()
    rows[:, 0] = 2.0
    rows[:, 3] = 2.0 + 1e-6 * np.arange(len(rows))
    model = fitted(rows, recalled)
    assert model.figures.auc > 0.7
    assert np.isfinite(model.probability(rows)).all()


def test_groups_are_kept_whole():
    # Each list has a level of its own, and labels that follow the list: across lists
    # there is nothing to learn, and only whole lists kept aside show it.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    share = rng.permutation(np.linspace(0.1, 0.9, 40))
    recalled = rng.random(400) < share[groups]
    rows = np.zeros((400, 6)) + rng.normal(0.0, 1.0, (40, 6))[groups] + rng.normal(0, 0.1, (400, 6))
    figures = fitted(rows, recalled, groups=[f"list {g}" for g in groups]).figures
    assert figures.n_held_out == 100
    assert figures.auc_cross_validated < 0.62
    assert figures.auc < 0.65


def test_the_file_holds_the_model(tmp_path, model):
    model.save(tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == model
    assert model.provenance["source"] == "made up"
    assert model.provenance["scikit_learn"][0].isdigit()


def test_fitting_again_gives_the_same(model):
    assert fitted(*events()) == model


def test_each_mistake_in_a_file_is_named(tmp_path, model):
    path = tmp_path / "model.json"
    model.save(path)
    good = json.loads(path.read_text())
    for change, words in (
        ({"weights": [1.0]}, "weights has 1 values for 6 features"),
        ({"sd": [0.0] * 6}, "sd has 0"),
        ({"intercept": "much"}, "model.intercept"),
        ({"pickle": "yes"}, "model.pickle"),
    ):
        path.write_text(json.dumps(good | change))
        with pytest.raises(ConfigError, match=words):
            load_model(path)
    path.write_text("not json")
    with pytest.raises(ConfigError, match="JSON"):
        load_model(path)
    with pytest.raises(ConfigError, match=r"none\.json"):
        load_model(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": np.zeros((400, 5))}, r"\(400, 5\).*\(400, 6\)"),
        ({"rows": np.full((400, 6), np.nan)}, "not finite"),
        ({"recalled": np.zeros(400, dtype=bool)}, "not both positive and negative"),
        ({"recalled": np.arange(400) < 2}, "not both positive and negative"),
        ({"held_out": 1.5}, "held_out is 1.5"),
        ({"groups": np.zeros(400)}, "1 events or groups are too few"),
        ({"groups": np.zeros(3)}, "3 groups for 400 labels"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, words):
    rows, recalled = events()
    with pytest.raises(InputError, match=words):
        fitted(**({"rows": rows, "recalled": recalled} | change))


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match=r"pip install 'bci\[learn\]'"):
        fitted(*events())


def recording(seconds=30.0):
    rng = np.random.default_rng(1)
    times_s = 100.0 + np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    samples = rng.normal(0.0, 10.0, (len(times_s), 3)).astype(np.float32)
    return Chunk(samples, times_s)


def test_features_are_causal():
    chunk = recording()
    at_s = [110.0, 110.0, 115.001]
    rows = DESIGN.measured(chunk, INFO, at_s)
    assert rows.shape == (3, 6)
    np.testing.assert_array_equal(rows[0], rows[1])
    assert (rows[0] != rows[2]).all()
    until = np.searchsorted(chunk.times_s, 115.001)
    cut = Chunk(chunk.samples[:until].copy(), chunk.times_s[:until])
    cut_rows = DESIGN.measured(cut, INFO, [110.0, cut.times_s[-1]])
    np.testing.assert_array_equal(cut_rows, rows[1:])


def test_features_of_flagged_samples_do_not_count():
    chunk = recording()
    flags = np.zeros(len(chunk), dtype=np.uint8)
    flags[2500:3000] = 1
    before, after = DESIGN.measured(
        Chunk(chunk.samples, chunk.times_s, flags), INFO, chunk.times_s[[2499, 2999]]
    )
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("at_s", [[99.0, 110.0], [110.0, 131.0], [115.0, 110.0]])
def test_events_outside_the_recording_are_refused(at_s):
    with pytest.raises(InputError, match="do not"):
        DESIGN.measured(recording(), INFO, at_s)


def test_all_that_a_stream_lacks_is_named():
    design = SpectralFeatures(channels=("Fz", "Oz"), frequencies_hz=(10.0, 125.0))
    with pytest.raises(ConfigError) as caught:
        design.measured(recording(), INFO, [110.0])
    assert [p.where for p in caught.value.problems] == ["channels", "frequencies_hz"]


@pytest.mark.parametrize("change", [{"channels": ()}, {"cycles": 0.0}, {"frequencies_hz": ()}])
def test_a_design_that_makes_no_sense_is_refused(change):
    with pytest.raises(ValidationError):
        SpectralFeatures(**({"channels": ("Fz",)} | change))
