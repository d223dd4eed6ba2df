import getpass
import json
import platform
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from bci_core.config.rig import ORDER, Part, Rig
from bci_core.control.arms_settings import ArmsSettings, ShamArm
from bci_core.control.policy import PolicySettings
from bci_core.record.provenance import provenance, source, write_provenance

SECRET = "5e" * 32


@pytest.fixture(scope="module")
def rig() -> Rig:
    """A rig as far as provenance looks at it."""
    whole = dict.fromkeys(ORDER)
    parts = {
        "amplifier": Part("brainflow", SimpleNamespace(seed=3)),
        "detector": Part("phase", None),
        "protocol": Part("pulse_train", None),
        "stimulator": Part("microstim", None),
    }
    policy = PolicySettings(refractory_s=0.1, max_rate_hz=8.0)
    arms = ArmsSettings(secret_seed=SECRET, sham=ShamArm())
    return Rig(**(whole | parts | {"policy": policy, "arms": arms}))


def test_says_what_made_the_session(rig: Rig) -> None:
    made = provenance(rig)
    assert made["seeds"] == {"amplifier": 3}
    assert made["parts"]["amplifier"]["name"] == "brainflow"
    assert re.fullmatch(r"bci \d.*", made["parts"]["amplifier"]["from"])
    assert made["versions"]["python"] == platform.python_version()
    assert re.fullmatch(r"\d+\.\d+", made["versions"]["liblsl"])
    assert all(re.match(r"\d", text) for text in made["versions"].values())
    assert made["machine"]["cpus"] >= made["machine"]["cpus_usable"] >= 1


def test_nothing_in_it_names_a_person_or_a_place(tmp_path: Path, rig: Rig) -> None:
    made = write_provenance(tmp_path / "provenance.json", rig)
    text = (tmp_path / "provenance.json").read_text()
    assert json.loads(text) == made
    about_the_machine = set(re.findall(r"[\w.-]+", json.dumps(made["machine"])))
    assert SECRET not in text
    assert platform.node() not in about_the_machine
    assert getpass.getuser() not in about_the_machine
    assert str(Path(__file__).parents[2]) not in text


def test_a_missing_library_is_said_to_be_missing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bci_core.record.provenance.LIBRARIES", ("no-such-library",))
    assert provenance(rig)["versions"]["no-such-library"] == "not installed"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    (tmp_path / "below").mkdir()
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    return tmp_path


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "core.hooksPath=/dev/null"]
    subprocess.run(["git", "-C", str(root), *who, *words], check=True)


def test_a_checkout_has_a_commit_and_may_have_changes(checkout: Path) -> None:
    clean = source(checkout)
    assert re.fullmatch(r"[0-9a-f]{40}", clean["commit"])
    assert clean["changed"] is False
    (checkout / "untracked").touch()
    assert source(checkout) == clean
    (checkout / "file").write_text("two")
    assert source(checkout) == clean | {"changed": True}


def test_somebody_elses_repository_around_us_is_not_our_source(checkout: Path) -> None:
    assert source(checkout / "below") == {"commit": "unknown", "changed": None}


def test_no_repository_and_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert source(tmp_path)["commit"] == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source(tmp_path)["commit"] == "unknown"


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert source(tmp_path) == {"commit": "unknown", "changed": None}
