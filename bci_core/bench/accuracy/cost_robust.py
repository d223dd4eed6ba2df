"""Twins of `bci_core.detection.robust_baseline`."""

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_bands import Floats
from bci_core.detection.robust_baseline import (
    _HEAD_START,
    _LARGEST_STEP,
    _MEANS,
    _ONE_SIDED,
    _PATIENCE_MEMORIES,
    SD_PER_MAD,
)


class RobustBaseline:
    """Of many values at once, value by value in time."""

    def __init__(self, settings: Floats, shape: tuple[int, ...]) -> None:
        self._gain, self._floor, self._learning, patience = settings.tolist()
        self._memory = _PATIENCE_MEMORIES / patience
        self._count, self._level, self._mad, self._balance = (np.zeros(shape) for _ in range(4))

    @property
    def learnt(self) -> NDArray[np.bool_]:
        """Where there is something to compare with."""
        return np.asarray(self._count >= self._learning)

    @property
    def level(self) -> Floats:
        """Running medians."""
        return np.asarray(np.maximum(self._level, self._floor))

    def heights(self, values: Floats) -> Floats:
        """In standard deviations."""
        deviations = np.maximum(SD_PER_MAD * self._mad, self._floor)
        return np.asarray((values - self._level) / deviations)

    def follow(self, values: Floats) -> None:
        """Take one value of each in."""
        side = np.where(values > self._level, 1.0, -1.0)
        self._balance += self._memory * (side - self._balance)
        self._count += 1.0
        distance = values - self._level
        far = np.where(np.abs(distance) > self._mad, 1.0, -1.0)
        step = np.maximum(self._gain, np.minimum(_HEAD_START / self._count, _LARGEST_STEP))
        first = self._count <= _MEANS * self._learning
        wider = (np.abs(distance) - self._mad) / self._count
        move = np.where(first, distance / self._count, step * self._mad * side)
        grow = np.where(first, wider, step * self._mad * far)
        self._level += move
        self._mad = np.maximum(self._mad + grow, self._floor)
        anew = (np.abs(self._balance) > _ONE_SIDED) | (self._count == 1.0)
        self._count[anew], self._balance[anew] = 1.0, 0.0
        self._level[anew] = values[anew]
        self._mad[anew] = np.maximum(0.5 * np.abs(values[anew]), self._floor)


class OneRobustBaseline:
    """Of a single value, in plain numbers, which is quicker than arrays of one."""

    def __init__(self, settings: Floats) -> None:
        self._gain, self._floor, self._learning, patience = settings.tolist()
        self._memory = _PATIENCE_MEMORIES / patience
        self._count = self._level = self._mad = self._balance = 0.0

    def height(self, value: float) -> float:
        """In standard deviations; 0 where there is nothing to compare with."""
        if self._count < self._learning:
            return 0.0
        return float((value - self._level) / max(SD_PER_MAD * self._mad, self._floor))

    def follow(self, value: float) -> None:
        """Take one value in."""
        distance, mad = value - self._level, self._mad
        side = 1.0 if distance > 0.0 else -1.0
        self._balance += self._memory * (side - self._balance)
        self._count += 1.0
        if self._count <= _MEANS * self._learning:
            self._level += distance / self._count
            mad += (abs(distance) - mad) / self._count
        else:
            step = max(self._gain, min(_HEAD_START / self._count, _LARGEST_STEP))
            self._level += step * mad * side
            mad += step * mad if abs(distance) > mad else -step * mad
        self._mad = max(mad, self._floor)
        if abs(self._balance) > _ONE_SIDED or self._count == 1.0:
            self._count, self._balance, self._level = 1.0, 0.0, value
            self._mad = max(0.5 * abs(value), self._floor)
