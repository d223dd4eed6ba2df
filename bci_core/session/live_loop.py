"""The loop on real time: an inlet, a link, and the loop between them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.control.allocation import SEED_BYTES
from bci_core.control.blanking import Blanking
from bci_core.control.hearing import hear
from bci_core.control.journal import Journal, Row
from bci_core.control.plain import plain
from bci_core.control.publishing import Publishing
from bci_core.errors import BciError, LinkError, RunError, SafetyError
from bci_core.events import Detection, EventKind, Situation
from bci_core.people.keyring import Role
from bci_core.safety.arming import Arming
from bci_core.safety.history import Dose
from bci_core.session import build
from bci_core.session.loop_rows import (
    guard_name,
    live_figures,
    measure_electrodes,
    stream_row,
    transition_rows,
)

if TYPE_CHECKING:
    # Compiled code takes long to import; `build` does it when a loop is made.
    pass

SLICE_S = 0.005
"""Longest wait between two rounds of housekeeping: heartbeat, stop flag, counters. Short, since
these also keep caches and the command path warm for the trigger that comes seldom: 20 ms here
made its median latency half as long again."""
MEASURE_BLOCKS = 100
MEASURE_S = 0.4
PINGS = 100
LEAD_MARGIN_S = 0.008
"""Added to the measured delay of the path: on two shared cores a step can be late by several ms."""
DRAIN_S = 1.0
STATUS_EVERY_S = 0.1
"""How often the device is asked how it is. What it said is compared when it is next asked."""


@dataclass(frozen=True, slots=True)
class SampleStreams:
    """Where the loop publishes what it makes of the samples; see `Publishing`."""

    mask: Row
    outputs: Row
    labels: Sequence[str] = ()


class LiveLoop:
    """Connects, measures the path, builds the loop around what was measured, and runs it.

    Parameters
    ----------
    rig : Rig
    inlet : LslInlet
    link : CommandLink
    journal : Journal
    streams : SampleStreams
    emit : callable (event, data)
        Takes a ledger row.
    clock : Clock
    same_machine : bool
        Whether the stream is stamped with this machine's clock.
    earlier : sequence of Dose
        What earlier sessions have used of the day's budgets.
    seed : bytes
        Of the control arms, where the rig has any.

    Raises
    ------
    RunError
        No samples come, the stimulator refuses its programs, or the arms have no seed.
    """

    def __init__(
        self,
        rig: Rig,
        inlet: Any,
        link: Any,
        journal: Journal,
        streams: SampleStreams,
        emit: Callable[[str, dict[str, Any]], None],
        clock: Clock,
        same_machine: bool = True,
        earlier: Sequence[Dose] = (),
        seed: bytes = b"",
    ) -> None:
        if rig.arms is not None and len(seed) != SEED_BYTES:
            raise RunError("the rig has control arms, and the loop was given no seed to allot by")
        self.rig = rig
        self.journal = journal
        self._inlet = inlet
        self._link = link
        self._emit = emit
        self._clock = clock
        self.arming = Arming(rig.arming)
        self._offset_s = 0.0 if same_machine else inlet.clock_offset_s()
        wired = build.wire(rig, link, self.arming, self._offset_s, earlier, seed or None)
        journal.hold = build.hold_back(wired)
        self._loop, self._gate = wired.loop, wired.gate
        self.arming.connect(clock.now_s())
        capabilities = link.load(wired.protocol.programs())
        self._gate.connect(
            capabilities, measure_electrodes(link, capabilities, wired.protocol, emit)
        )
        self.arming.configure(clock.now_s())
        ages_s = self._measure_ages()
        round_trip_s = link.round_trip_s(PINGS)
        path_s = np.percentile(ages_s, 99) + np.percentile(round_trip_s, 99)
        lead_s = float(path_s) + capabilities.max_command_latency_s + LEAD_MARGIN_S
        self.sensing = build.sensing(rig, inlet.info, lead_s)
        self._blanking = Blanking(
            rig.blanking,
            wired.protocol.programs(),
            self.sensing.monitor,
            emit,
            self._offset_s,
            wired.blanked_s,
        )
        self._publishing = Publishing(
            self.sensing, streams.mask, streams.outputs, streams.labels, self._offset_s
        )
        self._first_sample_s = nan
        self._status_due_s = -inf
        self._disarmed = "resting"
        self._ready = {
            "stream": stream_row(inlet.info, inlet.info.name),
            "lead_s": lead_s,
            "clock_offset_s": self._offset_s,
            "sample_to_received_s": _quantiles(ages_s),
            "round_trip_s": _quantiles(round_trip_s),
        }

    def _measure_ages(self) -> list[float]:
        """Ages of samples on arrival: the part of the delay before the detector."""
        ages_s: list[float] = []
        self.begin()  # what queued up while connecting is not fresh
        until_s = self._clock.now_s() + MEASURE_S
        while len(ages_s) < MEASURE_BLOCKS and self._clock.now_s() < until_s:
            chunk = self._inlet.read(SLICE_S)
            if chunk is not None:
                sampled_s = float(chunk.times_s[-1]) + self._offset_s
                ages_s.append(self._inlet.received_s() - sampled_s)
        if not ages_s:
            raise RunError(
                f"stream {self._inlet.info.name!r} gave no sample within {MEASURE_S:g} s; "
                "is the amplifier streaming?"
            )
        return ages_s

    def begin(self) -> None:
        """Drop what has queued up, so that detection starts on fresh samples."""
        while self._inlet.read(0.0) is not None:
            pass

    def step(self) -> None:
        """Wait for samples, act on what was found in them, and keep house."""
        wake = self._inlet.wait(self.sensing, self._clock.now_s() + SLICE_S)
        if wake.n_samples:
            if not isfinite(self._first_sample_s):
                self._first_sample_s = wake.first_sample_s
                self._loop.begin(wake.first_sample_s)
                self._emit("loop.ready", self._ready | {"first_sample_s": wake.first_sample_s})
            now_s = self._clock.now_s()
            age_s = now_s - (wake.last_sample_s + self._offset_s)
            # Old samples that still come in are no sign of life, nor are some from the future.
            if abs(age_s) <= self.rig.arming.stale_after_s:
                self.arming.samples(now_s)
        self._heed(wake.alarms)
        for detection in wake.detections:
            now_s = self._clock.now_s()
            disarmed = self.arming.check(now_s)
            situation = Situation(wake.received_s, wake.detected_s, now_s, disarmed)
            act = self._loop.act(detection, situation)
            self.journal.note_act(act, now_s)
            self._blanking.note_act(act)
        self._listen()
        self._keep_house()
        if wake.n_samples:
            self._publishing.publish()

    def arm(self, actor: str) -> str:
        """Arm gate and device; why not, or ""."""
        try:
            self.arming.arm(self.rig.arming.lease_s, actor, self._clock.now_s(), Role.OPERATOR)
            self._link.arm(self.rig.session.device_lease_s)
        except BciError as error:
            self.arming.disarm("not_armed", self._clock.now_s())
            self._tell_transitions()
            return str(error)
        self._disarmed = ""
        self._tell_transitions()
        return ""

    def disarm(self, reason: str) -> None:
        """Stop gate and device, and say so once."""
        if self._disarmed:
            return
        self._disarmed = reason
        self.arming.disarm(reason, self._clock.now_s())
        lost: LinkError | None = None
        try:
            # Before a row is made of it: current may be under way.
            self._link.disarm(reason)
        except LinkError as error:
            lost = error
        self._tell_transitions()
        if lost is not None:
            # A device that has lost us has disarmed itself.
            self._emit("fault", {"node": "loop", "what": str(lost)})
            self.arming.disconnect(self._clock.now_s())

    def reset(self, actor: str, role: str) -> str:
        """Clear what is latched, in device and session; why not, or "". Nothing is armed."""
        try:
            # First whether the session may be: a device that is reset cannot be latched again.
            self.arming.copy().reset(actor, self._clock.now_s(), role)
            with suppress(SafetyError):  # It may have latched nothing.
                self._link.reset()
            self.arming.reset(actor, self._clock.now_s(), role)
        except BciError as error:
            return str(error)
        finally:
            self._tell_transitions()
        self._disarmed = "reset"
        return ""

    def tighten(self, limits: Mapping[str, float]) -> str:
        """Make limits tighter; why not, or ""."""
        try:
            self._gate.tighten(**limits)
        except SafetyError as error:
            return str(error)
        self._emit("tightened", {"limits": dict(limits), "at_s": self._clock.now_s()})
        return ""

    @property
    def disarmed(self) -> str:
        """Why the loop is not armed, or "" when it is."""
        return self._disarmed

    def status(self) -> dict[str, Any]:
        """Live figures for the operator."""
        latency_s = self.journal.last_latency_s
        return {
            **live_figures(self.sensing, self.journal, self._disarmed),
            "latency_ms": latency_s * 1e3 if isfinite(latency_s) else None,
        }

    def close(self) -> None:
        """Hear the device out, bounded, and close both ends. Disarm first."""
        until_s = self._clock.now_s() + DRAIN_S
        try:
            while self.journal.waiting and self._clock.now_s() < until_s:
                self._listen()
                self._clock.sleep_until(self._clock.now_s() + 0.002)
        except RunError as error:
            self.journal.give_up(str(error))
        self.journal.give_up("no answer from the device")
        self._emit("samples", plain(self.sensing.counts()))
        self._link.close()
        self._inlet.close()

    def _heed(self, alarms: Sequence[Detection]) -> None:
        """An onset of the guard ends stimulation for good, before anything else is done."""
        for alarm in alarms:
            now_s = self._clock.now_s()
            if alarm.kind is EventKind.ONSET:
                reason = f"guard:{guard_name(self.rig)}"
                self.arming.latch(reason, now_s, guard=True)
                self._gate.after_discharge.note_abort(now_s)
                self.disarm(reason)
                self._tell_transitions()
            self.journal.note_guard(alarm, guard_name(self.rig), now_s)

    def _listen(self) -> None:
        answers = self._link.poll()
        now_s = self._clock.now_s()
        hear(answers, self.journal, self._gate, self._blanking, now_s)
        self.journal.release(now_s)

    def _keep_house(self) -> None:
        if self._disarmed:
            return
        now_s = self._clock.now_s()
        self._gate.overdue(now_s)
        self._ask_device(now_s)
        device = self._link.disarmed_reason()
        reason = f"device: {device}" if device else self.arming.check(now_s)
        if reason:
            self.disarm(reason)
        else:
            self._link.renew()

    def _ask_device(self, now_s: float) -> None:
        """Compare now and then what the device says of itself with what is believed."""
        if now_s < self._status_due_s:
            return
        self._status_due_s = now_s + STATUS_EVERY_S
        told = self._link.poll_status()
        if told is not None:
            status, asked_s, told_s = told
            self._gate.note_status(status, asked_s, told_s, now_s)

    def _tell_transitions(self) -> None:
        for event, data in transition_rows(self.arming):
            self._emit(event, data)


def _quantiles(values_s: Any) -> dict[str, float]:
    p50, p99 = np.percentile(values_s, [50, 99])
    return {"p50": float(p50), "p99": float(p99)}
