"""Samples straight from an amplifier, without a session: nothing is armed, nothing is sent."""

from collections.abc import Callable

import numpy as np

from bci_core.clock import Clock
from bci_core.contracts import Amplifier
from bci_core.errors import StreamLostError
from bci_core.scoring.stretch import Stretch

READ_S = 0.1
SILENT_S = 5.0
"""An amplifier that gives nothing for so long has failed."""


def listen(
    amplifier: Amplifier, duration_s: float, clock: Clock, say: Callable[[str], None]
) -> Stretch:
    """Record from an amplifier into memory, and close it.

    Parameters
    ----------
    amplifier : Amplifier
        Not yet opened.
    duration_s : float
        Of sample time.
    clock : Clock
    say : callable (str)
        Is given lines of progress.

    Raises
    ------
    StreamLostError
        No sample came for `SILENT_S`.
    DeviceError
        The amplifier failed.
    """
    chunks = []
    told_s = 0.0
    try:
        info = amplifier.open()
        heard_s = clock.now_s()
        while not amplifier.exhausted:
            chunk = amplifier.read(READ_S)
            if chunk is None:
                if clock.now_s() - heard_s > SILENT_S:
                    raise StreamLostError(
                        f"{info.name}: no samples for {SILENT_S:g} s; is it switched on, and is "
                        "nothing else connected to it?"
                    )
                continue
            heard_s = clock.now_s()
            chunks.append(chunk)
            got_s = float(chunk.times_s[-1] - chunks[0].times_s[0])
            done = got_s + 1.0 / info.rate_hz >= duration_s
            if done or got_s >= told_s:
                say(f"{got_s:.0f} of {duration_s:g} s from {info.name}")
                told_s = got_s + 1.0
            if done:
                break
    finally:
        amplifier.close()
    if not chunks:
        raise StreamLostError(f"{info.name}: ended before it gave a sample")
    return Stretch(
        np.concatenate([chunk.samples for chunk in chunks]),
        np.concatenate([chunk.times_s for chunk in chunks]),
        info,
    )
