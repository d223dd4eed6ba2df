"""The how-to builds a package that works, exactly as it is written."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.document
DOCUMENT = Path(__file__).parents[2] / "docs" / "write-a-stimulator.md"
PACKAGE = "./zapbox"
BCI = Path(sys.executable).with_name("bci")


def test_the_document_has_the_files_and_commands_it_speaks_of(how_to: Any) -> None:
    package = {"zapbox/pyproject.toml", "zapbox/zapbox.py", "zapbox/zapbox_vendor.py"}
    assert set(how_to.files) == package | {"check.py", "rig.toml"}
    assert how_to.commands == [
        "pip install ./zapbox",
        "bci driver check zapbox",
        "bci check rig.toml",
        "bci simulate rig.toml --duration 5",
    ]


def test_a_driver_is_about_one_hundred_and_thirty_lines(how_to: Any) -> None:
    # Its own: without imports, docstrings and blank lines.
    lines = [line for line in how_to.files["zapbox/zapbox.py"].splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith(("import ", "from ", '"""'))]
    assert len(own) <= 135


@pytest.mark.processes
def test_the_driver_passes_the_conformance_check(how_to: Any) -> None:
    done = how_to.run(sys.executable, "-W", "error", "check.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the Zapbox keeps every rule\n"


@pytest.mark.processes
def test_the_driver_and_the_rig_are_checked_and_run_in_simulated_time(how_to: Any) -> None:
    for command in how_to.commands[1:]:
        done = how_to.run(BCI, *command.split()[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert re.search(r"delivered +[1-9]", done.stdout)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("amplitude_ua = 10.0", "amplitude_ua = 10.5", "amplitude_step: 10.5 uA, limit 1 uA"),
        ('port = "sim0"', 'port = "/dev/zap"', "cannot open /dev/zap; check port and cable"),
    ],
)
def test_what_the_box_cannot_do_is_refused(
    written: str, instead: str, said: str, how_to: Any
) -> None:
    (how_to.folder / "odd.toml").write_text(how_to.files["rig.toml"].replace(written, instead))
    done = how_to.run(BCI, "check", "odd.toml")
    assert done.returncode == 2
    assert said in " ".join((done.stdout + done.stderr).split())
