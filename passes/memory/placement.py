"""At which offset each storage lies, for given lives: several greedy placements, the best one kept.

Greedy placement takes the buffers in some order and puts each at an offset where it overlaps no placed one that lives
at the same time. No order is best everywhere, so all of them are tried. By size: Pisarchyk and Lee, "Efficient Memory
Management for Deep Neural Net Inference" (2020), and TensorFlow Lite Micro's planner.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes that are needed from step `first` to step `last`, both included."""

    bytes: int
    first: int
    last: int

    @property
    def duration(self) -> int:
        """Number of steps it lives."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Placement:
    """An offset for each buffer.

    Attributes:
        offsets: In the buffers' order.
        height: The first byte behind all of them.
        bound: No placement is lower.
        heuristic: Which of the greedy families found it.
    """

    offsets: tuple[int, ...]
    height: int
    bound: int
    heuristic: str


_Key: TypeAlias = Callable[[Buffer], tuple[int, ...]]

_ORDERS: dict[str, _Key] = {
    "size": lambda buffer: (-buffer.bytes, buffer.first),
    "area": lambda buffer: (-buffer.bytes * buffer.duration, buffer.first),
    "duration": lambda buffer: (-buffer.duration, -buffer.bytes),
    "start": lambda buffer: (buffer.first, -buffer.bytes),
    "end": lambda buffer: (-buffer.last, -buffer.bytes),
}

_ROUNDS = 100
"""Most rounds of noise, each over all orders, when none of them is as low as one can be as it stands."""

_EFFORT = 2_000_000
"""Neighbours looked at in all rounds together: many buffers that live together get fewer rounds, in the same time."""

_SHAKE = 0.3
"""In the last round a key may shrink by so much."""


def live_peak(buffers: Sequence[Buffer]) -> int:
    """The largest sum of bytes live at one step: the lower bound of every placement."""
    events: dict[int, int] = {}
    for buffer in buffers:
        events[buffer.first] = events.get(buffer.first, 0) + buffer.bytes
        events[buffer.last + 1] = events.get(buffer.last + 1, 0) - buffer.bytes
    live = peak = 0
    for step in sorted(events):
        live += events[step]
        peak = max(peak, live)
    return peak


def aligned_peak(buffers: Sequence[Buffer], alignment: int) -> int:
    """No placement whose offsets are all multiples of the alignment is lower; at least the `live_peak`.

    Of the buffers that live at one step, all but the topmost push the next one up to a multiple, whatever their order.
    The topmost may be the one that saves most.
    """
    ends: list[tuple[int, int]] = []
    savings: list[tuple[int, int]] = []
    live = peak = 0
    for buffer in sorted(buffers, key=lambda buffer: buffer.first):
        rounded = -(-buffer.bytes // alignment) * alignment
        heapq.heappush(ends, (buffer.last, rounded))
        heapq.heappush(savings, (buffer.bytes - rounded, buffer.last))
        live += rounded
        while ends[0][0] < buffer.first:
            live -= heapq.heappop(ends)[1]
        while savings[0][1] < buffer.first:
            heapq.heappop(savings)
        peak = max(peak, live + savings[0][0])
    return peak


def place(buffers: Sequence[Buffer], alignment: int = 1) -> Placement:
    """Place buffers in one pool, as low as the portfolio finds; the same buffers give the same placement everywhere.

    Args:
        buffers: What has to be placed.
        alignment: Every offset is a multiple of this.

    Returns:
        The lowest placement found; its height equals its bound when it is proved best.
    """
    if not buffers:
        return Placement((), 0, 0, "nothing to place")
    bound, least, neighbours = live_peak(buffers), aligned_peak(buffers, alignment), _neighbours(buffers)
    found: list[Placement] = []
    for name, key in _ORDERS.items():
        order = sorted(range(len(buffers)), key=lambda index: (*key(buffers[index]), index))
        for fit in ("first", "best"):
            offsets = _greedy(buffers, order, neighbours, alignment, best_fit=fit == "best")
            found.append(_placement(buffers, offsets, bound, f"by {name}, {fit} fit"))
            if found[-1].height == least:
                return found[-1]
    found.append(_perturbed(buffers, neighbours, alignment, bound, least))
    return min(found, key=lambda placement: placement.height)


def _placement(buffers: Sequence[Buffer], offsets: Sequence[int], bound: int, heuristic: str) -> Placement:
    height = max(offset + buffer.bytes for offset, buffer in zip(offsets, buffers, strict=True))
    return Placement(tuple(offsets), height, bound, heuristic)


def _perturbed(
    buffers: Sequence[Buffer], neighbours: Sequence[Sequence[int]], alignment: int, bound: int, least: int
) -> Placement:
    """The greedy orders again, shaken a little more in each round: where ties and near-ties decide, one of them fits.

    The generator is seeded and its numbers are the same on every machine, so the placement is too.
    """
    generator = random.Random(0)  # noqa: S311  nothing secret
    best: Placement | None = None
    looks = len(_ORDERS) * sum(len(others) + 1 for others in neighbours)
    rounds = max(min(_ROUNDS, _EFFORT // looks), 1)
    for number in range(rounds):
        for name, key in _ORDERS.items():
            shaken = [generator.uniform(1 - _SHAKE * number / rounds, 1) for _ in buffers]
            keys = [
                tuple(part * factor for part in key(buffer)) for buffer, factor in zip(buffers, shaken, strict=True)
            ]
            order = sorted(range(len(buffers)), key=lambda index: (keys[index], index))
            offsets = _greedy(buffers, order, neighbours, alignment, best_fit=False)
            placement = _placement(buffers, offsets, bound, f"by {name} with some noise, first fit")
            if best is None or placement.height < best.height:
                best = placement
            if best.height == least:
                return best
    return best if best is not None else Placement((), 0, bound, "nothing to place")


def _neighbours(buffers: Sequence[Buffer]) -> list[list[int]]:
    """For each buffer, those that live at some step at which it lives."""
    result: list[list[int]] = [[] for _ in buffers]
    active: list[int] = []
    for index in sorted(range(len(buffers)), key=lambda i: (buffers[i].first, i)):
        active = [other for other in active if buffers[other].last >= buffers[index].first]
        for other in active:
            result[index].append(other)
            result[other].append(index)
        active.append(index)
    return result


def _greedy(
    buffers: Sequence[Buffer],
    order: Sequence[int],
    neighbours: Sequence[Sequence[int]],
    alignment: int,
    *,
    best_fit: bool,
) -> list[int]:
    offsets = [-1] * len(buffers)
    for index in order:
        taken = sorted(
            (offsets[other], offsets[other] + buffers[other].bytes)
            for other in neighbours[index]
            if offsets[other] >= 0
        )
        offsets[index] = _gap(taken, buffers[index].bytes, alignment, best_fit=best_fit)
    return offsets


def _gap(taken: Sequence[tuple[int, int]], size: int, alignment: int, *, best_fit: bool) -> int:
    """The lowest (or the tightest) aligned offset at which `size` bytes overlap nothing that is taken."""
    if size == 0:
        return 0
    chosen: int | None = None
    tightest = 0
    top = 0
    for begin, end in taken:
        slack = begin - top - size
        if slack >= 0:
            if not best_fit:
                return top
            if chosen is None or slack < tightest:
                chosen, tightest = top, slack
        top = max(top, -(-end // alignment) * alignment)
    return top if chosen is None else chosen
