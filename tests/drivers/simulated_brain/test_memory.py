"""The associative memory: what strengthens a pattern, what does not, and what is recalled."""

import numpy as np
import pytest

from drivers.amplifiers.simulated_brain import memory
from drivers.amplifiers.simulated_brain import tracks as t
from drivers.amplifiers.simulated_brain.truth import LOG_ROWS, N_LOG, Event

RATE_HZ = 100.0
MEMBERS = np.zeros((3, 48))
MEMBERS[0, :12] = MEMBERS[1, 8:20] = MEMBERS[2, 30:42] = 1.0


class Memory:
    """The layer alone, fed with states, ripples, pulses and cues."""

    def __init__(self, strength=0.3, cues_hz=0.0, forgetting_s=1e9, learning=(0.05, 0.05, 3.0)):
        sequence = np.random.SeedSequence(1)
        self.layer = memory.memory_layer(
            RATE_HZ, MEMBERS, strength, cues_hz, learning, forgetting_s, sequence
        )
        self.log = np.zeros((LOG_ROWS, N_LOG))

    def run(self, seconds, state=t.NREM, ripple=-1, reached=1.0, stimulated=-1, at_s=0.05):
        n = round(seconds * RATE_HZ)
        tracks = np.zeros((n, t.N_TRACKS))
        tracks[:, state] = 1.0
        tracks[:, t.CONTENT] = -1.0
        if ripple >= 0:
            tracks[:10, t.CONTENT] = ripple
            tracks[:10, t.PROGRESS] = np.linspace(0.0, reached, 10)
        if stimulated >= 0:
            k = round(at_s * RATE_HZ)
            tracks[k, t.RECRUIT] = 1.0
            tracks[k, t.MATCHED] = stimulated
            tracks[k, t.MATCH] = 0.99
        self.layer.run(tracks, self.log)
        return self.strengths()

    def strengths(self):
        return memory.strengths(self.layer.settings, self.layer.state)

    def values(self, event):
        rows = self.log[1 : int(self.log[0, 0]) + 1]
        return rows[rows[:, 0] == event, 6]


def gain_of(**how):
    made = Memory()
    before = made.strengths()
    return made.run(1.0, **how) - before


def test_a_ripple_strengthens_what_it_reactivates():
    gained = gain_of(ripple=0)
    assert gained[0] == pytest.approx(0.05 * 0.9 * 0.7, rel=0.05)
    assert gained[2] == pytest.approx(0.0, abs=1e-9)
    assert 0.0 < gained[1] < 0.3 * gained[0]  # by the units that both have


@pytest.mark.parametrize("how", [{"reached": 0.4}, {"state": t.WAKE}])
def test_little_is_learnt_from_a_short_ripple_or_much_acetylcholine(how):
    assert gain_of(ripple=0, **how)[0] < 0.1 * gain_of(ripple=0)[0]


def test_the_right_pattern_at_the_right_time_strengthens_it():
    plain = gain_of(ripple=0)[0]
    assert gain_of(ripple=0, stimulated=0)[0] > 2.0 * plain


@pytest.mark.parametrize(
    ("how", "most"),
    [
        ({"ripple": 0, "stimulated": 2}, 0.5),  # wrong content
        ({"ripple": 0, "stimulated": 0, "at_s": 0.5}, 1.0),  # too late
        ({"stimulated": 0}, 0.0),  # no ripple
    ],
)
def test_the_wrong_pattern_or_time_does_not(how, most):
    plain = gain_of(ripple=0)
    assert (gain_of(**how) <= most * plain + 1e-12).all()


def test_cues_in_wake_teach_and_more_with_the_right_stimulus():
    def gained(stimulated):
        made = Memory(cues_hz=1e3, learning=(0.0, 0.05, 3.0))  # a cue at once
        made.run(0.5, state=t.WAKE, stimulated=stimulated, at_s=0.1)
        made.run(0.1, state=t.WAKE)
        onset = made.log[1, 5]
        return made.values(Event.PLASTICITY)[0], int(onset)

    plain, cued = gained(-1)
    assert plain == pytest.approx(0.05 * 0.7, rel=0.05)
    assert gained(cued)[0] > 3.0 * plain
    assert gained((cued + 1) % 3)[0] == plain
    sleeping = Memory(cues_hz=1e3)
    sleeping.run(5.0)
    assert len(sleeping.values(Event.CUE)) == 0


def test_time_weakens_and_prunes():
    made = Memory(forgetting_s=100.0, learning=(0.0, 0.0, 0.0))
    made.run(100.0)
    assert made.run(1.0, ripple=0)[0] == pytest.approx(0.3 * np.exp(-1.0), rel=0.01)
    made.run(200.0)
    assert (made.run(1.0, ripple=0) == 0.0).all()


@pytest.mark.parametrize(("strength", "least", "most"), [(0.6, 0.8, 1.01), (0.0, -0.1, 0.1)])
def test_recall_is_as_good_as_what_is_stored(strength, least, most):
    made = Memory(strength, cues_hz=1.0, learning=(0.0, 0.0, 0.0))
    for _ in range(10):
        made.run(10.0, state=t.WAKE)
    overlaps = made.values(Event.CUE)
    assert len(overlaps) > 30
    assert least < overlaps.mean() < most


def test_recall_gets_better_with_strength():
    means = []
    for strength in (0.15, 0.3, 0.6):
        made = Memory(strength, cues_hz=1.0, learning=(0.0, 0.0, 0.0))
        for _ in range(10):
            made.run(10.0, state=t.WAKE)
        means.append(made.values(Event.CUE).mean())
    assert means[0] + 0.1 < means[1] <= means[2]


def test_one_recall_is_that_of_plain_matrices():
    made = Memory(0.35)
    n = MEMBERS.shape[1]
    made.layer.settings[memory._FORGET] = 0.0
    weights = made.layer.state[memory._WEIGHTS :][: n * n].reshape(n, n).copy()
    noise_free = []
    for pattern in range(3):
        member = MEMBERS[pattern] > 0
        given = np.zeros(n, dtype=bool)
        given[np.flatnonzero(member)[::2]] = True
        fires = given.copy()
        for _ in range(3):
            heard = weights @ fires / fires.sum()
            fires = given | (heard > max(0.15, 0.6 * heard.max()))
        free = ~given
        hits = fires[free & member].mean() - fires[free & ~member].mean()
        noise_free.append(hits)
    told = []
    for pattern in range(3):
        made.layer.state[memory._WEIGHTS + n * n :] = 0.0
        many = [
            memory.recall(made.layer.settings, made.layer.state, made.layer.random, pattern)
            for _ in range(20)
        ]
        told.append(np.mean(many))
    np.testing.assert_allclose(told, noise_free, atol=0.15)
