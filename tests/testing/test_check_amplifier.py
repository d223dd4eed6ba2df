"""The conformance check passes a sound amplifier, and names what is broken in others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock, VirtualClock
from bci_core.contracts import AmplifierCounters
from bci_core.errors import DeviceError
from bci_core.testing.check_amplifier import RULES, check_amplifier

RATE_HZ = 250.0


class Sound:
    """Noise on two channels, in time with the clock it is given."""

    class Settings(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, settings: Any, clock: Clock) -> None:
        self.clock = clock
        self.rng = np.random.default_rng(0)
        self.counters = AmplifierCounters()
        self.exhausted = False
        self.is_open = False
        self.k = 0

    def describe(self) -> StreamInfo:
        return StreamInfo("sound", RATE_HZ, ("a", "b"), "sound-1")

    def open(self) -> StreamInfo:
        self.is_open = True
        self.t0_s = self.clock.now_s()
        return self.describe()

    def read(self, wait_s: float) -> Chunk | None:
        if not self.is_open:
            raise DeviceError("not open")
        due_s = self.time_of(self.k)
        until_s = self.clock.now_s() + wait_s
        self.clock.sleep_until(min(due_s, until_s))
        if due_s > until_s:
            return None
        self.clock.sleep_until(self.clock.now_s() + 0.0101)  # a busy computer
        n = int(np.floor((self.clock.now_s() - self.t0_s) * RATE_HZ)) + 1 - self.k
        times_s = self.time_of(np.arange(self.k, self.k + n))
        self.k += n
        self.counters.samples += n
        return Chunk(self.rng.normal(size=(n, 2)).astype(np.float32), times_s)

    def time_of(self, k: Any) -> Any:
        return self.t0_s + k / RATE_HZ

    def close(self) -> None:
        self.is_open = False


def check(kind: type[Sound]) -> Any:
    return check_amplifier(
        lambda clock: kind(kind.Settings(), clock), 3.0, clock=VirtualClock(1000.0)
    )


def test_a_sound_amplifier_passes_with_figures() -> None:
    figures = check(Sound)
    assert figures.samples == pytest.approx(750, abs=5)
    assert figures.lost == 0
    assert figures.rate_hz == pytest.approx(RATE_HZ)
    assert 0.0 <= figures.median_age_s <= figures.worst_age_s < 0.005


def test_a_gap_that_is_reported_passes() -> None:
    class Gap(Sound):
        def read(self, wait_s: float) -> Chunk | None:
            if self.k > 300 and self.counters.lost == 0:
                self.k += 9
                self.counters.lost = 9
            return super().read(wait_s)

    assert check(Gap).lost == 9


def test_microvolts_cannot_be_checked_from_outside() -> None:
    class Volts(Sound):
        def read(self, wait_s: float) -> Chunk | None:
            chunk = super().read(wait_s)
            return chunk and replace(chunk, samples=chunk.samples * np.float32(1e-6))

    check(Volts)


def changing(change: Callable[[Sound, Chunk], Chunk]) -> type[Sound]:
    class Changed(Sound):
        def read(self, wait_s: float) -> Chunk | None:
            chunk = super().read(wait_s)
            return None if chunk is None else change(self, chunk)

    return Changed


def shifted(chunk: Chunk, by_s: Any) -> Chunk:
    return Chunk(chunk.samples, chunk.times_s + by_s)


def unreported_gap(amplifier: Sound, chunk: Chunk) -> Chunk:
    if amplifier.k > 300 and len(chunk) > 2:
        amplifier.counters.samples -= 1
        return Chunk(np.delete(chunk.samples, 1, axis=0), np.delete(chunk.times_s, 1))
    return chunk


def last_again(amplifier: Sound, chunk: Chunk) -> Chunk:
    amplifier.counters.samples += 1
    return Chunk(
        np.concatenate([chunk.samples, chunk.samples[-1:]]),
        np.concatenate([chunk.times_s, chunk.times_s[-1:]]),
    )


def made_up_samples(amplifier: Sound, chunk: Chunk) -> Chunk:
    """Each sample twice, spread over the time: twice the rate that was described."""
    amplifier.counters.samples += len(chunk)
    times_s = np.repeat(chunk.times_s, 2)
    times_s[::2] -= 0.5 / RATE_HZ
    return Chunk(np.repeat(chunk.samples, 2, axis=0), times_s)


def columns(n: int) -> Callable[[Sound, Chunk], Chunk]:
    return lambda _, c: Chunk(np.ascontiguousarray(np.resize(c.samples, (len(c), n))), c.times_s)


def spoiled(value: float) -> Callable[[Sound, Chunk], Chunk]:
    def spoil(_: Sound, chunk: Chunk) -> Chunk:
        chunk.samples[0, 0] = value
        return chunk

    return spoil


BROKEN = [
    (lambda _, c: Chunk(c.samples.astype(np.float64), c.times_s), "chunks_are_sound", "float64"),
    (lambda _, c: Chunk(np.asfortranarray(c.samples), c.times_s), "chunks_are_sound", "C-cont"),
    (
        lambda _, c: Chunk(c.samples, c.times_s.astype(np.float32)),
        "chunks_are_sound",
        "times_s are",
    ),
    (lambda _, c: Chunk(c.samples[:0], c.times_s[:0]), "chunks_are_sound", "empty chunk"),
    (columns(3), "chunks_are_sound", "3 columns for 2 channels"),
    (spoiled(np.nan), "chunks_are_sound", "not finite"),
    (lambda _, c: shifted(c, 0.02), "stamps_are_not_ahead", "in the future"),
    (lambda _, c: shifted(c, -0.3), "samples_are_fresh", "0.3"),
    (lambda _, c: Chunk(c.samples, c.times_s[::-1].copy()), "each_sample_once", "go forward"),
    (last_again, "each_sample_once", "go forward"),
    (made_up_samples, "times_are_even", "500.0000 Hz, described as 250 Hz"),
    (
        lambda a, c: shifted(c, -a.rng.uniform(0.0, 1e-3, len(c))),
        "times_are_even",
        "period",
    ),
    (unreported_gap, "counters_add_up", "counters.lost is 0"),
    (lambda a, c: shifted(c, -0.2 * (c.times_s - a.t0_s)), "keeps_up_with_time", "passed"),
]


@pytest.mark.parametrize(("change", "rule", "complaint"), BROKEN)
def test_broken_chunks_are_named(change: Any, rule: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=rule) as report:
        check(changing(change))
    line = next(text for text in str(report.value).splitlines() if rule in text)
    assert complaint in line


class LooseSettings(Sound):
    class Settings(BaseModel):
        pass


class OtherWhenOpen(Sound):
    def open(self) -> StreamInfo:
        return replace(super().open(), rate_hz=500.0)


class Fickle(Sound):
    def describe(self) -> StreamInfo:
        return StreamInfo("sound", RATE_HZ, ("a", "b"), f"sound-{self.rng.integers(1000)}")


class TwinLabels(Sound):
    def describe(self) -> StreamInfo:
        return replace(super().describe(), channels=("a", "a"))


class InVolts(Sound):
    def describe(self) -> StreamInfo:
        return replace(super().describe(), unit="volts")


class Anonymous(Sound):
    def describe(self) -> StreamInfo:
        return replace(super().describe(), source_id="")


class Overcounts(Sound):
    def read(self, wait_s: float) -> Chunk | None:
        self.counters.samples += 1
        return super().read(wait_s)


class CountsEarly(Sound):
    def open(self) -> StreamInfo:
        self.counters.samples = 10
        return super().open()


class ClaimsLoss(Sound):
    def read(self, wait_s: float) -> Chunk | None:
        self.counters.lost = 4
        return super().read(wait_s)


class Slow(Sound):
    def read(self, wait_s: float) -> Chunk | None:
        self.clock.sleep_until(self.clock.now_s() + wait_s + 0.5)
        return super().read(0.0)


class Impatient(Sound):
    def read(self, wait_s: float) -> Chunk | None:
        return super().read(0.0) if self.is_open and self.k else super().read(wait_s)


class Mute(Sound):
    def read(self, wait_s: float) -> Chunk | None:
        if self.is_open:
            self.clock.sleep_until(self.clock.now_s() + wait_s)
        return None


class NeverClosed(Sound):
    def close(self) -> None:
        pass


class WrongErrorWhenClosed(Sound):
    def read(self, wait_s: float) -> Chunk | None:
        if not self.is_open:
            raise ValueError("no handle")
        return super().read(wait_s)


class EndedAtOnce(Sound):
    def open(self) -> StreamInfo:
        self.exhausted = True
        return super().open()


@pytest.mark.parametrize(
    ("kind", "rule", "complaint"),
    [
        (LooseSettings, "settings_are_strict", "extra='forbid'"),
        (OtherWhenOpen, "description_holds", "open said"),
        (Fickle, "description_holds", "describe said"),
        (TwinLabels, "description_holds", "labels repeat"),
        (InVolts, "description_holds", "'volts'"),
        (Anonymous, "description_holds", "source_id"),
        (CountsEarly, "starts_afresh", "not 0 before"),
        (EndedAtOnce, "starts_afresh", "exhausted before"),
        (Slow, "reads_wait", "tolerance"),
        (Impatient, "reads_wait", "gave None after"),
        (Mute, "reads_wait", "fewer than two samples"),
        (Overcounts, "counters_add_up", "counters.samples"),
        (ClaimsLoss, "counters_add_up", "skip over 0 samples, counters.lost is 4"),
        (NeverClosed, "closed_is_closed", "came to"),
        (WrongErrorWhenClosed, "closed_is_closed", "ValueError: no handle"),
    ],
)
def test_broken_amplifiers_are_named(kind: type[Sound], rule: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=rule) as report:
        check(kind)
    line = next(text for text in str(report.value).splitlines() if rule in text)
    assert complaint in line


def test_all_broken_rules_are_reported_at_once() -> None:
    class Several(InVolts, LooseSettings, NeverClosed):
        pass

    with pytest.raises(AssertionError, match=f"breaks 3 of {len(RULES)} rules") as report:
        check(Several)
    for rule in ("settings_are_strict", "description_holds", "closed_is_closed"):
        assert rule in str(report.value)


def test_a_driver_that_fails_by_itself_is_closed_and_its_error_passed_on() -> None:
    closed: list[bool] = []

    class Failing(Sound):
        def read(self, wait_s: float) -> Chunk | None:
            raise DeviceError("cable pulled")

        def close(self) -> None:
            closed.append(self.is_open)
            super().close()

    with pytest.raises(DeviceError, match="cable pulled"):
        check(Failing)
    assert closed[-1] is True
