"""The how-to builds a package that works, exactly as it is written."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.document
DOCUMENT = Path(__file__).parents[2] / "docs" / "write-a-driver.md"
PACKAGE = "./headbox"
BCI = Path(sys.executable).with_name("bci")


def test_the_document_has_the_files_and_commands_it_speaks_of(how_to: Any) -> None:
    package = {"headbox/pyproject.toml", "headbox/headbox.py", "headbox/headbox_vendor.py"}
    assert set(how_to.files) == package | {"check.py", "rig.toml"}
    assert how_to.commands == [
        "pip install ./headbox",
        "bci check rig.toml",
        "bci simulate rig.toml --duration 5",
    ]


@pytest.mark.processes
@pytest.mark.realtime
def test_the_driver_passes_the_conformance_check(how_to: Any) -> None:
    done = how_to.run(sys.executable, "check.py")
    assert done.returncode == 0, done.stderr
    assert re.search(r"samples=1[45]\d\d, lost=5,", done.stdout)


@pytest.mark.processes
def test_it_is_listed_with_its_package(how_to: Any) -> None:
    done = how_to.run(BCI, "list")
    assert re.search(r"amplifier +headbox +bci-headbox 0\.1\.0", done.stdout)


@pytest.mark.processes
def test_the_rig_is_checked_and_runs_in_simulated_time(how_to: Any) -> None:
    for command in how_to.commands[1:]:
        done = how_to.run(BCI, *command.split()[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert re.search(r"delivered +[1-9]", done.stdout)


@pytest.mark.processes
def test_a_mistyped_key_is_refused_with_its_line(how_to: Any) -> None:
    (how_to.folder / "typo.toml").write_text(
        how_to.files["rig.toml"].replace('port = "sim0"', 'prt = "sim0"')
    )
    done = how_to.run(BCI, "check", "typo.toml")
    assert done.returncode == 2
    line = how_to.files["rig.toml"].splitlines().index('port = "sim0"') + 1
    assert re.search(rf"amplifier\.prt \(line {line}\)", done.stdout + done.stderr)
