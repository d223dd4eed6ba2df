"""The section of a rig that a sweep has chosen, with where it comes from."""

from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

from bci_core.config.rig import Part
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.montage_settings import MontageSettings
from bci_core.tuning.origin import Origin
from bci_core.tuning.tune import Trial, Tuning, told


def rig_section(
    part: Part,
    monitor: MonitorSettings,
    montage: MontageSettings,
    tuning: Tuning,
    origin: Origin,
    axes: Sequence[str],
) -> str:
    """Section ``[detector]`` as TOML, every default written out, under a comment of its origin.

    Sections ``[monitor]`` and ``[montage]`` follow, where they are not the default.

    Parameters
    ----------
    part : Part
        The detector with the chosen settings.
    monitor : MonitorSettings
    montage : MontageSettings
        What it was tried with.
    tuning : Tuning
    origin : Origin
    axes : sequence of str
        What was swept, one line each.
    """
    kept = "kept" if tuning.budget.kept(tuning.nearest.aside) else "NOT kept"
    comment = [
        f"Chosen by bci tune on {origin.made:%Y-%m-%d %H:%M} UTC, bci {origin.version}",
        f"recording {origin.recording}, {origin.duration_s:.1f} s at {origin.rate_hz:g} Hz",
        f"  sha256 {origin.recording_sha256}",
        f"marks {origin.marks}, {origin.n_marks} events",
        f"  sha256 {origin.marks_sha256}",
        f"most {tuning.aim} within the budget {tuning.budget}, of {len(tuning.trials)} settings:",
        *(f"  {axis}" for axis in axes),
        f"on the part it was chosen by: {told(tuning.nearest.tuned)}",
        f"on the part kept aside, {tuning.aside}:",
        f"  {told(tuning.nearest.aside)}",
        f"  budget {kept} there",
    ]
    table: dict[str, Any] = {"kind": part.name}
    table |= part.settings.model_dump(mode="json", exclude_none=True)
    sections = {"detector": table}
    if monitor != MonitorSettings():
        sections["monitor"] = monitor.model_dump(mode="json", exclude_none=True)
    if montage.derives:
        sections["montage"] = montage.model_dump(mode="json")
    return "".join(f"# {line}\n" for line in comment) + tomli_w.dumps(sections)


def to_dict(part: Part, tuning: Tuning, origin: Origin, tolerance_s: float) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "detector": part.name,
        "recording": {
            "name": origin.recording,
            "sha256": origin.recording_sha256,
            "duration_s": origin.duration_s,
            "rate_hz": origin.rate_hz,
        },
        "marks": {
            "name": origin.marks,
            "sha256": origin.marks_sha256,
            "n": origin.n_marks,
            "tolerance_s": tolerance_s,
        },
        "made": origin.made.isoformat(),
        "version": origin.version,
        "budget": str(tuning.budget),
        "aim": tuning.aim,
        "feasible": tuning.chosen is not None,
        "kept_aside": {
            "spans_s": [list(span) for span in tuning.aside.spans_s],
            "total_s": tuning.aside.total_s,
            "seed": tuning.aside.seed,
        },
        "chosen": _trial(tuning.nearest, tuning) if tuning.chosen is not None else None,
        "nearest": _trial(tuning.nearest, tuning),
        "settings": part.settings.model_dump(mode="json", exclude_none=True),
        "trials": [_trial(trial, tuning) for trial in tuning.trials],
        "refused": dict(tuning.refused),
    }


def _trial(trial: Trial, tuning: Tuning) -> Mapping[str, Any]:
    return {
        "settings": dict(trial.settings),
        "tuned_on": dict(trial.tuned),
        "kept_aside": dict(trial.aside),
        "within_budget": {
            "tuned_on": tuning.budget.kept(trial.tuned),
            "kept_aside": tuning.budget.kept(trial.aside),
        },
    }
