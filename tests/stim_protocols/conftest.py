"""Decisions as a loop makes them, and a protocol that is fed with them."""

from collections.abc import Callable
from typing import Any

import pytest

from bci_core.contracts import StimProtocol
from bci_core.events import Decision, Detection, EventKind, Situation, Trigger, Verdict

Feed = Callable[..., tuple[Trigger, ...]]


def decision(at_s: float, verdict: Verdict = Verdict.STIM, **found: Any) -> Decision:
    disarmed = found.pop("disarmed", "")
    keys = {"value": 1.0, "target_s": at_s} | found
    detection = Detection(sample_index=0, sample_s=at_s, **keys)
    return Decision(detection, Situation(at_s, at_s, at_s, disarmed), verdict)


@pytest.fixture
def feed() -> Callable[[StimProtocol], Feed]:
    """Makes a function that decides at a time and hands over as the loop does."""

    def feeding(protocol: StimProtocol) -> Feed:
        seq = 1

        def at(at_s: float, verdict: Verdict = Verdict.STIM, **found: Any) -> tuple[Trigger, ...]:
            nonlocal seq
            made = decision(at_s, verdict, **found)
            if made.acts:
                asked = protocol.plan(made, seq)
                seq += len(asked)
                return asked
            heed = getattr(protocol, "heed", None)
            if heed is not None:
                heed(made)
            return ()

        return at

    return feeding


@pytest.fixture
def end() -> dict[str, Any]:
    """What makes a decision the end of an event."""
    return {"verdict": Verdict.NOTED, "kind": EventKind.END}
