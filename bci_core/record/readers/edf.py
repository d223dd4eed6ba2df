"""European Data Format, 16 bit (EDF, EDF+) and 24 bit (BDF, BDF+)."""

import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from edfio import AnonymizedDateError, read_bdf, read_edf

from bci_core.errors import RecordingError
from bci_core.record.raw import RawRecording, ReadOptions
from bci_core.record.units import microvolts_in

# Kemp et al. 1992, Electroencephalogr. Clin. Neurophysiol. 82:391; www.edfplus.info/specs
_FIXED_HEADER = 256
_PER_SIGNAL_HEADER = 256
_SAMPLES_PER_RECORD_AT = 216


def read(path: Path, options: ReadOptions) -> RawRecording:
    """Read the voltage signals, or those that are asked for.

    Raises
    ------
    RecordingError
        Cut short, not EDF, discontinuous (EDF+D), or signals of different rates.
    """
    is_bdf = path.suffix.lower() == ".bdf"
    _check_length(path, bytes_per_sample=3 if is_bdf else 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # edfio warns of a date given twice
            edf: Any = (read_bdf if is_bdf else read_edf)(path)
            start = _start(edf)
    except (ValueError, IndexError, KeyError, EOFError) as error:
        raise RecordingError(f"{path}: not readable as EDF ({error})") from error
    if not edf.is_continuous:
        raise RecordingError(
            f"{path}: is discontinuous (EDF+D), so its rows have no common rate; export it as EDF+C"
        )
    signals, left_out = _chosen(edf.signals, options, path)
    values = np.column_stack([signal.data for signal in signals])
    return RawRecording(
        values=values,
        rate_hz=float(signals[0].sampling_frequency),
        channels=tuple(signal.label for signal in signals),
        units=tuple(signal.physical_dimension for signal in signals),
        start=start,
        left_out=left_out,
    )


def _chosen(signals: Any, options: ReadOptions, path: Path) -> tuple[list[Any], tuple[str, ...]]:
    if options.channels is not None:
        chosen = [signal for signal in signals if signal.label in options.channels]
        left_out: tuple[str, ...] = ()
    else:
        chosen = [s for s in signals if microvolts_in(s.physical_dimension) is not None]
        left_out = tuple(
            f"{s.label} (in {s.physical_dimension!r}, no voltage)"
            for s in signals
            if microvolts_in(s.physical_dimension) is None
        )
        if not chosen:  # nothing says so, but the caller may state the unit
            chosen, left_out = [s for s in signals if not s.physical_dimension.strip()], ()
    if not chosen:
        there = ", ".join(f"{s.label} ({s.physical_dimension})" for s in signals) or "none"
        raise RecordingError(f"{path}: none of the signals can be used; it has {there}")
    rates = {float(signal.sampling_frequency) for signal in chosen}
    if len(rates) > 1:
        listed = ", ".join(f"{s.label} {s.sampling_frequency:g} Hz" for s in chosen)
        raise RecordingError(f"{path}: signals of different rates ({listed}); name the channels")
    return chosen, left_out


def _check_length(path: Path, bytes_per_sample: int) -> None:
    """Compare the length of the file with what its header announces."""
    try:
        with path.open("rb") as file:
            head = file.read(_FIXED_HEADER)
            header_bytes, n_records = int(head[184:192]), int(head[236:244])
            record_s, n_signals = float(head[244:252]), int(head[252:256])
            signals = file.read(_PER_SIGNAL_HEADER * n_signals)
        sizes = signals[_SAMPLES_PER_RECORD_AT * n_signals :][: 8 * n_signals]
        per_record = [int(sizes[i : i + 8]) for i in range(0, 8 * n_signals, 8)]
        record_bytes = bytes_per_sample * sum(per_record)
        there = (path.stat().st_size - header_bytes) / record_bytes
    except (ValueError, ZeroDivisionError) as error:
        raise RecordingError(f"{path}: not an EDF or BDF header ({error})") from error
    if n_records > 0 and there < n_records:
        complete = int(max(0.0, there))
        row = complete * max(per_record)
        raise RecordingError(
            f"{path}: cut short after data record {complete} of {n_records}: the signals end "
            f"before sample {row} (at {complete * record_s:g} s). Copy it again"
        )


def _start(edf: Any) -> datetime | None:
    try:
        return datetime.combine(edf.startdate, edf.starttime)
    except (AnonymizedDateError, ValueError):
        return None
