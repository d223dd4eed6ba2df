"""Permuted blocks: balanced at the end of each, drawn again the same, and committed to."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_core.control.allocation import SEED_BYTES, Allocation, commitment, new_seed

ARMS = ("active", "sham", "delayed", "catch")
SEEDS = st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES)
COUNTS = st.dictionaries(st.sampled_from(ARMS), st.integers(1, 5), min_size=1)


@settings(max_examples=30, deadline=None)
@given(SEEDS, COUNTS, st.integers(0, 1000))
def test_every_block_holds_each_arm_as_often_as_its_count(
    seed: bytes, counts: dict[str, int], block: int
) -> None:
    order = Allocation(seed, counts)
    first = block * order.block_size
    assert Counter(order.arm_of(first + i) for i in range(order.block_size)) == counts


@settings(max_examples=20, deadline=None)
@given(SEEDS, COUNTS, st.lists(st.integers(0, 200), max_size=30))
def test_any_slot_may_be_asked_for_in_any_order(
    seed: bytes, counts: dict[str, int], slots: list[int]
) -> None:
    order, again = Allocation(seed, counts), Allocation(seed, counts)
    row = [again.arm_of(slot) for slot in range(201)]
    assert [order.arm_of(slot) for slot in slots] == [row[slot] for slot in slots]


def test_orders_of_a_block_are_equally_likely() -> None:
    """Six orders of three arms over 3000 blocks: chi-squared with 5 degrees of freedom."""
    order = Allocation(bytes(SEED_BYTES), {"a": 1, "b": 1, "c": 1})
    seen = Counter(tuple(order.arm_of(3 * b + i) for i in range(3)) for b in range(3000))
    assert len(seen) == 6
    assert sum((n - 500) ** 2 / 500 for n in seen.values()) < 20.5  # p = 0.001


def test_uniform_numbers_are_uniform_and_apart() -> None:
    order = Allocation(bytes(SEED_BYTES), {"a": 1})
    drawn = np.array([order.uniform("delay", k) for k in range(2000)])
    assert (drawn >= 0.0).all()
    assert (drawn < 1.0).all()
    assert abs(np.histogram(drawn, 10, (0.0, 1.0))[0] - 200).max() < 60
    other = np.array([order.uniform("stimulate", k) for k in range(2000)])
    assert abs(np.corrcoef(drawn, other)[0, 1]) < 0.08
    assert order.uniform("delay", 7) == drawn[7]


def test_what_is_drawn_is_what_the_document_says() -> None:
    """As anybody would draw it again, from the description alone."""
    import hmac

    seed = bytes(range(32))
    drawn = int.from_bytes(hmac.digest(seed, b"delay 3", "sha256")[:8], "big") >> 11
    assert Allocation(seed, {"a": 1}).uniform("delay", 3) == drawn / 2**53
    order = ["a", "a", "b"]
    for last in (2, 1):
        word = hmac.digest(seed, f"block 4 place {last} attempt 0".encode(), "sha256")[:8]
        other = int.from_bytes(word, "big") % (last + 1)
        order[last], order[other] = order[other], order[last]
    allocation = Allocation(seed, {"a": 2, "b": 1})
    assert [allocation.arm_of(slot) for slot in (12, 13, 14)] == order


@pytest.mark.parametrize("other", [(bytes(31) + b"\1", {"a": 1}), (bytes(32), {"a": 2})])
def test_the_commitment_binds_seed_and_design(other: tuple[bytes, dict[str, int]]) -> None:
    mine = commitment(bytes(32), {"a": 1})
    assert mine == hashlib.sha256(b"bci arms 1\n" + bytes(32) + b'{"a":1}').hexdigest()
    assert commitment(*other) != mine


def test_seeds_are_new_each_time() -> None:
    assert len({new_seed() for _ in range(8)}) == 8
    assert len(new_seed()) == SEED_BYTES
