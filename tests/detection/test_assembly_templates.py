import dataclasses
import functools
import json
import math

import numpy as np
import pytest

from bci_core.detection.assembly_features import AssemblyFeatures
from bci_core.detection.assembly_learning import (
    LearningSettings,
    co_active_patterns,
    independent_directions,
    learn_templates,
)
from bci_core.detection.assembly_shuffles import onsets, relabelled, shifted
from bci_core.detection.assembly_templates import load, save
from bci_core.errors import InputError

UNITS = tuple(f"u{k}" for k in range(30))
PATTERNS = ((0, 1, 2, 3), (5, 6, 7, 8))
COUNTS = AssemblyFeatures(source="counts", bin_s=0.025)


def counts(n_bins=12_000, per_min=20.0, seed=0, patterns=PATTERNS, shared=False):
    """Poisson units of 2 Hz; in a pattern's bins its members fire once more.

    With `shared`, everybody's rate goes up eightfold together, in a tenth of the bins.
    """
    rng = np.random.default_rng(seed)
    rates = np.full((n_bins, len(UNITS)), 0.05)
    if shared:
        rates[rng.random(n_bins) < 0.1] *= 8.0
    made = rng.poisson(rates).astype(float)
    at = [rng.random(n_bins) < per_min * COUNTS.bin_s / 60.0 for _ in patterns]
    for bins, members in zip(at, patterns, strict=True):
        made[np.ix_(np.flatnonzero(bins), members)] += 1.0
    return made, at


@functools.cache
def learnt(**changes):
    return learn_templates(counts()[0], UNITS, COUNTS, LearningSettings(**changes))


def members(weights):
    return {tuple(np.flatnonzero(np.abs(w) > 0.3).tolist()) for w in weights}


def test_finds_the_patterns_that_are_there():
    templates = learnt()
    assert members(templates.weights) == set(PATTERNS)
    np.testing.assert_allclose(np.linalg.norm(templates.weights, axis=1), 1.0)
    assert (templates.weights.max(axis=1) > 0).all()


def test_members_are_named():
    assert {frozenset(learnt().members(k)[:4]) for k in range(2)} == {
        frozenset(UNITS[u] for u in members) for members in PATTERNS
    }


def test_patterns_that_share_a_unit_are_told_apart():
    made, _ = counts(patterns=((0, 1, 2, 3), (3, 4, 5, 6)))
    templates = learn_templates(made, UNITS, COUNTS)
    assert members(templates.weights) == {(0, 1, 2, 3), (3, 4, 5, 6)}


def test_strength_is_that_of_the_projection_matrix():
    templates = learnt(control_shared_rate=False)
    made, _ = counts(2000, seed=1)
    z = (made - templates.mean) / templates.sd
    for k, w in enumerate(templates.weights):
        projection = np.outer(w, w)
        np.fill_diagonal(projection, 0.0)
        expected = np.einsum("bi,ij,bj->b", z, projection, z)
        np.testing.assert_allclose(templates.strengths(made)[:, k], expected, atol=1e-9)


def test_one_unit_alone_makes_no_strength():
    templates = learnt(control_shared_rate=False)
    alone = np.tile(templates.mean, (30, 1)) + 50.0 * np.eye(30)
    np.testing.assert_allclose(templates.strengths(alone), 0.0, atol=1e-6)


def test_thresholds_hold_in_new_shuffles_and_patterns_go_above_them():
    templates = learnt(shuffle_per_min=1.0)
    made, at = counts(seed=7)
    minutes = len(made) * COUNTS.bin_s / 60.0
    rng = np.random.default_rng(99)
    for kind in (shifted, relabelled):
        chance = sum(
            (templates.strengths(kind(made, rng)) > templates.thresholds).sum(axis=0)
            for _ in range(20)
        )
        assert (chance / 20 / minutes < 1.6).all()
    active = templates.strengths(made) > templates.thresholds
    for k, w in enumerate(templates.weights):
        bins = at[PATTERNS.index(next(iter(members([w]))))]
        assert active[bins, k].mean() > 0.8
        assert active[~bins, k].sum() / minutes < 3.0


def test_what_all_cells_do_together_is_no_pattern():
    made, _ = counts(shared=True, patterns=())
    with pytest.raises(InputError, match=r"none of|not co-active"):
        learn_templates(made, UNITS, COUNTS)
    # Without the control, the first direction is everybody.
    z = (made - made.mean(axis=0)) / made.std(axis=0)
    together = co_active_patterns(z, 0)
    assert any((w > 0.1).all() for w in together)


def test_patterns_are_found_beside_what_all_cells_share():
    made, _ = counts(shared=True)
    templates = learn_templates(made, UNITS, COUNTS)
    assert members(templates.weights) == set(PATTERNS)


def test_independent_units_have_no_pattern():
    made, _ = counts(patterns=())
    with pytest.raises(InputError, match=r"not co-active|none of|no pattern"):
        learn_templates(made, UNITS, COUNTS)


def test_a_silent_unit_takes_no_part():
    made, _ = counts()
    made[:, 10] = 0.0
    templates = learn_templates(made, UNITS, COUNTS)
    assert members(templates.weights) == set(PATTERNS)
    np.testing.assert_allclose(templates.weights[:, 10], 0.0, atol=1e-12)
    awake = made.copy()
    awake[:, 10] = 5.0
    np.testing.assert_allclose(templates.strengths(awake), templates.strengths(made))


def test_learning_is_reproducible_and_depends_on_the_seed_only_slightly():
    first, other = learnt(), learnt(seed=1)
    again = learn_templates(counts()[0], UNITS, COUNTS)
    np.testing.assert_array_equal(first.weights, again.weights)
    np.testing.assert_array_equal(first.thresholds, again.thresholds)
    np.testing.assert_allclose(other.weights, first.weights, atol=1e-3)
    assert (other.thresholds != first.thresholds).any()


def test_agrees_with_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    rng = np.random.default_rng(0)
    sources = rng.laplace(size=(20_000, 4))
    mixed = sources @ rng.normal(size=(4, 4))
    mixed -= mixed.mean(axis=0)
    values, axes = np.linalg.eigh(mixed.T @ mixed / len(mixed))
    whitened = mixed @ axes / np.sqrt(values)
    theirs = decomposition.FastICA(whiten=False, random_state=0, max_iter=500).fit(whitened)
    agreement = np.abs(independent_directions(whitened, 0) @ theirs.components_.T)
    assert (agreement.max(axis=1) > 0.9999).all()


def test_shuffles_keep_what_they_say():
    made, _ = counts(shared=True)
    rng = np.random.default_rng(0)
    moved = shifted(made, rng)
    assert sorted(moved[:, 0].tolist()) == sorted(made[:, 0].tolist())
    assert (moved.sum(axis=1) != made.sum(axis=1)).any()
    for block in (None, 400):
        owners = relabelled(made, rng, block)
        assert (owners != made).any()
        np.testing.assert_array_equal(owners.sum(axis=1), made.sum(axis=1))
        np.testing.assert_array_equal(owners.sum(axis=0), made.sum(axis=0))
    blocks = owners.reshape(30, 400, 30).sum(axis=1)
    np.testing.assert_array_equal(blocks, made.reshape(30, 400, 30).sum(axis=1))


def test_a_very_fast_unit_does_not_swap_with_slow_ones():
    made, _ = counts()
    made[:, 11] += 5.0
    np.testing.assert_array_equal(relabelled(made, np.random.default_rng(0))[:, 11], made[:, 11])


def test_onsets():
    course = np.array([[2.0, 0.0], [2.0, 2.0], [0.0, 0.0], [2.0, 2.0]])
    assert onsets(course, np.array([1.0, 1.0])).tolist() == [2, 2]


def test_a_file_gives_back_what_was_saved(tmp_path):
    templates = dataclasses.replace(
        learnt(), features=AssemblyFeatures(source="band_power", band_hz=(80, 150))
    )
    told = dict(templates.provenance) | {"source_sha256": "ab" * 32}
    save(dataclasses.replace(templates, provenance=told), tmp_path / "t.npz")
    back = load(tmp_path / "t.npz")
    for name in ("weights", "thresholds", "mean", "sd", "shared", "own_sd"):
        np.testing.assert_array_equal(getattr(back, name), getattr(templates, name))
    assert back.units == UNITS
    assert back.features == templates.features
    assert back.provenance == told
    assert back.provenance["n_bins"] == 12_000
    assert back.provenance["learning"]["shuffle_per_min"] == 1.0
    assert len(back.provenance["learnt_per_min"]) == len(back)


def damaged(tmp_path, **changes):
    save(learnt(), tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as held:
        parts = {name: held[name] for name in held.files} | changes
    np.savez(tmp_path / "bad.npz", **{k: v for k, v in parts.items() if v is not None})
    return tmp_path / "bad.npz"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": np.array("something else")}, "format"),
        ({"weights": None}, "weights"),
        ({"weights": np.ones((2, 3))}, "should be"),
        ({"weights": np.ones((0, 30)), "thresholds": np.ones(0)}, "no template"),
        ({"thresholds": np.array([1.0, math.nan])}, "not finite"),
        ({"thresholds": np.array([1.0, 0.0])}, "not above 0"),
        ({"sd": np.zeros(30)}, "not above 0"),
        ({"features": np.array(json.dumps({"source": "tea leaves"}))}, "damaged"),
        ({"provenance": np.array("{")}, "damaged"),
        ({"weights": np.array([{"a": 1}], dtype=object)}, "damaged"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, changes, words):
    path = damaged(tmp_path, **changes)
    with pytest.raises(InputError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "t.npz"
    with pytest.raises(InputError, match="cannot be read"):
        load(path)
    for content in (b"", b"not a zip", b"PK\x03\x04 torn"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"t\.npz"):
            load(path)
    with pytest.raises(InputError, match="cannot be written"):
        save(learnt(), tmp_path / "no such folder" / "t.npz")


@pytest.mark.parametrize(
    ("values", "units", "words"),
    [
        (np.zeros((5000, 30)), UNITS[:29], "want"),
        (np.zeros((5000, 30)), ("u0",) * 30, "one name"),
        (np.zeros((5000, 2)), UNITS[:2], "3 or more"),
        (np.full((5000, 30), math.nan), UNITS, "not finite"),
        (np.zeros((100, 30)), UNITS, "too few"),
    ],
)
def test_learning_refuses_what_teaches_nothing(values, units, words):
    with pytest.raises(InputError, match=words):
        learn_templates(values, units, COUNTS)


def test_silence_is_refused():
    with pytest.raises(InputError, match="not co-active"):
        learn_templates(np.zeros((5000, 30)), UNITS, COUNTS)
