"""The commands that only look, and that every command says what it is for."""

import json
import re
import subprocess
import sys

import pytest
import typer.main
from typer.testing import CliRunner

from bci_core.cli.app import app

RUNNER = CliRunner()
TREE = typer.main.get_command(app)


def commands(command: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    children = getattr(command, "commands", None)
    if not children:
        return [path]
    return [p for name, child in children.items() for p in commands(child, (*path, name))]


@pytest.mark.parametrize("path", commands(TREE), ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    text = RUNNER.invoke(app, [*path, "--help"]).output
    assert re.search(rf"Example: .*bci {' '.join(path)}", text)


def test_list_names_every_part_and_where_it_comes_from() -> None:
    told = json.loads(RUNNER.invoke(app, ["list", "--json"]).output)
    assert set(told["amplifier"]) >= {"brainflow", "lsl", "recording", "sine"}
    assert set(told["detector"]) >= {"phase", "band_power"}
    assert told["stimulator"]["microstim"].startswith("bci ")
    assert "theta-phase" in told["preset"]
    assert "microstim" in RUNNER.invoke(app, ["list"]).output


def test_check_shows_the_worst_case_beside_each_limit() -> None:
    done = RUNNER.invoke(app, ["check", "theta-phase"])
    assert done.exit_code == 0
    assert "charge_per_phase" in done.output
    told = json.loads(RUNNER.invoke(app, ["check", "theta-phase", "--json"]).output)
    charge = next(u for u in told["limits"] if u["limit"] == "charge_per_phase")
    assert (charge["value"], charge["bound"], charge["unit"]) == (0.002, 0.004, "uC")


def test_the_version_is_told() -> None:
    assert RUNNER.invoke(app, ["--version"]).output.startswith("bci ")


def test_help_comes_at_once() -> None:
    slow = ("numpy", "numba", "scipy", "pydantic", "pylsl", "bokeh", "brainflow")
    code = f"import sys, bci_core.cli.app; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.processes
def test_the_doctor_finds_nothing_in_the_way_here() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bci_core.cli.app", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {f["ok"] for f in told.values()} <= {"ok", "note"}
    assert "p50" in told["LSL to itself"]["found"]
    assert all(f["advice"] for f in told.values() if f["ok"] != "ok")
