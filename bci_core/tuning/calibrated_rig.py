"""A rig with the values of a calibration filled in, and where they come from."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bci_core.config.load import dump_rig
from bci_core.config.rig import Part, Rig
from bci_core.errors import InputError
from bci_core.record.provenance import provenance
from bci_core.tuning.calibrate import Calibration
from bci_core.tuning.firing import with_settings


def calibrated(rig: Rig, calibration: Calibration) -> Rig:
    """The rig with the values filled in."""
    settings = with_settings(rig.detector.settings, calibration.filled_in)
    return replace(rig, detector=Part(rig.detector.name, settings))


def calibrated_text(
    rig: Rig, calibration: Calibration, source: Mapping[str, Any], made: datetime
) -> str:
    """The rig as TOML, every default written out, under a comment of what was measured.

    Parameters
    ----------
    rig : Rig
        As it was.
    calibration : Calibration
    source : mapping
        What the samples are from; see `told`.
    made : datetime
    """
    c = calibration
    comment = [
        f"Calibrated by bci calibrate on {made:%Y-%m-%d %H:%M} UTC",
        *(f"  {key} {value}" for key, value in source.items()),
        f"  {c.duration_s:.1f} s at {c.rate_hz:g} Hz, {c.samples['lost']} samples lost",
        "filled in: "
        + (
            ", ".join(f"{k} = {v:g}" for k, v in c.filled_in.items()) or "nothing; all values stand"
        ),
        f"with these values: {c.detections} detections, {c.per_min:.3g} a minute",
        *(f"warning: {warning}" for warning in c.warnings),
    ]
    return "".join(f"# {line}\n" for line in comment) + "\n" + dump_rig(calibrated(rig, c))


def told(
    rig: Rig, calibration: Calibration, source: Mapping[str, Any], made: datetime
) -> dict[str, Any]:
    """Everything that was measured, with its provenance, for programs.

    Parameters
    ----------
    rig, calibration, made
        As `calibrated_text`.
    source : mapping
        Of a recording: ``recording``, its name, and ``sha256``. Live: ``stream``,
        ``source_id``, ``driver``.
    """
    return {
        "rig": rig.name,
        "detector": rig.detector.name,
        "made": made.isoformat(),
        "source": dict(source),
        **calibration.to_dict(),
        "provenance": provenance(rig),
    }


def write_calibrated(
    path: Path, rig: Rig, calibration: Calibration, source: Mapping[str, Any], made: datetime
) -> None:
    """Write `calibrated_text` to a path, and `told` beside it as ``.json``.

    Raises
    ------
    InputError
        It cannot be written.
    """
    everything = json.dumps(told(rig, calibration, source, made), indent=2, allow_nan=False)
    try:
        path.write_text(calibrated_text(rig, calibration, source, made), "utf-8")
        path.with_suffix(".json").write_text(everything + "\n", "utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
