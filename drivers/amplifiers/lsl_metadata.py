"""What a stream's metadata say, and whether the loop can use such a stream."""

import pylsl

from bci_core.chunk import StreamInfo
from bci_core.errors import InputError
from bci_core.record.units import microvolts_in

_NUMBERS = (pylsl.cf_float32, pylsl.cf_double64, pylsl.cf_int8, pylsl.cf_int16, pylsl.cf_int32)


def describe_stream(handle: pylsl.StreamInfo, unit: str, timeout_s: float) -> StreamInfo:
    """Read a stream's metadata (github.com/sccn/xdf/wiki/EEG-Meta-Data).

    Parameters
    ----------
    handle : pylsl.StreamInfo
        As resolved, without metadata.
    unit : str
        Of channels that do not state theirs; ``""`` when nobody knows.
    timeout_s : float

    Raises
    ------
    InputError
        The loop cannot use the stream; every reason is named.
    """
    name = handle.name()
    inlet = pylsl.StreamInlet(handle, max_buflen=1, recover=False)
    try:
        info = inlet.info(timeout_s)
    except RuntimeError as error:
        raise InputError(f"LSL stream {name!r} does not tell its metadata ({error})") from error
    labels, units = _channels(info)
    problems = [
        *_unusable(info),
        *_wrong_units(labels, units, unit),
    ]
    if problems:
        raise InputError(f"LSL stream {name!r} cannot be used: " + "; ".join(problems))
    return StreamInfo(
        name=name,
        rate_hz=float(info.nominal_srate()),
        channels=labels,
        source_id=info.source_id(),
        manufacturer=info.desc().child("acquisition").child_value("manufacturer")
        or info.desc().child_value("manufacturer")
        or "unknown",
        kind=info.type() or "EEG",
    )


def _unusable(info: pylsl.StreamInfo) -> list[str]:
    problems = []
    if info.nominal_srate() <= 0.0:
        problems.append("it has no constant sampling rate")
    if info.channel_format() not in _NUMBERS:
        problems.append("its format is not float32, double64, int8, int16 or int32")
    if not info.source_id():
        problems.append(
            "it has no source_id, by which a loop finds it; set one in the program that "
            "publishes it"
        )
    return problems


def _wrong_units(labels: tuple[str, ...], units: tuple[str, ...], stated: str) -> list[str]:
    wrong: dict[str, list[str]] = {}
    for label, in_stream in zip(labels, units, strict=True):
        unit = in_stream or stated
        if microvolts_in(unit) != 1.0:
            wrong.setdefault(unit, []).append(label)
    problems = []
    for unit, of_unit in wrong.items():
        which = ", ".join(of_unit[:8]) + (", …" if len(of_unit) > 8 else "")
        if not unit:
            problems.append(
                f'nothing says the unit of {which}; if it is microvolts, say unit = "uV" in the rig'
            )
        else:
            problems.append(
                f"{which} in {unit!r}: the loop takes values as they come, in microvolts. Have its "
                "program publish microvolts, or leave the channel out there"
            )
    return problems


def _channels(info: pylsl.StreamInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    count = int(info.channel_count())
    labels = [f"ch{i}" for i in range(1, count + 1)]
    units = [""] * count
    channel = info.desc().child("channels").child("channel")
    for i in range(count):
        if channel.empty():
            break
        labels[i] = channel.child_value("label").strip() or labels[i]
        units[i] = channel.child_value("unit").strip()
        channel = channel.next_sibling("channel")
    seen: dict[str, int] = {}
    for i, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] > 1:
            labels[i] = f"{label}-{seen[label]}"
    return tuple(labels), tuple(units)
