"""A rig file is read whole, and every mistake in it is found at once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_core.config.load import dump_rig, load_rig, parse_rig, presets
from bci_core.config.problems import key_lines, unknown_key
from bci_core.errors import ConfigError, InputError, UnknownNameError

PRESETS = Path(__file__).parents[2] / "bci_core" / "config" / "presets"
TEXT = (PRESETS / "theta-phase.toml").read_text()


def problems(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse_rig(text)
    return {p.where: p.message for p in caught.value.problems}


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_read_and_survives_being_written_out(name: str) -> None:
    rig = load_rig(name)
    text = dump_rig(rig)
    assert parse_rig(text) == rig
    assert "refractory_s" in text


def test_a_written_rig_states_every_default() -> None:
    text = dump_rig(load_rig("theta-phase"))
    for key in ("stale_after_s", "rail_uv", "device_lease_s", "resolve_scope", "shannon_k"):
        assert key in text or key == "shannon_k"


def test_all_mistakes_of_a_file_come_at_once_with_their_lines() -> None:
    text = TEXT.replace("refractory_s = 0.1", "refractory = 0.1").replace(
        "phase_us = 200.0", "phase_us = -200.0"
    )
    text = text.replace('driver = "microstim"', 'driver = "microstin"')
    found = problems(text)
    assert "write refractory_s (seconds)" in found["policy.refractory"]
    assert "missing; give it in seconds" in found["policy.refractory_s"]
    assert "microseconds" in found["protocol.phase_us"]
    assert "microstim" in found["stimulator.driver"]
    with pytest.raises(ConfigError) as caught:
        parse_rig(text, "bench.toml")
    lines = {p.where: p.line for p in caught.value.problems}
    number = next(i for i, row in enumerate(text.splitlines(), 1) if row.startswith("phase_us"))
    assert lines["protocol.phase_us"] == number
    assert str(caught.value).startswith(f"bench.toml: {len(found)} mistakes")


def test_an_unknown_key_and_section_are_refused_with_the_nearest_known() -> None:
    found = problems(TEXT + "\n[sesion]\nduration_s = 3\n")
    assert "did you mean session?" in found["sesion"]
    found = problems(TEXT.replace("max_rearms", "max_rearm"))
    assert "did you mean max_rearms?" in found["session.max_rearm"]


def test_a_missing_part_names_those_that_are_installed() -> None:
    found = problems(TEXT.replace('kind = "phase"', ""))
    assert "band_power" in found["detector.kind"]


@pytest.mark.parametrize("value", ["nan", "inf", "-1.0", "0.0"])
def test_no_special_value_switches_a_limit_off(value: str) -> None:
    found = problems(TEXT.replace("max_rate_hz = 8.0", f"max_rate_hz = {value}"))
    assert "hertz" in found["policy.max_rate_hz"]


def test_text_that_is_not_toml_is_an_input_error() -> None:
    with pytest.raises(ConfigError, match="is not TOML"):
        parse_rig("[rig\nname=")


def test_a_name_that_is_neither_file_nor_preset_lists_the_presets(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="theta-phase"):
        load_rig(str(tmp_path / "nothing.toml"))
    with pytest.raises(InputError, match="cannot be read"):
        load_rig(str(tmp_path))


def test_a_value_where_a_section_belongs_is_refused() -> None:
    text = "\n".join(line for line in TEXT.splitlines() if "[session]" not in line)
    text = "session = 3\n" + text.replace("duration_s = 20.0", "").replace("max_rearms = 3", "")
    assert "is a section" in problems(text)["session"]


def test_lines_are_found_under_their_section() -> None:
    lines = key_lines("a = 1\n[one]\nb = 2\n\n[two]\nb = 3\n")
    assert lines == {"a": 1, "one": 2, "one.b": 3, "two": 5, "two.b": 6}


@given(st.text(max_size=200))
def test_no_text_makes_anything_but_an_input_error(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_rig(text)


def test_a_hint_is_only_given_for_something_near() -> None:
    assert "did you mean" not in unknown_key("zzz", ["refractory_s"])


GUARD = """
[guard]
kind = "band_power"
channel = "C3"
band_hz = [11.0, 16.0]
"""


def test_a_guard_may_be_there_or_not() -> None:
    assert load_rig("theta-phase").guard is None
    assert "[guard]" not in dump_rig(load_rig("theta-phase"))
    guarded = parse_rig(TEXT + GUARD)
    assert guarded.guard is not None
    assert (guarded.guard.name, guarded.guard.settings.channel) == ("band_power", "C3")
    assert parse_rig(dump_rig(guarded)) == guarded
    (name,) = {part.name for part in (parse_rig(TEXT + GUARD, parts=()).guard,) if part}
    assert name == "band_power"


def test_a_guard_is_checked_like_a_detector() -> None:
    found = problems(TEXT + GUARD.replace("band_hz", "band").replace('"C3"', "3"))
    assert set(found) == {"guard.band", "guard.band_hz", "guard.channel"}
    found = problems(TEXT + GUARD.replace("band_power", "band_powr"))
    assert "no detector is called 'band_powr'" in found["guard.kind"]
    found = problems(TEXT + "[guard]\n")
    assert "name one of: " in found["guard.kind"]


def test_blanking_has_defaults_and_bounds() -> None:
    assert load_rig("theta-phase").blanking.fill == "bridge"
    found = problems(TEXT + '[blanking]\nblanking = 0.01\nguard_s = nan\nfill = "cubic"\n')
    assert "write blanking_s (seconds)" in found["blanking.blanking"]
    assert set(found) == {"blanking.blanking", "blanking.guard_s", "blanking.fill"}


def test_mistakes_in_a_table_of_a_section_name_its_own_keys() -> None:
    text = load_text("responsive-bursts").replace("train_s = 0.1", "train = 0.1")
    found = problems(text)
    assert "write train_s (seconds)" in found["protocol.therapies.0.train"]
    assert found["protocol.therapies.1.train_s"] == "missing; give it in seconds"
    with pytest.raises(ConfigError) as caught:
        parse_rig(text)
    first = next(i for i, row in enumerate(text.splitlines(), 1) if "[[protocol" in row)
    assert {p.line for p in caught.value.problems} == {first}


def load_text(preset: str) -> str:
    return (PRESETS / f"{preset}.toml").read_text()
