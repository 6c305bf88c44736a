"""Which positions of one axis the positions of another one read: periodic intervals, exact under composition and union.

A convolution reads ``[o * S - P, o * S - P + E - 1]`` at output position o. An upsampling by 2 reads one cell at even
positions and the same cell at the odd ones after them. Both repeat: after a period of positions, all intervals have
moved by a step. Such maps compose to such maps, which is why a receptive field through convolutions, upsamplings and
branches stays exact. Where paths of different strides meet there is no period, and the map is a table.

The recurrences for one path are those of Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
Networks" (Distill, 2019), equations 1 to 4; here they run over intervals, so that no rounding is left out.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

Interval: TypeAlias = tuple[int, int]
"""First and last cell, both included."""

LIMIT = 1 << 16
"""Phases beyond which no map is made."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What each position reads.

    Attributes:
        phases: The interval of each position of the first period, None for a position that reads nothing.
        step: How far the intervals move from one period to the next; None for a table, which ends with its phases.
    """

    phases: tuple[Interval | None, ...]
    step: int | None

    @property
    def stride(self) -> Fraction | None:
        """Cells from one position's interval to the next one's on average; None for a table."""
        return None if self.step is None else Fraction(self.step, len(self.phases))

    @property
    def size(self) -> int:
        """Cells of the largest interval."""
        return max((high - low + 1 for low, high in filter(None, self.phases)), default=0)

    def at(self, position: int) -> Interval | None:
        """The interval of a position, which may lie outside the map; None when it reads nothing."""
        if self.step is None:
            return self.phases[position] if 0 <= position < len(self.phases) else None
        period, phase = divmod(position, len(self.phases))
        found = self.phases[phase]
        return None if found is None else (found[0] + period * self.step, found[1] + period * self.step)

    def over(self, positions: Interval) -> Interval | None:
        """The hull of the intervals of a range of positions."""
        first, last = positions
        count = len(self.phases)
        if self.step is None:
            return hull(self.phases[max(first, 0) : max(last + 1, 0)])
        # Each phase moves evenly, so its first and its last position are its outermost ones.
        ends = {*range(first, min(last, first + count - 1) + 1), *range(max(first, last - count + 1), last + 1)}
        return hull(map(self.at, ends))

    def table(self, size: int) -> "Reach":
        """The same for the positions of a map of this size, one by one."""
        return Reach(tuple(self.at(position) for position in range(size)), None)


IDENTITY = Reach(((0, 0),), 1)
"""Each position reads its own."""


def window(first: int, extent: int, stride: int) -> Reach:
    """A window of `extent` cells that starts at cell `first` and moves by `stride`."""
    return Reach(((first, first + extent - 1),), stride)


def hull(intervals: Iterable[Interval | None]) -> Interval | None:
    """The least interval that holds all; None for none."""
    found = [interval for interval in intervals if interval is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def compose(outer: Reach, inner: Reach, size: int | None) -> Reach | None:
    """What the positions of `outer` read through `inner`.

    Args:
        outer: From the result to a map between.
        inner: From the map between to the source.
        size: Positions of the result, None when not known.

    Returns:
        The map, or None when it is a table of unknown size or too long a one.
    """
    if outer == IDENTITY:
        return inner
    if inner == IDENTITY:
        return outer
    if outer.step is not None and inner.step is None:
        if size is None or size > LIMIT:
            return None
        outer = outer.table(size)
    if outer.step is None or inner.step is None:
        return Reach(tuple(None if read is None else inner.over(read) for read in outer.phases), None)
    repeats = len(inner.phases) // math.gcd(outer.step, len(inner.phases))
    period = len(outer.phases) * repeats
    if period > LIMIT:
        return None
    reads = (outer.at(position) for position in range(period))
    phases = tuple(None if read is None else inner.over(read) for read in reads)
    return _shortest(Reach(phases, repeats * outer.step // len(inner.phases) * inner.step))


def union(left: Reach, right: Reach, size: int | None) -> Reach | None:
    """What each position reads through either; None as for `compose`."""
    if left == right:
        return left
    if left.stride == right.stride and left.stride is not None:
        period = math.lcm(len(left.phases), len(right.phases))
        step = left.stride * period
    else:
        if size is None:
            return None
        period, step = size, None
    if period > LIMIT:
        return None
    phases = tuple(hull((left.at(position), right.at(position))) for position in range(period))
    return _shortest(Reach(phases, None if step is None else int(step)))


def _shortest(reach: Reach) -> Reach:
    """The same map with the least period."""
    count = len(reach.phases)
    if reach.step is None or count == 1:
        return reach
    for period in range(1, count):
        if count % period or reach.step % (count // period):
            continue
        shorter = Reach(reach.phases[:period], reach.step // (count // period))
        if all(shorter.at(position) == reach.phases[position] for position in range(period, count)):
            return shorter
    return reach
