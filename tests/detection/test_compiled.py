import numpy as np
import pytest

from bci_core.chunk import Chunk
from bci_core.detection.compiled import MAX_ROWS, CompiledDetector, announce


def every_third(samples, times_s, flags, settings, state, out):
    """A kernel in plain Python: finds every third sample it ever sees."""
    n_found = 0
    for i in range(len(times_s)):
        state[0] += 1
        if state[0] % settings[0] == 0:
            n_found = announce(out, n_found, i, times_s[i] + 0.5, samples[i, 1])
    return n_found


def detector():
    return CompiledDetector(every_third, np.array([3.0]), np.zeros(1), (1,))


def chunk(n, start=0):
    index = np.arange(start, start + n)
    samples = np.stack([np.zeros(n), index], axis=1).astype(np.float32)
    return Chunk(samples, 100.0 + index / 250.0)


@pytest.mark.parametrize("n", [0, 1, 3, MAX_ROWS, MAX_ROWS + 1, 3 * MAX_ROWS + 5])
def test_detections_name_their_sample_however_long_the_chunk(n):
    found = detector().update(chunk(n))
    assert [d.sample_index for d in found] == list(range(2, n, 3))
    assert [d.value for d in found] == list(range(2, n, 3))
    assert [d.sample_s for d in found] == [100.0 + i / 250.0 for i in range(2, n, 3)]
    assert all(d.target_s == d.sample_s + 0.5 and d.veto == "" for d in found)


def test_indices_go_on_over_chunks_and_skipped_samples():
    one = detector()
    assert [d.sample_index for d in one.update(chunk(4))] == [2]
    # The hot path ran the kernel on two samples by itself, and nothing was found in them.
    assert one.kernel(*_arrays(chunk(1, 4)), one.settings, one.state, one.out) == 0
    one.skip(1)
    n_found = one.kernel(*_arrays(chunk(3, 5)), one.settings, one.state, one.out)
    found = one.collect(n_found, chunk(3, 5).times_s)
    assert [(d.sample_index, d.value) for d in found] == [(5, 5.0)]
    assert [d.sample_index for d in one.update(chunk(3, 8))] == [8]


def test_settings_and_state_are_its_own():
    settings, state = np.array([3.0]), np.zeros(1)
    one = CompiledDetector(every_third, settings, state, (1,))
    one.update(chunk(5))
    assert state[0] == 0.0
    assert one.state[0] == 5.0


def _arrays(block):
    return block.samples, block.times_s, np.zeros(len(block), dtype=np.uint8)
