"""The rig: wired hardware and how it is used, as frozen settings.

A rig file is TOML. Each section is the `Settings` model of one part; the part
is chosen by name (``driver`` for devices, ``kind`` for the rest) and found by
entry point, so a third party's part has its own keys, checked like ours.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bci_core.control.arms_settings import ArmsSettings
from bci_core.control.policy import PolicySettings
from bci_core.detection.blanking_settings import BlankingSettings
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.montage_settings import MontageSettings
from bci_core.safety.arming_settings import ArmingSettings
from bci_core.safety.envelope import SafetySettings


class RigSettings(BaseModel):
    """Section ``[rig]``.

    Attributes
    ----------
    name : str
        Of the session's streams and folder: letters, digits, ``-`` and ``_``.
    description : str
        One line for the report.
    subject : str
        A pseudonym, never a name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    description: str = ""
    subject: str = Field(default="simulated", max_length=64)


class SessionSettings(BaseModel):
    """Section ``[session]``.

    Attributes
    ----------
    duration_s : float
        Armed time after which the session ends by itself.
    min_free_disk_mb : float
        With less than this left on the session's disk it disarms and ends.
    device_lease_s : float
        How long the stimulator stays armed without a heartbeat from the loop.
    max_rearms : int
        How often a session that was disarmed by a passing fault (stale samples, a
        late heartbeat) is armed again by itself. 0 leaves that to the operator.
    wait_for_reset_s : float
        How long a session that a fault has latched goes on recording, disarmed, for a second
        person to reset it. 0 ends it at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration_s: float = Field(default=20.0, gt=0.0, le=86_400.0)
    min_free_disk_mb: float = Field(default=50.0, ge=1.0, le=1e6)
    device_lease_s: float = Field(default=0.25, ge=0.05, le=10.0)
    max_rearms: int = Field(default=0, ge=0, le=100)
    wait_for_reset_s: float = Field(default=300.0, ge=0.0, le=86_400.0)


class LslSettings(BaseModel):
    """Section ``[lsl]``: how far discovery of the session's streams reaches.

    LSL is plaintext and trusts its network, so the default is this machine. See
    ``docs/privacy.md`` for what that does and does not close.

    Attributes
    ----------
    resolve_scope : str
        ``machine``, ``link`` or ``site``, as in liblsl's configuration.
    listen_address : str
        Interface that answers discovery.
    known_peers : tuple of str
        Hosts asked directly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolve_scope: str = Field(default="machine", pattern=r"^(machine|link|site)$")
    listen_address: str = Field(default="127.0.0.1", pattern=r"^[0-9a-fA-F.:]+$")
    known_peers: tuple[str, ...] = ("127.0.0.1",)


class BudgetSettings(BaseModel):
    """Section ``[budget]``: what the latency is judged against at the end.

    Attributes
    ----------
    received_to_accepted_p50_ms, received_to_accepted_p99_ms : float
        From the loop having the sample to the stimulator having the command.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    received_to_accepted_p50_ms: float = Field(default=0.5, gt=0.0, le=1000.0)
    received_to_accepted_p99_ms: float = Field(default=2.0, gt=0.0, le=1000.0)


@dataclass(frozen=True, slots=True)
class Part:
    """One exchangeable part: its registered name and its settings."""

    name: str
    settings: Any


@dataclass(frozen=True, slots=True)
class Rig:
    """A whole rig file, checked. Made by `bci_core.config.load`."""

    rig: RigSettings
    amplifier: Part
    monitor: MonitorSettings
    blanking: BlankingSettings
    montage: MontageSettings = field(default_factory=MontageSettings, kw_only=True)
    detector: Part
    guard: Part | None = field(default=None, kw_only=True)
    policy: PolicySettings
    arms: ArmsSettings | None = field(default=None, kw_only=True)
    protocol: Part
    stimulator: Part
    safety: SafetySettings
    arming: ArmingSettings
    session: SessionSettings
    lsl: LslSettings
    budget: BudgetSettings

    @property
    def name(self) -> str:
        return self.rig.name


PARTS = {
    "amplifier": "driver",
    "detector": "kind",
    "guard": "kind",
    "protocol": "kind",
    "stimulator": "driver",
}
"""Sections that name a part, and the key that does."""

OPTIONAL = {
    "guard": "a detector that watches beside the first, and whose onset ends the session",
    "arms": "without it every detection that the policy would act on is stimulated",
}
"""Sections that may be missing, and what they are for."""


def part_kind(section: str) -> str:
    """Kind of part, as `bci_core.registry` has it, that a section names."""
    return "detector" if section == "guard" else section


SECTIONS: dict[str, type[BaseModel]] = {
    "rig": RigSettings,
    "monitor": MonitorSettings,
    "blanking": BlankingSettings,
    "montage": MontageSettings,
    "policy": PolicySettings,
    "arms": ArmsSettings,
    "safety": SafetySettings,
    "arming": ArmingSettings,
    "session": SessionSettings,
    "lsl": LslSettings,
    "budget": BudgetSettings,
}
"""Sections with one model for everybody."""

ORDER = tuple(f for f in Rig.__dataclass_fields__)
"""Sections in the order they are written."""
