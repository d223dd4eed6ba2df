"""A how-to whose files and commands are used exactly as they are written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


class HowTo:
    """A document that builds a package, and a folder with what it says to write.

    `files` are its blocks under a file's name, `commands` those of its ``sh`` blocks.
    """

    def __init__(self, document: Path, folder: Path) -> None:
        text = document.read_text()
        named = re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        self.files: dict[str, str] = dict(named)
        blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        self.commands: list[str] = [line for block in blocks for line in block.splitlines()]
        self.folder = folder
        for name, written in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written)

    def install(self, package: str) -> None:
        """With pip and without a network, beside the files and nowhere else."""
        offline = ["--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check"]
        where = ["--target", str(self.folder / "installed")]
        done = self.run(sys.executable, "-m", "pip", "install", "-q", *offline, *where, package)
        assert done.returncode == 0, done.stderr

    def run(self, *command: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder / "installed")},
            capture_output=True,
            text=True,
            timeout=100,
        )


@pytest.fixture(scope="module")
def how_to(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HowTo:
    """The module's ``DOCUMENT``, followed up to where its ``PACKAGE`` is installed."""
    made = HowTo(request.module.DOCUMENT, tmp_path_factory.mktemp("workshop"))
    made.install(request.module.PACKAGE)
    return made


@pytest.fixture
def follow() -> type[HowTo]:
    """For documents that build no package."""
    return HowTo
