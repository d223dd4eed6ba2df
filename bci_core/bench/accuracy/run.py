"""Runs every measurement of accuracy, one after another."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

from bci_core.bench.accuracy.figure import Figure, Measure, Say
from bci_core.errors import BciError, InputError, UnknownNameError

MEASUREMENTS = (
    "phase",
    "slow_oscillation",
    "ripple",
    "spindle",
    "seizure",
    "assembly",
    "classifier",
    "cost",
    "chunking",
)
"""Modules of this package with a ``measure``, in the order they are run."""

BESIDE_THE_PROJECT = Path(__file__).parents[4] / "shared" / "data"
"""Where the real recordings are looked for when nobody says where they are."""

RECORDINGS = (
    "fedele_ieeg_hfo_5s",
    "human_m1_pd_beta_10s",
    "mcsleep_30s",
    "nelpy_w-maze_spikes",
    "openbci_blink_jaw_alpha_90s",
    "osn_eeg_30s",
    "osn_ieeg_30s",
    "rat_ca1_ec3_theta_60s",
    "rat_hpc_hc2_150s",
    "yasa_n2_15s",
    "yasa_n3_30s",
    "yasa_rest_eo_360s",
)
"""Real recordings that figures are measured on, as ``NAME.npz``."""


LEFT_OUT = "left out"
"""A line of progress with these words is told again at the end."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What all measurements gave.

    Attributes
    ----------
    figures : tuple of Figure
    absent : tuple of str
        Recordings that were not there; the figures on them are left out.
    left_out : tuple of str
        What measurements said of anything else they left out.
    failed : mapping of str to str
        Measurements that did not end, each with its error.
    """

    figures: tuple[Figure, ...]
    absent: tuple[str, ...]
    left_out: tuple[str, ...]
    failed: Mapping[str, str]

    @property
    def all_reached(self) -> bool:
        """Whether each figure that was asked for was reached; those left out do not count."""
        return not self.failed and all(f.reached is not False for f in self.figures)

    def to_json(self) -> list[dict[str, Any]]:
        """For ``--json``: one object a figure; a value nobody could measure is null."""
        return [_finite(figure.to_dict()) for figure in self.figures]


def measure_accuracy(recordings: Path | None, say: Say, only: Collection[str] = ()) -> Accuracy:
    """Measure every figure, or those of some modules.

    Parameters
    ----------
    recordings : Path or None
        Folder of the real recordings; None looks beside the project.
    say : callable (str)
        Is given lines of progress.
    only : collection of str
        Of `MEASUREMENTS`; empty takes all.

    Raises
    ------
    UnknownNameError
        Nothing of `MEASUREMENTS` has such a name.
    InputError
        There is no such folder.
    """
    unknown = [name for name in only if name not in MEASUREMENTS]
    if unknown:
        raise UnknownNameError(
            f"--only: no measurement is called {', '.join(map(repr, unknown))}; "
            f"there are {', '.join(MEASUREMENTS)}"
        )
    if recordings is not None and not recordings.is_dir():
        raise InputError(f"--recordings {recordings}: no such folder")
    folder = BESIDE_THE_PROJECT if recordings is None else recordings
    absent = tuple(name for name in RECORDINGS if not (folder / f"{name}.npz").is_file())
    figures: list[Figure] = []
    failed: dict[str, str] = {}
    left_out: list[str] = []
    chosen = [name for name in MEASUREMENTS if not only or name in only]
    for number, name in enumerate(chosen, start=1):
        place = f"{number} of {len(chosen)}, {name}"
        say(place)
        try:
            figures += _measure_of(name)(folder, _placed(say, name, place, left_out))
        except BciError as error:  # the others are worth having all the same
            failed[name] = str(error)
            say(f"{place}: failed: {error}")
    return Accuracy(tuple(figures), absent, tuple(left_out), failed)


def _placed(say: Say, name: str, place: str, left_out: list[str]) -> Say:
    def placed(line: str) -> None:
        line = line.removeprefix(f"{name}: ")
        if LEFT_OUT in line and not any(recording in line for recording in RECORDINGS):
            left_out.append(line)
        say(f"{place}: {line}")

    return placed


def _measure_of(name: str) -> Measure:
    """Imported only now: each brings its detector's kernels, which take long to load."""
    measure: Measure = import_module(f"bci_core.bench.accuracy.{name}").measure
    return measure


def _finite(told: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and no infinity."""
    return {
        key: None if isinstance(value, float) and not isfinite(value) else value
        for key, value in told.items()
    }
