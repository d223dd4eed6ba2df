"""Second-order sections, sample by sample, for kernels.

Designed by scipy, kept as one flat array so that they fit into a detector's
settings: five coefficients a section (b0, b1, b2, a1, a2; a0 is 1) and two
numbers of state (transposed direct form II, as in `scipy.signal.sosfilt`).
No sections at all is a filter that changes nothing.

`scipy.signal` takes most of a second to import, so it is imported where a filter
is designed: a detector without one starts without it.
"""

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled

COEFFICIENTS = 5
"""Numbers in the settings for each section."""

MEMORIES = 2
"""Numbers in the state for each section."""


def band_pass(band_hz: tuple[float, float], rate_hz: float, order: int) -> NDArray[np.float64]:
    """Butterworth, `order` at each edge: that many sections."""
    from scipy import signal

    return _flat(signal.butter(order, band_hz, btype="bandpass", output="sos", fs=rate_hz))


def notch(centre_hz: float, width_hz: float, rate_hz: float) -> NDArray[np.float64]:
    """One section that takes out a frequency; `width_hz` lies between its -3 dB points."""
    from scipy import signal

    b, a = signal.iirnotch(centre_hz, centre_hz / width_hz, fs=rate_hz)
    return _flat(np.concatenate([b, a])[np.newaxis])


def group_delay_s(sections: NDArray[np.float64], frequency_hz: float, rate_hz: float) -> float:
    """How much later the envelope of an oscillation at `frequency_hz` comes out."""
    step = 1e-4 * frequency_hz
    around_hz = np.array([frequency_hz - step, frequency_hz + step])
    omega = 2.0 * np.pi * around_hz / rate_hz
    below, above = (filter_response(sections, w) for w in omega)
    return float(-np.angle(above / below) / (omega[1] - omega[0]) / rate_hz)


def _flat(sos: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ascontiguousarray(sos[:, [0, 1, 2, 4, 5]]).ravel()


@compiled("void(float64[::1], float64[::1], float64)")
def settle(sections: NDArray[np.float64], state: NDArray[np.float64], value: float) -> None:
    """Put the state where a constant input of `value` would have left it.

    Done with the first sample, so that an electrode offset makes no transient.
    """
    for k in range(sections.shape[0] // COEFFICIENTS):
        c = COEFFICIENTS * k
        b0, b1, b2 = sections[c], sections[c + 1], sections[c + 2]
        a1, a2 = sections[c + 3], sections[c + 4]
        settled = value * (b0 + b1 + b2) / (1.0 + a1 + a2)
        state[MEMORIES * k] = settled - b0 * value
        state[MEMORIES * k + 1] = b2 * value - a2 * settled
        value = settled


@compiled("float64(float64[::1], float64[::1], float64)")
def filtered(sections: NDArray[np.float64], state: NDArray[np.float64], value: float) -> float:
    """Advance all sections by one sample and give the output."""
    for k in range(sections.shape[0] // COEFFICIENTS):
        c = COEFFICIENTS * k
        m = MEMORIES * k
        out = sections[c] * value + state[m]
        state[m] = sections[c + 1] * value - sections[c + 3] * out + state[m + 1]
        state[m + 1] = sections[c + 2] * value - sections[c + 4] * out
        value = out
    return value


def filter_response(
    sections: NDArray[np.float64], omega: float | NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Transfer function at `omega` radians a sample."""
    delay = np.exp(-1j * np.asarray(omega))
    response = np.ones_like(delay)
    for b0, b1, b2, a1, a2 in sections.reshape(-1, COEFFICIENTS):
        response *= (b0 + delay * (b1 + delay * b2)) / (1.0 + delay * (a1 + delay * a2))
    return response


def high_pass(edge_hz: float, rate_hz: float, order: int) -> NDArray[np.float64]:
    """Butterworth."""
    from scipy import signal

    return _flat(signal.butter(order, edge_hz, btype="highpass", output="sos", fs=rate_hz))
