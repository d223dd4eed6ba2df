"""One scenario with real processes, from the command to the verdict."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bci_core.cli.app import app

SHORT = """description = "The loop stands still for half a second, with current under way"
rig = "trains"
live = true
duration_s = 4.5
under_way = true

[[faults]]
kind = "process.stopped"
role = "loop"
at_s = 0.1
for_s = 0.5

[expect]
disarmed = "lease"
within_s = 0.3
"""


@pytest.mark.realtime
@pytest.mark.processes
def test_a_loop_that_stands_still_loses_its_device_and_works_again(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(SHORT)
    told, kept = tmp_path / "told.json", tmp_path / "kept"
    short = str(tmp_path / "short.toml")
    arguments = ["bench", "run", "--live", short, "--json", str(told), "--keep", str(kept)]
    ran = CliRunner().invoke(app, arguments)
    (verdict,) = json.loads(told.read_text())
    wrong = [check for check in verdict["checks"] if not check["holds"]]
    assert (ran.exit_code, wrong) == (0, []), ran.output
    truth = json.loads((kept / "short" / "truth.json").read_text())
    assert truth["phases"], "the witness has seen no current"
