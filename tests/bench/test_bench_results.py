"""What the benchmarks make of sessions, with the sessions made up."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.bench import latency, startup
from bci_core.bench.child import SessionRun
from bci_core.bench.latency import LatencyResult
from bci_core.bench.startup import measure_startup
from bci_core.cli.app import app
from bci_core.report.latency import judge, quantiles


def quiet(_line: str) -> None:
    pass


class Starts:
    """Stands where `bci run` is; each start takes the next of some times."""

    def __init__(self, times_s: list[float]) -> None:
        self.times_s = iter(times_s)
        self.caches: list[str | None] = []

    def __call__(
        self, rig: str, duration_s: float, out: Path, say: object, environment: Mapping[str, str]
    ) -> SessionRun:
        cache = environment.get("NUMBA_CACHE_DIR")
        assert cache is None or list(Path(cache).iterdir()) == []
        self.caches.append(cache)
        return SessionRun(out, {"to_armed_s": next(self.times_s)})


def test_a_warm_start_is_preceded_by_one_that_does_not_count(monkeypatch) -> None:
    starts = Starts([9.0, 3.0, 5.0, 3.5])
    monkeypatch.setattr(startup, "run_session_of", starts)
    (warm,) = measure_startup("theta-phase", ["warm"], 3, quiet)
    assert warm.times_s == [3.0, 5.0, 3.5]
    assert warm.median_s == 3.5
    assert warm.within
    assert starts.caches == [None] * 4


def test_each_cold_start_has_an_empty_cache_of_its_own(monkeypatch) -> None:
    starts = Starts([11.0, 12.0])
    monkeypatch.setattr(startup, "run_session_of", starts)
    (cold,) = measure_startup("theta-phase", ["cold"], 2, quiet)
    assert cold.to_dict()["median_s"] == 11.5
    assert not cold.within
    assert None not in starts.caches
    assert len(set(starts.caches)) == 2


def test_startup_over_budget_fails_only_when_strict(monkeypatch) -> None:
    for strict, status in (([], 0), (["--strict"], 1)):
        monkeypatch.setattr(startup, "run_session_of", Starts([60.0]))
        ran = CliRunner().invoke(
            app, ["bench", "startup", "--cold", "--repeats", "1", "--json", "-", *strict]
        )
        assert ran.exit_code == status, ran.output
        assert json.loads(ran.stdout)["cold"]["pass"] is False
        assert "over budget" in ran.stderr


def result(received_to_accepted_ms: list[float]) -> LatencyResult:
    session = {"received_to_accepted": quantiles(np.array(received_to_accepted_ms))}
    bare = {"floor": quantiles(np.array([0.1, 0.2]))}
    budget = {"received_to_accepted_p50_ms": 0.5, "received_to_accepted_p99_ms": 2.0}
    return LatencyResult(
        floor=bare,
        floor_before=bare,
        floor_after=bare,
        session=session,
        ratio={"received_to_accepted / zmq_hop": {"p50": None, "p99": 2.0}},
        budget=judge(budget, session),
        about={
            "triggers": len(received_to_accepted_ms),
            "samples_lost": 0,
            "cpus": 2,
            "load_1min": {"before": 0.1, "after": 0.2},
            "scheduling": {"session": "ordinary", "floor": "ordinary"},
        },
    )


@pytest.mark.parametrize(
    ("times_ms", "strict_status", "words"),
    [
        ([0.3, 0.4, 0.6], 0, "within budget: received to accepted p50 ms 0.4 ms, budget 0.5 ms"),
        ([0.6, 0.7, 0.9], 1, "over budget: received to accepted p50 ms 0.7 ms, budget 0.5 ms"),
        ([], 1, "unknown received to accepted p50 ms: nothing was measured"),
    ],
)
def test_a_budget_is_told_and_only_strict_fails(monkeypatch, times_ms, strict_status, words):
    monkeypatch.setattr(latency, "measure_latency", lambda *_: result(times_ms))
    plain = CliRunner().invoke(app, ["bench", "latency"])
    strict = CliRunner().invoke(app, ["bench", "latency", "--strict", "--json", "-"])
    assert plain.exit_code == 0, plain.output
    assert words in plain.output
    assert strict.exit_code == strict_status
    assert json.loads(strict.stdout)["session"]["received_to_accepted"]["n"] == len(times_ms)


def test_an_unwritable_file_is_refused_before_measuring(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(latency, "measure_latency", lambda *_: pytest.fail("was measured"))
    target = tmp_path / "no-such-folder" / "latency.json"
    ran = CliRunner().invoke(app, ["bench", "latency", "--json", str(target)])
    assert "cannot be written" in str(ran.exception)
    assert getattr(ran.exception, "exit_status", None) == 2
