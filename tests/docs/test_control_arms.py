"""The how-to on control arms, followed to the letter."""

import os
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "control-arms.md"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.processes
def test_a_blind_session_is_run_replayed_and_opened(follow, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    how_to = follow(DOCUMENT, tmp_path)
    told = []
    for command in how_to.commands:
        done = how_to.run("env", f"PATH={PATH}", "bash", "-c", command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        told.append(done.stdout)
    committed = next(line for line in told[0].splitlines() if line.startswith("arms committed: "))
    assert "pulses or sham" in told[0]
    assert committed.removeprefix("arms committed: ") in told[3].replace("\n", " ").split()
    assert "opened by ann and bob; trials: active" in told[3]
    assert "decisions identical" in told[1]
    assert "decisions identical" in told[4]
    report = next(tmp_path.glob("sessions/*/report.html")).read_text()
    assert "opened" in report
    assert "phase error" in report
