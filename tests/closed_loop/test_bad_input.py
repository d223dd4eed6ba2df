"""What is wrong in a rig or on the command line: told before anything starts, exit 2."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Bci = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"policy": {"refractory_ms": 100.0}}, ["policy.refractory_ms", "unknown key"]),
        ({"policy": {"refractory_s": None, "refractory": 0.1}}, ["write refractory_s (seconds)"]),
        (
            {"amplifier": {"driver": "brainflow", "board": "SYNTETIC_BOARD"}},
            ["SYNTETIC_BOARD", "SYNTHETIC_BOARD"],
        ),
        ({"amplifier": {"driver": "brainflo"}}, ["brainflo", "brainflow"]),
        ({"detector": {"band_hz": [4.0, 200.0]}}, ["detector.band_hz", "125"]),
        ({"detector": {"channel": "Oz"}}, ["detector.channel", "Fz"]),
        ({"protocol": {"amplitude_ua": 30.0}}, ["charge_per_phase", "0.004", "uC"]),
        ({"stimulator": {"max_amplitude_ua": 5.0}}, ["stimulator", "amplitude", "5 uA"]),
    ],
)
def test_a_mistake_is_named_and_nothing_is_started(
    here: Bci, write_rig: Any, tmp_path: Path, sections: dict[str, Any], words: list[str]
) -> None:
    rig = write_rig(**sections)
    for command in (("run", rig, "--out", tmp_path), ("check", rig)):
        done = here(*command)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        for word in words:
            assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_mistakes_of_all_parts_come_at_once(here: Bci, write_rig: Any) -> None:
    rig = write_rig(
        detector={"channel": "Oz", "band_hz": [8.0, 200.0]}, protocol={"amplitude_ua": 30.0}
    )
    told = here("check", rig).stderr
    for where in ("detector.channel", "detector.band_hz", "safety"):
        assert where in told


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x: x.__setitem__((777, 0), np.nan), ["777", "nan"]),
        (lambda x: x.__setitem__((5, 0), np.inf), ["5", "inf"]),
    ],
)
def test_a_spoilt_recording_is_refused_naming_the_row(
    here: Bci, write_rig: Any, tmp_path: Path, spoil: Callable[[Any], None], words: list[str]
) -> None:
    data = np.random.default_rng(0).normal(0, 10, (1000, 1))
    spoil(data)
    np.savez(tmp_path / "r.npz", data=data, fs=100.0, units="uV")
    rig = write_rig(
        amplifier={"driver": "recording", "file": str(tmp_path / "r.npz")},
        detector={"channel": "ch1"},
    )
    done = here("run", rig, "--out", tmp_path / "out")
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr.lower()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "no-such-rig"),
        ("run", "theta-phase", "--duration", "0"),
        ("run", "theta-phase", "--duration", "nan"),
        ("replay", "no-such-session"),
        ("report", "no-such-session"),
        ("ledger", "verify", "no-such-session"),
        ("stop", "--out", "no-such-folder"),
        ("convert", "no-such.npz", "--out", "x.csv"),
        ("simulate", "no-such-rig"),
        ("node", "cook", "theta-phase", "x"),
        ("no-such-command",),
    ],
)
def test_bad_arguments_end_with_2_and_a_sentence(
    here: Bci, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = here(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
