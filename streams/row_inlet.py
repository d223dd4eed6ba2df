"""Rows of labelled numbers from another process of the session, as they come."""

import numpy as np
import pylsl
from numpy.typing import NDArray

MAX_BUFFERED_S = 2
CONNECT_S = 5.0
"""How long a stream that has been found may take to answer."""


class RowInlet:
    """Receives a stream that may not be there yet, and never waits for one.

    Parameters
    ----------
    source_id : str
        Of the stream, see `streams.lsl_outlets.RowOutlet`.
    """

    def __init__(self, source_id: str) -> None:
        self._resolver: pylsl.ContinuousResolver | None = pylsl.ContinuousResolver(
            "source_id", source_id
        )
        self._inlet: pylsl.StreamInlet | None = None
        self.labels: tuple[str, ...] = ()
        self.units: tuple[str, ...] = ()

    def pull(self) -> NDArray[np.float64]:
        """Rows since the last call, (n_rows, n_labels); none while there is no stream."""
        if self._inlet is None and not self._connect():
            return np.empty((0, 0))
        assert self._inlet is not None  # noqa: S101 - it has just connected
        rows, _ = self._inlet.pull_chunk(timeout=0.0)
        return np.array(rows, dtype=np.float64).reshape(-1, len(self.labels))

    def _connect(self) -> bool:
        found = self._resolver.results() if self._resolver else []
        if not found:
            return False
        inlet = pylsl.StreamInlet(found[0], max_buflen=MAX_BUFFERED_S, recover=False)
        self.labels, self.units = _described(inlet.info(CONNECT_S))
        inlet.open_stream(CONNECT_S)
        self._inlet, self._resolver = inlet, None
        return True

    def close(self) -> None:
        if self._inlet is not None:
            self._inlet.close_stream()


def _described(info: pylsl.StreamInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and units of the channels."""
    labels, units = [], []
    channel = info.desc().child("channels").child("channel")
    for _ in range(info.channel_count()):
        labels.append(channel.child_value("label"))
        units.append(channel.child_value("unit"))
        channel = channel.next_sibling("channel")
    return tuple(labels), tuple(units)
