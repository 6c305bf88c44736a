"""Local search over orders of the items: short attempts, each with an order that differs a little from the best so far.

An order that nearly succeeds has most of what a good one needs. The measure is how much an attempt had placed at its
best. What lives where attempts fail moves to the front ("squeaky wheel" optimization: Joslin and Clements, JAIR 1999;
weighted degrees: Boussemart, Hemery, Lecoutre and Sais, ECAI 2004), or a stretch of time is shaken.
"""

import random
from collections.abc import Sequence

import numpy as np

from cnnir.passes.memory.placement.arrays import Items, Numbers

_NOISE = 0.5
"""By how much keys may shrink at the outset."""

_CHANGED = 0.2
"""How likely a key is to change from one attempt to the next, where it may."""

_FACTOR = 3.0
"""By how much it may grow or shrink then."""

_WIDEST = 4
"""The stretch that is shaken takes up to one part in so many of the sections, to each side."""

_PATIENCE = 50
"""Attempts that place no more than the best one, after which a climb is over."""


class Climb:
    """One climb: `order` is what is to be tried, `learn` takes what came of it, until it is over."""

    def __init__(self, items: Items, sections: int, key: Sequence[int], generator: random.Random) -> None:
        """Begin with a key, from large to small, and noise."""
        self._items = items
        self._sections = sections
        self._generator = generator
        self._best = [size * generator.uniform(1 - _NOISE, 1) for size in key]
        self._tried = self._best
        self._most = -1
        self._idle = 0
        # From the first section of each item to its last, and from there to the next item's: only the former count.
        self._spans = np.stack([items.first, items.end], axis=1).ravel()

    @property
    def is_over(self) -> bool:
        """Whether there has been no progress for long."""
        return self._idle > _PATIENCE

    def order(self) -> list[int]:
        """What is to be tried next."""
        return sorted(range(len(self._tried)), key=lambda item: (-self._tried[item], item))

    def learn(self, most: int, blamed: Numbers) -> None:
        """Take what came of the order.

        Args:
            most: How much the attempt had placed at its best. As much as before is no progress, but gone on from.
            blamed: How often each section has failed; fades.
        """
        self._idle = 0 if most > self._most else self._idle + 1
        if most >= self._most:
            self._most, self._best = most, self._tried
        self._tried = self._urged(blamed) if self._generator.random() < 0.5 else self._shaken()
        for section in range(self._sections):
            blamed[section] //= 2

    def _urged(self, blamed: Numbers) -> list[float]:
        """Some of what lives where attempts fail moves to the front."""
        failed = np.maximum.reduceat(np.append(blamed, 0), self._spans)[::2]
        most = max(int(failed.max(initial=0)), 1)
        draw = self._generator.random
        chances = (_CHANGED / most * failed).tolist()
        return [
            key * (1 + (_FACTOR - 1) * draw()) if draw() < chance else key
            for key, chance in zip(self._best, chances, strict=True)
        ]

    def _shaken(self) -> list[float]:
        """Some of what lives in a stretch of time moves to the front or to the back."""
        draw = self._generator.random
        middle, reach = draw() * self._sections, 1 + draw() * self._sections / _WIDEST
        result = []
        for key, first, end in zip(self._best, self._items.first, self._items.end, strict=True):
            if first < middle + reach and end > middle - reach and draw() < _CHANGED:
                factor = 1 + (_FACTOR - 1) * draw()
                key = key * factor if draw() < 0.5 else key / factor  # noqa: PLW2901
            result.append(key)
        return result
