"""Which trial belongs to which arm: permuted blocks from a secret seed, and the hash of both.

Everything is drawn with HMAC-SHA256 keyed with the seed, so that whoever has it can
draw again, with any program, and whoever has only the hash knows nothing. Draws are
numbered: none depends on those before it.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

_TAG = b"bci arms 1\n"
SEED_BYTES = 32


def new_seed() -> bytes:
    """From the system's source of randomness."""
    return secrets.token_bytes(SEED_BYTES)


def commitment(seed: bytes, design: Mapping[str, Any]) -> str:
    """SHA-256 over seed and design, in hexadecimal.

    The design is written as canonical JSON: sorted keys, no spaces, ASCII. Of a seed of
    256 random bits the hash tells nothing, and no other pair with this hash can be found.
    """
    told = json.dumps(design, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(_TAG + seed + told.encode()).hexdigest()


class Allocation:
    """The order of the arms.

    Parameters
    ----------
    seed : bytes
        Of `SEED_BYTES`.
    counts : mapping of str to int
        How often each arm comes in a block.
    """

    def __init__(self, seed: bytes, counts: Mapping[str, int]) -> None:
        self._seed = seed
        self._sorted = tuple(arm for arm, count in counts.items() for _ in range(count))
        self._block = -1
        self._order: tuple[str, ...] = ()

    @property
    def block_size(self) -> int:
        return len(self._sorted)

    def arm_of(self, slot: int) -> str:
        """The arm of a trial or period, counted from 0."""
        block, place = divmod(slot, len(self._sorted))
        if block != self._block:
            self._block, self._order = block, self._permuted(block)
        return self._order[place]

    def uniform(self, what: str, number: int) -> float:
        """A number from 0 to below 1, the same whenever it is asked for."""
        return (self._word(f"{what} {number}") >> 11) / 2.0**53

    def _permuted(self, block: int) -> tuple[str, ...]:
        """Fisher and Yates, in Durstenfeld's form (1964)."""
        order = list(self._sorted)
        for last in range(len(order) - 1, 0, -1):
            other = self._below(last + 1, f"block {block} place {last}")
            order[last], order[other] = order[other], order[last]
        return tuple(order)

    def _below(self, bound: int, what: str) -> int:
        """Uniform from 0 to below `bound`: words that would favour some are drawn again."""
        fair = 2**64 - 2**64 % bound
        attempt = 0
        while (word := self._word(f"{what} attempt {attempt}")) >= fair:
            attempt += 1
        return word % bound

    def _word(self, what: str) -> int:
        digest = hmac.digest(self._seed, what.encode(), "sha256")
        return int.from_bytes(digest[:8], "big")
