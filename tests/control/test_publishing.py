"""The mask and the detector's outputs, as they go out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.control.journal import MASK
from bci_core.control.publishing import Publishing, output_channels
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.detection.signal_quality import SignalQuality, SignalQualitySettings
from bci_core.errors import RunError
from bci_core.events import Detection

INFO = StreamInfo("bench", 250.0, ("Fz",), "bench-1")
Rows = list[tuple[float, list[float]]]


def kept(rows: Rows) -> Callable[[NDArray[np.float64], float], None]:
    return lambda values, when_s: rows.append((when_s, values.tolist()))


class Level:
    """A detector in plain Python that says what it knows."""

    channels = (0,)
    outputs = ("level_uv",)

    def __init__(self) -> None:
        self.level = 0.0

    def update(self, chunk: Chunk) -> list[Detection]:
        if len(chunk):
            self.level = float(chunk.samples[-1, 0])
        return []

    def output(self) -> list[float]:
        return [self.level]


def quality() -> SignalQuality:
    return SignalQuality(SignalQualitySettings(channels=("Fz",)), INFO, 0.0)


def chunk(start: int, n: int) -> Chunk:
    index = np.arange(start, start + n)
    return Chunk(index[:, None].astype(np.float32), index / 250.0)


def test_each_change_of_the_flags_is_a_row_of_the_mask() -> None:
    mask: Rows = []
    sensing = Sensing(Level(), INFO, MonitorSettings(settle_s=0.1))
    publishing = Publishing(sensing, kept(mask), kept([]), ("level_uv",), clock_offset_s=5.0)
    labels = [label for label, _ in MASK]
    for start in range(0, 100, 10):
        if start == 50:
            sensing.monitor.blank(1, 0.21, 0.23)
        sensing.update(chunk(start, 10))
        publishing.publish()
    told = [(when_s, [labels[k] for k in np.flatnonzero(row)]) for when_s, row in mask]
    assert told == [(5.0, ["settling"]), (5.1, []), (5.212, ["blank"]), (5.232, [])]


@pytest.mark.parametrize("make", [Level, quality])
def test_outputs_go_out_with_the_time_of_the_last_sample(make: Any) -> None:
    rows: Rows = []
    sensing = Sensing(make(), INFO, MonitorSettings())
    publishing = Publishing(sensing, kept([]), kept(rows), sensing.outputs, clock_offset_s=5.0)
    for start in range(0, 100, 10):
        sensing.update(chunk(start, 10))
        publishing.publish()
    assert [when_s for when_s, _ in rows] == [5.0 + k / 250.0 for k in range(9, 100, 10)]
    assert rows[-1][1] == ([99.0] if make is Level else [0.0, 0.0, 0.0])


def test_a_detector_without_outputs_has_no_stream() -> None:
    class Silent:
        channels = (0,)

        def update(self, chunk: Chunk) -> list[Detection]:
            return []

    sensing = Sensing(Silent(), INFO, MonitorSettings())
    rows: Rows = []
    publishing = Publishing(sensing, kept([]), kept(rows), ())
    sensing.update(chunk(0, 10))
    publishing.publish()
    assert rows == []


def test_a_stream_made_for_other_outputs_is_refused() -> None:
    sensing = Sensing(Level(), INFO, MonitorSettings())
    with pytest.raises(RunError, match="outputs are level_uv; its stream was made for none"):
        Publishing(sensing, kept([]), kept([]), ())


def test_a_channel_has_the_unit_that_stands_behind_its_label() -> None:
    outputs = ["envelope (uV)", "Fz [SD]", "height_sd", "strength", "C3 line noise (share)"]
    labels, units = output_channels(outputs)
    assert labels == ("envelope", "Fz", "height_sd", "strength", "C3 line noise")
    assert units == (
        *("microvolts", "standard deviations", "standard deviations", "detector", "share"),
    )
