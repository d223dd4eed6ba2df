"""The conformance check passes what is sound and names what is broken."""

from dataclasses import replace
from math import nan
from typing import ClassVar

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.band_power import BandPower, BandPowerSettings
from bci_core.detection.compiled import CompiledDetector, announce
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.errors import ConfigError, Problem
from bci_core.events import Detection
from bci_core.testing.check_detector import RULES, STREAM_RULES, check_detector, trial_chunk

INFO = StreamInfo("bench", 100.0, ("Fz", "Cz"), "bench-1")


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Crossings:
    """Upward crossings of the mean, in plain Python and nothing but the contract."""

    Settings = Settings
    channels = (1,)
    column = 1
    gain = 0.01
    gullible = False

    def __init__(self):
        self.seen = 0
        self.mean = self.last = None

    def update(self, chunk):
        found = []
        flags = np.zeros(len(chunk)) if chunk.flags is None else chunk.flags
        for row, time_s, flag in zip(chunk.samples, chunk.times_s.tolist(), flags, strict=True):
            value = float(row[self.column])
            if self.mean is None:
                self.mean = self.last = value
            if not flag or self.gullible:
                self.mean += self.gain * (value - self.mean)
            if self.last <= self.mean < value:
                found.append(Detection(self.seen, time_s, time_s, value - self.mean))
            self.last = value
            self.seen += 1
        return found


class Lax(Crossings):
    class Settings(BaseModel):
        model_config = ConfigDict(frozen=True)


class Thawed(Crossings):
    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid")


class Silent(Crossings):
    def update(self, chunk):
        return []


class WrongColumn(Crossings):
    channels = (2,)


class ReadsAnotherChannel(Crossings):
    channels = (0,)


class ForgetsBetweenChunks(Crossings):
    def update(self, chunk):
        self.last = None if self.mean is None else self.mean
        return super().update(chunk)


class SeesTheWholeChunk(Crossings):
    def update(self, chunk):
        # Zero-phase within a chunk: the usual way to be acausal by mistake.
        centred = chunk.samples - chunk.samples.mean(axis=0) if len(chunk) else chunk.samples
        return super().update(Chunk(centred.astype(np.float32), chunk.times_s))


class SharesState(Crossings):
    memory: ClassVar[list[Detection]] = []

    def update(self, chunk):
        found = super().update(chunk)
        self.memory.extend(found)
        return [replace(d, value=d.value + len(self.memory)) for d in found]


class Rolls(Crossings):
    dice = np.random.default_rng(0)

    def update(self, chunk):
        return [d for d in super().update(chunk) if self.dice.random() < 0.9]


class CountsPerChunk(Crossings):
    def update(self, chunk):
        self.seen = 0
        return super().update(chunk)


class NewestFirst(Crossings):
    def update(self, chunk):
        return super().update(chunk)[::-1]


class TellsTimeByTheRate(Crossings):
    def update(self, chunk):
        return [replace(d, sample_s=d.sample_index / 99.0) for d in super().update(chunk)]


class LooksBack(Crossings):
    def update(self, chunk):
        return [replace(d, target_s=d.sample_s - 0.01) for d in super().update(chunk)]


class GivesNan(Crossings):
    def update(self, chunk):
        return [replace(d, value=nan) for d in super().update(chunk)]


class Vetoes(Crossings):
    def update(self, chunk):
        return [replace(d, veto="gap") for d in super().update(chunk)]


class TrustsTheOrigin(Crossings):
    def update(self, chunk):
        return [d for d in super().update(chunk) if d.sample_s > 20.0]


class WritesIntoTheChunk(Crossings):
    def update(self, chunk):
        chunk.samples[:] -= 1.0
        return super().update(chunk)


class GoesDeaf(Crossings):
    """Divides by a spread that silence makes zero, and keeps what comes of it."""

    spread = 1.0

    def update(self, chunk):
        found = []
        for i in range(len(chunk)):
            one = sample(chunk, i)
            value = abs(float(one.samples[0, 1]))
            self.spread = self.spread and min(self.spread, value)
            height = value / self.spread if self.spread else nan
            found += [d for d in super().update(one) if height > 0.0]
        return found


class LearnsFromWhatIsFlagged(Crossings):
    gullible = True
    gain = 0.0005


class LearnsFromAnotherChannel(Crossings):
    gullible = True
    channels = (0,)


class BeginsAnewAtAnEmptyChunk(Crossings):
    def update(self, chunk):
        if not len(chunk):
            self.mean = self.last = -1000.0
        return super().update(chunk)


class GoesDeafOnFlatChannels(Crossings):
    """Divides by how much the last samples differ, and keeps what comes of it."""

    same = 0
    spread = 1.0

    def update(self, chunk):
        found = []
        for i in range(len(chunk)):
            one = sample(chunk, i)
            self.same = self.same + 1 if float(one.samples[0, 1]) == self.last else 0
            self.spread = nan if self.same > 40 else self.spread
            found += [d for d in super().update(one) if self.spread > 0.0]
        return found


class TrustsTimeToGoOn(Crossings):
    """Takes the time between samples as it took it first, and gives up on any other."""

    def update(self, chunk):
        found = []
        for d in super().update(chunk):
            wanted_s = d.sample_index / INFO.rate_hz
            lost = abs(d.sample_s - self.first_s(chunk, d) - wanted_s) > 0.1
            found += [] if lost else [d]
        return found

    def first_s(self, chunk, d):
        if not hasattr(self, "start_s"):
            self.start_s = d.sample_s - d.sample_index / INFO.rate_hz
        return self.start_s


class DividesByTheRate(Crossings):
    def update(self, chunk):
        if len(chunk) > 1 and abs(chunk.times_s[1] - chunk.times_s[0] - 0.01) > 1e-4:
            return [replace(d, value=nan) for d in super().update(chunk)]
        return super().update(chunk)


class TakesNanIn(CompiledDetector):
    """A kernel that keeps the ratio of two samples, whatever they are."""

    Settings = Settings

    def __init__(self):
        super().__init__(self.ratio, np.zeros(1), np.ones(2), (1,))

    @staticmethod
    def ratio(samples, times_s, flags, settings, state, out):
        n_found = 0
        for i, value in enumerate(samples[:, 1].astype(float)):
            with np.errstate(all="ignore"):
                slope = np.float64(value - state[0]) / np.float64(value - state[0])
            if flags[i]:
                state[1] *= slope
            elif state[0] <= 1000.0 < value:
                n_found = announce(out, n_found, i, times_s[i], 1.0)
            state[0] = value
        return n_found


def sample(chunk, i):
    flags = None if chunk.flags is None else chunk.flags[i : i + 1]
    return Chunk(chunk.samples[i : i + 1], chunk.times_s[i : i + 1], flags)


def broken(make, **kwargs):
    with pytest.raises(AssertionError) as caught:
        check_detector(make, INFO, **kwargs)
    return [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]]


def test_a_sound_detector_in_plain_python_passes():
    check_detector(Crossings, INFO)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Phase(
            PhaseSettings(channel="Cz", band_hz=(4, 8), target_deg=90, min_amplitude_uv=5),
            INFO,
            0.1,
        ),
        lambda: BandPower(BandPowerSettings(channel="Cz", band_hz=(8, 13)), INFO, 0.0),
    ],
)
def test_the_compiled_detectors_pass(make):
    check_detector(make, INFO)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (Lax, "settings_are_strict"),
        (Thawed, "settings_are_strict"),
        (Silent, "finds_something"),
        (WrongColumn, "channels_are_columns"),
        (ReadsAnotherChannel, "other_channels_do_not_matter"),
        (ForgetsBetweenChunks, "chunking_changes_nothing"),
        (SeesTheWholeChunk, "chunking_changes_nothing"),
        (SeesTheWholeChunk, "the_future_does_not_matter"),
        (SharesState, "instances_share_nothing"),
        (Rolls, "instances_share_nothing"),
        (CountsPerChunk, "indices_count_samples"),
        (NewestFirst, "indices_count_samples"),
        (TellsTimeByTheRate, "indices_count_samples"),
        (LooksBack, "detections_are_sound"),
        (GivesNan, "detections_are_sound"),
        (Vetoes, "detections_are_sound"),
        (TrustsTheOrigin, "the_origin_of_time_does_not_matter"),
        (WritesIntoTheChunk, "samples_are_left_alone"),
        (GoesDeaf, "bad_samples_are_survived"),
        (LearnsFromWhatIsFlagged, "flagged_samples_teach_nothing"),
        (LearnsFromAnotherChannel, "not_finite_samples_are_survived"),
        (BeginsAnewAtAnEmptyChunk, "an_empty_chunk_changes_nothing"),
        (GoesDeafOnFlatChannels, "a_flat_channel_is_survived"),
        (TrustsTimeToGoOn, "a_gap_is_survived"),
        (TakesNanIn, "a_flat_channel_is_survived"),
        (DividesByTheRate, "another_rate_is_survived"),
    ],
)
def test_each_way_to_be_broken_is_named(make, rule):
    (check,) = (check for check in RULES if check.__name__ == rule)
    with pytest.raises(AssertionError):
        check(make, trial_chunk(INFO))


@pytest.mark.parametrize(
    ("make", "rules"),
    [
        (Lax, ["settings_are_strict"]),
        (GoesDeaf, ["bad_samples_are_survived"]),
        (LooksBack, ["detections_are_sound", "bad_samples_are_survived"]),
    ],
)
def test_nothing_else_is_blamed(make, rules):
    assert broken(make) == rules


def test_every_rule_is_shown_to_fail():
    blamed = test_each_way_to_be_broken_is_named.pytestmark[0].args[1]
    assert {rule for _, rule in blamed} == {rule.__name__ for rule in RULES}


def crossings_for(info):
    made = Crossings()
    made.column = len(info.channels) - 1
    made.channels = (made.column,)
    return made


def needs_two_channels(info):
    if len(info.channels) < 2:
        raise IndexError("no second channel")
    return crossings_for(info)


def names_a_column_too_many(info):
    made = crossings_for(info)
    made.channels = (1024,) if len(info.channels) == 1024 else made.channels
    return made


def lets_an_exception_through(info):
    if info.rate_hz <= 2 * 30.0:
        raise ValueError("critical frequencies must be below fs/2")
    return crossings_for(info)


def refuses_without_a_reason(info):
    if info.rate_hz <= 2 * 30.0:
        raise ConfigError("detector", [])
    return crossings_for(info)


def is_broken_at_the_edge(info):
    if info.rate_hz < 2 * 30.0:
        raise ConfigError("detector", [Problem("band_hz", "reaches Nyquist")])
    return GivesNan() if info.rate_hz < 2 * 30.001 else crossings_for(info)


def refuses_at_the_edge(info):
    if info.rate_hz <= 2 * 30.0:
        raise ConfigError("detector", [Problem("band_hz", "reaches Nyquist")])
    return crossings_for(info)


@pytest.mark.parametrize(
    "make_for",
    [
        crossings_for,
        refuses_at_the_edge,
        lambda info: BandPower(
            BandPowerSettings(channel=info.channels[-1], band_hz=(8, 13)), info, 0.0
        ),
        lambda info: Phase(
            PhaseSettings(
                channel=info.channels[0], band_hz=(4, 8), target_deg=90, min_amplitude_uv=5
            ),
            info,
            0.1,
        ),
    ],
)
def test_detectors_that_fit_any_stream_pass(make_for):
    chunk = trial_chunk(INFO)
    for rule in STREAM_RULES:
        rule(make_for, INFO, chunk)


@pytest.mark.parametrize(
    ("make_for", "rule"),
    [
        (needs_two_channels, "one_channel_is_enough"),
        (names_a_column_too_many, "many_channels_are_served"),
        (lets_an_exception_through, "what_does_not_fit_the_rate_is_refused"),
        (refuses_without_a_reason, "what_does_not_fit_the_rate_is_refused"),
        (is_broken_at_the_edge, "what_does_not_fit_the_rate_is_refused"),
    ],
)
def test_each_way_to_fail_on_another_stream_is_named(make_for, rule):
    assert broken(Crossings, make_for=make_for) == [rule]


def test_every_rule_of_other_streams_is_shown_to_fail():
    blamed = test_each_way_to_fail_on_another_stream_is_named.pytestmark[0].args[1]
    assert {rule for _, rule in blamed} == {rule.__name__ for rule in STREAM_RULES}


def test_a_crash_is_told_with_the_rule_it_broke():
    class Crashes(Crossings):
        def update(self, chunk):
            raise RuntimeError("not today")

    assert set(broken(Crashes)) >= {"finds_something", "chunking_changes_nothing"}


def test_own_samples_can_be_handed_in():
    wave = np.sin(np.arange(500) / 3.0)[:, np.newaxis].repeat(2, axis=1).astype(np.float32)
    mine = Chunk(wave, np.arange(500) / INFO.rate_hz)
    check_detector(Crossings, INFO, mine)
    flat = Chunk(np.zeros((500, 2), dtype=np.float32), mine.times_s)
    assert "finds_something" in broken(Crossings, chunk=flat)


def test_the_samples_handed_in_are_not_spoilt_by_a_detector_that_writes():
    mine = trial_chunk(INFO)
    before = mine.samples.copy()
    broken(WritesIntoTheChunk, chunk=mine)
    np.testing.assert_array_equal(mine.samples, before)


def test_the_trial_samples_are_not_too_many_at_high_rates():
    assert len(trial_chunk(replace(INFO, rate_hz=30_000.0))) == 60_000


@pytest.mark.parametrize("rate_hz", [100.0, 1000.0])
def test_the_trial_samples_sweep_every_band(rate_hz):
    chunk = trial_chunk(replace(INFO, rate_hz=rate_hz))
    loud = chunk.samples[round(0.15 * len(chunk)) :, 0]
    loud = loud - loud.mean()
    crossings = np.diff(np.flatnonzero(np.diff(np.sign(loud)) > 0))
    assert crossings.min() <= 3
    assert crossings.max() >= 0.2 * rate_hz
