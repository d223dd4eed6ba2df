"""The how-to builds a package that works, exactly as it is written."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.document
DOCUMENT = Path(__file__).parents[2] / "docs" / "write-a-detector.md"
PACKAGE = "./bursts"
BCI = Path(sys.executable).with_name("bci")


def test_the_document_has_the_files_and_commands_it_speaks_of(how_to: Any) -> None:
    package = {"bursts/pyproject.toml", "bursts/teager.py", "bursts/jumps.py"}
    assert set(how_to.files) == package | {"check.py", "make_recording.py", "rig.toml"}
    assert how_to.commands == [
        "pip install ./bursts",
        "python make_recording.py",
        "bci check rig.toml",
        "bci simulate rig.toml --duration 20",
    ]


@pytest.mark.parametrize("name", ["bursts/teager.py", "bursts/jumps.py"])
def test_a_detector_is_about_sixty_lines(name: str, how_to: Any) -> None:
    # Its own: without imports, docstrings and blank lines.
    lines = [line for line in how_to.files[name].splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith(("import ", "from ", '"""'))]
    assert len(own) <= 75


@pytest.mark.processes
def test_both_detectors_pass_the_conformance_check(how_to: Any) -> None:
    done = how_to.run(sys.executable, "-W", "error", "check.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["teager keeps every rule", "jumps keeps every rule"]


@pytest.mark.processes
def test_they_are_listed_with_their_package(how_to: Any) -> None:
    done = how_to.run(BCI, "list")
    for name in ("teager", "jumps"):
        assert re.search(rf"detector +{name} +bci-bursts 0\.1\.0", done.stdout)


@pytest.mark.processes
def test_the_rig_is_checked_and_stimulates_on_each_burst(how_to: Any) -> None:
    assert how_to.run(sys.executable, "make_recording.py").returncode == 0
    for command in how_to.commands[2:]:
        done = how_to.run(BCI, *command.split()[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert re.search(r"delivered +5", done.stdout)


@pytest.mark.processes
def test_the_detector_in_plain_python_runs_in_a_session(how_to: Any) -> None:
    assert how_to.run(sys.executable, "make_recording.py").returncode == 0
    text = how_to.files["rig.toml"].replace('kind = "teager"', 'kind = "jumps"')
    text = text.replace("band_hz = [70.0, 140.0]", "times_usual = 4.5")
    (how_to.folder / "jumps.toml").write_text(text)
    done = how_to.run(BCI, "simulate", "jumps.toml", "--duration", "8")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert re.search(r"delivered +[1-9]", done.stdout)


@pytest.mark.processes
def test_a_band_that_does_not_fit_is_refused(how_to: Any) -> None:
    assert how_to.run(sys.executable, "make_recording.py").returncode == 0
    (how_to.folder / "edge.toml").write_text(how_to.files["rig.toml"].replace("140.0]", "500.0]"))
    done = how_to.run(BCI, "check", "edge.toml")
    assert done.returncode == 2
    assert "must end below 500 Hz" in done.stdout + done.stderr
