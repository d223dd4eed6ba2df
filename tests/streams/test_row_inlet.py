"""Rows from another process: none while it is not there, all of them once it is."""

from uuid import uuid4

import numpy as np

from bci_core.clock import LslClock
from streams.lsl_outlets import RowOutlet
from streams.row_inlet import RowInlet

CLOCK = LslClock()


def test_rows_come_whole_and_in_order_from_a_stream_that_came_later() -> None:
    source_id = uuid4().hex
    inlet = RowInlet(source_id)
    assert inlet.pull().shape == (0, 0)
    outlet = RowOutlet("rows", source_id, ("a", "b"), ("seconds", "microamperes"))
    rows = np.empty((0, 2))
    until_s = CLOCK.now_s() + 15.0
    sent = 0
    while len(rows) < 50 and CLOCK.now_s() < until_s:
        pulled = inlet.pull()
        if len(pulled):
            rows = np.concatenate([rows, pulled])
        if outlet.have_consumers() and sent < 50:
            outlet.push(np.array([sent, sent / 3.0]), CLOCK.now_s())
            sent += 1
        CLOCK.sleep_until(CLOCK.now_s() + 0.005)
    np.testing.assert_array_equal(rows, [[k, k / 3.0] for k in range(50)])
    assert (inlet.labels, inlet.units) == (("a", "b"), ("seconds", "microamperes"))
    inlet.close()
