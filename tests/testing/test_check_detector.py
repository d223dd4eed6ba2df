"""The conformance check passes what is sound and names what is broken."""

from dataclasses import replace
from math import nan
from typing import ClassVar

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.band_power import BandPower, BandPowerSettings
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.events import Detection
from bci_core.testing.check_detector import RULES, check_detector, trial_chunk

INFO = StreamInfo("bench", 100.0, ("Fz", "Cz"), "bench-1")


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Crossings:
    """Upward crossings of the mean, in plain Python and nothing but the contract."""

    Settings = Settings
    channels = (1,)

    def __init__(self):
        self.seen = 0
        self.mean = self.last = None

    def update(self, chunk):
        found = []
        for row, time_s in zip(chunk.samples, chunk.times_s.tolist(), strict=True):
            value = float(row[1])
            if self.mean is None:
                self.mean = self.last = value
            self.mean += 0.01 * (value - self.mean)
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
            one = Chunk(chunk.samples[i : i + 1], chunk.times_s[i : i + 1])
            value = abs(float(one.samples[0, 1]))
            self.spread = self.spread and min(self.spread, value)
            height = value / self.spread if self.spread else nan
            found += [d for d in super().update(one) if height > 0.0]
        return found


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
    ],
)
def test_each_way_to_be_broken_is_named(make, rule):
    assert rule in broken(make)


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
