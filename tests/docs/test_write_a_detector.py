"""The how-to builds a package that works, exactly as it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "write-a-detector.md"
FILES = dict(
    re.findall(
        r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL
    )
)
COMMANDS = [
    command
    for block in re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    for command in block.splitlines()
]
BCI = Path(sys.executable).with_name("bci")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the document, with the package installed beside them, without a network."""
    folder = tmp_path_factory.mktemp("workshop")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    offline = ["--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check"]
    install = [sys.executable, "-m", "pip", "install", "--quiet", *offline]
    done = subprocess.run(
        [*install, "--target", str(folder / "installed"), "./bursts"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def run(workshop: Path, *command: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(part) for part in command],
        cwd=workshop,
        env=os.environ | {"PYTHONPATH": str(workshop / "installed")},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_the_document_has_the_files_and_commands_it_speaks_of() -> None:
    package = {"bursts/pyproject.toml", "bursts/teager.py", "bursts/jumps.py"}
    assert set(FILES) == package | {"check.py", "make_recording.py", "rig.toml"}
    assert COMMANDS == [
        "pip install ./bursts",
        "python make_recording.py",
        "bci check rig.toml",
        "bci simulate rig.toml --duration 20",
    ]


@pytest.mark.parametrize("name", ["bursts/teager.py", "bursts/jumps.py"])
def test_a_detector_is_about_sixty_lines(name: str) -> None:
    # Its own: without imports, docstrings and blank lines.
    lines = [line for line in FILES[name].splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith(("import ", "from ", '"""'))]
    assert len(own) <= 75


@pytest.mark.processes
def test_both_detectors_pass_the_conformance_check(workshop: Path) -> None:
    done = run(workshop, sys.executable, "-W", "error", "check.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["teager keeps every rule", "jumps keeps every rule"]


@pytest.mark.processes
def test_they_are_listed_with_their_package(workshop: Path) -> None:
    done = run(workshop, BCI, "list")
    for name in ("teager", "jumps"):
        assert re.search(rf"detector +{name} +bci-bursts 0\.1\.0", done.stdout)


@pytest.mark.processes
def test_the_rig_is_checked_and_stimulates_on_each_burst(workshop: Path) -> None:
    assert run(workshop, sys.executable, "make_recording.py").returncode == 0
    for command in COMMANDS[2:]:
        done = run(workshop, BCI, *command.split()[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert re.search(r"delivered +5", done.stdout)


@pytest.mark.processes
def test_the_detector_in_plain_python_runs_in_a_session(workshop: Path) -> None:
    assert run(workshop, sys.executable, "make_recording.py").returncode == 0
    text = FILES["rig.toml"].replace('kind = "teager"', 'kind = "jumps"')
    text = text.replace("band_hz = [70.0, 140.0]", "times_usual = 4.5")
    (workshop / "jumps.toml").write_text(text)
    done = run(workshop, BCI, "simulate", "jumps.toml", "--duration", "8")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert re.search(r"delivered +[1-9]", done.stdout)


@pytest.mark.processes
def test_a_band_that_does_not_fit_is_refused(workshop: Path) -> None:
    assert run(workshop, sys.executable, "make_recording.py").returncode == 0
    (workshop / "edge.toml").write_text(FILES["rig.toml"].replace("140.0]", "500.0]"))
    done = run(workshop, BCI, "check", "edge.toml")
    assert done.returncode == 2
    assert "must end below 500 Hz" in done.stdout + done.stderr
