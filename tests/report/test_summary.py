import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bci_core.clock import VirtualClock
from bci_core.errors import SessionError
from bci_core.record.ledger import Ledger
from bci_core.report.latency import judge, quantiles
from bci_core.report.summary import summarise, used_fraction, write_summary, write_text

Fakes = Callable[..., Any]


def ledger_of(folder: Path, *events: tuple[str, str, dict[str, Any]]) -> None:
    """Put other rows where a made-up session has its own."""
    path = folder / "ledger.jsonl"
    path.unlink()
    ledger = Ledger(path, VirtualClock(100.0))
    for event, actor, data in events:
        ledger.append(event, actor, data)
    ledger.close()


def decision(seq: int = 0, **changes: Any) -> tuple[str, str, dict[str, Any]]:
    told = {
        "sample_index": 100 * seq,
        "sample_s": 1.0,
        "target_s": 1.02,
        "now_s": 1.001,
        "verdict": "stim",
        "reason": "",
        "seq": seq,
        "refusal": None,
    }
    return "decision", "loop", told | changes


def outcome(seq: int, outcome: str = "delivered", **changes: Any) -> tuple[str, str, dict]:
    told = {
        "seq": seq,
        "outcome": outcome,
        "reason": "",
        "sample_s": 1.0,
        "received_s": 1.001,
        "detected_s": 1.0012,
        "decided_s": 1.0015,
        "sent_s": 1.002,
        "accepted_s": 1.0025,
        "onset_s": 1.021,
        "charge_uc": 0.5,
        "device_latency_s": 0.003,
    }
    return "outcome", "loop", told | changes


def test_a_session_that_went_well(fake: Fakes) -> None:
    files = fake(duration_s=20.0, trouble=False)
    summary = write_summary(files)
    assert json.loads(files.summary.read_text()) == summary
    assert (summary["status"], summary["reason"]) == ("completed", "ran for 20 s")
    assert summary["simulated"] is True
    assert summary["duration_s"] == 20.0
    assert summary["to_armed_s"] == 3.2
    assert summary["samples_lost"] == 0
    assert summary["triggers"] == summary["delivered"] == 100
    assert summary["refused"] == {"disarmed": 5}
    assert summary["detections"] == 105
    assert summary["sham"] == summary["aborted"] == summary["unaccounted"] == 0
    assert summary["charge_uc"] == pytest.approx(0.4)
    assert summary["faults"] == []
    assert summary["recording_problem"] is None
    assert summary["ledger"]["closed"] is True
    assert summary["budget"]["pass"] is True


def test_phase_of_the_pulses_is_judged_by_the_recorded_sine(fake: Fakes) -> None:
    phase = summarise(fake(duration_s=30.0, error_deg=4.0, spread_deg=3.0))["phase"]
    assert phase["reference"] == "fitted sine"
    assert phase["mean_error_deg"] == pytest.approx(4.0, abs=1.0)
    assert phase["resultant_length"] == pytest.approx(np.exp(-0.5 * np.radians(3.0) ** 2), abs=1e-3)
    assert phase["n"] > 100


@pytest.mark.parametrize("target_deg", [0.0, 90.0, 350.0])
def test_error_is_relative_to_the_target(fake: Fakes, target_deg: float) -> None:
    files = fake(duration_s=10.0, target_deg=target_deg, error_deg=-3.0, trouble=False)
    phase = summarise(files)["phase"]
    assert phase["mean_error_deg"] == pytest.approx(-3.0, abs=1.0)
    assert phase["missed_cycles"] == 0


def test_cycles_nobody_detected_are_counted_and_refused_ones_are_not(fake: Fakes) -> None:
    whole = summarise(fake(duration_s=20.0))["phase"]
    assert whole["missed_cycles"] == 0
    holes = summarise(fake(duration_s=20.0, skip_cycles=(30, 31, 60)))["phase"]
    assert holes["cycles"] == pytest.approx(whole["cycles"], abs=1)
    assert holes["missed_cycles"] == 3


def test_phase_against_a_rhythm_that_is_no_sine(fake: Fakes) -> None:
    phase = summarise(fake(duration_s=20.0, noise_uv=40.0))["phase"]
    assert phase["reference"] == "zero-phase"
    assert phase["cycles"] is phase["missed_cycles"] is None


def test_a_rig_that_aims_at_no_phase(fake: Fakes) -> None:
    assert summarise(fake(duration_s=5.0, target_deg=None))["phase"] is None


def test_a_remote_stream_is_judged_on_its_own_clock(fake: Fakes) -> None:
    """Samples stamped 5 s behind this machine: what the loop measured as the offset counts."""
    files = fake(duration_s=10.0, trouble=False)
    rows = [json.loads(line) for line in files.ledger.read_text().splitlines()]
    local = ("received_s", "detected_s", "decided_s", "sent_s", "accepted_s", "onset_s", "target_s")
    for row in rows:
        if row["event"] == "loop.ready":
            row["data"]["clock_offset_s"] = 5.0
        for key in local:
            if row["data"].get(key) is not None:
                row["data"][key] += 5.0
    near = summarise(files)
    ledger_of(files.path, *((row["event"], row["actor"], row["data"]) for row in rows))
    far = summarise(files)
    assert far["phase"]["n"] == near["phase"]["n"]
    assert far["phase"]["mean_error_deg"] == pytest.approx(near["phase"]["mean_error_deg"])
    stage = "sample_to_received"
    assert far["latency_ms"][stage] == pytest.approx(near["latency_ms"][stage])


def test_stages_of_the_latency(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    ledger_of(files.path, decision(1), outcome(1))
    latency_ms = summarise(files)["latency_ms"]
    assert {key: value["p50"] for key, value in latency_ms.items()} == pytest.approx(
        {
            "sample_to_received": 1.0,
            "received_to_detected": 0.2,
            "detected_to_decided": 0.3,
            "decided_to_sent": 0.5,
            "sent_to_accepted": 0.5,
            "received_to_accepted": 1.5,
            "device_command_latency": 3.0,
            "onset_error": 1.0,
        }
    )
    assert {value["n"] for value in latency_ms.values()} == {1}


def test_a_stamp_that_never_came_counts_for_no_stage(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    never = outcome(1, "unknown", accepted_s=None, onset_s=None, device_latency_s=None)
    ledger_of(files.path, decision(1), never)
    summary = summarise(files)
    assert summary["latency_ms"]["decided_to_sent"]["n"] == 1
    assert summary["latency_ms"]["sent_to_accepted"] == {
        "n": 0, "p50": None, "p99": None, "p999": None, "max": None
    }  # fmt: skip
    assert summary["unaccounted"] == 1


def test_refusals_are_counted_by_reason_whoever_refuses(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    lockout = {"limit": "lockout", "value": 0.1, "bound": 0.5, "unit": "s", "where": ""}
    ledger_of(
        files.path,
        decision(verdict="refused", reason="refractory", sample_index=1),
        decision(verdict="refused", reason="refractory", sample_index=2),
        decision(1, refusal=lockout),
        decision(2),
        outcome(2, "refused", reason="lockout: 0.1 s, limit 0.5 s (device)", onset_s=None),
        decision(3, verdict="sham"),
        outcome(3, "sham", charge_uc=0.0),
        decision(4),
        outcome(4, "aborted", reason="disarmed", charge_uc=0.25),
        decision(5),
    )
    summary = summarise(files)
    assert summary["refused"] == {"refractory": 2, "lockout": 2}
    assert summary["detections"] == 7
    assert summary["triggers"] == 4
    assert (summary["delivered"], summary["sham"], summary["aborted"]) == (0, 1, 1)
    assert summary["unaccounted"] == 1
    assert summary["charge_uc"] == 0.75


def delivery(seq: int, **changes: Any) -> tuple[str, str, dict[str, Any]]:
    keys = ("seq", "outcome", "reason", "onset_s", "charge_uc", "device_latency_s")
    told = {key: value for key, value in outcome(seq)[2].items() if key in keys}
    return "delivery", "stimulator", told | changes


def test_the_device_is_heard_where_the_loop_did_not_live_to_tell(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    ledger_of(
        files.path,
        decision(1),
        delivery(1),
        outcome(1),
        decision(2),
        delivery(2, onset_s=2.0),
        decision(3),
        delivery(3, onset_s=3.0),
        outcome(3, "unknown", onset_s=None, charge_uc=0.0),
        decision(4),
    )
    summary = summarise(files)
    assert (summary["delivered"], summary["unaccounted"]) == (3, 1)
    assert summary["charge_uc"] == pytest.approx(1.5)
    assert summary["latency_ms"]["sent_to_accepted"]["n"] == 2
    assert summary["contradictions"] == 0


def test_loop_and_device_that_disagree(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    ledger_of(files.path, decision(1), delivery(1, outcome="aborted"), outcome(1))
    assert summarise(files)["contradictions"] == 1


def test_an_alarm_is_a_fault_whoever_raises_it(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    ledger_of(
        files.path,
        ("client_refused", "stimulator", {"why": "unknown key", "address": "127.0.0.1"}),
        ("fault", "supervisor", {"node": "loop", "what": "died"}),
        ("device_disarmed", "stimulator", {"reason": "lease"}),
    )
    faults = summarise(files)["faults"]
    assert faults == ["client_refused: address: 127.0.0.1, why: unknown key", "loop: died"]


def test_several_triggers_of_one_detection_are_one_detection(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    ledger_of(files.path, decision(1, sample_index=7), decision(2, sample_index=7))
    summary = summarise(files)
    assert (summary["detections"], summary["triggers"]) == (1, 2)


def test_a_killed_session(fake: Fakes) -> None:
    files = fake(duration_s=10.0, ends=False)
    files.ledger.write_bytes(files.ledger.read_bytes()[:-100])
    files.xdf.write_bytes(files.xdf.read_bytes()[:-1000])
    summary = summarise(files)
    assert summary["status"] == "incomplete"
    assert summary["duration_s"] == pytest.approx(10.0, abs=0.1)
    assert summary["phase"]["n"] > 10
    assert summary["to_armed_s"] is None
    assert "the recorder was killed" in summary["recording_problem"]
    assert not summary["ledger"]["closed"]


def test_samples_are_counted_in_the_recording_when_the_loop_could_not_tell(fake: Fakes) -> None:
    files = fake(duration_s=10.0)
    ledger_of(files.path, ("session.start", "supervisor", {"name": "theta-phase"}))
    summary = summarise(files)
    assert summary["samples_lost"] == 3
    assert summary["samples"] == round((10.0 + 3.2 + 0.3 - 1.0) * 250) - 3


def test_nothing_but_a_ledger(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    for path in (files.xdf, files.rig, files.provenance):
        path.unlink()
    ledger_of(files.path)
    summary = summarise(files)
    assert summary["status"] == "incomplete"
    assert summary["samples"] is None
    assert summary["triggers"] == 0
    assert summary["simulated"] is None
    assert summary["phase"] is None
    assert summary["budget"] == {"pass": None, "limits": {}}
    assert summary["memory"]["slope_kib_per_min"] is None
    assert summary["recording_problem"] == "session.xdf: there is no recording"
    json.dumps(summary, allow_nan=False)


def test_no_figures_from_an_altered_ledger(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    files.ledger.write_bytes(files.ledger.read_bytes().replace(b'"delivered"', b'"aborted"', 1))
    with pytest.raises(SessionError, match=r"row \d+ does not match its hash"):
        summarise(files)


def test_a_summary_that_cannot_be_written(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    files.summary.mkdir()
    with pytest.raises(SessionError, match=r"summary\.json: cannot be written"):
        write_summary(files)


def test_over_the_budget(fake: Fakes) -> None:
    files = fake(duration_s=5.0, budget={"received_to_accepted_p99_ms": 0.1})
    budget = summarise(files)["budget"]
    assert budget["pass"] is False
    limit = budget["limits"]["received_to_accepted_p99_ms"]
    assert limit["value_ms"] > limit["limit_ms"] == 0.1


def test_a_budget_without_commands_is_not_judged() -> None:
    nothing = {"received_to_accepted": quantiles(np.array([]))}
    budget = {"received_to_accepted_p50_ms": 0.5, "unheard_of": 1.0, "no_stage_p50_ms": 1.0}
    judged = judge(budget, nothing)
    assert judged["pass"] is None
    assert list(judged["limits"]) == ["received_to_accepted_p50_ms"]


def test_percentiles_are_values_that_were_seen() -> None:
    q = quantiles(np.concatenate([np.arange(1.0, 1001.0), [np.nan]]))
    assert q == {"n": 1000, "p50": 500.0, "p99": 990.0, "p999": 999.0, "max": 1000.0}
    assert quantiles(np.array([3.0, 1.0]))["p99"] == 3.0


def _health(when_s: float, rss_kib: float) -> dict[str, Any]:
    return {"lsl_s": when_s, "processes": {"loop": {"rss_kib": rss_kib}}}


def test_memory_slope(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    rows = [("health", "supervisor", _health(30.0 * i, 1000.0 + 5.0 * i)) for i in range(5)]
    ledger_of(files.path, *rows, ("health", "supervisor", {"lsl_s": 200.0, "processes": {}}))
    memory = summarise(files)["memory"]
    assert memory["slope_kib_per_min"] == pytest.approx(10.0)
    assert (memory["n"], memory["span_s"], memory["max_kib"]) == (5, 120.0, 1020.0)


def test_how_much_of_a_limit_is_used() -> None:
    assert used_fraction({"limit": "amplitude", "value": 20.0, "bound": 80.0}) == 0.25
    # Half the charge at the same area is log10(4) less of k.
    half = {"limit": "shannon_k", "value": 1.5 - np.log10(4.0), "bound": 1.5}
    assert used_fraction(half) == pytest.approx(0.5)
    assert used_fraction({"limit": "amplitude", "value": None, "bound": 80.0}) is None


def test_safety_use_and_overrides_are_in_the_summary(fake: Fakes) -> None:
    safety = summarise(fake(duration_s=3.0))["safety"]
    used = {use["limit"]: use["used"] for use in safety["worst_case"]}
    assert used["charge_per_phase"] == 1.0
    assert [override["limit"] for override in safety["overrides"]] == ["lockout"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    write_text(path, "the first")

    def full(self, text, encoding):
        self.write_bytes(text[:3].encode(encoding))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SessionError, match="No space left on device"):
        write_text(path, "the second")
    assert path.read_bytes() == b"the first"
    assert list(tmp_path.iterdir()) == [path]
