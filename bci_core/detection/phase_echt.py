"""Calibrated endpoint-corrected Hilbert transform, as a sliding Fourier transform.

Schreglmann et al. 2021 (Nature Communications 12:363): take a window that ends
now, keep the positive frequencies of its spectrum, weigh them by the response of
a causal band-pass, transform back, and read the last sample. The causal filter
lets the distortion that the window's edges make fall on its beginning.

What is read is linear in the window, so it is computed here without a transform
back: each frequency of the window is a rotation that takes the new sample in and
the one a window ago out (the sliding discrete Fourier transform, Jacobsen & Lyons
2003, IEEE Signal Processing Magazine 20(2):74). The cost does not depend on the
sampling rate. Frequencies above `TOP` times the band's upper edge are left out.

The endpoint has a known bias in phase and amplitude and some leakage of negative
frequencies (Osmers & Kolossa 2026, arXiv:2601.13962, who calibrate it away with one
complex number at the centre of the band). Here both are taken out exactly, at the
frequency the oscillation is found to have, from `response`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.filters import band_pass, filter_response
from bci_core.detection.phase_follow import (
    COLUMN,
    IM,
    MODEL_AT,
    OWN_AT,
    RE,
    clean,
    follow,
)
from bci_core.detection.ring import delayed, ring_size
from bci_core.jit import KERNEL, compiled

TOP = 4.0
"""Highest frequency of the window that is used, over the upper edge of the band."""

# model; frequencies and weights follow: cosine, sine, real, imaginary for each
_WINDOW, _BINS = range(2)
_PER_BIN = 4
# state; after what all estimators show: rotations (two each), then the ring of the window
_ROTATIONS = 2


def echt_model(
    band_hz: tuple[float, float], rate_hz: float, window_cycles: float, order: int
) -> NDArray[np.float64]:
    """Weights of the frequencies of the window.

    Parameters
    ----------
    band_hz : (float, float)
    rate_hz : float
    window_cycles : float
        Length of the window, in cycles at the (geometric) centre of the band.
    order : int
        Of the causal Butterworth band-pass, at each edge.

    Returns
    -------
    ndarray, (1 + 4 * n_frequencies,)
    """
    low_hz, high_hz = band_hz
    window = max(round(window_cycles * rate_hz / math.sqrt(low_hz * high_hz)), 4)
    top_hz = min(TOP * high_hz, rate_hz / 2.0 * (1.0 - 1e-9))
    sections = band_pass(band_hz, rate_hz, order)
    rows = []
    for k in range(1, max(int(top_hz * window / rate_hz), 1) + 1):
        omega = 2.0 * math.pi * k / window
        weight = 2.0 / window * complex(filter_response(sections, omega))
        rows.append([math.cos(omega), math.sin(omega), weight.real, weight.imag])
    return np.concatenate([[float(window)], np.ravel(rows)])


def echt_state_size(model: NDArray[np.float64]) -> int:
    """Numbers of state that a model needs."""
    n_bins = (len(model) - _BINS) // _PER_BIN
    return _ROTATIONS + 2 * n_bins + ring_size(int(model[_WINDOW]))


@compiled("void(float64[::1], float64[::1], float64)")
def track(model: NDArray[np.float64], state: NDArray[np.float64], value: float) -> None:
    """Advance by one sample."""
    n_bins = (model.shape[0] - _BINS) // _PER_BIN
    change = value - delayed(state[_ROTATIONS + 2 * n_bins :], value)
    show_re = 0.0
    show_im = 0.0
    for k in range(n_bins):
        at, row = _ROTATIONS + 2 * k, _BINS + _PER_BIN * k
        cos, sin = model[row], model[row + 1]
        re = cos * state[at] - sin * state[at + 1] + change
        im = sin * state[at] + cos * state[at + 1]
        state[at], state[at + 1] = re, im
        show_re += model[row + 2] * re - model[row + 3] * im
        show_im += model[row + 2] * im + model[row + 3] * re
    state[RE], state[IM] = show_re, show_im


def response(
    model: NDArray[np.float64], omega: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Transfer functions at `omega` radians a sample, from the signal to the two numbers shown."""
    window = model[_WINDOW]
    rows = model[_BINS:].reshape(-1, _PER_BIN)
    turn, weight = rows[:, 0] + 1j * rows[:, 1], rows[:, 2] + 1j * rows[:, 3]
    delay = np.exp(-1j * omega)
    entered = 1.0 - np.exp(-1j * omega * window)
    left = 1.0 - np.outer(turn, delay)
    # On one of the window's own frequencies, all of the window adds up.
    on_it = abs(left) < 1e-9
    positive = weight @ np.where(on_it, window, entered / np.where(on_it, 1.0, left))
    negative = (weight @ (entered.conj() / (1.0 - np.outer(turn, delay.conj())))).conj()
    return (positive + negative) / 2.0, (positive - negative) / 2j


@compiled(KERNEL)
def echt_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `bci_core.detection.phase.Phase`."""
    column = int(settings[COLUMN])
    model, own = settings[int(settings[MODEL_AT]) :], state[int(settings[OWN_AT]) :]
    n_found = 0
    for i in range(samples.shape[0]):
        value = clean(settings, state, float(samples[i, column]), flags[i])
        before_re, before_im = own[RE], own[IM]
        track(model, own, value)
        n_found = follow(
            settings, state, out, n_found, i, times_s[i], flags[i],
            value, before_re, before_im, own[RE], own[IM],
        )  # fmt: skip
    return n_found
