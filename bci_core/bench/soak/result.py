"""What a soak has found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bci_core.bench.soak.drift import Drift

OK, FAILED, UNSURE = "ok", "failed", "unsure"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold.

    Attributes
    ----------
    name : str
    verdict : str
        ``ok``, ``failed``, or ``unsure``: the session was too short, or too restless, to say.
    told : str
        The figures, for people.
    """

    name: str
    verdict: str
    told: str


@dataclass(frozen=True, slots=True)
class SoakResult:
    """A session's course, and what is to be thought of it.

    Attributes
    ----------
    about : mapping
        Rig, ``simulated_time``, durations, machine; and ``counts`` of samples and triggers.
    drifts : mapping of str to mapping of str to Drift
        For each process ``rss_kib``, ``handles`` and ``threads``; under ``latency``
        ``p50_ms`` and ``p99_ms``; under ``speed`` ``cpu_ms``, of a simulation.
    checks : sequence of Check
    minutes : sequence of mapping
        For each minute since armed ``n``, ``p50_ms``, ``p99_ms``, ``delivered`` and ``lost``.
    readings : mapping of str to mapping of str to list
        For each process ``t_s`` and what it took, thinned to some hundred.
    """

    about: Mapping[str, Any]
    drifts: Mapping[str, Mapping[str, Drift]]
    checks: Sequence[Check]
    minutes: Sequence[Mapping[str, Any]]
    readings: Mapping[str, Mapping[str, Sequence[float]]]

    @property
    def failed(self) -> list[Check]:
        """What does not hold."""
        return [check for check in self.checks if check.verdict == FAILED]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``, and for the page."""
        return asdict(self)
