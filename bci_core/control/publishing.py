"""What is published of every sample: the monitor's mask, and what the detector knows."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bci_core.config.problems import UNITS, unit_of
from bci_core.control.journal import MASK, Row
from bci_core.errors import RunError

if TYPE_CHECKING:
    # Compiled code takes long to import; the loop's node names its streams before that.
    from bci_core.detection.sensing import Sensing

_BITS = np.arange(len(MASK))
_UNIT_BEHIND = re.compile(r"(.*?)(?: [(\[]([^()\[\]]+)[)\]])?", re.DOTALL)


def output_channels(outputs: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and units of the channels that carry a detector's outputs.

    A unit stands in brackets behind a label, ``"envelope (uV)"``, or is its suffix; what
    has none is in the detector's own measure.
    """
    labels, units = [], []
    for output in outputs:
        label, unit = _UNIT_BEHIND.fullmatch(output).groups()  # type: ignore[union-attr] # fits all
        labels.append(label)
        units.append(UNITS.get(unit.lower(), unit) if unit else unit_of(label) or "detector")
    return tuple(labels), tuple(units)


class Publishing:
    """Hands on what is new, after each wait.

    Parameters
    ----------
    sensing : Sensing
    mask : callable (values, when_s)
        Takes a row of the ``NAME-mask`` stream, in the order of `MASK`.
    outputs : callable (values, when_s)
        Takes a row of the ``NAME-detector`` stream.
    labels : sequence of str
        Channels of that stream; empty where there is none.
    clock_offset_s : float
        What is added to a sample's time to get this machine's.

    Raises
    ------
    RunError
        The detector's outputs are not the channels of its stream.
    """

    def __init__(
        self,
        sensing: "Sensing",
        mask: Row,
        outputs: Row,
        labels: Sequence[str],
        clock_offset_s: float = 0.0,
    ) -> None:
        if tuple(labels) != sensing.outputs:
            raise RunError(
                f"the detector's outputs are {', '.join(sensing.outputs) or 'none'}; its stream "
                f"was made for {', '.join(labels) or 'none'}"
            )
        self._sensing = sensing
        self._mask = mask
        self._outputs = outputs
        self._offset_s = clock_offset_s

    def publish(self) -> None:
        """Changes of the mask, and the outputs at the last sample. To be called after samples."""
        monitor = self._sensing.monitor
        for when_s, _, flags in monitor.take_changes().tolist():
            bits = (int(flags) >> _BITS) & 1
            self._mask(bits.astype(np.float64), when_s + self._offset_s)
        if self._sensing.outputs:
            self._outputs(self._sensing.output(), monitor.last_s + self._offset_s)
