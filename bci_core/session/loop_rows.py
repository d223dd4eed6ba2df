"""What a loop tells of itself, live and simulated: rows for the ledger, figures for people."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.chunk import StreamInfo
from bci_core.config.rig import Rig
from bci_core.contracts import StimProtocol, StimulatorLink
from bci_core.control.blinding import OUTCOME
from bci_core.control.journal import Journal
from bci_core.control.plain import plain
from bci_core.events import Outcome
from bci_core.safety.arming import Arming
from bci_core.safety.transition import transition_event
from bci_core.status import Impedance

if TYPE_CHECKING:
    # Compiled code takes long to import.
    from bci_core.detection.monitor import SampleCounts
    from bci_core.detection.sensing import Sensing


def measure_electrodes(
    link: StimulatorLink,
    capabilities: Capabilities | SoundCapabilities,
    protocol: StimProtocol,
    emit: Callable[[str, dict[str, Any]], None],
) -> tuple[Impedance, ...]:
    """Impedance of every electrode that any program uses, where the device can measure it."""
    if "impedance" not in capabilities.measures:
        return ()
    used = sorted({e for program in protocol.programs() for e in program.every_electrode})
    found = link.impedance(used)
    emit("impedance", {"electrodes": [plain(each) for each in found]})
    return found


def guard_name(rig: Rig) -> str:
    """Of the rig's guard, "" where there is none."""
    return rig.guard.name if rig.guard else ""


def transition_rows(arming: Arming) -> list[tuple[str, dict[str, Any]]]:
    """Ledger rows of what the arming has been through since the last call."""
    told = ((transition_event(t), plain(t)) for t in arming.drain())
    return [(event, data) for event, data in told if event]


def stream_row(info: StreamInfo, name: str) -> dict[str, Any]:
    """The stream as the ledger's ``loop.ready`` row has it; replay builds on it."""
    return {
        "name": name,
        "rate_hz": info.rate_hz,
        "channels": list(info.channels),
        "unit": info.unit,
    }


def live_figures(sensing: "Sensing", journal: Journal, disarmed: str) -> dict[str, Any]:
    """What an operator is shown of a loop, live or simulated."""
    counts = sensing.counts()
    return {
        "samples": counts.samples,
        "lost": counts.lost,
        "sample_faults": faults_of(counts),
        "detections": journal.counts["detections"],
        **_ends(journal),
        "refused": dict(journal.refused),
        "disarmed": disarmed,
    }


def _ends(journal: Journal) -> dict[str, int]:
    """How triggers ended, as far as that may be told."""
    outcomes = (Outcome.DELIVERED, Outcome.SHAM) if journal.hold is None else (OUTCOME,)
    return {str(outcome): journal.counts[outcome] for outcome in outcomes}


def faults_of(counts: "SampleCounts") -> dict[str, int]:
    """What the monitor has found wrong so far, without what it has not."""
    told = plain(counts)
    del told["samples"], told["lost"]
    return {fault: number for fault, number in told.items() if number}
