"""What a soak makes of sessions: made up ones, and a short one on the virtual clock."""

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.bench.child import SessionRun
from bci_core.bench.soak import run as soaking
from bci_core.bench.soak.drift import drift
from bci_core.bench.soak.judge import judge_soak
from bci_core.bench.soak.result import SoakResult
from bci_core.bench.soak.story import read_story
from bci_core.cli.app import app
from bci_core.clock import VirtualClock
from bci_core.errors import InputError, NodeError
from bci_core.record.ledger import Ledger
from bci_core.session import simulate
from bci_core.session.folder import SessionFolder

HOUR_S = 3600.0
ARMED_S = 100.0
TIMES_S = np.arange(0.0, HOUR_S, 2.0)

Usage = namedtuple("Usage", "total used free")


def quiet(_line: str) -> None:
    pass


def test_a_steady_leak_is_sure_and_measured() -> None:
    noise = np.random.default_rng(5).normal(0.0, 20.0, len(TIMES_S))
    found = drift(TIMES_S, 1000.0 + 600.0 * TIMES_S / HOUR_S + noise)
    assert found is not None
    assert found.per_hour == pytest.approx(600.0, rel=0.05)
    assert 500.0 < found.low_per_hour < 600.0 < found.high_per_hour < 700.0


def test_one_step_of_an_allocator_is_no_leak_that_is_sure_of() -> None:
    found = drift(TIMES_S, np.where(TIMES_S < 2000.0, 1000.0, 1500.0))
    assert found is not None
    assert found.low_per_hour < 0.0 < found.high_per_hour
    assert (found.first, found.last, found.largest) == (1000.0, 1500.0, 1500.0)


def test_what_stays_does_not_drift_and_too_few_readings_say_nothing() -> None:
    still = drift(TIMES_S, np.full(len(TIMES_S), 7.0))
    assert still is not None
    assert (still.low_per_hour, still.per_hour, still.high_per_hour) == (0.0, 0.0, 0.0)
    assert drift(TIMES_S[:11], TIMES_S[:11]) is None
    assert drift(np.append(TIMES_S[:50], 3000.0), np.zeros(51)) is None  # an hour's gap


def made_up(
    folder: Path,
    rss_kib: Callable[[float], float] = lambda t: 1e5,
    handles: Callable[[float], int] = lambda t: 20,
    latency_ms: Callable[[float], float] = lambda t: 0.4,
    lost: int = 0,
    unknown: bool = False,
    disarm: str = "",
) -> SessionFolder:
    """A session of an hour: a reading every 20 s, a trigger every 10 s."""
    clock = VirtualClock(start_s=ARMED_S)
    folder.mkdir(exist_ok=True)
    ledger = Ledger(folder / "ledger.jsonl", clock)

    def log(event: str, **data: Any) -> None:
        ledger.append(event, "supervisor", data)

    log("session.start", name="made-up", simulated=True, virtual_time=False)
    log("health", lsl_s=ARMED_S, processes={"loop": {"rss_kib": 1.0}})  # before it was armed
    log("armed", at_s=ARMED_S)
    for i in range(360):
        clock.sleep_until(ARMED_S + 10.0 * i)
        t = clock.now_s() - ARMED_S
        if i % 2 == 0:
            taken = {"rss_kib": rss_kib(t), "handles": handles(t), "threads": 4}
            counted = lost if t > 1800.0 else 0
            log("health", lsl_s=clock.now_s(), processes={"loop": taken}, lost=counted)
        log("decision", seq=i + 1, verdict="stim", refusal=None)
        accepted_s = clock.now_s() + 1e-3 * latency_ms(t)
        ending = {"outcome": "unknown" if unknown and i == 9 else "delivered"}
        times = {"received_s": clock.now_s(), "accepted_s": accepted_s, "onset_s": accepted_s}
        log("outcome", seq=i + 1, **ending, **times)
    if disarm:
        log("disarmed", reason=disarm, at_s=clock.now_s())
    log("disarmed", reason="session_end", at_s=clock.now_s())
    log("samples", samples=900_000, lost=lost)
    log("session.end", status="completed", reason="ran for 3600 s")
    ledger.close()
    return SessionFolder(folder)


def judged(folder: SessionFolder) -> tuple[SoakResult, dict[str, str]]:
    result = judge_soak(read_story(folder.ledger), {"rig": "made-up"})
    return result, {check.name: check.verdict for check in result.checks}


def test_a_session_that_keeps_still_holds(tmp_path: Path) -> None:
    result, verdicts = judged(made_up(tmp_path))
    assert set(verdicts.values()) == {"ok"}
    assert {"loop: memory", "loop: file handles", "loop: threads", "latency p99"} <= set(verdicts)
    counts = result.about["counts"]
    assert (counts["samples"], counts["triggers"], counts["outcomes"]) == (
        900_000,
        360,
        {"delivered": 360},
    )
    assert len(result.minutes) == 60
    assert {m["delivered"] for m in result.minutes} == {6}
    assert result.minutes[30]["p50_ms"] == pytest.approx(0.4)
    assert result.readings["loop"]["t_s"][0] == 0.0


@pytest.mark.parametrize(
    ("trouble", "name"),
    [
        ({"rss_kib": lambda t: 1e5 + 2.0 * t}, "loop: memory"),
        ({"handles": lambda t: 20 + int(t / 300.0)}, "loop: file handles"),
        ({"latency_ms": lambda t: 0.4 * (1.0 + t / HOUR_S)}, "latency p50"),
        ({"lost": 3}, "samples lost"),
        ({"unknown": True}, "triggers unaccounted for"),
        ({"disarm": "stale"}, "disarmed"),
    ],
)
def test_what_grows_slows_or_was_lost_fails(tmp_path: Path, trouble: Any, name: str) -> None:
    result, verdicts = judged(made_up(tmp_path, **trouble))
    assert verdicts[name] == "failed"
    others = {each for each, verdict in verdicts.items() if verdict == "failed"} - {name}
    assert others <= {"latency p99"}
    if name == "samples lost":
        assert [m["lost"] for m in result.minutes[28::20]] == [0, 3]


def test_a_session_that_ran_before_is_judged_and_drawn(tmp_path: Path) -> None:
    page, told = tmp_path / "soak.html", tmp_path / "soak.json"
    made_up(tmp_path / "still")
    made_up(tmp_path / "leaks", rss_kib=lambda t: 1e5 + 2.0 * t)
    more = ["--plot", str(page), "--json", str(told)]
    for name, status in (("still", 0), ("leaks", 1)):
        ran = CliRunner().invoke(app, ["bench", "soak", "--session", str(tmp_path / name), *more])
        assert ran.exit_code == status, ran.output
    assert "FAILED" in ran.output
    rise = json.loads(told.read_text())["drifts"]["loop"]["rss_kib"]
    assert rise["per_hour"] == pytest.approx(7200.0, rel=0.01)
    for text in ("Did not hold", "SIMULATED DEVICE", "resident memory, MiB", "loop: memory"):
        assert text in page.read_text("utf-8")


def test_a_session_that_failed_on_the_way_is_judged_all_the_same(monkeypatch, tmp_path) -> None:
    def fails(rig: str, duration_s: float, out: Path, *_: Any, **__: Any) -> SessionRun:
        made_up(out / "2026-01-01_0000_made-up", disarm="stale")
        raise NodeError("the session ended with status 1")

    monkeypatch.setattr(soaking, "run_session_of", fails)
    result = soaking.soak("bench-latency", 1.0, False, quiet, tmp_path)
    assert [check.name for check in result.failed] == ["disarmed"]

    def never_begins(*_: Any, **__: Any) -> SessionRun:
        raise NodeError("the session ended with status 2")

    monkeypatch.setattr(soaking, "run_session_of", never_begins)
    with pytest.raises(NodeError, match="status 2"):
        soaking.soak("bench-latency", 1.0, False, quiet, tmp_path)


def test_a_simulation_keeps_its_memory_and_to_the_disk_it_was_given(monkeypatch, tmp_path) -> None:
    for module in (simulate, soaking):
        monkeypatch.setattr(module, "SHOW_EVERY_S", 1.0)
    said: list[str] = []
    result = soaking.soak("theta-phase", 30.0 / HOUR_S, True, said.append, tmp_path)
    assert [c for c in result.failed if not c.name.startswith("speed")] == []
    assert result.about["simulated_time"]
    counts = result.about["counts"]
    assert counts["outcomes"] == {"delivered": counts["triggers"]}
    assert counts["triggers"] > 100
    assert result.readings["simulation"]["rss_kib"][-1] > 0.0
    disk = result.about["disk"]
    assert disk["used_bytes"] <= disk["at_most_bytes"] <= 2.0 * disk["used_bytes"]
    assert "GB of disk at most" in said[0]
    assert not SessionFolder.latest(tmp_path).report.exists()


def test_too_short_and_too_large_are_refused_before_anything_starts(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(soaking, "run_session_of", lambda *_: pytest.fail("was started"))
    with pytest.raises(InputError, match=r"--hours 0.001: 4 s are too short.*at least 53 s"):
        soaking.soak("theta-phase", 0.001, False, quiet, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1e8))
    with pytest.raises(InputError, match=r"may take [\d.]+ GB.*0.10 GB are free.*--out"):
        soaking.soak("theta-phase", 1.0, False, quiet, tmp_path)
