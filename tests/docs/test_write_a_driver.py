"""The how-to builds a package that works, exactly as it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "write-a-driver.md"
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
        [*install, "--target", str(folder / "installed"), "./headbox"],
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
    package = {"headbox/pyproject.toml", "headbox/headbox.py", "headbox/headbox_vendor.py"}
    assert set(FILES) == package | {"check.py", "rig.toml"}
    assert COMMANDS == [
        "pip install ./headbox",
        "bci check rig.toml",
        "bci simulate rig.toml --duration 5",
    ]


@pytest.mark.processes
@pytest.mark.realtime
def test_the_driver_passes_the_conformance_check(workshop: Path) -> None:
    done = run(workshop, sys.executable, "check.py")
    assert done.returncode == 0, done.stderr
    assert re.search(r"samples=1[45]\d\d, lost=5,", done.stdout)


@pytest.mark.processes
def test_it_is_listed_with_its_package(workshop: Path) -> None:
    done = run(workshop, BCI, "list")
    assert re.search(r"amplifier +headbox +bci-headbox 0\.1\.0", done.stdout)


@pytest.mark.processes
def test_the_rig_is_checked_and_runs_in_simulated_time(workshop: Path) -> None:
    for command in COMMANDS[1:]:
        done = run(workshop, BCI, *command.split()[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert re.search(r"delivered +[1-9]", done.stdout)


@pytest.mark.processes
def test_a_mistyped_key_is_refused_with_its_line(workshop: Path) -> None:
    (workshop / "typo.toml").write_text(FILES["rig.toml"].replace('port = "sim0"', 'prt = "sim0"'))
    done = run(workshop, BCI, "check", "typo.toml")
    assert done.returncode == 2
    line = FILES["rig.toml"].splitlines().index('port = "sim0"') + 1
    assert re.search(rf"amplifier\.prt \(line {line}\)", done.stdout + done.stderr)
