"""`bci keys` and `bci approve`, as somebody at a terminal uses them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bci_core.cli.app import app
from bci_core.config.load import presets
from bci_core.errors import BciError

RUN = CliRunner()
WORDS = "long enough"


def bci(*arguments: str, given: str | None = None) -> str:
    done = RUN.invoke(app, arguments, input=given)
    if isinstance(done.exception, BciError):
        return f"bci: {done.exception}"
    assert done.exception is None, done.exception
    return done.stdout


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BCI_PEOPLE", raising=False)
    monkeypatch.delenv("BCI_PASSPHRASE", raising=False)
    return tmp_path


def test_keys_are_made_with_a_passphrase_that_is_asked_for_and_listed(here: Path) -> None:
    told = bci("keys", "new", "ada", "--role", "clinician", given=f"{WORDS}\n{WORDS}\n")
    assert "ada (clinician): sha256:" in told
    assert WORDS not in told
    assert bci("keys", "list").startswith("ada (clinician): sha256:")


def test_a_wrong_role_or_name_leaves_no_key_behind(here: Path) -> None:
    assert "no role is called 'boss'" in bci("keys", "new", "ada", "--role", "boss")
    assert "'Ada!' is no name" in bci("keys", "new", "Ada!", "--role", "operator")
    assert list(here.iterdir()) == []


def test_a_rig_is_approved_until_nobody_is_missing(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "words").write_text(f"{WORDS}\n")
    for name, role in (("ada", "clinician"), ("ben", "researcher")):
        bci("keys", "new", name, "--role", role, "--passphrase-file", "words")
    assert "theta-phase" in presets()
    told = bci("approve", "theta-phase", "--key", "ada.key", "--passphrase-file", "words")
    assert "looser: lockout: 0.1 s instead of 0.2 s" in told
    assert "approved by ada (clinician) in theta-phase.approvals.json; missing: 1 more" in told
    monkeypatch.setenv("BCI_PASSPHRASE", WORDS)
    told = bci("approve", "theta-phase", "--key", "ben.key")
    assert told.endswith("approved by ben (researcher) in theta-phase.approvals.json\n")
    told = bci("approve", "theta-phase", "--key", "ben.key", "--passphrase-file", "nothing")
    assert "nothing: the passphrase cannot be read" in told
