"""Neurodata Without Borders: one electrical series, read with pynwb (extra ``nwb``)."""

import warnings
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.errors import RecordingError
from bci_core.record.raw import RawRecording, ReadOptions, ticks_of

RATE_TOLERANCE = 0.01
"""By how much the mean rate of time stamps may differ from that of most steps."""

_LABELS = ("label", "channel_name", "electrode_name", "name")
"""Columns of the electrode table that name a channel, the first that is there."""

# What damaged files come to in pynwb, hdmf and h5py.
_DAMAGE = (ValueError, KeyError, TypeError, RuntimeError, AttributeError, IndexError)


def read(path: Path, options: ReadOptions) -> RawRecording:
    """Read the electrical series that is named, else the first of the acquisition.

    Without one in the acquisition the first of the processing modules is taken (such
    as ``LFP``). Volts are data * conversion * the channel's own conversion + offset, as
    the format defines ElectricalSeries (nwb-schema.readthedocs.io).

    Raises
    ------
    RecordingError
        pynwb is not installed, it is not NWB, has no such series, or has no constant rate.
    """
    try:
        pynwb = import_module("pynwb")
    except ImportError as error:
        raise RecordingError(
            f"{path}: reading NWB needs pynwb, which cannot be imported ({error}); install it "
            "with pip install 'bci[nwb]'"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of schema versions and cached name spaces
            with pynwb.NWBHDF5IO(str(path), mode="r", load_namespaces=True) as io:
                return _read(io.read(), pynwb, path, options)
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RecordingError(f"{path}: not readable as NWB ({error})") from error


def _read(file: Any, pynwb: Any, path: Path, options: ReadOptions) -> RawRecording:
    found = list(_series(file, pynwb.ecephys.ElectricalSeries))
    listed = ", ".join(repr(series.name) for series in found) or "none"
    if options.stream is not None:
        found = [series for series in found if series.name == options.stream]
    if not found:
        wanted = f"{options.stream!r}" if options.stream else "one"
        raise RecordingError(
            f"{path}: no electrical series {wanted}; electrical series there are: {listed}"
        )
    series, others = found[0], found[1:]
    values = _volts(series)
    rate_hz, ticks, first_s = _timing(series, len(values), path)
    labels = _labels(series, values.shape[1])
    start = file.session_start_time
    return RawRecording(
        values=values,
        rate_hz=rate_hz,
        channels=labels,
        units=("V",) * len(labels),
        ticks=ticks,
        start=None if start is None else start + timedelta(seconds=first_s),
        left_out=tuple(f"series {other.name} (another stream)" for other in others),
    )


def _series(file: Any, kind: type) -> Iterator[Any]:
    """Every electrical series, those of the acquisition first."""
    containers = [file.acquisition]
    containers += [module.data_interfaces for module in file.processing.values()]
    for container in containers:
        for part in container.values():
            if isinstance(part, kind):
                yield part
            else:  # LFP and FilteredEphys hold series of their own
                yield from getattr(part, "electrical_series", {}).values()


def _volts(series: Any) -> NDArray[np.float64]:
    values = np.asarray(series.data[:], dtype=np.float64)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    scale = np.full(values.shape[1], float(series.conversion))
    if series.channel_conversion is not None:
        scale = scale * np.asarray(series.channel_conversion[:], dtype=np.float64)
    return np.asarray(values * scale + float(series.offset or 0.0))


def _timing(
    series: Any, n_samples: int, path: Path
) -> tuple[float, NDArray[np.int64] | None, float]:
    """Rate, position of each sample, and seconds from the session's start to the first."""
    if series.rate is not None:
        return float(series.rate), None, float(series.starting_time or 0.0)
    times_s = np.asarray(series.timestamps[:], dtype=np.float64)
    if len(times_s) != n_samples or len(times_s) < 2:
        raise RecordingError(
            f"{path}: series {series.name!r} has {len(times_s)} time stamps for {n_samples} samples"
        )
    back = np.flatnonzero(~(np.diff(times_s) > 0.0))
    if len(back):
        raise RecordingError(
            f"{path}: series {series.name!r}: time stands still or runs backwards at sample "
            f"{back[0] + 1}"
        )
    # Six digits: stamps in float64 seconds do not carry a rate more exactly.
    rate_hz = float(f"{1.0 / np.median(np.diff(times_s)):.6g}")
    ticks = ticks_of(times_s, rate_hz)
    mean_hz = float(ticks[-1] / (times_s[-1] - times_s[0]))
    if abs(mean_hz / rate_hz - 1.0) > RATE_TOLERANCE + 2.0 / len(times_s):
        raise RecordingError(
            f"{path}: series {series.name!r} has no constant rate: most time stamps say "
            f"{rate_hz:.2f} Hz, all of them {mean_hz:.2f} Hz"
        )
    return rate_hz, ticks, float(times_s[0])


def _labels(series: Any, n_channels: int) -> tuple[str, ...]:
    """Labels from the electrode table; numbered where it names none."""
    region = series.electrodes
    table = region.table
    column = next((name for name in _LABELS if name in table.colnames), None)
    rows = [int(row) for row in region.data[:]]
    if column is None or len(rows) != n_channels:
        return tuple(f"ch{i}" for i in range(1, n_channels + 1))
    return tuple(str(table[column][row]) for row in rows)
