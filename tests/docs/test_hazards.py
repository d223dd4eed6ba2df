"""The hazard table: every hazard has a control, and every test it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "explanation" / "hazards.md"
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in TABLE.read_text().splitlines()
    if re.match(r"\| H\d+ ", line)
]
NOT_BUILT = "not built yet"


def test_the_hazards_are_numbered_without_a_gap() -> None:
    assert [row[0] for row in ROWS] == [f"H{n}" for n in range(1, len(ROWS) + 1)]
    assert len(ROWS) >= 16


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_has_cause_harm_severity_and_a_control_that_a_test_shows(row: list[str]) -> None:
    _, cause, harm, severity, control, shown_by = row
    assert min(map(len, (cause, harm, control))) > 10
    assert severity in "12345"
    if shown_by == NOT_BUILT:
        return
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", shown_by)
    assert len(named) == shown_by.count("<br>") + 1
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"^ *def {test}\(", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert missing == []
