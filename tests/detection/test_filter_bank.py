import numpy as np
import pytest

from bci_core.chunk import StreamInfo
from bci_core.detection.filter_bank import (
    bank_size,
    columns_problems,
    filter_each,
    gather,
    settle_each,
)
from bci_core.detection.filters import MEMORIES, band_pass, filtered, high_pass, settle

FILTERS = {
    "high-pass": high_pass(300.0, 10_000.0, 2),
    "odd order": high_pass(300.0, 10_000.0, 3),
    "band-pass": band_pass((80.0, 150.0), 1000.0, 4),
    "none": np.zeros(0),
}


@pytest.mark.parametrize("sections", FILTERS.values(), ids=FILTERS.keys())
@pytest.mark.parametrize("n_channels", [1, 3, 64])
def test_each_channel_gets_what_it_would_get_alone_to_the_bit(sections, n_channels):
    samples = np.random.default_rng(0).normal(3000.0, 50.0, (200, n_channels))
    state = np.zeros(bank_size(sections, n_channels))
    alone = np.zeros((n_channels, MEMORIES * len(sections) // 5))
    settle_each(sections, state, samples[0].copy())
    for c in range(n_channels):
        settle(sections, alone[c], samples[0, c])
    for sample in samples:
        values = sample.copy()
        filter_each(sections, state, values)
        assert values.tolist() == [
            filtered(sections, alone[c], sample[c]) for c in range(n_channels)
        ]


def test_an_offset_makes_no_transient():
    sections, values = FILTERS["high-pass"], np.full(4, 1e5)
    state = np.zeros(bank_size(sections, 4))
    settle_each(sections, state, values.copy())
    filter_each(sections, state, values)
    assert np.abs(values).max() < 1e-6


@pytest.mark.parametrize("columns", [(0, 1, 2, 3), (0, 2, 1, 3), (3,), (5, 0)])
def test_columns_are_taken_in_their_order(columns):
    sample, values = np.arange(6, dtype=np.float32) * 10, np.zeros(len(columns))
    gather(sample, np.array(columns, dtype=float), values)
    assert values.tolist() == [10.0 * c for c in columns]


def test_columns_must_be_there_and_named_once():
    info = StreamInfo("probe", 1000.0, ("a", "b", "c"), "probe-1")
    assert not columns_problems(("c", "a"), info)
    found = columns_problems(("a", "x", "a", "y"), info)
    assert [p.where for p in found] == ["channels"] * 3
    for word, problem in zip(("'a'", "'x'", "'y'"), found, strict=True):
        assert word in problem.message
