"""What the amplifier's process does for one that answers to stimulation."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bci_core import registry
from bci_core.config.load import load_rig
from bci_core.control.arms_settings import ActiveArm, ArmsSettings, ShamArm
from bci_core.control.emissions import LABELS, emissions_of, rows_of
from bci_core.events import Emission
from bci_core.session.reacting import Reacting

RIG = load_rig("theta-phase")
FELT = [Emission(2.0, 2.0002, 3, -20.0), Emission(2.1, 2.1002, 4, 20.0)]


class Brain:
    truth_labels = ("event", "onset_s")
    truth_units = ("code", "seconds")

    def __init__(self) -> None:
        self.felt: list[Emission] = []

    def feel(self, emissions: list[Emission]) -> None:
        self.felt += emissions

    def truth(self) -> np.ndarray:
        return np.array([[5.0, 2.5]])


class Plain: ...


@pytest.fixture
def transports(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """Stand-ins for both ends, and what went through them."""
    seen: dict[str, list[Any]] = {"asked": [], "pushed": []}

    class Inlet:
        units = ("none", "microamperes", "seconds", "seconds")

        def __init__(self, source_id: str) -> None:
            seen["asked"].append(source_id)
            self.rows = [rows_of(FELT), np.empty((0, 4))]

        def pull(self) -> np.ndarray:
            return self.rows.pop(0)

    class Outlet:
        def __init__(self, *described: object) -> None:
            seen["asked"].append(described)

        def push(self, row: np.ndarray, when_s: float) -> None:
            seen["pushed"].append((row.tolist(), when_s))

    made = {"row_inlet": Inlet, "row_outlet": Outlet}
    monkeypatch.setattr(registry, "load", lambda _kind, name: made[name])
    return seen


def test_a_brain_feels_the_current_and_tells_its_truth(transports: dict[str, list[Any]]) -> None:
    brain: Any = Brain()
    reacting = Reacting(brain, RIG, "id")
    reacting.step()
    reacting.step()
    assert brain.felt == FELT
    assert reacting.source_ids == ["id-truth"]
    assert transports["asked"] == [
        "id-current",
        ("theta-phase-truth", "id-truth", ("event", "onset_s"), ("code", "seconds")),
    ]
    assert transports["pushed"] == [([5.0, 2.5], 2.5)] * 2


def test_a_blind_session_is_not_told(transports: dict[str, list[Any]]) -> None:
    arms = ArmsSettings(blind=True, keepers=("a", "b"), active=ActiveArm(), sham=ShamArm())
    brain: Any = Brain()
    reacting = Reacting(brain, replace(RIG, arms=arms), "id")
    reacting.step()
    assert (reacting.source_ids, transports["pushed"]) == ([], [])


def test_any_other_amplifier_is_left_alone(transports: dict[str, list[Any]]) -> None:
    plain: Any = Plain()
    reacting = Reacting(plain, RIG, "id")
    reacting.step()
    assert (reacting.source_ids, transports["asked"]) == ([], [])


@pytest.mark.parametrize(("unit", "written"), [("uA", "microamperes"), ("dB SPL", "dB SPL")])
def test_rows_become_the_emissions_they_were_made_of(unit: str, written: str) -> None:
    emissions = [Emission(1.0, 1.5, 2, 60.0, unit)]
    units = ["none"] * len(LABELS)
    units[LABELS.index("amplitude")] = written
    assert emissions_of(rows_of(emissions), units) == emissions
