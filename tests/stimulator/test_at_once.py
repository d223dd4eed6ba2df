"""What `AtOnce` makes of a device that has nothing but upload, fire and halt."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bci_core.capabilities import Capabilities
from bci_core.errors import DeviceError, InputError, SafetyError
from bci_core.events import Delivery, Outcome, Refusal, Trigger
from bci_core.status import ArmingState
from bci_core.stimulator.at_once import AtOnce
from bci_core.stimulator.limits import program_refusals
from bci_core.stimulator.queue import Accepted, Reaction
from bci_core.stimulator.settings import StimulatorSettings
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from bci_core.testing import check_stimulator

ABLE = Capabilities(
    n_channels=2,
    n_sources=2,
    n_programs=2,
    max_parts=1,
    max_pulses=1000,
    min_amplitude_ua=1.0,
    max_amplitude_ua=100.0,
    amplitude_step_ua=1.0,
    min_phase_us=50.0,
    max_phase_us=1000.0,
    timing_step_us=10.0,
    min_interphase_us=0.0,
    min_rate_hz=1.0,
    max_rate_hz=500.0,
    max_ramp_ua_s=1e6,
    max_charge_per_phase_uc=0.05,
    compliance_v=10.0,
    min_lockout_s=0.02,
    max_lease_s=1.0,
    max_command_latency_s=1e-5,
    measures=(),
    simulated=False,
)
PROGRAM = StimProgram(1, "three", PulseTrain(BiphasicPulse(10.0, 100.0), 100.0, 3), (1,))


class Plain(AtOnce):
    """Does what it is told, and keeps a list of it. `silent` names commands it does not answer."""

    Settings = StimulatorSettings

    def __init__(self, reaction: Reaction | None = None, **settings: Any) -> None:
        super().__init__(StimulatorSettings(**settings), ABLE, reaction)
        self.told: list[tuple[str, float]] = []
        self.silent: set[str] = set()
        self._programs: tuple[StimProgram, ...] = ()

    def program_refusals(self, programs: Sequence[StimProgram]) -> list[Refusal]:
        return program_refusals(programs, ABLE, 1000.0)

    def upload(self, programs: Sequence[StimProgram], at_s: float) -> None:
        self._tell("upload", at_s)
        self._programs = tuple(programs)

    def memory(self, loaded: Sequence[StimProgram], at_s: float) -> tuple[StimProgram, ...]:
        self._tell("memory", at_s)
        return self._programs

    def enable(self, at_s: float) -> None:
        self._tell("enable", at_s)

    def watch(self, at_s: float) -> None:
        if "watch" in self.silent:
            raise DeviceError("no answer to watch")

    def fire(self, program: StimProgram, at_s: float) -> None:
        self._tell("fire", at_s)

    def halt(self, at_s: float) -> None:
        self._tell("halt", at_s)

    def account(self, played: Accepted, at: int, reason: str) -> Delivery:
        self._tell("account", self._now_s)
        whole = self.as_commanded(played)
        if at >= played.end:
            return whole
        n_pulses = int((self._ticks.seconds(at) - whole.onset_s) * 100.0) + 1
        return replace(
            whole,
            outcome=Outcome.ABORTED,
            offset_s=self._ticks.seconds(at),
            n_pulses=n_pulses - 1,
            charge_uc=n_pulses * 0.0003,
            reason=reason,
        )

    def _tell(self, command: str, at_s: float) -> None:
        self.told.append((command, at_s))
        if command in self.silent:
            raise DeviceError(f"no answer to {command}")


def armed(**settings: Any) -> Plain:
    made = Plain(**settings)
    made.load([PROGRAM])
    made.arm(1.0, 10.0)
    made.told.clear()
    return made


def at(seq: int, at_s: float, *, sham: bool = False) -> Trigger:
    return Trigger(seq, 1, at_s, at_s + 0.005, sham)


def one(deliveries: list[Delivery]) -> Delivery:
    (delivery,) = deliveries
    return delivery


def test_it_keeps_the_contract_of_a_stimulator() -> None:
    class OnTime(Plain):
        def sent_s(self, due_s: float) -> float:
            return due_s

    check_stimulator(OnTime, replace(PROGRAM, train=replace(PROGRAM.train, rate_hz=50.0)))


def test_a_real_device_is_told_when_the_driver_is_called_and_not_before() -> None:
    made = armed()
    made.trigger(at(1, 10.1), 10.0)
    assert made.next_event_s() == pytest.approx(10.1)
    made.advance(10.102)
    assert made.told == [("fire", 10.102)]
    assert one(made.advance(10.2)).onset_s == pytest.approx(10.102)


def test_a_driver_that_is_called_too_late_drops_the_train() -> None:
    made = armed()
    made.trigger(at(1, 10.1), 10.0)
    dropped = one(made.advance(10.11))
    assert dropped.outcome is Outcome.ABORTED
    assert "called too late" in dropped.reason
    assert made.told == []


def test_a_lease_that_ends_while_nobody_looks_is_accounted_to_when_the_device_was_halted() -> None:
    made = armed()
    made.trigger(replace(at(1, 10.99), deadline_s=12.0), 10.0)
    made.advance(10.99)
    cut = one(made.advance(11.005))
    assert made.told[1] == ("halt", 11.005)
    assert cut.outcome is Outcome.ABORTED
    assert cut.offset_s == pytest.approx(11.005)


@pytest.mark.parametrize("command", ["upload", "memory", "enable"])
def test_a_missing_answer_while_disarmed_latches(command: str) -> None:
    made = Plain()
    made.load([PROGRAM])
    made.silent = {command}
    ask: dict[str, Callable[[], object]] = {
        "upload": lambda: made.load([PROGRAM]),
        "memory": made.read_back,
        "enable": lambda: made.arm(1.0, 10.0),
    }
    with pytest.raises(DeviceError, match=f"no answer to {command}"):
        ask[command]()
    assert made.status(10.0).state is ArmingState.FAULT_LATCHED
    with pytest.raises(SafetyError, match="latched a fault"):
        made.arm(1.0, 10.0)


@pytest.mark.parametrize("command", ["fire", "watch", "account", "halt"])
def test_a_missing_answer_while_armed_stops_and_leaves_the_outcome_unknown(command: str) -> None:
    made = armed()
    made.trigger(at(1, 10.1), 10.0)
    if command != "fire":
        made.advance(10.1)
    made.silent = {command}
    ended = made.advance(10.101)
    made.disarm("enough", 10.11)
    lost = one(ended + made.advance(10.2))
    assert lost.outcome is Outcome.UNKNOWN
    # Counted as if all of it had been delivered.
    assert (lost.n_pulses, lost.charge_uc) == (3, pytest.approx(0.003))
    assert "may have played all of it" in lost.reason
    assert "halt" in [told for told, _ in made.told]
    status = made.status(10.2)
    assert (status.state, status.fault) == (
        ArmingState.FAULT_LATCHED,
        f"no answer to {command}",
    )
    made.silent.clear()
    made.reset(10.2)
    assert made.told[-2:] == [("halt", 10.2), ("upload", 10.2)]
    assert made.disarmed_reason()
    made.arm(1.0, 10.2)


def test_a_fault_that_is_still_there_stays_latched() -> None:
    made = armed()
    made.silent = {"watch", "halt"}
    made.advance(10.1)
    with pytest.raises(DeviceError, match="no answer to halt"):
        made.reset(10.1)
    assert made.status(10.1).state is ArmingState.FAULT_LATCHED


def test_a_program_that_would_outlast_the_lease_is_refused() -> None:
    long = replace(PROGRAM, train=replace(PROGRAM.train, n_pulses=102))
    with pytest.raises(SafetyError, match=r"duration: 1\.0102 s, limit 1 s"):
        Plain().load([long])


def test_what_suits_no_device_is_refused_as_it_is_made() -> None:
    with pytest.raises(InputError, match="faults: the stimulator is real"):
        Plain(faults=({"kind": "locked", "after_s": 1.0, "for_s": 1.0},))
    slow = Reaction(transit_s=0.03)
    with pytest.raises(InputError, match=r"min_lockout_s: 0\.02 s .* at least 0\.031 s"):
        Plain(slow)


def test_impedance_is_measured_elsewhere() -> None:
    with pytest.raises(DeviceError, match="measure electrodes 1, 2 by other means"):
        Plain().impedance((1, 2), 10.0)
