"""Stimulators that report wrongly, or fail to fail, and the rules that must notice."""

from collections.abc import Sequence
from dataclasses import replace

from bci_core.events import Acceptance, Delivery, Emission, Trigger
from bci_core.status import ArmingState, DeviceStatus, Impedance
from bci_core.stimulus import StimProgram
from drivers.stimulators.firmware import Firmware
from drivers.stimulators.microstim import Microstim
from drivers.stimulators.microstim_settings import MicrostimSettings


class HoldsSomethingElse(Microstim):
    def read_back(self) -> tuple[StimProgram, ...]:
        return tuple(replace(p, electrodes=(2,)) for p in super().read_back())


class MeasuresWhileArmed(Microstim):
    def impedance(self, electrodes: Sequence[int], now_s: float) -> tuple[Impedance, ...]:
        return Firmware.impedance(self, electrodes, now_s) if self.disarmed_reason() else ()


class SaysItIsSafe(Microstim):
    def status(self, now_s: float) -> DeviceStatus:
        return replace(super().status(now_s), state=ArmingState.SAFE)


class ResetsAnything(Microstim):
    def reset(self, now_s: float) -> None:
        self._lease.latched = ""


class LeaksOnTheNextElectrode(Microstim):
    def emissions(self) -> list[Emission]:
        left = super().emissions()
        return [*left, *(replace(e, channel=e.channel + 1) for e in left)]


class LeaksSham(Microstim):
    def emissions(self) -> list[Emission]:
        return super().emissions() or [Emission(1.0, 1.1, 1, 1.0)]


class LacksSwitches(Microstim):
    def __init__(self, settings: MicrostimSettings) -> None:
        super().__init__(settings)
        self.faults.switch = lambda kind, on: None  # type: ignore[method-assign]


class GoesOnWithoutItsHost(Microstim):
    def _answers(self, *, locked_too: bool = True) -> None: ...


class LeavesTheOutputOn(Microstim):
    def emissions(self) -> list[Emission]:
        left = super().emissions()
        return [replace(e, offset_s=e.offset_s + 0.02) for e in left]


class HidesTheVoltage(Microstim):
    def report(self, delivery: Delivery) -> Delivery:
        return replace(delivery, output_v=0.1)


class AlwaysAnswers(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        return super().trigger(trigger, now_s) or Acceptance(trigger.seq, now_s)


class AnswersAtOnce(Microstim):
    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        answer = super().trigger(trigger, now_s)
        return answer and replace(answer, accepted_s=now_s)


class ReadsBackFromTheHost(Microstim):
    def read_back(self) -> tuple[StimProgram, ...]:
        return tuple(held.program for held in self._held.values())


class StampsAnOldStatus(Microstim):
    def status(self, now_s: float) -> DeviceStatus:
        return replace(super().status(now_s), at_s=now_s)


class LockedMeansLocked(Microstim):
    def disarm(self, reason: str, now_s: float) -> None:
        if not self.faults.active("locked", now_s):
            super().disarm(reason, now_s)


CASES: list[tuple[type[Microstim], str]] = [
    (HoldsSomethingElse, "read_back_is_what_was_loaded"),
    (MeasuresWhileArmed, "impedance_needs_disarming"),
    (SaysItIsSafe, "status_tells_the_state"),
    (ResetsAnything, "reset_needs_a_fault"),
    (LeaksOnTheNextElectrode, "what_leaves_is_what_is_told"),
    (LeaksSham, "nothing_leaves_unasked"),
    (LacksSwitches, "every_fault_can_be_switched"),
    (GoesOnWithoutItsHost, "disconnect_stops_it"),
    (LeavesTheOutputOn, "stuck_on_is_opened_and_latched"),
    (HidesTheVoltage, "clipping_shows_in_what_is_measured"),
    (AlwaysAnswers, "a_lost_acknowledgement_is_no_answer"),
    (AnswersAtOnce, "a_late_acknowledgement_delays"),
    (ReadsBackFromTheHost, "an_echo_error_shows_when_read_back"),
    (StampsAnOldStatus, "a_stale_status_has_an_old_time a_drifting_clock_shows_in_the_status"),
    (LockedMeansLocked, "a_locked_device_only_stops"),
]
