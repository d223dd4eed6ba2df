"""One run of an amplifier through its whole life, written down for the rules to judge."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock
from bci_core.contracts import Amplifier, AmplifierCounters
from bci_core.errors import DeviceError

Make = Callable[[Clock], Amplifier]


@dataclass(frozen=True, slots=True)
class Read:
    """One call of `read`: when it began and ended, and what it gave."""

    began_s: float
    ended_s: float
    chunk: Chunk | None
    exhausted: bool


@dataclass(frozen=True, slots=True)
class AmplifierTrace:
    """What an amplifier did.

    Attributes
    ----------
    settings_config : mapping
        Of its `Settings` model.
    described, described_again, opened : StreamInfo
        What `describe` said before opening, twice, and what `open` said.
    counters_at_open, counters : AmplifierCounters
        After `open`, and after the last `read`.
    exhausted_at_open : bool
    wait_s : float
        Handed to each `read`.
    reads : tuple of Read
    closed_answer : str
        What a `read` after `close` came to: ``"DeviceError"``, or what else.
    """

    settings_config: dict[str, object]
    described: StreamInfo
    described_again: StreamInfo
    opened: StreamInfo
    counters_at_open: AmplifierCounters
    counters: AmplifierCounters
    exhausted_at_open: bool
    wait_s: float
    reads: tuple[Read, ...]
    closed_answer: str

    @property
    def chunks(self) -> list[Chunk]:
        return [read.chunk for read in self.reads if read.chunk is not None]

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Stamps of all samples, in the order they came."""
        return np.concatenate([np.empty(0), *(chunk.times_s for chunk in self.chunks)])

    @property
    def ages_s(self) -> NDArray[np.float64]:
        """Age of the newest sample as each read returned, but for the first that gave any.

        The first may bring what a driver had to wait for to find its sample clock.
        """
        ages = [
            read.ended_s - float(read.chunk.times_s[-1])
            for read in self.reads
            if read.chunk is not None and len(read.chunk)
        ]
        return np.array(ages[1:])


def run_amplifier(make: Make, seconds: float, clock: Clock, wait_s: float) -> AmplifierTrace:
    """Describe, open, read for some seconds or to the end, close, and read once more."""
    first = make(clock)
    described, described_again = first.describe(), first.describe()
    first.close()  # before open, and again: a driver that minds raises here
    first.close()
    amplifier = make(clock)
    reads: list[Read] = []
    try:
        opened = amplifier.open()
        counters_at_open = replace(amplifier.counters)
        exhausted_at_open = amplifier.exhausted
        until_s = clock.now_s() + seconds
        while clock.now_s() < until_s and not amplifier.exhausted:
            began_s = clock.now_s()
            chunk = amplifier.read(wait_s)
            reads.append(Read(began_s, clock.now_s(), chunk, amplifier.exhausted))
            if chunk is None and clock.now_s() == began_s and not amplifier.exhausted:
                break  # on a virtual clock this would go on for ever; a rule names it
        counters = replace(amplifier.counters)
    finally:
        amplifier.close()
    amplifier.close()
    return AmplifierTrace(
        settings_config=dict(type(amplifier).Settings.model_config),
        described=described,
        described_again=described_again,
        opened=opened,
        counters_at_open=counters_at_open,
        counters=counters,
        exhausted_at_open=exhausted_at_open,
        wait_s=wait_s,
        reads=tuple(reads),
        closed_answer=_answer_of_closed(amplifier),
    )


def _answer_of_closed(amplifier: Amplifier) -> str:
    try:
        chunk = amplifier.read(0.0)
    except DeviceError:
        return "DeviceError"
    except Exception as error:  # noqa: BLE001 - whatever it is, a rule names it
        return f"{type(error).__name__}: {error}"
    return "None" if chunk is None else f"{len(chunk)} samples"
