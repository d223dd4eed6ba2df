"""What a live scenario may say, what the shipped ones cover, and what is skipped where."""

import socket
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from bci_core.bench.live import network
from bci_core.bench.live.network import listening_ports
from bci_core.bench.live.run import REARMS, judge_live, live_rig
from bci_core.bench.live.small_disk import Filled
from bci_core.bench.live.starve import Starved
from bci_core.bench.scenarios.load import load_scenarios, parse_scenario, shipped
from bci_core.bench.scenarios.run import junit
from bci_core.bench.scenarios.scenario import LiveKind
from bci_core.cli.app import app
from bci_core.clock import LslClock
from bci_core.errors import ConfigError, InputError

ROLES = ("amplifier", "loop", "stimulator", "recorder", "supervisor")
HEAD = 'description = "x"\nrig = "trains"\nduration_s = 5.0\n'


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ('kind = "process.stopped"\nat_s = 1.0\nfor_s = 1.0', "needs role"),
        ('kind = "process.stopped"\nrole = "clerk"\nat_s = 1.0\nfor_s = 1.0', "'clerk'"),
        ('kind = "process.killed"\nrole = "loop"\nat_s = 1.0\nfor_s = 1.0', "a kill have none"),
        ('kind = "cpu.starved"\nat_s = 1.0\nfor_s = 1.0', "needs priority"),
        ('kind = "network.cut"\nrole = "loop"\nat_s = 1.0\nfor_s = 1.0', "needs path"),
        ('kind = "samples.gone"\nat_s = 1.0\nfor_s = 1.0', "on the virtual clock only"),
    ],
)
def test_a_live_fault_has_what_its_kind_needs(fault: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_scenario(f"{HEAD}live = true\n[[faults]]\n{fault}", "x")


def test_processes_are_not_stopped_on_the_virtual_clock() -> None:
    fault = 'kind = "process.stopped"\nrole = "loop"\nat_s = 1.0\nfor_s = 1.0'
    with pytest.raises(ConfigError, match="say live = true"):
        parse_scenario(f"{HEAD}[[faults]]\n{fault}", "x")


def test_a_scenario_runs_where_it_belongs() -> None:
    with pytest.raises(InputError, match="run it with --live"):
        load_scenarios(["loop-killed-in-quiet"])
    with pytest.raises(InputError, match="leave out --live"):
        load_scenarios(["sham-arm"], live=True)
    # Of two that are called the same, the one of the sort that is asked for.
    assert load_scenarios(["no-fault"], live=True)[0].scenario.live
    assert not load_scenarios(["no-fault"])[0].scenario.live


def test_each_process_is_stopped_and_killed_with_and_without_stimulation_under_way() -> None:
    covered = {
        (fault.kind, fault.role or fault.path or fault.priority, each.scenario.under_way)
        for each in shipped(live=True)
        for fault in each.scenario.faults
    }
    both = [(kind, role) for kind in (LiveKind.STOPPED, LiveKind.KILLED) for role in ROLES]
    both += [(LiveKind.STARVED, "normal"), ("session.stop", None)]
    both += [(LiveKind.NETWORK, path) for path in ("commands", "samples")]
    under_way = [(LiveKind.STARVED, "realtime"), (LiveKind.NETWORK, "everything")]
    under_way += [("session.stop_lost", None), ("session.disk_full", None)]
    assert {(*each, way) for each in both for way in (True, False)} <= covered
    assert {(*each, True) for each in under_way} <= covered


def test_a_live_rig_has_the_operator_s_standing_order_and_the_faults_of_its_device() -> None:
    (named,) = load_scenarios(["device-stuck-on-while-stimulating"], live=True)
    rig = live_rig(named.scenario)
    assert rig.session.max_rearms == REARMS
    (planned,) = rig.stimulator.settings.faults
    assert (planned.kind, planned.after_s, planned.for_s) == ("stuck_on", 2.0, 1.0)


def test_every_shipped_rig_and_override_is_right() -> None:
    scenarios = [each.scenario for each in shipped(live=True)]
    different = {(each.rig, repr(each.overrides)): each for each in scenarios}
    for scenario in different.values():
        assert live_rig(scenario).name


def test_what_a_machine_cannot_do_is_skipped_and_never_passed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(network.shutil, "which", lambda _: None)
    (named,) = load_scenarios(["network-cut-samples-in-quiet"], live=True)
    verdict = judge_live(named, LslClock())
    assert "iproute2" in verdict.not_applicable
    assert verdict.to_dict()["passed"] is False
    suite = ET.fromstring(junit([verdict]))  # noqa: S314 - our own
    assert (suite.get("skipped"), suite.get("failures")) == ("1", "0")
    assert suite.find("testcase/skipped") is not None
    ran = CliRunner().invoke(app, ["bench", "run", "--live", named.name])
    assert (
        "not applicable  network-cut-samples-in-quiet: network.cut: unshare, nsenter" in ran.output
    )
    assert "0 of 1 scenarios passed, 1 not applicable" in ran.output
    assert ran.exit_code == 0


def test_the_ports_of_a_process_are_those_it_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            found = listening_ports("self", "127.0.0.1")
            assert port in found
            assert client.getsockname()[1] not in found
        assert port not in listening_ports("self", "0.0.0.0")  # noqa: S104


def test_a_full_disk_has_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Filled(Path("/dev"))
    monkeypatch.setattr(full, "_file", Path("/dev/full"))
    full.begin()
    filled = Filled(tmp_path)
    filled._file.write_bytes(b"x")
    filled.end()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.processes
def test_the_processor_is_given_back() -> None:
    starved = Starved("normal", 0.05)
    starved.begin()
    starved.end()
    assert {each.poll() for each in starved._busy} == {-14}
