"""Which detector is scored, with which settings, on which channels."""

import tomllib
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bci_core import registry
from bci_core.chunk import StreamInfo
from bci_core.config.problems import problems_of
from bci_core.contracts import Detector
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.montage_settings import MontageSettings
from bci_core.errors import ConfigError, InputError

SECTIONS = frozenset({"detector", "monitor", "montage"})
"""All that is needed of a rig."""


def subject_of(
    kind: str | None, rig: str | None, pairs: Sequence[str]
) -> tuple[str, dict[str, Any], MonitorSettings]:
    """What a command line asks for: kind of detector, its values, and the monitor.

    Parameters
    ----------
    kind : str or None
        None takes the rig's.
    rig : str or None
        A preset's name, the path of a rig, or of a file that has only the sections
        ``[detector]`` and ``[monitor]``.
    pairs : sequence of str
        ``key=value``; they go before what the rig says. ``monitor.key`` is the monitor's.

    Raises
    ------
    InputError
        Neither names a detector, or the two name different ones; or the rig has mistakes.
    """
    from_rig, values, monitor = _from_rig(rig) if rig is not None else (kind, {}, {})
    if from_rig is None:
        raise InputError("name a detector with --detector, or a rig that has one with --rig")
    if kind is not None and kind != from_rig:
        raise InputError(f"--detector {kind}: the rig {rig} has a detector of kind {from_rig}")
    for key, value in values_of(pairs).items():
        section, dot, inner = key.partition(".")
        if dot and section == "monitor":
            monitor[inner] = value
        else:
            values[key.removeprefix("detector.")] = value
    try:
        return from_rig, values, MonitorSettings.model_validate(monitor)
    except ValidationError as error:
        problems = problems_of("monitor", error, MonitorSettings, {})
        raise ConfigError("monitor", problems) from error


def _from_rig(rig: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    path = Path(rig)
    try:
        tree = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{rig}: cannot be read as a rig file ({error})") from error
    if tree and set(tree) <= SECTIONS and all(isinstance(part, dict) for part in tree.values()):
        section = dict(tree.get("detector", {}))
        if not isinstance(section.get("kind"), str):
            raise InputError(f"{rig}: section [detector] does not say its kind")
        return section.pop("kind"), section, dict(tree.get("monitor", {}))
    from bci_core.config.load import load_rig

    whole = load_rig(rig, parts=("detector",))
    values = whole.detector.settings.model_dump(exclude_unset=True)
    return whole.detector.name, values, whole.monitor.model_dump()


def montage_asked(rig: str | None, reference: str | None, derive: Sequence[str]) -> MontageSettings:
    """The montage of a rig, with what a command line says of it in its place.

    Raises
    ------
    ConfigError
        It is not one that can be asked for.
    """
    values: dict[str, Any] = {}
    if rig is not None:
        path = Path(rig)
        tree = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
        values = dict(tree.get("montage", {}))
    if reference is not None:
        values["reference"] = reference
    if derive:
        values["derive"] = tuple(name.strip() for each in derive for name in each.split(","))
    try:
        return MontageSettings.model_validate(values)
    except ValidationError as error:
        problems = problems_of("montage", error, MontageSettings, {})
        raise ConfigError("montage", problems) from error


def check_times(**times_s: float | None) -> None:
    """Times of a command line: finite, and not negative.

    Raises
    ------
    InputError
        One is not; it is named.
    """
    for name, time_s in times_s.items():
        if time_s is not None and not (isfinite(time_s) and time_s >= 0.0):
            raise InputError(f"--{name}: must be 0 s or more, and finite, not {time_s:g}")


def values_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings from ``key=value`` as written on a command line.

    A value is read as TOML reads it; numbers with commas between them are a list, and
    what is no TOML is a text.

    Raises
    ------
    InputError
        There is no ``=``.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {pair}: write key=value, such as --set threshold_sd=4")
        values[key.strip()] = value_of(text)
    return values


def value_of(text: str) -> Any:
    """One value; see `values_of`."""
    tries = [f"[{text}]", text] if "," in text and "[" not in text else [text]
    for each in tries:
        try:
            return tomllib.loads(f"value = {each}")["value"]
        except tomllib.TOMLDecodeError:
            continue
    return [part.strip() for part in text.split(",")] if "," in text else text.strip()


def channels_named(values: Mapping[str, Any], channels: Sequence[str]) -> tuple[str, ...] | None:
    """Every channel that is asked for, so that no other need be read.

    Parameters
    ----------
    values : mapping
        Of a detector's section: all its keys that end in ``channel`` or ``channels``.
    channels : sequence of str
        Go before its ``channel`` and ``channels``.

    Returns
    -------
    tuple of str or None
        None where which are needed depends on which there are.
    """
    own = values.get("channels") or values.get("channel") or ()
    wanted = [*channels] or ([own] if isinstance(own, str) else [*own])
    if not wanted:
        return None
    for key, value in values.items():
        if key.endswith(("_channel", "_channels")) and value:
            wanted += [value] if isinstance(value, str) else [*value]
    return tuple(dict.fromkeys(wanted))


def settings_of(
    kind: str,
    values: Mapping[str, Any],
    info: StreamInfo,
    channels: Sequence[str] = (),
    preferred: Sequence[str] = (),
) -> BaseModel:
    """Checked settings of a detector; channels that nobody named are chosen.

    Parameters
    ----------
    kind : str
        Registered name.
    values : mapping
        Keys of its section in a rig.
    info : StreamInfo
        What it will run on.
    channels : sequence of str
        Used where `values` names none. Without any, a detector on one channel takes the
        first of `preferred`, one on several takes all of it.
    preferred : sequence of str
        Channels of a montage; empty takes those of the stream.

    Raises
    ------
    UnknownNameError
        No detector is called `kind`.
    ConfigError
        Values that its settings do not take; all are named.
    InputError
        More channels than it can use.
    """
    model: type[BaseModel] = registry.load("detector", kind).Settings
    chosen = dict(values)
    if channels or not {"channel", "channels"} & set(chosen):
        chosen |= _channels(kind, model, preferred or info.channels, channels)
    try:
        return model.model_validate(chosen)
    except ValidationError as error:
        raise ConfigError(f"detector {kind}", problems_of("detector", error, model, {})) from error


def _channels(
    kind: str, model: type[BaseModel], there: Sequence[str], channels: Sequence[str]
) -> dict[str, Any]:
    if "channels" in model.model_fields:
        return {"channels": tuple(channels or there)}
    if "channel" not in model.model_fields:
        return {}
    if len(channels) > 1:
        raise InputError(
            f"detector {kind} reads one channel, not {len(channels)} ({', '.join(channels)}); "
            "name one, or score once for each"
        )
    return {"channel": channels[0] if channels else there[0]}


def detector_of(kind: str, settings: BaseModel, info: StreamInfo, lead_s: float = 0.0) -> Detector:
    """A fresh detector.

    Parameters
    ----------
    kind : str
    settings : pydantic model
        From `settings_of`.
    info : StreamInfo
    lead_s : float
        How long before its target a predicted event must be announced.

    Raises
    ------
    ConfigError
        The stream cannot satisfy the settings.
    """
    made: Detector = registry.load("detector", kind)(settings, info, lead_s)
    return made
