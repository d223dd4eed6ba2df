"""From a recording and its marks, as files, to the files that a sweep leaves behind."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bci_core import __version__, registry
from bci_core.clock import Clock
from bci_core.config.rig import Part
from bci_core.contracts import Detector
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.montage_settings import MontageSettings
from bci_core.errors import InputError
from bci_core.record.marks import read_marks
from bci_core.record.recording import read_recording
from bci_core.scoring.stretch import stretch_of, with_montage
from bci_core.scoring.subject import (
    detector_of,
    montage_asked,
    settings_of,
    subject_of,
    values_of,
)
from bci_core.tuning.budget import parse_budget
from bci_core.tuning.holdout import keep_aside
from bci_core.tuning.origin import Origin, sha256_of
from bci_core.tuning.page import render
from bci_core.tuning.section import rig_section, to_dict
from bci_core.tuning.sweep import combinations, default_axes, parse_axes
from bci_core.tuning.tune import Say, Tuning, tune

SECTION, PAGE, FIGURES = "detector.toml", "trade-off.html", "tuning.json"
"""Files that `Tuned.write` makes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be tuned, as the operator says it.

    Attributes
    ----------
    recording, marks : Path
    detector : str or None
        Registered name; None takes the rig's.
    budget : str
        See `bci_core.tuning.budget`.
    rig : str or None
        Where settings that are not swept are from.
    fixed : tuple of str
        Settings that are held, as ``key=value``; ``monitor.key`` is the monitor's.
    sweep : tuple of str
        See `bci_core.tuning.sweep.parse_axes`; none takes the detector's own default.
    channels, types : tuple of str
        Channels to use, and types of marks; none takes all.
    reference, derive
        Of the montage; see `bci_core.detection.montage_settings`. None takes the rig's.
    share : float
        Of the recording, to keep aside.
    seed : int or None
        Of that choice; None keeps the last part aside.
    tolerance_s : float
        How far outside a mark a detection may lie.
    reading : mapping
        What the file does not say: arguments of `bci_core.record.recording.read_recording`.
    """

    recording: Path
    marks: Path
    detector: str | None
    budget: str
    rig: str | None = None
    fixed: tuple[str, ...] = ()
    sweep: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    reference: str | None = None
    derive: tuple[str, ...] = ()
    share: float = 0.3
    seed: int | None = None
    tolerance_s: float = 0.1
    reading: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tuned:
    """A sweep that is done, and the detector with the settings it chose (or nearest to it)."""

    request: Request
    part: Part
    monitor: MonitorSettings
    montage: MontageSettings
    tuning: Tuning
    origin: Origin
    axes: tuple[str, ...]

    def section(self) -> str:
        """Of a rig; "" where no setting keeps the budget."""
        if self.tuning.chosen is None:
            return ""
        return rig_section(
            self.part, self.monitor, self.montage, self.tuning, self.origin, self.axes
        )

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return to_dict(self.part, self.tuning, self.origin, self.request.tolerance_s)

    def write(self, folder: Path) -> None:
        """Write `FIGURES`, `PAGE` and, where a setting was chosen, `SECTION`.

        Raises
        ------
        InputError
            The folder cannot be written.
        """
        section = self.section()
        page = render(self.part.name, self.tuning, self.origin, self.axes, section)
        texts = {PAGE: page, FIGURES: json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # One of an earlier sweep would be taken for this one's.
            (folder / SECTION).unlink(missing_ok=True)
            for name, text in (texts | ({SECTION: section} if section else {})).items():
                (folder / name).write_text(text, "utf-8")
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror})") from error


def tune_recording(request: Request, clock: Clock, say: Say) -> Tuned:
    """Read, sweep, choose.

    Parameters
    ----------
    request : Request
    clock : Clock
        For the date in the files.
    say : callable (str)
        Is given lines of progress.

    Raises
    ------
    InputError
        The request or one of its files has mistakes.
    """
    budget = parse_budget(request.budget)
    kind, fixed, monitor = subject_of(request.detector, request.rig, request.fixed)
    model = registry.load("detector", kind).Settings
    if request.sweep:
        axes = parse_axes(request.sweep, model)
    else:
        axes = default_axes(kind, model, values_of(request.fixed))
    to_try = combinations(axes)
    recording = read_recording(request.recording, **request.reading, keep_not_finite=True)
    marks = read_marks(request.marks, duration_s=recording.duration_s, kinds=request.types)
    montage = montage_asked(request.rig, request.reference, request.derive)
    stretch = with_montage(stretch_of(recording), montage)
    preferred = stretch.montage.derived if stretch.montage is not None else ()

    def settings_with(changed: Mapping[str, Any]) -> Any:
        values = {**fixed, **changed}
        return settings_of(kind, values, stretch.info, request.channels, preferred)

    def make(changed: Mapping[str, Any]) -> Detector:
        return detector_of(kind, settings_with(changed), stretch.info)

    aside = keep_aside(0.0, recording.duration_s, request.share, request.seed)
    tuning = tune(make, to_try, stretch, monitor, marks, aside, budget, request.tolerance_s, say)
    origin = Origin(
        recording=request.recording.name,
        recording_sha256=sha256_of(request.recording),
        marks=request.marks.name,
        marks_sha256=sha256_of(request.marks),
        n_marks=len(marks),
        duration_s=recording.duration_s,
        rate_hz=recording.rate_hz,
        made=clock.utc(),
        version=__version__,
    )
    part = Part(kind, settings_with(tuning.nearest.settings))
    return Tuned(request, part, monitor, montage, tuning, origin, tuple(map(str, axes)))
