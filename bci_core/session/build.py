"""The composition root: from a rig to the objects that do its work.

The only place, with the nodes, where parts meet. Everything is found by name.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bci_core import registry
from bci_core.chunk import StreamInfo
from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.contracts import Amplifier, Detector, StimProtocol, Stimulator, StimulatorLink
from bci_core.control.loop import ClosedLoop
from bci_core.control.policy import StandardPolicy
from bci_core.errors import BciError, ConfigError, Problem
from bci_core.safety.arming import Arming
from bci_core.safety.check import check_programs
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.gate import SafetyGate

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
    part = registry.load("detector", rig.detector.name)
    made: Detector = part(rig.detector.settings, info, lead_s)
    return made


def stimulator(rig: Rig) -> Stimulator:
    """The rig's stimulator, disarmed and empty."""
    made: Stimulator = registry.load("stimulator", rig.stimulator.name)(rig.stimulator.settings)
    return made


def protocol(rig: Rig) -> StimProtocol:
    """The rig's stimulation protocol."""
    made: StimProtocol = registry.load("protocol", rig.protocol.name)(rig.protocol.settings)
    return made


def sensing(rig: Rig, info: StreamInfo, lead_s: float) -> "Sensing":
    """Monitor and detector for a stream."""
    from bci_core.detection.sensing import Sensing

    return Sensing(detector(rig, info, lead_s), info, rig.monitor)


@dataclass(frozen=True, slots=True)
class Wired:
    """A loop and the parts that others need to reach."""

    loop: ClosedLoop
    gate: SafetyGate
    protocol: StimProtocol


def wire(rig: Rig, link: StimulatorLink, arming: Arming) -> Wired:
    """Policy, protocol and gate around a link."""
    proto = protocol(rig)
    envelope = SafetyEnvelope.from_settings(rig.safety)
    gate = SafetyGate(envelope, proto.programs(), link, arming)
    return Wired(ClosedLoop(StandardPolicy(rig.policy), proto, gate), gate, proto)


def check(rig: Rig, source: str, clock: Clock) -> StreamInfo:
    """Everything that can be found wrong before a process is started.

    Returns
    -------
    StreamInfo
        What the amplifier will stream.

    Raises
    ------
    ConfigError
        With every mistake: the amplifier's, the detector's, the program's.
    """
    problems: list[Problem] = []
    info: StreamInfo | None = None
    try:
        info = amplifier(rig, clock).describe()
        detector(rig, info, CHECK_LEAD_S)
    except ConfigError as error:
        problems += [Problem(_below("detector", p.where), p.message) for p in error.problems]
    except BciError as error:
        problems.append(Problem("amplifier" if info is None else "detector", str(error)))
    try:
        programs = protocol(rig).programs()
        check_programs(programs, SafetyEnvelope.from_settings(rig.safety))
    except ConfigError as error:
        problems += [Problem(_below("safety", p.where), p.message) for p in error.problems]
    except BciError as error:
        problems.append(Problem("safety", str(error)))
    else:
        try:
            stimulator(rig).load(programs)
        except BciError as error:
            problems.append(Problem("stimulator", str(error)))
    if problems or info is None:
        raise ConfigError(source, problems)
    return info


def _below(section: str, where: str) -> str:
    return where if where.split(".", 1)[0] == section else f"{section}.{where}"
