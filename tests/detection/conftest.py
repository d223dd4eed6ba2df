from pathlib import Path

import numpy as np
import pytest

from bci_core.chunk import Chunk, StreamInfo

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture
def info():
    return StreamInfo("bench", 250.0, ("Fz", "Cz", "Pz"), "bench-1")


@pytest.fixture
def on_cz(info):
    """Makes a chunk of `info` with these samples on Cz, and something else elsewhere."""

    def make(cz_uv, start_s=0.0):
        samples = np.full((len(cz_uv), len(info.channels)), 7.0, dtype=np.float32)
        samples[:, 1] = cz_uv
        return Chunk(samples, start_s + np.arange(len(cz_uv)) / info.rate_hz)

    return make


@pytest.fixture
def recording():
    """Loads one channel of a recording, in its unit, with its rate."""

    def load(name, row=0):
        path = RECORDINGS / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"no recording {path}")
        with np.load(path) as held:
            return np.atleast_2d(held["data"])[row].astype(float), float(held["fs"])

    return load
