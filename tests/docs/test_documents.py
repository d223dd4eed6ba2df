"""The documents are true: commands run, links lead somewhere, tables are current."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from bci_core.cli.app import app
from bci_core.config.reference import rig_reference
from bci_core.session.privacy import can_be_private

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def console_commands(document: Path) -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", document.read_text(), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.document
@pytest.mark.processes
@pytest.mark.parametrize("document", [d for d in DOCUMENTS if console_commands(d)], ids=name_of)
def test_every_console_command_works(document: Path, tmp_path: Path) -> None:
    for command in console_commands(document):
        if "--private" in command and can_be_private():
            continue
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=os.environ | {"PATH": PATH},
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_to_a_file(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text())
    missing = [t for t in targets if not (document.parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_and_file_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"(?:^|[`$] ?)bci ([a-z]+)", text, re.MULTILINE))
    assert named <= commands
    files = set(
        re.findall(r"`((?:bci_core|drivers|streams|stim_protocols|examples)/[\w/.-]+)`", text)
    )
    assert [f for f in sorted(files) if not (ROOT / f).exists()] == []
    targets = set(re.findall(r"`make ([a-z]+)`", text))
    makefile = (ROOT / "Makefile").read_text()
    assert [t for t in sorted(targets) if f"\n{t}:" not in makefile] == []


def test_the_rig_reference_is_what_the_models_say() -> None:
    written = (ROOT / "docs" / "rig.md").read_text()
    _, _, tables = written.partition("<!-- bci list --keys -->\n")
    assert tables == rig_reference()
