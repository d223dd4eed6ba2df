"""A simulated implanted pulse generator, after Summit RC+S, Vercise and RNS.

It holds four groups of four programs, ramps in milliamperes a second, counts its therapies and
its battery, refuses above 25 uC/cm2, and talks over a radio that loses and bunches what it
says. Where it adapts, its slots are a table of a detector's states: each has a train of its own
amplitude, or holds the one that was given last. Therapy is a sequence of bounded programs: when
the host falls silent, the last one ends by itself.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from bci_core.errors import SafetyError
from bci_core.events import Acceptance, Delivery, Refusal, Trigger
from bci_core.status import Reading
from bci_core.stimulator.limits import TOLERANCE, name_of, program_refusals
from bci_core.stimulus import PulseTrain, StimProgram
from drivers.stimulators.adaptive_ipg_settings import (
    GROUPS,
    HARD_DENSITY_UC_CM2,
    MAX_INTERPHASE_US,
    PROGRAMS_A_GROUP,
    TOTAL_UA,
    AdaptiveIpgSettings,
)
from drivers.stimulators.firmware import Firmware
from drivers.stimulators.output import CurrentOutput
from drivers.stimulators.running import Held

DAY_S = 86_400.0
MAH_PER_UC = 1.0 / 3.6e6
"""One mAh is 3.6 C; a phase takes its charge from the battery twice, once each way."""

CODES: Mapping[str, int] = {
    "charge_density": 0x40,
    "total_current": 0x41,
    "therapies_per_day": 0x42,
    "battery": 0x43,
    "ramp": 0x44,
    "locked": 0x45,
}
"""A numbering of this project: the makers' are not public."""


class AdaptiveIpg(Firmware):
    """Satisfies `bci_core.contracts.Stimulator`.

    Parameters
    ----------
    settings : AdaptiveIpgSettings
    """

    Settings: ClassVar[type[BaseModel]] = AdaptiveIpgSettings
    name = "implanted pulse generator"
    codes = CODES

    def __init__(self, settings: AdaptiveIpgSettings) -> None:
        able = settings.capabilities()
        odd = {each.number: each for each in settings.odd_electrodes}
        super().__init__(settings, able, CurrentOutput(able, settings.electrode, odd))
        self.settings = settings
        self._able = able
        self._used_uc = 0.0
        self._therapies_s: deque[float] = deque()
        self._given: Held | None = None
        self._radio = np.random.default_rng([settings.seed, 1])
        self._bunched: list[Delivery] = []
        self._sent_s = float("-inf")

    @property
    def battery(self) -> float:
        """Share of its capacity that is left."""
        used = 2.0 * self._used_uc * MAH_PER_UC / self.settings.battery_mah
        return max(0.0, self.settings.battery_charge - used)

    @property
    def therapies_today(self) -> int:
        """Programs that were started within the last 24 h."""
        while self._therapies_s and self._therapies_s[0] <= self._host_s - DAY_S:
            self._therapies_s.popleft()
        return len(self._therapies_s)

    def program_refusals(self, programs: Sequence[StimProgram]) -> list[Refusal]:
        refusals = program_refusals(programs, self._able, MAX_INTERPHASE_US)
        for program in programs:
            refusals += self._therapy_refusals(program)
        return refusals

    def arm(self, lease_s: float, now_s: float) -> None:
        if self.battery <= 0.0:
            raise SafetyError(
                f"the {self.name} was not armed; battery: 0 %, limit above 0 %: charge it first"
            )
        super().arm(lease_s, now_s)
        self._given = None

    def chosen(self, held: Held, where: str) -> Held | Refusal:
        """Of the table of states: a program, or for a state that holds the one given last."""
        holds = held.program.holds
        if not holds:
            return held
        if self._given is None or self._given.program.program_id not in holds:
            where = f"{where}: nothing was given since it was armed that could be held"
            return Refusal("hold", 0, 1, "programs given before", where)
        return self._given

    def taken(self, held: Held) -> None:
        self._given = held
        self._therapies_s.append(self._host_s)

    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        answer = super().trigger(trigger, now_s)
        # Drawn for each, so that one loss does not move the next.
        lost = self._radio.random() < self.settings.telemetry_loss
        return None if lost else answer

    def trigger_refusal(self, held: Held, where: str) -> Refusal | None:  # noqa: ARG002
        most = self.settings.max_therapies_per_day
        if self.therapies_today >= most:
            return Refusal(
                "therapies_per_day", self.therapies_today + 1, most, "therapies/24 h", where
            )
        if self.battery <= 0.0:
            return Refusal("battery", 0.0, 0.0, "% of charge left", where)
        return None

    def advance(self, now_s: float) -> list[Delivery]:
        self._bunched += super().advance(now_s)
        interval_s = self.settings.telemetry_interval_ms * 1e-3
        if now_s < self._sent_s + interval_s:
            return []
        if self._bunched:
            self._sent_s = now_s
        told, self._bunched = self._bunched, []
        return told

    def next_event_s(self) -> float:
        due_s = super().next_event_s()
        if self._bunched:
            due_s = min(due_s, self._sent_s + self.settings.telemetry_interval_ms * 1e-3)
        return due_s

    def finished(self, delivery: Delivery, held: Held) -> str:
        self._used_uc += delivery.charge_uc * len(held.program.every_electrode)
        return ""

    def readings(self) -> tuple[Reading, ...]:
        return (
            Reading("battery", 100.0 * self.battery, "%"),
            Reading("therapies_today", self.therapies_today, "therapies"),
            Reading("given_slot", self._given.program.program_id if self._given else 0, "slot"),
        )

    def _therapy_refusals(self, program: StimProgram) -> list[Refusal]:
        group, number = divmod(program.program_id - 1, PROGRAMS_A_GROUP)
        where = name_of(program)
        if 0 <= group < len(GROUPS):
            where += f", group {GROUPS[group]} program {number}"
        trains = [(part, part.train) for part in program.parts]
        refusals: list[Refusal] = []
        for part, train in trains:
            if not isinstance(train, PulseTrain):
                continue  # refused already
            density = train.pulse.charge_per_phase_uc / self.settings.contact_area_cm2
            if not density <= HARD_DENSITY_UC_CM2 * (1.0 + TOLERANCE):
                unit = "uC/cm2"
                refusals.append(
                    Refusal("charge_density", density, HARD_DENSITY_UC_CM2, unit, where)
                )
            total_ua = max(train.pulse.amplitude_ua, train.pulse.second_amplitude_ua)
            total_ua *= len(part.electrodes)
            if not total_ua <= TOTAL_UA * (1.0 + TOLERANCE):
                refusals.append(Refusal("total_current", total_ua, TOTAL_UA, "uA", where))
        return refusals
