"""The composition root: from a rig to the objects that do its work.

The only place, with the nodes, where parts meet. Everything is found by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bci_core import registry
from bci_core.chunk import StreamInfo
from bci_core.clock import Clock
from bci_core.config.rig import Part, Rig
from bci_core.contracts import Amplifier, Detector, StimProtocol, Stimulator, StimulatorLink
from bci_core.control.arms import Design
from bci_core.control.blinding import HoldBack
from bci_core.control.loop import ClosedLoop
from bci_core.control.policy import StandardPolicy
from bci_core.detection.montage import montage_of
from bci_core.errors import BciError, ConfigError, Problem
from bci_core.people.keyring import Person, default_keyring
from bci_core.safety.arming import Arming
from bci_core.safety.check import check_programs
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.gate import SafetyGate
from bci_core.safety.history import Dose
from bci_core.session.approvals import approvals_needed, check_approvals
from bci_core.session.arms import arms_problems, assigner

if TYPE_CHECKING:
    # Compiled code takes long to import, and only the loop needs it.
    from bci_core.detection.sensing import Sensing

CHECK_LEAD_S = 0.02
"""Stands in for the measured lead where a detector is only built to see whether it can be."""


def amplifier(rig: Rig, clock: Clock) -> Amplifier:
    """The rig's amplifier, not yet opened."""
    made: Amplifier = registry.load("amplifier", rig.amplifier.name)(rig.amplifier.settings, clock)
    return made


def detector(rig: Rig, info: StreamInfo, lead_s: float) -> Detector:
    """The rig's detector for a stream; `lead_s` as measured."""
    return _detector(rig.detector, _heard(rig, info), lead_s)


def guard(rig: Rig, info: StreamInfo, lead_s: float) -> Detector | None:
    """The rig's guard for a stream, if it has one."""
    return None if rig.guard is None else _detector(rig.guard, _heard(rig, info), lead_s)


def outputs(rig: Rig, info: StreamInfo) -> tuple[str, ...]:
    """Labels of what the rig's detector will publish at every sample, if anything."""
    return tuple(getattr(detector(rig, info, CHECK_LEAD_S), "outputs", ()))


def stimulator(rig: Rig) -> Stimulator:
    """The rig's stimulator, disarmed and empty."""
    made: Stimulator = registry.load("stimulator", rig.stimulator.name)(rig.stimulator.settings)
    return made


def protocol(rig: Rig) -> StimProtocol:
    """The rig's stimulation protocol."""
    made: StimProtocol = registry.load("protocol", rig.protocol.name)(rig.protocol.settings)
    return made


def sensing(rig: Rig, info: StreamInfo, lead_s: float) -> "Sensing":
    """Monitor, detector and guard for a stream."""
    from bci_core.detection.sensing import Sensing

    watching, guarding = detector(rig, info, lead_s), guard(rig, info, lead_s)
    montage = montage_of(rig.montage, info) if rig.montage.derives else None
    return Sensing(watching, info, rig.monitor, guarding, rig.blanking, montage)


@dataclass(frozen=True, slots=True)
class Wired:
    """A loop and the parts that others need to reach; `design` of its control arms, if any."""

    loop: ClosedLoop
    gate: SafetyGate
    protocol: StimProtocol
    design: Design | None = None

    @property
    def blanked_s(self) -> float | None:
        """How much longer each stimulus is blanked, as `Blanking` has it.

        None where the device's reports tell nothing of the arm: none delays, none is blind.
        """
        if self.design is None or not (self.design.latest_s or self.design.settings.blind):
            return None
        return self.design.latest_s


def wire(
    rig: Rig,
    link: StimulatorLink,
    arming: Arming,
    clock_offset_s: float = 0.0,
    earlier: Sequence[Dose] = (),
    seed: bytes | None = None,
) -> Wired:
    """Policy, protocol, control arms and gate around a link.

    The gate lets nothing through before it has been connected.

    Parameters
    ----------
    rig : Rig
    link : StimulatorLink
    arming : Arming
    clock_offset_s : float
        As `ClosedLoop` has it.
    earlier : sequence of Dose
        What earlier sessions have used of the day's budgets.
    seed : bytes or None
        Of the arms; None where there are none, or where it is sealed.
    """
    proto = protocol(rig)
    envelope = SafetyEnvelope.from_settings(rig.safety)
    late = rig.arming.late_in_a_row
    gate = SafetyGate(envelope, proto.programs(), link, arming, earlier, late)
    arms = assigner(rig, seed)
    loop = ClosedLoop(StandardPolicy(rig.policy), proto, gate, clock_offset_s, arms)
    return Wired(loop, gate, proto, None if arms is None else arms.design)


def hold_back(wired: Wired) -> HoldBack | None:
    """Of a blind session."""
    if wired.design is None or not wired.design.settings.blind:
        return None
    return HoldBack(wired.protocol.programs(), wired.design.latest_s)


def check(rig: Rig, source: str, clock: Clock) -> StreamInfo:
    """Everything that can be found wrong before a process is started.

    Returns
    -------
    StreamInfo
        What the amplifier will stream.

    Raises
    ------
    ConfigError
        With every mistake: the amplifier's, the detectors', the monitor's, the program's.
    """
    problems: list[Problem] = []
    info: StreamInfo | None = None
    try:
        info = amplifier(rig, clock).describe()
    except BciError as error:
        problems += _problems("amplifier", error)
    else:
        problems += _sensing_problems(rig, info)
    try:
        programs = protocol(rig).programs()
        device = stimulator(rig)
        envelope = SafetyEnvelope.from_settings(rig.safety)
        check_programs(programs, envelope, device.capabilities)
    except BciError as error:
        problems += _problems("safety", error)
    else:
        problems += arms_problems(rig, programs, envelope)
        try:
            approvals(rig, source)
        except BciError as error:
            problems += _problems("safety", error)
        try:
            device.load(programs)
        except BciError as error:
            problems += _problems("stimulator", error)
    if problems or info is None:
        raise ConfigError(source, problems)
    return info


def approvals(rig: Rig, source: str) -> list[Person]:
    """Who has approved limits that are looser than their class, where that takes keys.

    Raises
    ------
    SafetyError
        Approvals are missing, or do not count.
    """
    if not approvals_needed(rig, simulated=False):
        return []  # whatever the device is
    if not approvals_needed(rig, stimulator(rig).capabilities.simulated):
        return []
    return check_approvals(rig, source, default_keyring())


def _heard(rig: Rig, info: StreamInfo) -> StreamInfo:
    """What the detectors are made for: the stream, with the channels of the rig's montage."""
    return montage_of(rig.montage, info).info if rig.montage.derives else info


def _detector(part: Part, info: StreamInfo, lead_s: float) -> Detector:
    made: Detector = registry.load("detector", part.name)(part.settings, info, lead_s)
    return made


def _sensing_problems(rig: Rig, info: StreamInfo) -> list[Problem]:
    from bci_core.detection.monitor_channel import watch_problems

    problems = [
        Problem(_below("monitor", p.where), p.message)
        for p in watch_problems(rig.monitor, info.rate_hz)
    ]
    try:
        _heard(rig, info)
    except ConfigError as error:  # the detectors have nothing to be made for
        return [*problems, *_problems("montage", error)]
    for section, make in (("detector", detector), ("guard", guard)):
        try:
            make(rig, info, CHECK_LEAD_S)
        except BciError as error:
            problems += _problems(section, error)
    return problems


def _problems(section: str, error: BciError) -> list[Problem]:
    if isinstance(error, ConfigError):
        return [Problem(_below(section, p.where), p.message) for p in error.problems]
    return [Problem(section, str(error))]


def _below(section: str, where: str) -> str:
    return where if where.split(".", 1)[0] == section else f"{section}.{where}"
