"""One session on the virtual clock, with the loop of a live one, broken as a scenario says."""

from collections.abc import Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.scenarios.books import Books
from bci_core.bench.scenarios.command_faults import FaultyLink
from bci_core.bench.scenarios.plan import FaultPlan, Truth
from bci_core.bench.scenarios.sample_faults import FaultyInlet
from bci_core.bench.scenarios.scenario import DEVICE, FaultKind, Scenario
from bci_core.clock import VirtualClock
from bci_core.config.rig import Rig
from bci_core.control.emissions import LABELS, rows_of, units_of
from bci_core.control.journal import MASK, ROW, Journal
from bci_core.control.publishing import output_channels
from bci_core.errors import BciError, InputError
from bci_core.events import Emission
from bci_core.people.keyring import Role
from bci_core.record.xdf_writer import XdfStream, XdfWriter
from bci_core.session import build
from bci_core.session.folder import SessionFolder
from bci_core.session.live_loop import SLICE_S, LiveLoop, SampleStreams
from bci_core.session.run import open_session
from bci_core.session.simulate import on_virtual_clock

SETTLE_S = 0.1
"""Run before the operator arms for the first time."""

OPERATOR_S = 0.5
"""How long after the last fault a patient operator arms again, and how often one tries."""

INSISTS_S = 0.25
SAMPLES, EVENTS, ROWS, MASKS, CURRENT, OUTPUTS = range(6)


def run_virtual(scenario: Scenario, rig: Rig, out: Path) -> Path:
    """Run a scenario; the session folder, with the truth in it.

    Raises
    ------
    BciError
        The session does not start.
    """
    clock = VirtualClock(start_s=1000.0)
    amplifier = on_virtual_clock(rig, clock)
    build.check(rig, scenario.rig, clock)
    folder = SessionFolder.create(out, rig.name, clock)
    session = _Session(scenario, rig, folder, clock)
    with session.xdf_of(amplifier):
        session.run()
    return folder.path


class _Session:
    """Rounds of the loop, its books and the operator, in the order of a live session."""

    def __init__(
        self, scenario: Scenario, rig: Rig, folder: SessionFolder, clock: VirtualClock
    ) -> None:
        self._scenario = scenario
        self._rig = rig
        self._folder = folder
        self._clock = clock
        self._plan = FaultPlan(scenario.faults)
        self._truth = Truth()
        opened = open_session(folder, rig, clock)
        self._seed = opened.seed or b""
        self._books = Books(opened.ledger, clock, self._plan, self._truth)
        self._pressed: set[int] = set()
        self._due_s = -inf

    def xdf_of(self, amplifier: Any) -> XdfWriter:
        """The recording; makes the parts that write into it."""
        rig, clock = self._rig, self._clock
        device = build.stimulator(rig)
        self._check_device_faults(device)
        self._truth.plays_on = getattr(device, "plays_on", False)
        self._inlet = FaultyInlet(
            amplifier, clock, self._plan, self._truth, self._record, rig.monitor.lead_off_hz or 0.0
        )
        self._link = FaultyLink(
            device, clock, self._plan, self._truth, self._emitted, self._books.delivery
        )
        outputs = build.outputs(rig, self._inlet.info)
        self._xdf = XdfWriter(self._folder.xdf, self._streams(outputs, device))
        self._labels = outputs
        return self._xdf

    def run(self) -> None:
        """From connecting to the closed ledger."""
        status, reason = "completed", f"ran for {self._scenario.duration_s:g} simulated seconds"
        loop: LiveLoop | None = None
        try:
            loop = self._connect()
            self._play(loop)
        except BciError as error:
            status, reason = "failed", str(error)
            self._truth.failure = reason
        end_s = self._clock.now_s()
        if loop is not None:
            self._close(loop)
        self._books.close(status, reason)
        self._truth.write(self._folder.path, self._plan, end_s)

    def _connect(self) -> LiveLoop:
        journal = Journal(
            self._books.emit,
            lambda text, when_s: self._xdf.marker(EVENTS, when_s, text),
            self._row(ROWS),
        )
        streams = SampleStreams(self._row(MASKS), self._row(OUTPUTS), self._labels)
        return LiveLoop(
            self._rig,
            self._inlet,
            self._link,
            journal,
            streams,
            self._books.emit,
            self._clock,
            seed=self._seed,
        )

    def _play(self, loop: LiveLoop) -> None:
        settled_s = self._clock.now_s() + SETTLE_S
        until_s = inf
        while self._clock.now_s() < until_s:
            self._round(loop)
            if self._clock.now_s() >= settled_s and loop.disarmed:
                self._operate(loop)
                if self._plan.zero_s == inf and not loop.disarmed:
                    self._plan.zero_s = self._clock.now_s()
                    until_s = self._plan.zero_s + self._scenario.duration_s
            if self._plan.zero_s == inf and self._clock.now_s() > settled_s + 10.0:
                raise InputError("the session was not armed within 10 simulated seconds")

    def _round(self, loop: LiveLoop) -> None:
        now_s = self._clock.now_s()
        for fault in self._plan.faults:
            if fault.kind.startswith(DEVICE):
                name = fault.kind.removeprefix(DEVICE)
                on = self._plan.active(fault.kind, now_s) is not None
                self._link.stimulator.faults.switch(name, on)  # type: ignore[attr-defined] # checked
        stopped = self._plan.active(FaultKind.STOPPED, now_s) is not None
        self._press(None if stopped else loop, now_s)
        if stopped:
            self._clock.sleep_until(now_s + SLICE_S)
            self._inlet.acquire()
            self._link.run_device()
        else:
            loop.step()
        self._books.keep(loop)

    def _press(self, loop: LiveLoop | None, now_s: float) -> None:
        """The emergency stop: the device itself, whatever the loop does, and then the loop."""
        for number, fault in enumerate(self._plan.faults):
            if fault.kind not in (FaultKind.STOP, FaultKind.STOP_LOST):
                continue
            if number in self._pressed or now_s < self._plan.begin_s(fault):
                continue
            reaches = fault.kind == FaultKind.STOP
            if reaches:
                self._link.stimulator.disarm("emergency_stop", now_s)
            if loop is None and not reaches:
                continue
            self._truth.presses.append((now_s, reaches))
            self._pressed.add(number)
            if loop is not None:
                loop.disarm("stopped")

    def _operate(self, loop: LiveLoop) -> None:
        """Reset what is latched, and arm, as the operator of the scenario would."""
        now_s = self._clock.now_s()
        first = self._plan.zero_s == inf
        insists = self._scenario.operator == "insistent"
        waited = first or insists or self._plan.quiet(now_s - OPERATOR_S)
        if now_s < self._due_s or not waited:
            return
        self._due_s = now_s + (INSISTS_S if insists or first else OPERATOR_S)
        if loop.arming.check(now_s).startswith(("latched", "stopped")):
            if not loop.reset("second person", Role.CLINICIAN):
                self._truth.resets.append(now_s)
        else:
            with suppress(BciError):  # It has latched nothing, or does not answer.
                self._link.reset()
                self._truth.device_resets += 1
        intent = {"lease_s": self._rig.arming.lease_s}
        if self._books.log("arm.intent", intent):
            self._truth.arm_attempts.append((now_s, loop.arm("operator")))

    def _close(self, loop: LiveLoop) -> None:
        loop.disarm("session_end")
        try:
            loop.close()
            self._link.run_device()
        except BciError as error:
            self._truth.failure = self._truth.failure or str(error)
        self._books.keep(loop)

    def _check_device_faults(self, device: Any) -> None:
        for fault in self._plan.faults:
            if fault.kind.startswith(DEVICE):
                faults = getattr(device, "faults", None)
                if faults is None:
                    raise InputError(
                        f"{fault.kind}: stimulator {self._rig.stimulator.name!r} has no switches "
                        "for faults; only simulated ones have"
                    )
                faults.switch(fault.kind.removeprefix(DEVICE), False)

    def _streams(self, outputs: Sequence[str], device: Any) -> list[XdfStream]:
        info, name = self._inlet.info, self._rig.name

        def rows(stream: str, labels: Sequence[str], units: Sequence[str]) -> XdfStream:
            full = f"{name}-{stream}"
            return XdfStream(full, "ClosedLoop", "double64", tuple(labels), tuple(units))

        units = (info.unit,) * len(info.channels)
        streams = [
            XdfStream(name, info.kind, "float32", info.channels, units, info.rate_hz),
            XdfStream(f"{name}-events", "Markers", "string", ("marker",), ("none",)),
            rows("loop", *zip(*ROW, strict=True)),
            rows("mask", *zip(*MASK, strict=True)),
            rows("current", LABELS, units_of(device.capabilities)),
        ]
        return [*streams, rows("detector", *output_channels(outputs))] if outputs else streams

    def _row(self, stream: int) -> Any:
        def write(row: NDArray[np.float64], when_s: float) -> None:
            self._xdf.numbers(stream, np.array([when_s]), row[np.newaxis])

        return write

    def _record(self, times_s: NDArray[np.float64], samples: NDArray[np.float32]) -> None:
        self._xdf.numbers(SAMPLES, times_s, samples)

    def _emitted(self, emissions: Sequence[Emission]) -> None:
        rows = rows_of(emissions)
        self._xdf.numbers(CURRENT, rows[:, LABELS.index("onset_s")], rows)
