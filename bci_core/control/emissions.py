"""What physically left a device, as rows of the ``NAME-current`` stream."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.events import Emission

LABELS = ("channel", "amplitude", "onset_s", "offset_s")
"""Of the stream, one row a phase of current or a click, stamped with its onset."""


def units_of(capabilities: Capabilities | SoundCapabilities) -> tuple[str, ...]:
    """Of `LABELS`, for a device."""
    amplitude = "dB SPL" if isinstance(capabilities, SoundCapabilities) else "microamperes"
    return ("none", amplitude, "seconds", "seconds")


def rows_of(emissions: Sequence[Emission]) -> NDArray[np.float64]:
    """Rows of the stream, (n_emissions, 4)."""
    return np.array(
        [(e.channel, e.amplitude, e.onset_s, e.offset_s) for e in emissions], dtype=np.float64
    ).reshape(-1, len(LABELS))


def emissions_of(rows: NDArray[np.float64], units: Sequence[str]) -> list[Emission]:
    """The other way round, for whoever receives the stream and its units."""
    unit = "uA" if units[LABELS.index("amplitude")] == "microamperes" else "dB SPL"
    return [
        Emission(onset_s, offset_s, int(channel), amplitude, unit)
        for channel, amplitude, onset_s, offset_s in rows.tolist()
    ]
