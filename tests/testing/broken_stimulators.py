"""Stimulators that are armed, loaded or triggered wrongly, and the rules that must notice."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite, nan

from pydantic import ConfigDict

from bci_core.errors import SafetyError
from bci_core.events import (
    Acceptance,
    Delivery,
    Outcome,
    Trigger,
)
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from drivers.stimulators.microstim import Microstim
from drivers.stimulators.microstim_settings import MicrostimSettings
from drivers.stimulators.running import Held


class TakesAnyKey(Microstim):
    class Settings(MicrostimSettings):
        model_config = ConfigDict(frozen=True, extra="ignore")


class ArmedAtRest(Microstim):
    def disarmed_reason(self) -> str:
        return ""


class ArmsByLoading(Microstim):
    def load(self, programs: Sequence[StimProgram]) -> None:
        super().load(programs)
        self.arm(1.0, 1000.0)


class ArmsByHeartbeat(Microstim):
    def renew(self, now_s: float) -> bool:
        if self.disarmed_reason() and self._held:
            self.arm(0.5, now_s)
        return super().renew(now_s)


class AnyLease(Microstim):
    def arm(self, lease_s: float, now_s: float) -> None:
        super().arm(min(lease_s, 1.0), now_s)


class ArmsEmpty(Microstim):
    def arm(self, lease_s: float, now_s: float) -> None:
        empty = StimProgram(0, "", _TRAIN, (1,))
        self._held = self._held or {0: Held(empty, self._output.slots(empty))}
        super().arm(lease_s, now_s)


_TRAIN = PulseTrain(BiphasicPulse(10.0, 100.0, 60.0), 100.0)


class NoLeaseEnd(Microstim):
    def advance(self, now_s: float) -> list[Delivery]:
        self.renew(now_s)
        return super().advance(now_s)


class LeaseEndsWhenLookedAt(Microstim):
    """The host's `advance` is its only clock: current runs on until somebody looks."""

    def _stop(self, reason: str, at: int) -> None:
        super()._stop(reason, max(at, self._now))


class NeverRenews(Microstim):
    def renew(self, now_s: float) -> bool:
        return not self.disarmed_reason()


class ForgetsNextEvent(Microstim):
    def next_event_s(self) -> float:
        return inf


class Clips(Microstim):
    def load(self, programs: Sequence[StimProgram]) -> None:
        able = self.capabilities
        super().load(
            [
                replace(
                    p,
                    train=replace(
                        p.train,
                        pulse=replace(
                            p.train.pulse,
                            amplitude_ua=min(p.train.pulse.amplitude_ua, able.max_amplitude_ua),
                        ),
                    ),
                )
                for p in programs
            ]
        )


class Rounds(Microstim):
    def load(self, programs: Sequence[StimProgram]) -> None:
        super().load([replace(p, train=replace(p.train, pulse=_rounded(p))) for p in programs])


def _rounded(program: StimProgram) -> BiphasicPulse:
    pulse = program.train.pulse
    if not isfinite(pulse.amplitude_ua * pulse.phase_us):
        return pulse
    return replace(pulse, amplitude_ua=round(pulse.amplitude_ua), phase_us=round(pulse.phase_us))


class NamesTheFirstOnly(Microstim):
    def load(self, programs: Sequence[StimProgram]) -> None:
        for program in programs:
            super().load([program])
        super().load(programs)


class LosesTheGood(Microstim):
    def load(self, programs: Sequence[StimProgram]) -> None:
        self._held = {}
        super().load(programs)


class LoadsWhileArmed(Microstim):
    def load(self, programs: Sequence[StimProgram]) -> None:
        self.disarm("loading", self._now * 1e-6)
        super().load(programs)


class FinishesTheTrain(Microstim):
    """Disarming waits for the end of what runs."""

    def disarm(self, reason: str, now_s: float) -> None:
        super().disarm(reason, max([now_s, *(each.end * 1e-6 for each in self._schedule.running)]))


class FinishesThePhase(Microstim):
    def disarm(self, reason: str, now_s: float) -> None:
        super().disarm(reason, now_s + 0.0005)


class ForgetsWhy(Microstim):
    def disarm(self, reason: str, now_s: float) -> None:
        super().disarm("stopped", now_s)


class TellsTwice(Microstim):
    def advance(self, now_s: float) -> list[Delivery]:
        self._told = [*getattr(self, "_told", []), *super().advance(now_s)]
        return list(self._told)


class ForgetsRefused(Microstim):
    def advance(self, now_s: float) -> list[Delivery]:
        return [d for d in super().advance(now_s) if d.outcome is not Outcome.REFUSED]


class ForgetsAborted(Microstim):
    def advance(self, now_s: float) -> list[Delivery]:
        return [d for d in super().advance(now_s) if d.outcome is not Outcome.ABORTED]


class ReportsWhatWasAsked(Microstim):
    """An aborted train is reported as if it were whole."""

    def advance(self, now_s: float) -> list[Delivery]:
        ended = super().advance(now_s)
        return [replace(d, charge_uc=0.1) if d.outcome is Outcome.ABORTED else d for d in ended]


class Overcharges(Microstim):
    def advance(self, now_s: float) -> list[Delivery]:
        return [replace(d, charge_uc=d.charge_uc * 1.5) for d in super().advance(now_s)]


class FiresAtOnce(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        if trigger.at_s > trigger.deadline_s or not isfinite(trigger.at_s):
            return super().trigger(trigger, now_s)
        return super().trigger(replace(trigger, at_s=now_s), now_s)


class HidesItsLatency(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        return super().trigger(replace(trigger, at_s=max(trigger.at_s, now_s + 0.003)), now_s)


class NoDeadline(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        if isfinite(trigger.deadline_s):
            trigger = replace(trigger, deadline_s=1e9)
        return super().trigger(trigger, now_s)


class NanMeansNoDeadline(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        if trigger.deadline_s != trigger.deadline_s:
            trigger = replace(trigger, deadline_s=1e9)
        return super().trigger(trigger, now_s)


class AcceptsReplays(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        self._schedule._last_seq = trigger.seq - 1
        return super().trigger(trigger, now_s)


class AnyProgram(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        if self._held:
            trigger = replace(trigger, program_id=next(iter(self._held)))
        return super().trigger(trigger, now_s)


class ShamStimulates(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        return super().trigger(replace(trigger, sham=False), now_s)


class ShamSkipsTheChecks(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        if trigger.sham:
            self._ended.append(Delivery(trigger.seq, Outcome.SHAM, onset_s=now_s))
            return Acceptance(trigger.seq, now_s)
        return super().trigger(trigger, now_s)


class ShamHasNoTime(Microstim):
    def advance(self, now_s: float) -> list[Delivery]:
        ended = super().advance(now_s)
        return [replace(d, onset_s=nan) if d.outcome is Outcome.SHAM else d for d in ended]


class NoLockout(Microstim):
    def __init__(self, settings: MicrostimSettings) -> None:
        super().__init__(settings)
        self._schedule._lockout = 0


class LockoutFromTheOnset(Microstim):
    """Counts from the start of the last train once that has ended."""

    def _run(self, now_s: float) -> None:
        ends = [(each.end, each.onset) for each in self._schedule.running]
        super()._run(now_s)
        for end, onset in ends:
            if self._schedule._free_from == end:
                self._schedule._free_from = onset


class CountsCalls(Microstim):
    """Its state depends on how often it is looked at."""

    def advance(self, now_s: float) -> list[Delivery]:
        self._calls = getattr(self, "_calls", 0) + 1
        return [replace(d, device_latency_s=self._calls * 1e-9) for d in super().advance(now_s)]


class RefusesToDisarmTwice(Microstim):
    def disarm(self, reason: str, now_s: float) -> None:
        if self.disarmed_reason():
            raise SafetyError("not armed")
        super().disarm(reason, now_s)


class NeedsAReason(Microstim):
    def disarm(self, reason: str, now_s: float) -> None:
        if reason:
            super().disarm(reason, now_s)


class NanMeansNoLimit(Microstim):
    def load(self, programs: Sequence[StimProgram]) -> None:
        super().load([p for p in programs if isfinite(p.train.pulse.amplitude_ua)])


class HoldsTheStrongest(Microstim):
    """Loads a program that holds, and plays it as any other."""

    def load(self, programs: Sequence[StimProgram]) -> None:
        super().load([replace(program, holds=()) for program in programs])


class SaysThatItHolds(HoldsTheStrongest):
    def __init__(self, settings: MicrostimSettings) -> None:
        super().__init__(settings)
        self.capabilities = replace(settings.capabilities(), holds=True)


CASES: list[tuple[type[Microstim], str]] = [
    (TakesAnyKey, "settings_are_strict"),
    (ArmedAtRest, "disarmed_at_rest"),
    (ArmsByLoading, "disarmed_at_rest nothing_delivered_unless_armed"),
    (ArmsByHeartbeat, "disarmed_at_rest"),
    (AnyLease, "arming_needs_a_program_and_a_lease"),
    (ArmsEmpty, "arming_needs_a_program_and_a_lease"),
    (NoLeaseEnd, "lease_expires"),
    (LeaseEndsWhenLookedAt, "lease_end_aborts splitting_time_changes_nothing"),
    (NeverRenews, "lease_expires"),
    (ForgetsNextEvent, "lease_expires at_s_is_honoured"),
    (Clips, "over_limit_is_not_loaded"),
    (Rounds, "off_step_is_refused"),
    (NamesTheFirstOnly, "over_limit_is_not_loaded"),
    (LosesTheGood, "over_limit_is_not_loaded"),
    (LoadsWhileArmed, "armed_is_locked"),
    (FinishesTheTrain, "disarm_aborts_at_once disarm_drops_what_is_pending"),
    (FinishesThePhase, "disarm_aborts_at_once"),
    (ForgetsWhy, "disarm_aborts_at_once"),
    (TellsTwice, "one_delivery_a_trigger"),
    (ForgetsRefused, "one_delivery_a_trigger nothing_delivered_unless_armed"),
    (ForgetsAborted, "lease_end_aborts disarm_drops_what_is_pending"),
    (ReportsWhatWasAsked, "disarm_aborts_at_once"),
    (Overcharges, "at_s_is_honoured"),
    (FiresAtOnce, "at_s_is_honoured"),
    (HidesItsLatency, "at_s_is_honoured"),
    (NoDeadline, "deadline_drops"),
    (NanMeansNoDeadline, "times_must_be_numbers"),
    (AcceptsReplays, "sequence_counts_up"),
    (AnyProgram, "unknown_program_is_refused"),
    (ShamStimulates, "sham_delivers_nothing"),
    (ShamSkipsTheChecks, "deadline_drops lockout_is_kept"),
    (ShamHasNoTime, "sham_delivers_nothing"),
    (NoLockout, "lockout_is_kept"),
    (LockoutFromTheOnset, "lockout_is_kept"),
    (CountsCalls, "splitting_time_changes_nothing"),
    (RefusesToDisarmTwice, "disarm_is_idempotent"),
    (NeedsAReason, "disarm_is_idempotent"),
    (NanMeansNoLimit, "amounts_must_be_numbers"),
    (HoldsTheStrongest, "a_hold_gives_what_was_given_last"),
    (SaysThatItHolds, "a_hold_gives_what_was_given_last"),
]
