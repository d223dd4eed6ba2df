"""Random numbers within kernels, from a state that is handed in.

The generator is xoshiro256+ (Blackman and Vigna 2021, ACM Transactions on Mathematical
Software 47:36). Each layer has its own, so that what one layer draws does not change
another, and numbers depend on the sample only, never on the length of a block.
"""

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled

_UNIT = 2.0**-53


def seeded(sequence: np.random.SeedSequence) -> NDArray[np.uint64]:
    """State of a generator, of four words."""
    return np.array(sequence.generate_state(4, np.uint64), dtype=np.uint64)


@compiled("float64(uint64[::1])")
def uniform(state: NDArray[np.uint64]) -> float:
    """From 0 up to, and without, 1."""
    mixed = state[0] + state[3]
    shifted = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = (state[3] << np.uint64(45)) | (state[3] >> np.uint64(19))
    return float(mixed >> np.uint64(11)) * _UNIT


@compiled("float64(uint64[::1])")
def normal(state: NDArray[np.uint64]) -> float:
    """Of mean 0 and standard deviation 1, after Box and Muller (1958)."""
    radius = np.sqrt(-2.0 * np.log(1.0 - uniform(state)))
    return float(radius * np.cos(2.0 * np.pi * uniform(state)))


@compiled("float64(uint64[::1], float64)")
def poisson(state: NDArray[np.uint64], mean: float) -> float:
    """A count, by multiplying uniforms (Knuth); for small means."""
    limit = np.exp(-mean)
    count, product = 0.0, uniform(state)
    while product > limit:
        count += 1.0
        product *= uniform(state)
    return count
