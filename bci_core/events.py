"""What travels through the loop, in the order it is made.

::

    Detection -> Decision -> Trigger -> Acceptance -> Delivery

Each is a frozen value. Times are seconds on the LSL clock; a time that never
came is NaN.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import nan


class EventKind(StrEnum):
    """What a detection says of its event."""

    ONSET = "onset"
    END = "end"


@dataclass(frozen=True, slots=True)
class Detection:
    """A neural event, found in the samples and in sample time only.

    Attributes
    ----------
    sample_index : int
        Sample on which it was found, counted from the first the detector saw.
    sample_s : float
        Time of that sample.
    target_s : float
        When to act: the predicted moment, or `sample_s` for "now".
    value : float
        Strength in the detector's own measure; its docstring says which.
    veto : str
        Why the samples around it are not to be trusted (a `Veto` value), or "".
    kind : EventKind
        Whether it begins or has ended. Most detectors announce onsets only.
    channel : int
        Column on which it was strongest, where it was found on one of several; else -1.
    spread_s : float
        Standard deviation of `target_s`, where the detector knows it; else 0.
    """

    sample_index: int
    sample_s: float
    target_s: float
    value: float
    veto: str = ""
    kind: EventKind = EventKind.ONSET
    channel: int = -1
    spread_s: float = 0.0


class Veto(StrEnum):
    """Why samples are not to be acted on. Set by `bci_core.detection.monitor`.

    In the order of the monitor's flag bits, and of the channels of ``NAME-mask``.
    """

    GAP = "gap"
    NOT_FINITE = "not_finite"
    FLAT = "flat"
    RAILED = "railed"
    SETTLING = "settling"
    BLANK = "blank"
    LINE_NOISE = "line_noise"
    LEAD_OFF = "lead_off"


class Verdict(StrEnum):
    """What becomes of a detection."""

    STIM = "stim"
    SHAM = "sham"
    REFUSED = "refused"
    NOTED = "noted"
    """The end of an event: put down, and never a reason to stimulate."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the policy may know beside the detection. Recorded, so that replay has it too.

    Attributes
    ----------
    received_s : float
        When the loop had the sample.
    detected_s : float
        When the detector kernel was done with it.
    now_s : float
        When the policy was asked.
    disarmed : str
        Why the session is not armed, or "" when it is.
    """

    received_s: float
    detected_s: float
    now_s: float
    disarmed: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The policy's answer, with its reason.

    Attributes
    ----------
    detection : Detection
    situation : Situation
    verdict : Verdict
    reason : str
        Short code of the refusal (``"refractory"``), else "".
    """

    detection: Detection
    situation: Situation
    verdict: Verdict
    reason: str = ""

    @property
    def acts(self) -> bool:
        """Whether to stimulate, or to pretend to. The end of an event is never a reason to."""
        began = self.detection.kind is EventKind.ONSET
        return began and self.verdict in (Verdict.STIM, Verdict.SHAM)


@dataclass(frozen=True, slots=True)
class Trigger:
    """Fire a loaded program at a time.

    Attributes
    ----------
    seq : int
        Counts up from 1 within a session; a device refuses one that does not.
    program_id : int
        A program already on the device.
    at_s : float
        When the first phase is to start. In the past means at once.
    deadline_s : float
        Later than this it is dropped, never delivered late.
    sham : bool
        The device checks and answers as always, and delivers nothing.
    """

    seq: int
    program_id: int
    at_s: float
    deadline_s: float
    sham: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A limit that would be passed. Never answered by clipping.

    Attributes
    ----------
    limit : str
        Short code, as in events and ledger: ``"lockout"``, ``"charge_per_phase"``.
    value, bound : float
        What was asked, and the most (or least) that is allowed.
    unit : str
        Of both.
    where : str
        Which program, electrode or device.
    """

    limit: str
    value: float
    bound: float
    unit: str
    where: str = ""

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.limit}: {self.value:g} {self.unit}, limit {self.bound:g} {self.unit}{place}"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The device has a trigger and will fire it, or says why it will not.

    Attributes
    ----------
    seq : int
    accepted_s : float
        When the device had checked it.
    refusal : Refusal or None
    """

    seq: int
    accepted_s: float
    refusal: Refusal | None = None


class Outcome(StrEnum):
    """How a trigger ended on the device."""

    DELIVERED = "delivered"
    SHAM = "sham"
    REFUSED = "refused"
    ABORTED = "aborted"
    UNKNOWN = "unknown"
    """The device was lost before it told. Counted as delivered by whoever adds up charge."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the device really did with one trigger. Each trigger gets exactly one.

    Attributes
    ----------
    seq : int
    outcome : Outcome
    onset_s : float
        Start of the first phase; for sham, when it would have been. NaN if never.
    offset_s : float
        End of the last phase delivered. NaN if never.
    n_pulses : int
        Pulses completed, summed over the trains of the program.
    charge_uc : float
        Charge per phase, summed over pulses and over the trains of the program, in
        microcoulombs. As measured where the device measures it, and then on the electrode
        that was furthest from what was asked; else as commanded.
    device_latency_s : float
        The device's own command latency, modelled or measured; not the middleware's.
    reason : str
        Why it was refused or aborted, with limit, value and unit; else "".
    net_charge_uc : float
        Largest charge left on an electrode by one pulse, first minus second phase, in
        microcoulombs: of a pulse that was cut, and where the device measures it of any.
    output_v : float
        Highest voltage that was read back at the output, in volts, sign left out. NaN where
        the device reads none back.
    given_id : int
        Of a program that holds: the program that was given. Else 0.
    """

    seq: int
    outcome: Outcome
    onset_s: float = nan
    offset_s: float = nan
    n_pulses: int = 0
    charge_uc: float = 0.0
    device_latency_s: float = 0.0
    reason: str = ""
    net_charge_uc: float = 0.0
    output_v: float = nan
    given_id: int = 0


@dataclass(frozen=True, slots=True)
class Emission:
    """What physically left one channel of a device, at one amplitude.

    Not what was asked or reported: the simulated brain feels it, and a witness judges by it.

    Attributes
    ----------
    onset_s, offset_s : float
        On the LSL clock, whatever the device's own clock says.
    channel : int
        Electrode, or output for sound, counted from 1.
    amplitude : float
        In `unit`; of a current the mean while it lasted, cathodic below zero.
    unit : str
        ``"uA"`` or ``"dB SPL"``.
    """

    onset_s: float
    offset_s: float
    channel: int
    amplitude: float
    unit: str = "uA"


@dataclass(frozen=True, slots=True)
class Stamps:
    """The seven times of a trigger, in the order they happen.

    `onset_s` is when the pulse began; a predicted pulse is scheduled, so the
    time from accepted to onset is intended waiting, not latency.
    """

    sample_s: float = nan
    received_s: float = nan
    detected_s: float = nan
    decided_s: float = nan
    sent_s: float = nan
    accepted_s: float = nan
    onset_s: float = nan
