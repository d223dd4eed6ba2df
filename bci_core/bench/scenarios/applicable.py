"""Whether a scenario says anything about a stimulator that was put into its rig."""

from collections.abc import Sequence

import numpy as np

from bci_core import registry
from bci_core.bench.scenarios.evidence import Evidence
from bci_core.bench.scenarios.judge import Check
from bci_core.bench.scenarios.scenario import DEVICE, Scenario
from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.errors import ConfigError
from bci_core.stimulator.faults import FaultKind

CLIPPED = 0.99
"""Of the amplitude before, which a current that is clipped stays below."""

_FITTED = frozenset({"amplitude", "phase", "interphase", "rate", "n_pulses", "charge_per_phase"})
_TELLS_A_CLIP = frozenset({"charge", "net_charge", "output_v"})


UNUSABLE = "electrodes that cannot be used"
"""How a session begins to say that what it measured before arming does not fit the rig."""


class NotApplicable(Exception):  # noqa: N818 - nothing is wrong
    """A scenario cannot be tried on a stimulator, for the reason it says."""


def require_kind(able: Capabilities | SoundCapabilities, driver: str, *, sound: bool) -> None:
    """Current for current, sound for sound.

    Raises
    ------
    NotApplicable
    """
    if sound is not isinstance(able, SoundCapabilities):
        mine, other = ("sound", "current") if sound else ("current", "sound")
        raise NotApplicable(f"the scenario is for {mine}, and {driver!r} for {other}")


def require_switches(scenario: Scenario, driver: str) -> None:
    """A device that is to be broken has the switches for it.

    Raises
    ------
    NotApplicable
    """
    names = [f.kind.removeprefix(DEVICE) for f in scenario.faults if f.kind.startswith(DEVICE)]
    part = registry.load("stimulator", driver)
    if names and getattr(part(part.Settings()), "faults", None) is None:
        raise NotApplicable(f"{driver!r} has no switches for faults ({', '.join(names)})")


def require_holdable(error: ConfigError) -> None:
    """A device that cannot hold a stimulus for a reason that `fit` has no remedy for.

    Several programs on one electrode, or several trains of one. A refusal of what has been
    fitted to the device is its fault, and stays one.

    Raises
    ------
    NotApplicable
    """
    if any(problem.where != "stimulator" for problem in error.problems):
        return
    refusals = [line.strip() for p in error.problems for line in p.message.splitlines()[1:]]
    limits = {refusal.split(":")[0] for refusal in refusals}
    if refusals and not limits & _FITTED:
        raise NotApplicable(f"it cannot hold these programs: {refusals[0]}")


def not_shown(e: Evidence, checks: Sequence[Check], measures: Sequence[str]) -> str:
    """Why a session that does not hold has not shown what its scenario is about; or ""."""
    failed = [check for check in checks if not check.holds]
    if failed and UNUSABLE in e.truth["failure"]:
        why = e.truth["failure"].splitlines()[-1].strip()
        return f"its electrodes are not of the rig's class: {why}"
    early = [check for check in failed if check.name.endswith("stimulation under way")]
    if early and len(early) == len(failed):
        return f"with this device's timing, {early[0].told}"
    names = ("disarmed for", "refused")
    if e.faults(DEVICE + FaultKind.LATE_ACK) and failed:
        late = sum(o["reason"].startswith("deadline:") for o in e.data("outcome"))
        if late <= 1 and all(check.name.startswith(names) for check in failed):
            return f"what it takes longer is within what it may take: {late} triggers were too late"
    clips = e.faults(DEVICE + FaultKind.SILENT_CLIP)
    only_clip = all(c.name.startswith(("disarmed for", "latched")) for c in failed)
    if not (clips and failed and only_clip):
        return ""
    if not _clipped(e, *clips[0]):
        return "its electrode came off, and at this amplitude no current was clipped"
    if not _TELLS_A_CLIP & set(measures):
        return "it measures no charge and no voltage, so a current that is clipped shows nowhere"
    return ""


def _clipped(e: Evidence, begin_s: float, end_s: float) -> bool:
    amplitude_ua, onsets_s = np.abs(e.phases[:, 1]), e.phases[:, 2]
    before = amplitude_ua[onsets_s < begin_s]
    during = amplitude_ua[(onsets_s >= begin_s) & (onsets_s < end_s)]
    return bool(len(before) and len(during) and during.max() < CLIPPED * before.max())
