"""The trains of the last hour and day, and the limits that depend on them.

A train counts from the moment it is let through, delivered or not, sham or not. What the
device then reports only adds to it: where more was delivered, or later, that counts.
"""

from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isinf

from bci_core.events import Delivery, Outcome, Refusal
from bci_core.safety.check import Able, ProgramCheck
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.limits import ALL_KINDS, TOLERANCE, at_least, at_most
from bci_core.safety.shape import label
from bci_core.safety.use import Use
from bci_core.safety.windows import Window
from bci_core.stimulus import StimProgram

HOUR_S = 3600.0
DAY_S = 86_400.0
DAY_GRAIN_S = 60.0
DAY_GRAINS = 1442
"""A day's trains are kept by the minute: its minutes, that which it cuts, and one ahead."""

RATE_INTERVALS = 8
"""Intervals the mean train rate is taken over, as in Trodes."""


@dataclass(frozen=True, slots=True)
class Dose:
    """What was stimulated within one minute or less, as an earlier session tells it.

    Attributes
    ----------
    end_s : float
        On this session's clock.
    trains : int
    on_time_s : float
    charge_uc, net_charge_uc : mapping
        Per electrode.
    sound_dose : float
    """

    end_s: float
    trains: int = 0
    on_time_s: float = 0.0
    charge_uc: Mapping[int, float] = field(default_factory=dict)
    net_charge_uc: Mapping[int, float] = field(default_factory=dict)
    sound_dose: float = 0.0


@dataclass(frozen=True, slots=True)
class _Budget:
    """One limit over a window, for one program.

    Attributes
    ----------
    at : int
        Which of the amounts.
    daily : bool
    code, unit, where : str
    bound : float
    """

    at: int
    daily: bool
    code: str
    unit: str
    bound: float
    where: str
    most: float
    """`bound`, with what `at_most` lets rounding add."""


_TRAINS, _ON_TIME, _SOUND, _FIRST_GROUP = range(4)


class TrainHistory:
    """What was let through, and what of it was delivered.

    Electrodes that bear the same are counted once: of two that every program uses alike,
    and that bore the same before, one is enough.

    Parameters
    ----------
    envelope : SafetyEnvelope
    programs : sequence of StimProgram
        An index below counts into these.
    earlier : sequence of Dose
        Of earlier sessions, oldest first.
    capabilities : Capabilities or SoundCapabilities, optional
        Of the device, whose rounding may leave more net charge than was asked.
    """

    def __init__(
        self,
        envelope: SafetyEnvelope,
        programs: Sequence[StimProgram],
        earlier: Sequence[Dose] = (),
        capabilities: Able | None = None,
    ) -> None:
        check = ProgramCheck(envelope, capabilities)
        self._uses = uses = [check.use(program) for program in programs]
        self._groups = groups = _groups(uses, earlier)
        n_amounts = _FIRST_GROUP + 2 * len(set(groups.values()))
        self._durations_s = [program.duration_s for program in programs]
        self._charges_uc = [program.charge_uc for program in programs]
        self._labels = [label(program) for program in programs]
        self._amounts = [
            _amounts(
                1, program.duration_s, use.sound_dose, use.charge_uc, use.net_charge_uc, groups
            )
            for program, use in zip(programs, uses, strict=True)
        ]
        self.use(envelope)
        # The hour holds no more programs than its limit, since the next is refused.
        self._hour = Window(HOUR_S, n_amounts, envelope.trains_per_hour + len(earlier) + 1)
        self._day = Window(DAY_S, n_amounts, DAY_GRAINS + len(earlier), DAY_GRAIN_S)
        self._starts_s: deque[float] = deque(maxlen=RATE_INTERVALS)
        self._last_end_s = -inf
        for dose in earlier:
            amounts = _amounts(
                dose.trains,
                dose.on_time_s,
                dose.sound_dose,
                dose.charge_uc,
                dose.net_charge_uc,
                groups,
            )
            self._hour.add(dose.end_s, dose.end_s, amounts)
            self._day.add(dose.end_s, dose.end_s, amounts)
            self._last_end_s = dose.end_s

    def use(self, envelope: SafetyEnvelope) -> None:
        """Judge by these limits from here on; what was let through stays counted."""
        self._envelope = envelope
        self._budgets = [
            _budgets(envelope, where, use, self._groups)
            for where, use in zip(self._labels, self._uses, strict=True)
        ]

    def refusal(self, index: int, start_s: float) -> Refusal | None:
        """The limit that a train of program `index` from `start_s` would pass. Changes nothing."""
        limits = self._envelope
        where = self._labels[index]
        pause_s = start_s - self._last_end_s
        if not at_least(pause_s, limits.lockout_s):
            return Refusal("lockout", pause_s, limits.lockout_s, "s", where)
        if len(self._starts_s) == RATE_INTERVALS:
            rate = RATE_INTERVALS / (start_s - self._starts_s[0])
            if not at_most(rate, limits.trains_per_s):
                return Refusal("train_rate", rate, limits.trains_per_s, "trains/s", where)
        amounts = self._amounts[index]
        hour, day = self._hour.sums, self._day.sums
        hour_gone, day_gone = self._hour.gone(start_s), self._day.gone(start_s)
        for budget in self._budgets[index]:
            at = budget.at
            gone = day_gone if budget.daily else hour_gone
            value = (day if budget.daily else hour)[at] + amounts[at]
            if gone is not None:
                value -= gone[at]
            if not value <= budget.most:  # NaN is not
                return Refusal(budget.code, value, budget.bound, budget.unit, budget.where)
        return None

    def add(self, index: int, start_s: float) -> float:
        """Note a train that `refusal` has let through; when it will end."""
        self._last_end_s = end_s = start_s + self._durations_s[index]
        amounts = self._amounts[index]
        self._hour.add(start_s, end_s, amounts)
        self._day.add(start_s, end_s, amounts)
        self._starts_s.append(start_s)
        return end_s

    def forget(self, now_s: float) -> None:
        """Let go of what no trigger from now on can meet any more. Changes no answer."""
        self._hour.forget(now_s)
        self._day.forget(now_s)

    def note(self, index: int, end_s: float, delivery: Delivery) -> None:
        """Add what was delivered beyond what was asked of a program, and when it really ended.

        `end_s` is when it was to end, as `add` has told.

        An amount that is no number counts as much again as was asked.
        """
        amounts = self._amounts[index]
        asked_uc = self._charges_uc[index]
        more = [0.0] * len(amounts)
        surplus_uc = _number_or(delivery.charge_uc - asked_uc, asked_uc)
        net_uc = _number_or(abs(delivery.net_charge_uc), asked_uc)
        cut = delivery.outcome is Outcome.ABORTED
        # Onto every electrode of the program, since the report does not say on which.
        for at in range(_FIRST_GROUP, len(amounts), 2):
            if amounts[at] > 0.0:
                more[at] = max(0.0, surplus_uc)
                left_uc = net_uc if cut else net_uc * delivery.n_pulses - amounts[at + 1]
                more[at + 1] = max(0.0, left_uc)
        duration_s = self._durations_s[index]
        longer_s = delivery.offset_s - delivery.onset_s - duration_s
        # A sham, or a refusal, tells of no time at all.
        longer_s = duration_s if isinf(longer_s) else longer_s
        more[_ON_TIME] = max(0.0, longer_s)
        self._hour.add_to_last(more)
        self._day.add_to_last(more)
        if delivery.offset_s > end_s and isfinite(delivery.offset_s):
            self._hour.lasted(end_s, delivery.offset_s)
            self._day.lasted(end_s, delivery.offset_s)
            self._last_end_s = max(self._last_end_s, delivery.offset_s)


def _number_or(value: float, otherwise: float) -> float:
    return value if isfinite(value) else otherwise


def _groups(uses: Sequence[Use], earlier: Sequence[Dose]) -> dict[int, int]:
    """Electrode to the place of its charge among the amounts; that of the net charge follows."""
    places: dict[tuple[object, ...], int] = {}
    found = {}
    all_of_them: list[Use | Dose] = [*uses, *earlier]
    for electrode in sorted({e for use in uses for e in use.charge_uc}):
        bears = tuple(
            (each.charge_uc.get(electrode, 0.0), each.net_charge_uc.get(electrode, 0.0))
            for each in all_of_them
        )
        found[electrode] = places.setdefault(bears, _FIRST_GROUP + 2 * len(places))
    return found


def _amounts(
    trains: int,
    on_time_s: float,
    sound_dose: float,
    charge_uc: Mapping[int, float],
    net_charge_uc: Mapping[int, float],
    groups: Mapping[int, int],
) -> "array[float]":
    amounts = array("d", bytes(8 * (_FIRST_GROUP + 2 * len(set(groups.values())))))
    amounts[_TRAINS], amounts[_ON_TIME], amounts[_SOUND] = trains, on_time_s, sound_dose
    for electrode, at in groups.items():
        amounts[at] = charge_uc.get(electrode, 0.0)
        amounts[at + 1] = net_charge_uc.get(electrode, 0.0)
    return amounts


def _budgets(
    envelope: SafetyEnvelope, where: str, use: Use, groups: Mapping[int, int]
) -> list[_Budget]:
    """Every limit over hour and day that a program uses."""
    limits = envelope.limits()

    def budget(key: str, at: int, place: str = where) -> _Budget:
        kind = ALL_KINDS[key]
        bound = limits[key]
        most = bound + TOLERANCE * abs(bound)
        return _Budget(at, "per_day" in key, kind.code, kind.unit, bound, place, most)

    budgets = [
        budget("trains_per_hour", _TRAINS),
        budget("on_time_per_hour_s", _ON_TIME),
        budget("on_time_per_day_s", _ON_TIME),
    ]
    if use.sound_dose:
        budgets.append(budget("sound_dose_per_day", _SOUND))
    first_on: dict[int, int] = {}
    for electrode in use.charge_uc:
        first_on.setdefault(groups[electrode], electrode)
    for at, electrode in first_on.items():
        place = f"{where}, electrode {electrode}"
        budgets += [
            budget("charge_per_hour_uc", at, place),
            budget("charge_per_day_uc", at, place),
            budget("net_charge_per_hour_uc", at + 1, place),
        ]
    return budgets
