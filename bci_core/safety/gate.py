"""The one door to the tissue: nothing is sent to stimulate but through here."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.contracts import StimulatorLink
from bci_core.errors import BciError
from bci_core.events import Acceptance, Delivery, Outcome, Refusal, Trigger
from bci_core.holds import GivenLast
from bci_core.safety.after_discharge import AfterDischargeLock
from bci_core.safety.arming import Arming
from bci_core.safety.arming_settings import LATE_IN_A_ROW
from bci_core.safety.check import ProgramCheck, check_programs
from bci_core.safety.comparison import Asked, asked_of, difference, outlasted
from bci_core.safety.device_watch import DeviceWatch
from bci_core.safety.electrodes import impedance_problem
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.history import Dose, TrainHistory
from bci_core.safety.limits import at_most
from bci_core.safety.reasons import refuse
from bci_core.safety.shape import label
from bci_core.safety.unchanged import Unchanged
from bci_core.safety.unreported import Unreported
from bci_core.status import DeviceStatus, Impedance
from bci_core.stimulus import StimProgram


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

    Whether it does follows from the triggers, the times handed in, the arming state and what
    the device reported before, so a recorded session meets the same answers again.

    Life: made → `connect`, once the programs are loaded → `deliver` and `note`, again and again.

    Parameters
    ----------
    envelope : SafetyEnvelope
    programs : sequence of StimProgram
        Those loaded on the device.
    link : StimulatorLink
    arming : Arming
    earlier : sequence of Dose
        What earlier sessions have used of the budgets, oldest first.
    late_in_a_row : int
        As in `ArmingSettings`.

    Attributes
    ----------
    after_discharge : AfterDischargeLock
        Is told when a guard has stopped stimulation.

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
        earlier: Sequence[Dose] = (),
        late_in_a_row: int = LATE_IN_A_ROW,
    ) -> None:
        check_programs(programs, envelope)
        self._programs = tuple(programs)
        self._unchanged = [Unchanged(program) for program in programs]
        self._index = {program.program_id: i for i, program in enumerate(programs)}
        self._labels = [label(program) for program in programs]
        self._durations_s = [program.duration_s for program in programs]
        self._electrodes = [program.every_electrode for program in programs]
        self._earlier = tuple(earlier)
        self._history = TrainHistory(envelope, programs, earlier)
        self._link = link
        self._arming = arming
        self._asked: list[Asked] = []
        self._given = GivenLast(programs)
        self._watch = DeviceWatch(late_in_a_row)
        self._last_seq = 0
        self._unreported = Unreported()
        self.after_discharge = AfterDischargeLock(
            envelope.after_discharge_lockout_s, envelope.after_discharge_lookback_s
        )
        self._capabilities: Capabilities | SoundCapabilities | None = None
        self._measured_kohm: dict[int, float] = {}
        self._over: list[Refusal | None] = [None] * len(programs)
        self._use(envelope)

    def connect(
        self,
        capabilities: Capabilities | SoundCapabilities,
        impedances: Sequence[Impedance] = (),
    ) -> None:
        """Check every program again for the device that has loaded them; until then, refuse.

        Parameters
        ----------
        capabilities : Capabilities or SoundCapabilities
            As the device told.
        impedances : sequence of Impedance
            As it has measured them, if it has.

        Raises
        ------
        SafetyError
            The device is of another kind than the electrodes, a program passes a limit once
            the device has rounded it, or an electrode is shorted or open. All are named.
        """
        self._asked = []
        electrode_class = self._envelope.electrode_class
        refuse(
            "electrodes that cannot be used",
            [
                f"electrode {each.electrode}: {problem}"
                for each in impedances
                if (problem := impedance_problem(electrode_class, each.magnitude_kohm))
            ],
        )
        measured_kohm = {each.electrode: each.magnitude_kohm for each in impedances}
        check_programs(self._programs, self._envelope, capabilities, measured_kohm)
        self._capabilities, self._measured_kohm = capabilities, measured_kohm
        if self._last_seq == 0:  # nothing has been let through yet that would be forgotten
            self._history = TrainHistory(
                self._envelope, self._programs, self._earlier, capabilities
            )
        self._use(self._envelope)

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
            or self.after_discharge.refusal(self._programs[index], now_s)
            or self._refuse_program(index)
            or self._history.refusal(index, start_s)
        )
        if refusal is not None:
            return refusal
        end_s = start_s + self._durations_s[index]
        self._arming.sent(trigger.seq, start_s, end_s, self._lockout_s, now_s)
        self._last_seq = trigger.seq
        self._unreported.add(trigger, end_s, self._durations_s[index])
        try:
            sent_s = self._link.send(trigger)
        except BciError:
            self._arming.disarm("link", now_s)
            raise
        finally:
            # Sent or lost, it counts; after sending, which must not wait for the books.
            self._history.add(index, start_s)
            self.after_discharge.note_train(end_s, self._electrodes[index])
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
        """Work out once what triggers are judged by from here on."""
        self._envelope = envelope
        self._ahead_s = envelope.ahead_s
        self._lockout_s = envelope.lockout_s
        self._history.use(envelope)
        if self._capabilities is None:
            return
        check = ProgramCheck(envelope, self._capabilities, self._measured_kohm)
        self._over = [next(iter(check.refusals(each)), None) for each in self._programs]
        self._asked = [
            asked_of(program, check.use(program), envelope, self._capabilities)
            for program in self._programs
        ]

    def note_acceptance(self, acceptance: Acceptance) -> None:
        """What the device has taken does not end in a refusal."""
        self._unreported.accept(acceptance)

    def note_copy(self, delivery: Delivery) -> str:
        """Latch when a report is the refusal of a command that reached the device twice.

        The trigger stays open: its end is that of the first copy. What was found, or "":
        then it is a report for `note`.
        """
        if not self._unreported.of_second_copy(delivery):
            return ""
        found = f"trigger {delivery.seq}: came to the device twice, limit once: {delivery.reason}"
        self._arming.latch(found, self._arming.clock_s)
        return found

    def note(self, delivery: Delivery) -> str:
        """Compare what the device reports with what it was asked; latch when they differ.

        What was delivered beyond what was asked counts. A run of refusals as too late disarms.

        Returns
        -------
        str
            The difference, or "".
        """
        self._arming.ended(delivery.seq, delivery.offset_s, self._arming.clock_s)
        sent = self._unreported.take(delivery.seq)
        if sent is None:
            found = "never sent, or reported before"
        else:
            trigger, end_s = sent
            self._history.note(self._index[trigger.program_id], end_s, delivery)
            given, found = self._given.given(trigger, delivery)
            asked = self._asked[self._index[given]]
            found = found or difference(asked, trigger, delivery)
            flowed = not (trigger.sham or delivery.outcome in (Outcome.SHAM, Outcome.REFUSED))
            if flowed and not found:
                found = self._forbidden(delivery) or outlasted(asked, delivery)
        if not found:
            doubt = self._watch.note_report(delivery)
            if doubt is not None:
                self._arming.disarm(doubt.reason, self._arming.clock_s)
            return ""
        found = f"trigger {delivery.seq}: {found}"
        self._arming.latch(found, self._arming.clock_s)
        return found

    def note_status(self, status: DeviceStatus, asked_s: float, told_s: float, now_s: float) -> str:
        """Compare what the device says of itself with what is believed; disarm or latch.

        Parameters
        ----------
        status : DeviceStatus
        asked_s, told_s : float
            When it was asked, and when its answer came.
        now_s : float

        Returns
        -------
        str
            The difference, with limit, value and unit, or "".
        """
        armed = not self._arming.check(now_s)
        since_s = self._arming.armed_s if armed else -inf
        stimulates = bool(self._unreported)
        doubt = self._watch.note(status, (asked_s, told_s), now_s, armed, stimulates, since_s)
        if doubt is None:
            return ""
        end = self._arming.latch if doubt.latches else self._arming.disarm
        end(doubt.reason, now_s)
        self._link.disarm(doubt.reason)
        return doubt.reason

    def _forbidden(self, delivery: Delivery) -> str:
        if self._arming.forbade(delivery.onset_s, delivery.offset_s):
            return f"current at {delivery.offset_s:g} s, while disarmed"
        return ""

    def overdue(self, now_s: float) -> str:
        """Latch when the device owes the report of a trigger that must have ended.

        Returns
        -------
        str
            Which trigger, how late and the limit, or "".
        """
        self._history.forget(now_s)
        found = self._unreported.overdue(now_s)
        if found:
            self._arming.latch(found, now_s)
        return found

    def _refuse_state(self, now_s: float) -> Refusal | None:
        why = self._arming.check(now_s)
        if why:
            return Refusal("disarmed", 0.0, 1.0, "valid lease", why)
        if not self._asked:
            return Refusal("device", 0.0, 1.0, "connected devices", "the gate knows of none")
        return None

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
        """A program over a limit that was tightened, or no longer the one that was checked."""
        if self._unchanged[index].holds():
            return self._over[index]
        for refusal in ProgramCheck(self._envelope).refusals(self._programs[index]):
            return refusal
        return Refusal("program_changed", 1, 0, "changes since the check", self._labels[index])
