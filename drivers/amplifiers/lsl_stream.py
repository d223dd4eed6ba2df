"""Any Lab Streaming Layer stream that is already there."""

from typing import Any, ClassVar, Self

import numpy as np
import pylsl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock
from bci_core.contracts import AmplifierCounters
from bci_core.errors import DeviceError, InputError
from drivers.amplifiers.lsl_metadata import describe_stream

MAX_BUFFERED_S = 2
"""Seconds the inlet keeps for a slow reader. Short, so that lag becomes loss and is seen."""

MAX_CHUNK = 1024
"""Most samples of one `read`."""

_LOOK_EVERY_S = 0.05
_LOOK_ON_S = 0.7
"""After the first match, how long a second is given: liblsl asks around every half second."""


class LslSettings(BaseModel):
    """Section ``[amplifier]`` of a rig with ``driver = "lsl"``; one of the first three is needed.

    Attributes
    ----------
    stream_name, source_id, stream_type : str
        As the stream announces itself; all that are given have to fit.
    unit : str
        Unit of channels whose metadata do not state one. Only microvolts can be used.
    resolve_timeout_s : float
        How long to look for the stream.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream_name: str = ""
    source_id: str = ""
    stream_type: str = ""
    unit: str = ""
    resolve_timeout_s: float = Field(default=5.0, gt=0.0, le=120.0)

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.stream_name or self.source_id or self.stream_type):
            raise ValueError("give stream_name, source_id or stream_type of the stream to use")
        return self

    @property
    def wanted(self) -> dict[str, str]:
        """Properties of the stream that are asked for, by LSL's names of them."""
        fields = {"name": self.stream_name, "source_id": self.source_id, "type": self.stream_type}
        return {key: value for key, value in fields.items() if value}


class LslStream:
    """A stream that another program publishes.

    A session lets the loop read the stream itself: `publishes_itself` says so, and
    `name` and `source_id` of what `describe` returns are the stream's own. Read here,
    as the conformance check and the tools do, it is an amplifier like any other; the
    stream's stamps are taken as they are, on this machine's LSL clock.

    The loop takes values as they come, so a stream in anything but microvolts is refused.
    """

    Settings: ClassVar[type[BaseModel]] = LslSettings
    publishes_itself: ClassVar[bool] = True
    any_clock: ClassVar[bool] = False

    def __init__(self, settings: Any, clock: Clock) -> None:
        self._settings: LslSettings = settings
        self._clock = clock
        self._found: tuple[pylsl.StreamInfo, StreamInfo] | None = None
        self._inlet: pylsl.StreamInlet | None = None
        self._last_s = np.nan
        self.counters = AmplifierCounters()
        self.exhausted = False

    def describe(self) -> StreamInfo:
        return self._resolved()[1]

    def open(self) -> StreamInfo:
        handle, info = self._resolved()
        self.close()
        # recover=False: a stream that comes back by itself hides that it was lost.
        inlet = pylsl.StreamInlet(
            handle,
            max_buflen=MAX_BUFFERED_S,
            recover=False,
            processing_flags=pylsl.proc_clocksync,
        )
        try:
            inlet.open_stream(self._settings.resolve_timeout_s)
        except RuntimeError as error:
            raise DeviceError(
                f"LSL stream {info.name!r} does not answer ({error}); is its program running?"
            ) from error
        self.counters = AmplifierCounters()
        self._last_s = np.nan
        self._inlet = inlet
        return info

    def read(self, wait_s: float) -> Chunk | None:
        """The samples that have come, at most `MAX_CHUNK`; the rest comes with the next call."""
        inlet, (_, info) = self._inlet, self._resolved()
        if inlet is None:
            raise DeviceError(f"LSL stream {info.name!r} is not open; open it first")
        until_s = self._clock.now_s() + wait_s
        while True:
            left_s = max(0.0, until_s - self._clock.now_s())
            try:
                values, times_s = inlet.pull_chunk(
                    timeout=left_s, max_samples=MAX_CHUNK, min_samples=1, as_numpy=True
                )
            except RuntimeError as error:
                raise DeviceError(
                    f"LSL stream {info.name!r} ended ({error}); start the program that publishes it"
                ) from error
            if len(times_s) == 0:
                return None
            chunk = self._in_order(values, times_s, info.rate_hz)
            if len(chunk):
                return chunk

    def close(self) -> None:
        if self._inlet is not None:
            self._inlet.close_stream()
            self._inlet = None

    def _in_order(self, values: Any, times_s: Any, rate_hz: float) -> Chunk:
        """Drop what does not come later than its predecessor; count that, and what is missing."""
        before_s = np.fmax.accumulate(np.concatenate([[self._last_s], times_s]))[:-1]
        new = ~(times_s <= before_s)
        samples = np.ascontiguousarray(values[new], dtype=np.float32)
        times_s = np.ascontiguousarray(times_s[new], dtype=np.float64)
        steps = np.diff(times_s, prepend=self._last_s) * rate_hz
        # As the monitor counts it: a step of 1.5 periods or more is a gap.
        missing = np.nan_to_num(np.rint(steps) - 1.0)
        self.counters.samples += len(times_s)
        self.counters.duplicates += int(np.count_nonzero(~new))
        self.counters.lost += int(missing[missing > 0.0].sum())
        if len(times_s):
            self._last_s = float(times_s[-1])
        return Chunk(samples, times_s)

    def _resolved(self) -> tuple[pylsl.StreamInfo, StreamInfo]:
        if self._found is None:
            handle = self._look()
            self._found = (
                handle,
                describe_stream(handle, self._settings.unit, self._settings.resolve_timeout_s),
            )
        return self._found

    def _look(self) -> pylsl.StreamInfo:
        wanted = self._settings.wanted
        asked = " and ".join(f"{key} {value!r}" for key, value in wanted.items())
        timeout_s = self._settings.resolve_timeout_s
        # pylsl.resolve_bypred takes five seconds more than its timeout when nothing fits.
        resolver = pylsl.ContinuousResolver(pred=_predicate(wanted))
        until_s = self._clock.now_s() + timeout_s
        while not (found := resolver.results()):
            if self._clock.now_s() >= until_s:
                raise InputError(
                    f"no LSL stream with {asked} within {timeout_s:g} s; is its program running, "
                    "and does [lsl] of the rig let this machine see it?"
                )
            self._clock.sleep_until(self._clock.now_s() + _LOOK_EVERY_S)
        if "source_id" not in wanted:  # which is one stream's own; the rest may fit several
            self._clock.sleep_until(self._clock.now_s() + _LOOK_ON_S)
            found = resolver.results() or found
        if len(found) > 1:
            listed = ", ".join(
                f"{s.name()!r} (source_id {s.source_id()!r}, {s.hostname()})" for s in found
            )
            raise InputError(
                f"{len(found)} LSL streams with {asked}: {listed}; ask for one of them"
            )
        return found[0]


def _predicate(wanted: dict[str, str]) -> str:
    """As XPath 1.0, which has no escapes: a value with one kind of quote is put in the other."""
    return " and ".join(
        f"{key}={chr(34) if chr(39) in value else chr(39)}{value}"
        f"{chr(34) if chr(39) in value else chr(39)}"
        for key, value in wanted.items()
    )
