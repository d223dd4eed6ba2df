"""NumPy archives: ``data``, ``fs`` in Hz, ``units``, optional ``ch`` and ``axis``."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.errors import RecordingError
from bci_core.record.raw import RawRecording, ReadOptions

# What damaged archives and headers come to in numpy and zipfile.
_DAMAGE = (
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    MemoryError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read(path: Path, options: ReadOptions) -> RawRecording:  # noqa: ARG001 - one signature for all
    """Read ``data`` as samples, samples × channels or channels × samples.

    The axis of time is the one that ``axis`` (0 or 1) names, else the one that is not
    as long as ``ch`` (the labels), else the longer one.

    Raises
    ------
    RecordingError
        A part is missing, not of its kind, or the archive is damaged.
    """
    parts = _parts(path)
    for name, meaning in (("data", "the samples"), ("fs", "the sampling rate in Hz")):
        if name not in parts:
            raise RecordingError(
                f"{path}: no {name!r} ({meaning}); it has {', '.join(sorted(parts)) or 'nothing'}"
            )
    data = parts["data"]
    if data.dtype.kind not in "fiu":
        raise RecordingError(f"{path}: 'data' holds {data.dtype}, not real numbers")
    labels = [str(label) for label in np.atleast_1d(parts["ch"])] if "ch" in parts else None
    values = _samples_first(data, labels, parts.get("axis"), path)
    n_channels = values.shape[1]
    if labels is None:
        labels = [f"ch{i}" for i in range(1, n_channels + 1)]
    if len(labels) != n_channels:
        raise RecordingError(f"{path}: {len(labels)} labels in 'ch' for {n_channels} channels")
    rate_hz = _number(parts["fs"], "fs", path)
    unit = str(parts["units"].item()) if "units" in parts and parts["units"].size == 1 else ""
    return RawRecording(values, rate_hz, tuple(labels), (unit,) * n_channels)


def _parts(path: Path) -> dict[str, NDArray[Any]]:
    wanted = ("data", "fs", "units", "ch", "axis")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name in wanted}
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RecordingError(
            f"{path}: damaged or cut short, no sample can be trusted ({error}); copy it again"
        ) from error


def _samples_first(
    data: NDArray[Any], labels: list[str] | None, axis: NDArray[Any] | None, path: Path
) -> NDArray[Any]:
    if data.ndim == 1:
        return data[:, np.newaxis]
    if data.ndim != 2:
        raise RecordingError(f"{path}: 'data' has {data.ndim} axes; samples and channels are two")
    if axis is not None:
        time_axis = _number(axis, "axis", path)
        if time_axis not in (0.0, 1.0):
            raise RecordingError(f"{path}: 'axis' is {time_axis:g}; the axis of time is 0 or 1")
        return data if time_axis == 0.0 else data.T
    fitting = [i for i in (0, 1) if labels is not None and data.shape[i] == len(labels)]
    if len(fitting) == 1:
        return data if fitting == [1] else data.T
    if data.shape[0] == data.shape[1]:
        raise RecordingError(
            f"{path}: 'data' is {data.shape[0]} × {data.shape[1]}; add 'axis', the axis of time"
        )
    return data if data.shape[0] > data.shape[1] else data.T


def _number(value: NDArray[Any], name: str, path: Path) -> float:
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise RecordingError(f"{path}: {name!r} is not one number but {value.dtype} {value.shape}")
    return float(value.item())
