from pathlib import Path
from typing import Any

import pytest

from bci_core.chunk import StreamInfo
from bci_core.errors import ConfigError, InputError, UnknownNameError
from bci_core.scoring.subject import channels_named, check_times, settings_of, subject_of, value_of

INFO = StreamInfo("test", 250.0, ("Fz", "Cz", "Oz"), "test")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("2.5", 2.5),
        ("5,11", [5, 11]),
        ("[5, 11]", [5, 11]),
        ("true", True),
        ("CA1", "CA1"),
        ("Fz,Cz", ["Fz", "Cz"]),
        ('"5"', "5"),
        ("T3-A1", "T3-A1"),
        ("a=b", "a=b"),
    ],
)
def test_values_as_people_write_them(text: str, value: object) -> None:
    assert value_of(text) == value


def test_settings_from_the_command_line_go_before_the_rigs(tmp_path: Path) -> None:
    rig = tmp_path / "tuned.toml"
    rig.write_text('[detector]\nkind = "band_power"\nchannel = "Cz"\nband_hz = [8, 12]\n')
    kind, values, monitor = subject_of(None, str(rig), ["band_hz=5,11", "monitor.settle_s=0.2"])
    assert (kind, values) == ("band_power", {"channel": "Cz", "band_hz": [5, 11]})
    assert monitor.settle_s == 0.2


def test_a_whole_rig_gives_its_detector() -> None:
    kind, values, _ = subject_of(None, "theta-phase", ())
    assert kind == "phase"
    assert values["band_hz"] == (4.0, 8.0)


@pytest.mark.parametrize(
    ("kind", "text", "pairs", "words"),
    [
        (None, None, (), "name a detector with --detector"),
        ("phase", '[detector]\nkind = "band_power"\n', (), "has a detector of kind band_power"),
        ("phase", "[detector]\n", (), "does not say its kind"),
        ("phase", "[detector\n", (), "cannot be read as a rig file"),
        ("phase", None, ("threshold",), "write key=value"),
        ("phase", None, ("monitor.settle=1",), "monitor.settle: has no unit; write settle_s"),
    ],
)
def test_what_cannot_be_scored(
    tmp_path: Path, kind: str | None, text: str | None, pairs: tuple[str, ...], words: str
) -> None:
    rig = tmp_path / "rig.toml"
    if text is not None:
        rig.write_text(text)
    with pytest.raises(InputError, match=words):
        subject_of(kind, str(rig) if text is not None else None, pairs)


def test_channels_that_nobody_named() -> None:
    band = {"band_hz": (8.0, 12.0)}
    assert settings_of("band_power", band, INFO).channel == "Fz"  # type: ignore[attr-defined]
    chosen = settings_of("band_power", band | {"channel": "Cz"}, INFO)
    assert chosen.channel == "Cz"  # type: ignore[attr-defined]
    chosen = settings_of("band_power", band | {"channel": "Cz"}, INFO, ["Oz"])
    assert chosen.channel == "Oz"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="reads one channel, not 2"):
        settings_of("band_power", band, INFO, ["Fz", "Cz"])


@pytest.mark.parametrize(
    ("values", "channels", "named"),
    [
        ({}, [], None),
        ({"noise_channel": "EMG"}, [], None),
        ({"channel": "Cz"}, [], ("Cz",)),
        ({"channel": "Cz"}, ["Fz"], ("Fz",)),
        ({"channels": ["Fz", "Cz"], "noise_channel": "EMG"}, [], ("Fz", "Cz", "EMG")),
        ({"noise_channel": "EMG"}, ["Cz"], ("Cz", "EMG")),
        ({"noise_channel": None}, ["Cz"], ("Cz",)),
    ],
)
def test_only_the_channels_that_are_needed_are_read(
    values: dict[str, Any], channels: list[str], named: tuple[str, ...] | None
) -> None:
    assert channels_named(values, channels) == named


def test_mistakes_in_settings_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"2 mistakes\n.*detector\.(band_hz|threshold)"):
        settings_of("band_power", {"threshold": 3}, INFO)
    with pytest.raises(UnknownNameError, match="no detector is called 'rippel'"):
        settings_of("rippel", {}, INFO)


def test_times_must_be_times() -> None:
    check_times(start=0.0, end=None)
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="--tolerance: must be 0 s or more"):
            check_times(tolerance=wrong)
