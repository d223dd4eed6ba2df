"""Every registered protocol keeps every rule, with settings as in its preset."""

from typing import Any

import pytest

from bci_core import registry
from bci_core.contracts import StimProtocol
from bci_core.testing.check_protocol import RULES, trial_decisions

PULSE: dict[str, Any] = {"amplitude_ua": 20.0, "phase_us": 200.0, "electrodes": [1, 2]}
BURST = PULSE | {"rate_hz": 200.0, "train_s": 0.1}
SECTIONS: dict[str, dict[str, Any]] = {
    "adaptive_amplitude": {
        "phase_us": 60.0,
        "electrodes": [1],
        "thresholds": [0.5, 5.0],
        "amplitudes_ua": [0.0, "hold", 2000.0],
    },
    "classifier_train": PULSE,
    "paired_clicks": {"level_db_spl": 55.0},
    "pattern_replay": {"pattern": "made-up-sequence"},
    "phase_locked_pulse": PULSE | {"max_spread_s": 0.001},
    "pulse_train": PULSE | {"rate_hz": 100.0, "n_pulses": 5},
    "responsive": {"therapies": [BURST, BURST | {"n_bursts": 2, "amplitude_ua": 30.0}]},
    "ripple_disruption": PULSE,
    "ripple_prolongation": PULSE,
    "spindle_triggered": PULSE,
    "theta_burst": PULSE,
}
DECISIONS = trial_decisions()


PARTS = {name: registry.load("protocol", name) for name in SECTIONS}


def make(name: str) -> StimProtocol:
    made: StimProtocol = PARTS[name](PARTS[name].Settings.model_validate(SECTIONS[name]))
    return made


def test_no_protocol_is_left_out() -> None:
    ours = [n for n in registry.names("protocol") if registry.origin("protocol", n)[:4] == "bci "]
    assert ours == sorted(SECTIONS)


@pytest.mark.parametrize("name", sorted(SECTIONS))
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_rule_holds(rule: Any, name: str) -> None:
    rule(lambda: make(name), DECISIONS)
