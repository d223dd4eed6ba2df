"""What the judge of live sessions says, of evidence that is made up."""

import ast
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bci_core.bench import live
from bci_core.bench.live.expected import live_expectations
from bci_core.bench.live.judge import live_invariants
from bci_core.bench.live.run import live_rig
from bci_core.bench.scenarios.evidence import Evidence, explain
from bci_core.bench.scenarios.load import load_scenarios
from bci_core.config.load import dump_rig

ARMED_S, END_S, RATE_HZ = 10.0, 18.0, 500.0
PULSE_S, PERIOD_S = 2.6e-4, 4e-3
Change = Callable[[dict[str, Any]], None]


def phases_from(onset_s: float, n_pulses: int) -> list[tuple[float, float, float, float]]:
    """Of a train at 250 Hz: two phases a pulse."""
    found = []
    for pulse in range(n_pulses):
        at_s = onset_s + pulse * PERIOD_S
        found += [(1, -5.0, at_s, at_s + 1e-4), (1, 5.0, at_s + 1.6e-4, at_s + PULSE_S)]
    return found


def made_up(change: Change = lambda _: None) -> Evidence:
    """Loop stopped at 12 s for 1 s; a train from 11.9 s is cut by the lease at 12.245 s."""
    scenario = load_scenarios(["loop-stopped-while-stimulating"], live=True)[0].scenario
    rig = live_rig(scenario)
    stopped = {"kind": "process.stopped", "role": "loop", "path": None}
    stopped |= {"begin_from_s": 12.0, "begin_s": 12.0, "end_from_s": 13.0, "end_s": 13.0}
    parts: dict[str, Any] = {
        "trains": {1: (11.0, 100), 2: (11.9, 87), 3: (14.5, 100), 4: (15.5, 100)},
        "rows": [
            ("loop.ready", {"first_sample_s": 9.0, "stream": {"rate_hz": RATE_HZ}}),
            ("armed", {"at_s": ARMED_S}),
            ("device_disarmed", {"at_s": 12.246, "reason": "lease expired"}),
            ("disarmed", {"at_s": 13.005, "reason": "heartbeat"}),
            ("armed", {"at_s": 14.0}),
            ("disarmed", {"at_s": END_S, "reason": "session_end"}),
            ("device_disarmed", {"at_s": END_S, "reason": "session_end"}),
        ],
        "lost": 0,
        "times_s": np.arange(8.0, END_S, 1.0 / RATE_HZ),
        "truth": {
            "armed_s": ARMED_S,
            "faults": [stopped],
            "presses": [],
            "status": 0,
            "left": [],
            "again": None,
            "books_failed_s": None,
        },
        "unlogged": [],
    }
    change(parts)
    rows = list(parts["rows"])
    for seq, (onset_s, n_pulses) in parts["trains"].items():
        index = round((onset_s - 0.02 - 9.0) * RATE_HZ)
        sample_s = onset_s - 0.02
        decision = {"seq": seq, "refusal": None, "verdict": "stim", "sample_s": sample_s}
        decision |= {"sample_index": index, "now_s": sample_s + 1e-3, "target_s": onset_s}
        outcome = "delivered" if n_pulses == 100 else "aborted"
        offset_s = onset_s + (n_pulses - 1) * PERIOD_S + PULSE_S
        ends = {"seq": seq, "outcome": outcome, "onset_s": onset_s, "offset_s": offset_s}
        rows += [("decision", decision), ("outcome", ends | {"n_pulses": n_pulses})]
    heard = int(np.sum(parts["times_s"] >= 9.0))
    rows += [
        ("samples", {"samples": heard, "lost": parts["lost"]}),
        ("session.end", {"status": "completed", "reason": "ran for 8 s"}),
    ]
    phases = [p for train in parts["trains"].values() for p in phases_from(*train)]
    seen = np.array(sorted(phases + parts["unlogged"], key=lambda p: p[2]))
    evidence = Evidence(
        tomllib.loads(dump_rig(replace(rig, safety=rig.safety.resolved()))),
        parts["truth"],
        [{"event": event, "data": data} for event, data in rows],
        [],
        np.zeros((len(parts["times_s"]), 2)),
        parts["times_s"],
        seen,
    )
    explain(evidence)
    return evidence


def failing(change: Change = lambda _: None) -> set[str]:
    evidence = made_up(change)
    scenario = load_scenarios(["loop-stopped-while-stimulating"], live=True)[0].scenario
    checks = [*live_invariants(evidence), *live_expectations(scenario, evidence)]
    return {check.name for check in checks if not check.holds}


def fault(parts: dict[str, Any], **changed: Any) -> dict[str, Any]:
    told: dict[str, Any] = parts["truth"]["faults"][0]
    return told | changed


def played_on(parts: dict[str, Any]) -> None:
    """The lease of the device did not end: it played its train to the end."""
    parts["trains"][2] = (11.9, 100)
    parts["rows"][2] = ("device_disarmed", {"at_s": 13.0, "reason": "lease expired"})


def killed_and_played_on(parts: dict[str, Any]) -> None:
    parts["truth"]["faults"] = [fault(parts, kind="process.killed")]


def without_samples(parts: dict[str, Any]) -> None:
    """It is the amplifier that stood still, so that current came of no samples."""
    parts["truth"]["faults"] = [fault(parts, role="amplifier")]


def pressed(parts: dict[str, Any]) -> None:
    parts["truth"]["presses"] = [(15.7, True)]


def lost(parts: dict[str, Any]) -> None:
    parts["times_s"] = np.delete(parts["times_s"], [4000, 4001])


def armed_late(parts: dict[str, Any]) -> None:
    parts["rows"][4] = ("armed", {"at_s": 14.6})


def disarmed_early(parts: dict[str, Any]) -> None:
    parts["rows"].insert(5, ("disarmed", {"at_s": 15.6, "reason": "stale"}))


def nobody_logged(parts: dict[str, Any]) -> None:
    parts["unlogged"] = phases_from(16.5, 3)


def left_over(parts: dict[str, Any]) -> None:
    parts["truth"]["left"] = ["stimulator"]


def did_not_come_back(parts: dict[str, Any]) -> None:
    del parts["trains"][3], parts["trains"][4]


def test_the_judge_has_nothing_to_say_of_what_is_right() -> None:
    assert failing() == set()


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (played_on, "current ends after the fault"),
        (killed_and_played_on, "current ends after the fault"),
        (without_samples, "no current after old data"),
        (pressed, "emergency stop"),
        (lost, "every lost sample counted"),
        (armed_late, "no current while disarmed"),
        (disarmed_early, "no current while disarmed"),
        (nobody_logged, "no current without a ledger line"),
        (left_over, "every process ends"),
        (did_not_come_back, "works again"),
    ],
)
def test_the_judge_finds_what_is_wrong(change: Change, check: str) -> None:
    assert check in failing(change)


def test_rows_that_died_with_their_writer_are_granted_and_no_others() -> None:
    def killed_before_its_row(parts: dict[str, Any]) -> None:
        parts["truth"]["faults"] = [fault(parts, role="supervisor", kind="process.killed")]
        parts["unlogged"] = phases_from(11.6, 3)

    def long_before(parts: dict[str, Any]) -> None:
        killed_before_its_row(parts)
        parts["unlogged"] = phases_from(10.5, 3)

    assert "no current without a ledger line" not in failing(killed_before_its_row)
    assert "no current without a ledger line" in failing(long_before)


@pytest.mark.parametrize(("n_pulses", "old"), [(55, False), (58, True)])
def test_a_train_has_the_time_of_its_stop_when_samples_turn_old(n_pulses: int, old: bool) -> None:
    """Samples end at 12 s: 100 ms until they are old, 10 ms until that is seen, 10 ms to stop."""

    def cut(parts: dict[str, Any]) -> None:
        parts["truth"]["faults"] = [fault(parts, kind="network.cut", role=None, path="samples")]
        parts["trains"][2] = (11.9, n_pulses)
        parts["rows"][2:4] = [
            ("disarmed", {"at_s": 12.109, "reason": "stale"}),
            ("device_disarmed", {"at_s": 12.118, "reason": "stale"}),
        ]

    assert ("no current after old data" in failing(cut)) == old
    assert ("current ends after the fault" in failing(cut)) == old


@pytest.mark.parametrize("module", ["judge", "expected"])
def test_the_judge_shares_no_code_with_the_loop(module: str) -> None:
    source = Path(live.__path__[0], f"{module}.py").read_text()
    imported = {
        node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("bci_core")
    }
    allowed = {"evidence", "limits", "judge", "expected", "scenario"}
    assert imported <= {f"bci_core.bench.scenarios.{each}" for each in allowed}
