"""A pattern is replayed as its file has it, and only if nobody changed it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bci_core.errors import ConfigError
from stim_protocols.pattern_file import load_pattern, sealed, shipped_patterns
from stim_protocols.pattern_replay import PatternReplayProtocol, PatternReplaySettings

CONTENT: dict[str, Any] = {
    "name": "two of three",
    "provenance": {"source": "made up", "made_by": "a test", "made_on": "2026-11-26"},
    "phase_us": 200.0,
    "interphase_us": 80.0,
    "pulses": [
        {"electrode": 3, "onset_s": 0.015, "amplitude_ua": 8.0},
        {"electrode": 1, "onset_s": 0.0, "amplitude_ua": 10.0},
        {"electrode": 4, "onset_s": 0.015, "amplitude_ua": 8.0},
        {"electrode": 2, "onset_s": 0.015, "amplitude_ua": 9.0},
        {"electrode": 1, "onset_s": 0.02, "amplitude_ua": 10.0},
    ],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pattern.json"
    path.write_text(sealed(CONTENT))
    return path


def replay(source: object, **keys: Any) -> PatternReplayProtocol:
    section = {"pattern": str(source)} | keys
    return PatternReplayProtocol(PatternReplaySettings.model_validate(section))


def complaint(source: object, **keys: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        replay(source, **keys)
    return str(caught.value)


def test_each_pulse_is_at_its_time_on_its_electrode_with_its_amplitude(file: Path) -> None:
    (program,) = replay(file).programs()
    told = {
        (electrode, part.delay_s, part.train.pulse.amplitude_ua)
        for part in program.parts
        for electrode in part.electrodes
    }
    assert told == {(p["electrode"], p["onset_s"], p["amplitude_ua"]) for p in CONTENT["pulses"]}
    # What happens at once is one part, so a device needs no more slots than it must.
    assert [part.electrodes for part in program.parts] == [(1,), (3, 4), (2,), (1,)]
    assert program.n_pulses == 4
    assert program.every_electrode == (1, 2, 3, 4)


def test_the_rate_is_that_of_the_busiest_electrode(file: Path, tmp_path: Path) -> None:
    assert replay(file).programs()[0].train.rate_hz == 100.0
    pulses = [*CONTENT["pulses"], {"electrode": 1, "onset_s": 0.004, "amplitude_ua": 10.0}]
    busy = tmp_path / "busy.json"
    busy.write_text(sealed(CONTENT | {"pulses": pulses}))
    assert replay(busy).programs()[0].train.rate_hz == pytest.approx(250.0)


def test_replays_keep_their_pause(file: Path, feed: Callable[[Any], Any]) -> None:
    at = feed(replay(file))
    assert [t for t in (1.0, 2.0, 2.02, 2.03) if at(t)] == [1.0, 2.03]


@pytest.mark.parametrize(
    ("old", "new"),
    [('"amplitude_ua": 9.0', '"amplitude_ua": 9.5'), ("a test", "somebody"), ("0.02", "0.021")],
)
def test_a_pattern_that_was_changed_is_not_replayed(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    assert "changed after it was made" in complaint(file)


def test_its_layout_is_not_its_content(file: Path, tmp_path: Path) -> None:
    tree = json.loads(file.read_text())
    file.write_text(json.dumps(dict(reversed(tree.items()))))
    assert replay(file).pattern.sha256 == tree["sha256"]
    toml = tmp_path / "pattern.toml"
    pulses = ", ".join(
        "{" + ", ".join(f"{k} = {v}" for k, v in pulse.items()) + "}" for pulse in tree["pulses"]
    )
    origin = ", ".join(f'{k} = "{v}"' for k, v in tree["provenance"].items())
    toml.write_text(
        f'format = "bci-pattern-1"\nname = "two of three"\nprovenance = {{{origin}}}\n'
        f"phase_us = 200\ninterphase_us = 80\npulses = [{pulses}]\n"
        f'sha256 = "{tree["sha256"]}"\n'
    )
    assert replay(toml).programs() == replay(file).programs()


def test_a_rig_can_name_the_one_pattern_it_means(file: Path) -> None:
    own = load_pattern(str(file)).sha256
    assert replay(file, sha256=own).pattern.sha256 == own
    assert "not the pattern meant" in complaint(file, sha256="0" * 64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pulses": []}, "at least 1 item"),
        ({"pulses": [{"electrode": 1, "onset_s": 0.1, "amplitude_ua": 1.0}]}, "limit: 0 s"),
        ({"pulses": CONTENT["pulses"] * 2}, "has 2 pulses at"),
        ({"provenance": {"source": "made up"}}, "made_by"),
        ({"phase_us": float("nan")}, "greater than 0|finite"),
    ],
)
def test_what_is_no_pattern_cannot_be_sealed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        sealed(CONTENT | changes)


def test_what_is_wrong_with_a_file_is_told(file: Path, tmp_path: Path) -> None:
    assert "give a file, or one of: made-up-sequence" in complaint(tmp_path / "missing.json")
    file.write_text("{")
    assert "neither JSON nor TOML" in complaint(file)
    file.write_text(json.dumps(CONTENT | {"sha256": "x", "colour": "red"}))
    assert "pattern.colour" in complaint(file)


@pytest.mark.parametrize("name", shipped_patterns())
def test_shipped_patterns_are_made_up_and_intact(name: str) -> None:
    pattern = load_pattern(name)
    assert pattern.name == name
    assert pattern.provenance.source.startswith("made up")
