"""The tree of errors: as it is drawn, and what each ends the command line with."""

import re
import runpy
from typing import Any

from bci_core import errors

# Run again, so that the tree is seen being built.
TREE = runpy.run_path(str(errors.__file__))


def _subclasses(kind: Any) -> list[Any]:
    return [kind, *(each for child in kind.__subclasses__() for each in _subclasses(child))]


def test_the_tree_is_the_one_that_is_drawn() -> None:
    drawn = re.findall(r"(?:[├└]── |^    )(\w+Error)", TREE["__doc__"], re.MULTILINE)
    built = [kind.__name__ for kind in _subclasses(TREE["BciError"])]
    assert sorted(drawn) == sorted(built)


def test_bad_input_ends_with_2_and_a_failed_run_with_1() -> None:
    statuses = {kind.__name__: kind.exit_status for kind in _subclasses(TREE["BciError"])}
    assert {name for name, status in statuses.items() if status == 2} == {
        "ConfigError",
        "InputError",
        "RecordingError",
        "SafetyError",
        "SessionError",
        "UnknownNameError",
    }
    assert set(statuses.values()) == {1, 2}


def test_all_mistakes_are_told_with_their_lines() -> None:
    problem = TREE["Problem"]
    mistakes = [problem("a.b", "too large", 3), problem("c", "missing")]
    one, two = TREE["ConfigError"]("rig.toml", mistakes[:1]), TREE["ConfigError"]("x", mistakes)
    assert str(one) == "rig.toml: 1 mistake\n  a.b (line 3): too large"
    assert str(two) == "x: 2 mistakes\n  a.b (line 3): too large\n  c: missing"
