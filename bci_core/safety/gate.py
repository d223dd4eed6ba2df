"""The one door to the tissue: nothing is sent to stimulate but through here."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from bci_core.contracts import StimulatorLink
from bci_core.errors import BciError
from bci_core.events import Delivery, Outcome, Refusal, Trigger
from bci_core.safety.arming import Arming
from bci_core.safety.check import check_programs, label, program_limits
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.history import TrainHistory
from bci_core.safety.limits import at_most
from bci_core.stimulus import StimProgram

REPORT_WITHIN_S = 1.0
"""A device that has not reported a trigger this long after its last possible end is faulty."""

LATE_S = 0.001
"""An onset this long after its deadline may still be the steps of the device's clock."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A trigger is on its way to the device.

    Attributes
    ----------
    seq : int
    sent_s : float
        When the link sent it.
    """

    seq: int
    sent_s: float


class SafetyGate:
    """Lets a trigger through, or refuses it; changes none.

    Whether it does follows from the triggers, the times handed in and the arming state
    alone, so a recorded session meets the same answers again. What the device reports
    can only latch the arming.

    Parameters
    ----------
    envelope : SafetyEnvelope
    programs : sequence of StimProgram
        Those loaded on the device.
    link : StimulatorLink
    arming : Arming

    Raises
    ------
    SafetyError
        A program passes a limit (`check.check_programs`).
    """

    def __init__(
        self,
        envelope: SafetyEnvelope,
        programs: Sequence[StimProgram],
        link: StimulatorLink,
        arming: Arming,
    ) -> None:
        check_programs(programs, envelope)
        self._programs = tuple(programs)
        self._index = {program.program_id: i for i, program in enumerate(programs)}
        self._labels = [label(program) for program in programs]
        self._history = TrainHistory(envelope, programs)
        self._use(envelope)
        self._link = link
        self._arming = arming
        self._last_seq = 0
        self._unreported: dict[int, Trigger] = {}

    def deliver(self, trigger: Trigger, now_s: float) -> Sent | Refusal:
        """Send a trigger if every limit allows it; a sham trigger meets the same limits.

        Parameters
        ----------
        trigger : Trigger
        now_s : float

        Returns
        -------
        Sent or Refusal
            A refusal leaves no trace in the gate; only the first of several is named.

        Raises
        ------
        BciError
            The link failed; the arming is disarmed, and the train counts as delivered.
        """
        index = self._index.get(trigger.program_id, -1)
        start_s = max(trigger.at_s, now_s)
        refusal = (
            self._refuse_state(now_s)
            or self._refuse_trigger(trigger, index, start_s, now_s)
            or self._refuse_program(index)
            or self._history.refusal(index, start_s)
        )
        if refusal is not None:
            return refusal
        end_s = start_s + self._programs[index].duration_s
        self._arming.sent(trigger.seq, start_s, end_s, self._lockout_s, now_s)
        self._history.add(index, start_s)
        self._last_seq = trigger.seq
        self._unreported[trigger.seq] = trigger
        try:
            sent_s = self._link.send(trigger)
        except BciError:
            self._arming.disarm("link", now_s)
            raise
        return Sent(trigger.seq, sent_s)

    def tighten(self, **limits: float) -> None:
        """Make limits tighter from here on. Programs that pass them now are refused.

        Raises
        ------
        SafetyError
            As `SafetyEnvelope.tightened`; nothing has changed.
        """
        self._use(self._envelope.tightened(**limits))

    def _use(self, envelope: SafetyEnvelope) -> None:
        self._envelope = self._history.envelope = envelope
        self._limits = program_limits(envelope)
        self._ahead_s = envelope.ahead_s
        self._lockout_s = envelope.lockout_s
        self._shortfall = envelope.net_charge_fraction

    def note(self, delivery: Delivery) -> str:
        """Compare what the device reports with what it was asked; latch when they differ.

        Returns
        -------
        str
            The difference, or "".
        """
        self._arming.ended(delivery.seq, delivery.offset_s, self._arming.clock_s)
        trigger = self._unreported.pop(delivery.seq, None)
        if trigger is None:
            difference = "never sent, or reported before"
        else:
            difference = self._difference(trigger, delivery)
        if not difference:
            return ""
        difference = f"trigger {delivery.seq}: {difference}"
        self._arming.latch(difference, self._arming.clock_s)
        return difference

    def overdue(self, now_s: float) -> str:
        """Latch when the device owes the report of a trigger that must have ended.

        Returns
        -------
        str
            Which trigger, how late and the limit, or "".
        """
        for seq, trigger in self._unreported.items():
            duration_s = self._programs[self._index[trigger.program_id]].train.duration_s
            late_s = now_s - (trigger.deadline_s + duration_s)
            if at_most(late_s, REPORT_WITHIN_S):
                break  # Later triggers end later.
            del self._unreported[seq]
            difference = (
                f"trigger {seq}: unreported {late_s:g} s after its end, limit {REPORT_WITHIN_S:g} s"
            )
            self._arming.latch(difference, now_s)
            return difference
        return ""

    def _refuse_state(self, now_s: float) -> Refusal | None:
        why = self._arming.check(now_s)
        return Refusal("disarmed", 0.0, 1.0, "valid lease", why) if why else None

    def _refuse_trigger(
        self, trigger: Trigger, index: int, start_s: float, now_s: float
    ) -> Refusal | None:
        if index < 0:
            loaded = ", ".join(self._labels)
            return Refusal(
                "program", trigger.program_id, max(self._index), "program id", f"loaded: {loaded}"
            )
        where = self._labels[index]
        if trigger.seq <= self._last_seq:
            least = self._last_seq + 1
            return Refusal("sequence", trigger.seq, least, "sequence number", where)
        # Comparisons are written so that NaN is refused.
        if not start_s <= trigger.deadline_s:
            return Refusal("deadline", start_s - trigger.deadline_s, 0.0, "s", where)
        ahead_s = trigger.deadline_s - now_s
        if not at_most(ahead_s, self._ahead_s):
            return Refusal("ahead", ahead_s, self._ahead_s, "s", where)
        return None

    def _refuse_program(self, index: int) -> Refusal | None:
        """The limits of the static check again, from the program as it is now."""
        program = self._programs[index]
        for limit in self._limits:
            value = limit.measure(program)
            if not at_most(value, limit.bound):
                return Refusal(limit.code, value, limit.bound, limit.unit, self._labels[index])
        return None

    def _difference(self, trigger: Trigger, delivery: Delivery) -> str:
        train = self._programs[self._index[trigger.program_id]].train
        silent = trigger.sham or delivery.outcome in (Outcome.SHAM, Outcome.REFUSED)
        pulses = 0 if silent else train.n_pulses
        charge_uc = 0.0 if silent else train.charge_uc
        outcome = delivery.outcome

        if outcome is Outcome.DELIVERED and trigger.sham:
            return "delivered, sham asked"
        if outcome is Outcome.SHAM and not trigger.sham:
            return "sham, stimulation asked"
        if not at_most(delivery.n_pulses, pulses):
            return f"pulses: {delivery.n_pulses} pulses, limit {pulses} pulses"
        if not at_most(delivery.charge_uc, charge_uc):
            return f"charge: {delivery.charge_uc:g} uC, limit {charge_uc:g} uC"
        if outcome is Outcome.DELIVERED:
            if delivery.n_pulses < pulses:
                return f"pulses: {delivery.n_pulses} pulses, {pulses} pulses asked"
            # A current that was clipped unnoticed may have unbalanced the pulses.
            least_uc = charge_uc * (1.0 - self._shortfall)
            if delivery.charge_uc < least_uc:
                return f"charge: {delivery.charge_uc:g} uC, limit at least {least_uc:g} uC"
        if silent or (delivery.n_pulses == 0 and isnan(delivery.onset_s)):
            return ""
        if not delivery.onset_s <= delivery.offset_s:
            return f"onset {delivery.onset_s:g} s is not before offset {delivery.offset_s:g} s"
        late_s = delivery.onset_s - trigger.deadline_s
        if late_s > LATE_S:
            return f"deadline: delivered {late_s:g} s late, limit {LATE_S:g} s"
        if self._arming.forbade(delivery.onset_s, delivery.offset_s):
            return f"current at {delivery.offset_s:g} s, while disarmed"
        return ""
