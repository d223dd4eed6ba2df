"""Whatever bytes come back from the box: nothing leaves it while the driver is not armed."""

from contextlib import suppress
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Outcome, Trigger
from bci_core.stimulator.faults import FaultKind
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from drivers.stimulators.pulse_generator import PulseGenerator
from drivers.stimulators.pulse_generator_bytes import pack_file, unpack_file
from drivers.stimulators.pulse_generator_programs import box_parameters, held_programs
from drivers.stimulators.pulse_generator_settings import PulseGeneratorSettings
from drivers.stimulators.pulse_generator_simulated import SimulatedPort

CYCLE_S = 50e-6
LEASE_S = 0.3
SETTINGS = PulseGeneratorSettings(
    isolator_ua_per_v=16.384, max_lease_s=LEASE_S, max_trains_per_min=6
)
PROGRAMS = (
    StimProgram(1, "one", PulseTrain(BiphasicPulse(20.0, 200.0, 50.0), 100.0), (1,)),
    StimProgram(2, "burst", PulseTrain(BiphasicPulse(50.0, 300.0), 250.0, 40), (2, 4)),
)


@dataclass(frozen=True)
class Do:
    """One thing that happens, after waiting."""

    wait_s: float
    what: str
    program_id: int = 1
    ahead_s: float = 0.0
    sham: bool = False
    data: bytes = b""
    kind: str = "drop_ack"


DOING = st.builds(
    Do,
    wait_s=st.one_of(st.sampled_from([0.0, 0.0, 5e-5, 0.021, 0.021, 0.35]), st.floats(0.0, 0.1)),
    what=st.sampled_from(
        ["trigger"] * 8 + ["renew"] * 4 + ["arm"] * 3 + ["reset"] * 2
        + ["disarm", "load", "babble", "fault", "mend", "status", "close"]
    ),
    program_id=st.sampled_from([1, 1, 2]),
    ahead_s=st.one_of(st.just(0.0), st.floats(-0.1, 0.1)),
    sham=st.sampled_from([False, False, True]),
    data=st.one_of(st.binary(min_size=1, max_size=9), st.just(b"\x01"), st.just(b"K\x15\0\0\0")),
    kind=st.sampled_from([k for k in FaultKind if k not in ("stuck_on", "clock_drift")]),
)  # fmt: skip


def act(made: PulseGenerator, port: SimulatedPort, doing: Do, seq: int, now_s: float) -> None:
    assert made.faults is not None
    match doing.what:
        case "trigger":
            at_s = now_s + doing.ahead_s
            made.trigger(Trigger(seq, doing.program_id, at_s, at_s + 0.2, doing.sham), now_s)
        case "arm":
            made.arm(LEASE_S, now_s)
        case "renew":
            made.renew(now_s)
        case "reset":
            made.reset(now_s)
        case "disarm":
            made.disarm("asked to", now_s)
        case "load":
            made.load(PROGRAMS)
        case "babble":
            port.babble(doing.data, now_s)
        case "fault":
            made.faults.switch(doing.kind, True)
        case "mend":
            for kind in FaultKind:
                made.faults.switch(kind, False)
        case "status":
            made.status(now_s)
        case _:
            made.close()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(DOING, min_size=10, max_size=25))
def test_nothing_leaves_but_for_accepted_triggers_whatever_the_box_sends(doings: list[Do]) -> None:
    made = PulseGenerator(SETTINGS)
    port = made._port
    assert isinstance(port, SimulatedPort)
    made.load(PROGRAMS)
    now_s = 100.0
    made.arm(LEASE_S, now_s)
    ended, left = [], []
    for seq, doing in enumerate([*doings, Do(5.0, "renew")], start=1):
        ended += made.advance(now_s + doing.wait_s)
        now_s += doing.wait_s
        with suppress(DeviceError, SafetyError):
            act(made, port, doing, seq, now_s)
        ended += made.advance(now_s)
        left += made.emissions()
    assert made.disarmed_reason() != ""
    asked = [seq for seq, doing in enumerate(doings, start=1) if doing.what == "trigger"]
    assert sorted(d.seq for d in ended) == asked
    # Of what is not known, the whole train may have been played, 50 ms late at most; of the
    # rest, nothing before, after or beside what was reported.
    spans = [(d.onset_s, d.offset_s) for d in ended if d.charge_uc > 0.0]
    longest_s = PROGRAMS[1].duration_s + 0.1
    spans += [(d.onset_s, d.onset_s + longest_s) for d in ended if d.outcome is Outcome.UNKNOWN]
    for emission in left:
        assert any(
            start_s - CYCLE_S <= emission.onset_s and emission.offset_s <= end_s + 2 * CYCLE_S
            for start_s, end_s in spans
        )


NUMBERS = ["phase1", "interphase", "phase2", "interpulse", "delay", "phase1_code", "phase2_code"]
STEP_UA = SETTINGS.capabilities().amplitude_step_ua
PULSES = st.builds(
    BiphasicPulse,
    amplitude_ua=st.integers(1, 20_000).map(lambda n: n * STEP_UA),
    phase_us=st.integers(2, 2000).map(lambda n: n * 50.0),
    interphase_us=st.integers(0, 2000).map(lambda n: n * 50.0),
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(PULSES, st.integers(0, 10_000), st.integers(1, 1000), st.sampled_from(NUMBERS))
def test_a_program_survives_being_written_into_the_box_and_read_back(
    pulse: BiphasicPulse, pause: int, n_pulses: int, number: str
) -> None:
    period = round(pulse.duration_s / CYCLE_S) + pause
    train = PulseTrain(pulse, 1.0 / (period * CYCLE_S), n_pulses)
    program = StimProgram(3, "any", train, (2,))
    box = box_parameters((program,), STEP_UA)
    assert held_programs([program], unpack_file(pack_file(box)), STEP_UA) == (program,)
    # And one that is off by one in one number is another.
    rest, held, *others = box.outputs
    changed = replace(held, **{number: getattr(held, number) + 1})
    (other,) = held_programs([program], replace(box, outputs=(rest, changed, *others)), STEP_UA)
    assert other != program
