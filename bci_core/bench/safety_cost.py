"""What the gate adds to a trigger, beside sending it without a gate."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bci_core.bench.safety_sequences import Nowhere
from bci_core.bench.safety_vectors import DEVICE
from bci_core.clock import Clock
from bci_core.errors import RunError
from bci_core.events import Delivery, Outcome, Trigger
from bci_core.safety.arming import Arming
from bci_core.safety.arming_settings import ArmingSettings
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.safety.gate import SafetyGate, Sent
from bci_core.stimulus import BiphasicPulse, ProgramPart, PulseTrain, StimProgram

ASKED_P50_US = 20.0
"""What the gate may add to a trigger."""

TRIGGERS = 5000
WARM_UP = 200
EVERY_S = 0.55
"""From trigger to trigger on the gate's clock: the hour holds thousands of them."""

_PULSE = BiphasicPulse(10.0, 100.0, 53.0)
_TRAIN = PulseTrain(_PULSE, 100.0, 3)


@dataclass(frozen=True, slots=True)
class GateCost:
    """Time of one trigger, in microseconds.

    Attributes
    ----------
    what : str
    floor_p50, floor_p99 : float
        Of sending alone, and of asking for the time.
    gate_p50, gate_p99 : float
        Of sending through the gate.
    n : int
    """

    what: str
    floor_p50: float
    floor_p99: float
    gate_p50: float
    gate_p99: float
    n: int

    @property
    def added_p50(self) -> float:
        """What the gate adds, by the medians."""
        return self.gate_p50 - self.floor_p50

    @property
    def within(self) -> bool:
        return self.added_p50 <= ASKED_P50_US

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        asked = {"added_p50": self.added_p50, "asked_p50": ASKED_P50_US, "pass": self.within}
        return asdict(self) | asked


def measure_costs(clock: Clock) -> list[GateCost]:
    """Time triggers of a plain program, and of one with eight trains on sixteen electrodes."""
    plain = StimProgram(1, "plain", _TRAIN, (1,))
    more = tuple(ProgramPart(_TRAIN, (2 * i + 1, 2 * i + 2), i * 0.0005) for i in range(1, 8))
    pattern = StimProgram(1, "pattern", _TRAIN, (1, 2), more)
    return [
        _measure("one train, 1 electrode", plain, clock),
        _measure("8 trains, 16 electrodes", pattern, clock),
    ]


def _measure(what: str, program: StimProgram, clock: Clock) -> GateCost:
    link: Any = Nowhere()
    arming = _Fresh()
    gate = SafetyGate(_envelope(), [program], link, arming)
    gate.connect(DEVICE)
    floors_s, gates_s = [], []
    for i in range(TRIGGERS + WARM_UP):
        at_s = 1000.0 + i * EVERY_S
        arming.keep(at_s)
        trigger = Trigger(i + 1, 1, at_s, at_s + 0.1)
        began_s = clock.now_s()
        link.send(trigger)
        sent_s = clock.now_s()
        answer = gate.deliver(trigger, at_s)
        through_s = clock.now_s()
        if not isinstance(answer, Sent):
            raise RunError(f"the gate refused a trigger that it had to let through: {answer}")
        floors_s.append(sent_s - began_s)
        gates_s.append(through_s - sent_s)
        end_s = at_s + program.duration_s
        gate.note(
            Delivery(
                trigger.seq,
                Outcome.DELIVERED,
                at_s,
                end_s,
                program.n_pulses,
                program.charge_uc,
            )
        )
        gate.overdue(at_s)
    floor, through = np.array(floors_s[WARM_UP:]) * 1e6, np.array(gates_s[WARM_UP:]) * 1e6
    (floor_p50, floor_p99), (gate_p50, gate_p99) = (
        (float(x) for x in np.percentile(times, [50, 99])) for times in (floor, through)
    )
    return GateCost(what, floor_p50, floor_p99, gate_p50, gate_p99, len(through))


class _Fresh(Arming):
    """The real arming, with a heartbeat and samples for every trigger."""

    def __init__(self) -> None:
        super().__init__(ArmingSettings())
        self.connect(0.0)
        self.configure(0.0)

    def keep(self, now_s: float) -> None:
        self.heartbeat(now_s)
        self.samples(now_s)
        if self.check(now_s):
            self.arm(5.0, "bench", now_s)


def _envelope() -> SafetyEnvelope:
    section = {
        "electrode_class": "microelectrode",
        "electrode_area_cm2": 2e-5,
        "charge_per_hour_uc": 1e6,
        "charge_per_day_uc": 1e6,
        "override_reason": "thousands of triggers",
        "overridden_by": "bench",
    }
    return SafetyEnvelope.from_settings(SafetySettings.model_validate(section))
