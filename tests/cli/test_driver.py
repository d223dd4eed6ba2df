"""``bci driver check``: what it says of a driver that keeps its contract, or does not."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from bci_core import registry
from bci_core.cli.app import app, main
from bci_core.events import Delivery
from bci_core.testing.check_amplifier import RULES as AMPLIFIER_RULES
from bci_core.testing.check_protocol import RULES as PROTOCOL_RULES
from bci_core.testing.check_stimulator import RULES as STIMULATOR_RULES
from drivers.stimulators.microstim import Microstim

RUNNER = CliRunner()


def checked(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = RUNNER.invoke(app, ["driver", "check", *arguments, "--json"])
    return done.exit_code, json.loads(done.output)


class TellsTwice(Microstim):
    def advance(self, now_s: float) -> list[Delivery]:
        return 2 * super().advance(now_s)


class Crashes(Microstim):
    def advance(self, now_s: float) -> list[Delivery]:
        raise ZeroDivisionError("in the middle of it")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stimulators that are registered as long as the test lasts, beside the real ones."""
    extra: dict[str, Any] = {}
    names, load = registry.names, registry.load

    def names_with(kind: str) -> list[str]:
        return sorted([*names(kind), *(extra if kind == "stimulator" else ())])

    def load_with(kind: str, name: str) -> Any:
        return extra[name] if kind == "stimulator" and name in extra else load(kind, name)

    monkeypatch.setattr(registry, "names", names_with)
    monkeypatch.setattr(registry, "load", load_with)
    return extra


def test_every_rule_of_a_stimulator_is_listed_with_what_it_asks_for() -> None:
    status, told = checked("microstim")
    assert status == 0
    assert (told["kind"], told["name"], told["broken"]) == ("stimulator", "microstim", 0)
    assert [each["rule"] for each in told["rules"]] == [rule.__name__ for rule in STIMULATOR_RULES]
    assert all(each["sentence"] and not each["problem"] for each in told["rules"])


def test_a_protocol_is_checked_with_the_settings_of_a_rig() -> None:
    status, told = checked("pulse_train", "--rig", "theta-phase")
    assert (status, told["kind"], told["broken"]) == (0, "protocol", 0)
    assert len(told["rules"]) == len(PROTOCOL_RULES)


@pytest.mark.realtime
def test_an_amplifier_is_read_for_as_long_as_is_said() -> None:
    status, told = checked("sine", "--seconds", "0.6")
    assert (told["kind"], told["name"]) == ("amplifier", "sine")
    assert len(told["rules"]) == len(AMPLIFIER_RULES)
    # How soon samples come depends on the machine; what they are does not.
    in_time = {"reads_wait", "samples_are_fresh", "times_are_even", "keeps_up_with_time"}
    assert {each["rule"] for each in told["rules"] if each["problem"]} <= in_time
    assert status == (1 if told["broken"] else 0)


def test_a_broken_rule_ends_with_status_1_and_is_named(installed: dict[str, Any]) -> None:
    installed["echo"] = TellsTwice
    done = RUNNER.invoke(app, ["driver", "check", "echo"])
    assert done.exit_code == 1
    assert "BROKEN" in done.output
    assert "one_delivery_a_trigger" in done.output
    assert f"of {len(STIMULATOR_RULES)} rules kept" in done.output
    status, told = checked("echo")
    broken = {each["rule"]: each["problem"] for each in told["rules"] if each["problem"]}
    assert (status, told["broken"]) == (1, len(broken))
    assert "deliveries for" in broken["one_delivery_a_trigger"]


def test_a_driver_that_crashes_breaks_the_rules_it_crashes_in(installed: dict[str, Any]) -> None:
    installed["crash"] = Crashes
    status, told = checked("crash")
    problems = {each["rule"]: each["problem"] for each in told["rules"]}
    assert status == 1
    assert problems["lease_expires"] == "ZeroDivisionError: in the middle of it"
    assert problems["off_step_is_refused"] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], ["no driver or protocol is called 'nobody'", "microstim", "sine"]),
        (["recording"], ["amplifier 'recording' needs settings (file)", "--rig"]),
        (["microstim", "--rig", "nowhere.toml"], ["nowhere.toml"]),
        (["acoustic", "--rig", "theta-phase"], ["its stimulator is 'microstim', not 'acoustic'"]),
    ],
)
def test_what_cannot_be_checked_is_said_with_status_2(
    arguments: list[str], said: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("sys.argv", ["bci", "driver", "check", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert all(each in told for each in said)
