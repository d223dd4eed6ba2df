"""Amplifier, loop and stimulator in one process on a virtual clock."""

from collections.abc import Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bci_core import registry
from bci_core.clock import Clock, LslClock, VirtualClock
from bci_core.config.rig import Part, Rig
from bci_core.contracts import Amplifier
from bci_core.control.blanking import Blanking
from bci_core.control.direct_link import DirectLink
from bci_core.control.emissions import LABELS, rows_of, units_of
from bci_core.control.hearing import hear
from bci_core.control.journal import MASK, ROW, Journal, Row
from bci_core.control.publishing import Publishing, output_channels
from bci_core.errors import BciError, InputError, RunError
from bci_core.events import Emission, EventKind, Situation
from bci_core.record.xdf_writer import XdfStream, XdfWriter
from bci_core.safety.arming import Arming
from bci_core.session import build
from bci_core.session.arms import Opened, check_keepers
from bci_core.session.folder import SessionFolder
from bci_core.session.live_loop import LEAD_MARGIN_S, STATUS_EVERY_S
from bci_core.session.loop_rows import (
    guard_name,
    live_figures,
    measure_electrodes,
    stream_row,
    transition_rows,
)
from bci_core.session.progress import Progress
from bci_core.session.run import finish, open_session
from bci_core.session.truth import TruthRecord, tells_truth, truth_stream

if TYPE_CHECKING:
    from bci_core.record.keepers import Keeper

READ_S = 0.02
SHOW_EVERY_S = 10.0
FEELING_READ_S = 0.002
"""Where the amplifier answers to stimulation, which it can only in what it has not given yet, and
does not say itself how often it has to be read (``feeling_read_s``)."""
SAMPLES, EVENTS, ROWS, MASKS, CURRENT, OUTPUTS = range(6)


def simulate_session(
    rig: Rig,
    source: str,
    out: Path,
    progress: Progress,
    duration_s: float,
    keepers: Sequence["Keeper"] = (),
) -> tuple[SessionFolder, dict[str, Any]]:
    """Run a rig as fast as the processor allows; the session folder is a real one.

    Returns
    -------
    (SessionFolder, dict)
        The dict as in ``summary.json``; ``status`` is ``completed``, or ``failed`` when
        the session was disarmed or did not arm.

    Raises
    ------
    InputError
        As `play_session`.
    """
    folder, told = play_session(rig, source, out, progress, duration_s, keepers)
    return folder, finish(folder, progress) or told


def play_session(
    rig: Rig,
    source: str,
    out: Path,
    progress: Progress,
    duration_s: float,
    keepers: Sequence["Keeper"] = (),
) -> tuple[SessionFolder, dict[str, Any]]:
    """As `simulate_session`, without summary and report, which take a while to make.

    Returns
    -------
    (SessionFolder, dict)
        The dict is how it ended, as in the ledger.

    Raises
    ------
    InputError
        The amplifier has no life without real time, and no stand-in; or a blind session
        has not its two keepers.
    """
    check_keepers(rig, keepers)
    clock = VirtualClock(start_s=1000.0, epoch=LslClock().utc())
    amplifier = on_virtual_clock(rig, clock)
    build.check(rig, source, clock)
    folder = SessionFolder.create(out, rig.name, clock)
    opened = open_session(folder, rig, clock, source=source, keepers=keepers)
    if opened.told:
        progress.say(opened.told)
    told = _Simulation(rig, folder, opened, amplifier, clock, progress).run(duration_s)
    return folder, told


def on_virtual_clock(rig: Rig, clock: Clock) -> Amplifier:
    """The rig's amplifier, or the stand-in it names, on a clock of our own."""
    part = registry.load("amplifier", rig.amplifier.name)
    if getattr(part, "any_clock", False):
        return build.amplifier(rig, clock)
    stand_in: Part | None = None
    if hasattr(part, "stand_in"):
        stand_in = part.stand_in(rig.amplifier.settings)
    if stand_in is None:
        raise InputError(
            f"amplifier {rig.amplifier.name!r} runs in real time only; simulate with "
            "'recording' or 'sine', or run it live with bci run"
        )
    made: Amplifier = registry.load("amplifier", stand_in.name)(stand_in.settings, clock)
    return made


class _Simulation:
    def __init__(
        self,
        rig: Rig,
        folder: SessionFolder,
        opened: Opened,
        amplifier: Amplifier,
        clock: VirtualClock,
        progress: Progress,
    ) -> None:
        self._ledger = opened.ledger
        self._clock = clock
        self._progress = progress
        self._amplifier = amplifier
        self._info = amplifier.open()
        self._link = DirectLink(build.stimulator(rig), clock)
        self._arming = Arming(rig.arming)
        self._wired = build.wire(rig, self._link, self._arming, seed=opened.seed)
        self._arming.connect(clock.now_s())
        capabilities = self._link.load(self._wired.protocol.programs())
        found = measure_electrodes(self._link, capabilities, self._wired.protocol, self._emit)
        self._wired.gate.connect(capabilities, found)
        self._arming.configure(clock.now_s())
        self._lead_s = capabilities.max_command_latency_s + LEAD_MARGIN_S
        self._sensing = build.sensing(rig, self._info, self._lead_s)
        self._rig = rig
        self._status_due_s = -inf
        self._feel = getattr(self._amplifier, "feel", None)
        self._read_s = getattr(
            amplifier, "feeling_read_s", FEELING_READ_S if self._feel else READ_S
        )
        streams = self._streams()
        self._xdf = XdfWriter(folder.xdf, streams)
        self._truth: TruthRecord | None = None
        if tells_truth(amplifier, rig):
            self._truth = TruthRecord(folder.truth, amplifier, self._rows_of(len(streams) - 1))
        self._journal = Journal(
            self._emit,
            lambda text, when_s: self._xdf.marker(EVENTS, when_s, text),
            self._rows_of(ROWS),
        )
        self._journal.hold = build.hold_back(self._wired)
        self._blanking = Blanking(
            rig.blanking,
            self._wired.protocol.programs(),
            self._sensing.monitor,
            self._emit,
            latest_s=self._wired.blanked_s,
        )
        self._publishing = Publishing(
            self._sensing, self._rows_of(MASKS), self._rows_of(OUTPUTS), self._sensing.outputs
        )

    def _streams(self) -> list[XdfStream]:
        """As in a live session, in the order of `SAMPLES` to `OUTPUTS`."""
        info, name = self._info, self._rig.name
        outputs = self._sensing.outputs

        def rows(stream: str, labels: Sequence[str], units: Sequence[str]) -> XdfStream:
            full = f"{name}-{stream}"
            return XdfStream(full, "ClosedLoop", "double64", tuple(labels), tuple(units))

        units = (info.unit,) * len(info.channels)
        streams = [
            XdfStream(
                name,
                info.kind,
                "float32",
                info.channels,
                units,
                info.rate_hz,
                info.manufacturer,
            ),
            XdfStream(f"{name}-events", "Markers", "string", ("marker",), ("none",)),
            rows("loop", *zip(*ROW, strict=True)),
            rows("mask", *zip(*MASK, strict=True)),
            rows("current", LABELS, units_of(self._link.stimulator.capabilities)),
        ]
        if outputs:
            streams.append(rows("detector", *output_channels(outputs)))
        if tells_truth(self._amplifier, self._rig):
            streams.append(truth_stream(name, self._amplifier))
        return streams

    def _rows_of(self, stream: int) -> Row:
        return lambda row, when_s: self._xdf.numbers(stream, np.array([when_s]), row[None])

    def run(self, duration_s: float) -> dict[str, Any]:
        """Play it; the data of ``session.end``."""
        begun_s = self._clock.now_s()
        status, reason = "completed", f"ran for {duration_s:g} simulated seconds"
        with self._xdf:
            try:
                self._play(begun_s, duration_s)
                if self._amplifier.exhausted:
                    reason = "the recording has come to its end"
            except BciError as error:
                status, reason = "failed", str(error)
                self._progress.say(f"failed: {reason}")
            self._arming.disarm("session_end", self._clock.now_s())
            self._link.disarm("session_end")
            self._listen()
            self._journal.give_up("the simulation has ended")
            if self._truth:
                self._truth.close()
        self._tell_transitions()
        self._emit("samples", asdict(self._sensing.counts()))
        told: dict[str, Any] = {
            "status": status,
            "reason": reason,
            "duration_s": self._clock.now_s() - begun_s,
            "to_armed_s": None,
            "rearms": 0,
        }
        self._ledger.append("session.end", "supervisor", told, durable=True)
        self._ledger.close()
        return told

    def _play(self, begun_s: float, duration_s: float) -> None:
        shown_s = begun_s
        while self._clock.now_s() - begun_s < duration_s and not self._amplifier.exhausted:
            self._step()
            if self._clock.now_s() - shown_s >= SHOW_EVERY_S:
                shown_s = self._clock.now_s()
                self._progress.show(self._state(shown_s - begun_s, duration_s))
                if self._truth:
                    self._truth.take()

    def _step(self) -> None:
        chunk = self._amplifier.read(self._read_s)
        now_s = self._clock.now_s()
        self._arming.heartbeat(now_s)
        if chunk is None and not self._sensing.counts().samples:
            return  # The first sample takes a while; nothing is armed before it.
        if chunk is not None:
            self._xdf.numbers(SAMPLES, chunk.times_s, chunk.samples)
            self._arming.samples(now_s)
            if not self._sensing.counts().samples:
                self._begin(float(chunk.times_s[0]))
            found = self._sensing.update(chunk)
            self._heed(now_s)
            for detection in found:
                situation = Situation(now_s, now_s, now_s, self._arming.check(now_s))
                act = self._wired.loop.act(detection, situation)
                self._journal.note_act(act, now_s)
                self._blanking.note_act(act)
            self._publishing.publish()
        self._listen()
        self._ask_device(now_s)
        reason = self._arming.check(now_s) or self._link.disarmed_reason()
        if reason:
            raise RunError(f"disarmed: {reason}")
        self._link.renew()

    def _ask_device(self, now_s: float) -> None:
        if now_s >= self._status_due_s:
            self._status_due_s = now_s + STATUS_EVERY_S
            told = self._link.poll_status()
            if told is not None:
                self._wired.gate.note_status(*told, now_s)

    def _begin(self, first_sample_s: float) -> None:
        stream = stream_row(self._info, self._rig.name)
        ready = {"stream": stream, "lead_s": self._lead_s, "clock_offset_s": 0.0}
        self._wired.loop.begin(first_sample_s)
        self._emit("loop.ready", ready | {"first_sample_s": first_sample_s})
        self._ledger.append("arm.intent", "supervisor", {"lease_s": self._rig.arming.lease_s})
        self._arming.arm(self._rig.arming.lease_s, "simulation", self._clock.now_s())
        self._link.arm(self._rig.session.device_lease_s)
        self._tell_transitions()

    def _heed(self, now_s: float) -> None:
        """An onset of the guard ends the simulation, as it ends a session."""
        guard = guard_name(self._rig)
        for alarm in self._sensing.alarms:
            if alarm.kind is EventKind.ONSET:
                self._arming.latch(f"guard:{guard}", now_s, guard=True)
                self._wired.gate.after_discharge.note_abort(now_s)
                self._link.disarm(f"guard:{guard}")
            self._journal.note_guard(alarm, guard, now_s)

    def _listen(self) -> None:
        now_s = self._clock.now_s()
        hear(self._link.poll(), self._journal, self._wired.gate, self._blanking, now_s)
        self._journal.release(now_s)
        emitted = self._link.stimulator.emissions()
        if emitted:
            self._put_down(emitted)
            if self._feel:
                self._feel(emitted)

    def _put_down(self, emitted: Sequence[Emission]) -> None:
        """What has left the device; a blind session does not tell."""
        if self._journal.hold is None:
            rows = rows_of(emitted)
            self._xdf.numbers(CURRENT, rows[:, LABELS.index("onset_s")], rows)

    def _tell_transitions(self) -> None:
        for event, data in transition_rows(self._arming):
            self._emit(event, data)

    def _emit(self, event: str, data: dict[str, Any]) -> None:
        self._ledger.append(event, "loop", data)

    def _state(self, elapsed_s: float, duration_s: float) -> dict[str, Any]:
        disarmed = self._arming.check(self._clock.now_s())
        figures = live_figures(self._sensing, self._journal, disarmed)
        return {"elapsed_s": elapsed_s, "duration_s": duration_s, **figures}
