"""The benchmarks for real, in new processes, but short: what they print has to hang together."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bci_core.bench import floor
from bci_core.bench.child import run_session_of
from bci_core.bench.floor import measure_floor
from bci_core.cli.app import app
from bci_core.errors import NodeError

STAGES = (
    "sample_to_received",
    "received_to_detected",
    "detected_to_decided",
    "decided_to_sent",
    "sent_to_accepted",
)


@pytest.mark.processes
@pytest.mark.realtime
def test_latency_is_reported_beside_the_bare_transport(tmp_path: Path) -> None:
    out = tmp_path / "latency.json"
    ran = CliRunner().invoke(app, ["bench", "latency", "--duration", "3", "--json", str(out)])
    assert ran.exit_code == 0, ran.output
    told = json.loads(out.read_text())
    session, bare = told["session"], told["floor"]

    assert told["about"]["triggers"] == session["sample_to_accepted"]["n"] > 10
    assert bare["lsl_echo"]["n"] == 1200  # twice a second of samples, none lost
    assert bare["floor"]["n"] == bare["zmq_hop"]["n"] == 240
    for figures in (*session.values(), *bare.values()):
        assert figures["p50"] <= figures["p99"] <= figures["p999"] <= figures["max"]
    whole = session["sample_to_accepted"]["p50"]
    assert whole > session["received_to_accepted"]["p50"] > session["sent_to_accepted"]["p50"] > 0
    assert sum(session[stage]["p50"] for stage in STAGES) == pytest.approx(whole, rel=0.3)

    # The whole way takes longer than the bare one. Other work on the machine slows either.
    quietest = min(told[when]["floor"]["p50"] for when in ("floor_before", "floor_after"))
    assert 0.0 < quietest < whole
    for figures in told["ratio"].values():
        assert figures["p50"] > 0.0
    assert told["ratio"]["sample_to_accepted / floor"]["p50"] == pytest.approx(
        whole / bare["floor"]["p50"]
    )

    limits = told["budget"]["limits"]
    assert limits["received_to_accepted_p50_ms"]["limit_ms"] == 0.5
    assert limits["received_to_accepted_p99_ms"]["limit_ms"] == 2.0
    for text in ("bare transport", "zmq hop", "sample to accepted", "budget", "scheduling"):
        assert text in ran.output


@pytest.mark.processes
def test_a_session_that_cannot_start_is_an_error_with_its_own_words(tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(NodeError, match=r"status 2: .*'no-such-rig' is neither"):
        run_session_of("no-such-rig", 1.0, tmp_path, lines.append)
    assert lines


@pytest.mark.processes
def test_a_bare_process_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor.zmq, "curve_keypair", lambda: (b"no", b"key"))
    with pytest.raises(NodeError, match="floor: the sink process did not start: zmq"):
        measure_floor(100.0, 1, 10.0, 0.1)
