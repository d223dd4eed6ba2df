from pathlib import Path

import numpy as np
import pytest

from bci_core.errors import InputError
from bci_core.record.recording import Recording
from bci_core.scoring.stretch import stretch_of


def recording(n: int = 100, lost: int = 0) -> Recording:
    ticks = np.arange(n)
    ticks[n // 2 :] += lost
    samples = np.arange(n, dtype=np.float32)[:, np.newaxis]
    return Recording(samples, ticks, 10.0, ("Cz",), Path("night.npz"))


def test_times_are_those_of_the_recording() -> None:
    part = stretch_of(recording(), 0.3, 0.7)
    np.testing.assert_allclose(part.times_s, [0.3, 0.4, 0.5, 0.6])
    assert (part.first_row, part.end_s) == (3, pytest.approx(0.7))
    assert part.samples[:, 0].tolist() == [3.0, 4.0, 5.0, 6.0]
    assert part.info.channels == ("Cz",)


def test_gaps_stay_gaps() -> None:
    whole = stretch_of(recording(lost=7))
    assert whole.times_s[50] - whole.times_s[49] == pytest.approx(0.8)
    assert sum(len(chunk) for chunk in whole.chunks(33)) == 100


def test_nothing_between_the_times() -> None:
    with pytest.raises(InputError, match=r"night\.npz: no samples from 10 s to 11 s; it lasts 10"):
        stretch_of(recording(), 10.0, 11.0)
    with pytest.raises(InputError, match="no samples from 5 s to 4 s"):
        stretch_of(recording(), 5.0, 4.0)
