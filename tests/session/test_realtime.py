"""Garbage beside the hot path."""

import gc
import weakref

from bci_core.session.realtime import freeze_garbage, sweep


class Knot:
    """What numpy leaves behind at every array that is handed to C: a cycle."""

    def __init__(self) -> None:
        self.itself = self


def test_cycles_that_a_driver_leaves_are_collected_though_the_collector_is_off() -> None:
    try:
        freeze_garbage()
        left = weakref.ref(Knot())
        assert left() is not None  # nobody comes by himself
        sweep()
        assert left() is None
        kept = Knot()
        sweep()  # which is older from here on
        left = weakref.ref(kept)
        del kept
        sweep()
        assert left() is not None
        sweep(everything=True)
        assert left() is None
    finally:
        gc.unfreeze()
        gc.enable()
