"""The how-to on control arms, followed to the letter."""

import io
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from bci_core.cli.app import main

pytestmark = pytest.mark.document
DOCUMENT = Path(__file__).parents[2] / "docs" / "control-arms.md"


def test_a_blind_session_is_run_replayed_and_opened(
    follow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, where the imports are paid for; the shell's part is done by hand."""
    how_to = follow(DOCUMENT, tmp_path)
    monkeypatch.chdir(tmp_path)
    told = []
    for command in how_to.commands:
        words = [
            str(found)
            for word in shlex.split(command)
            for found in (sorted(Path().glob(word)) if "*" in word else [word])
        ]
        monkeypatch.setattr(sys, "argv", words)
        with redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code, said.getvalue()
        told.append(said.getvalue())
    committed = next(line for line in told[0].splitlines() if line.startswith("arms committed: "))
    assert "pulses or sham" in told[0]
    assert committed.removeprefix("arms committed: ") in told[3]
    assert "opened by ann and bob; trials: active" in told[3]
    assert "decisions identical" in told[1]
    assert "decisions identical" in told[4]
    report = next(tmp_path.glob("sessions/*/report.html")).read_text()
    assert "by ann and bob" in report
    assert "phase error" in report
