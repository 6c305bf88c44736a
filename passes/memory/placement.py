"""At which offset each storage lies, for given lives: several greedy placements, the best one kept.

Greedy placement takes the buffers in some order and puts each at an offset where it overlaps no placed one that lives
at the same time. No order is best everywhere, so all of them are tried. By size: Pisarchyk and Lee, "Efficient Memory
Management for Deep Neural Net Inference" (2020), and TensorFlow Lite Micro's planner.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np


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

_RESTARTS = 200
"""Seeded perturbations tried when no greedy order reaches the bound."""


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


def place(buffers: Sequence[Buffer], alignment: int = 1, seed: int = 0) -> Placement:
    """Place buffers in one pool, as low as the portfolio finds.

    Args:
        buffers: What has to be placed.
        alignment: Every offset is a multiple of this.
        seed: Of the perturbed restarts; the same seed gives the same placement everywhere.

    Returns:
        The lowest placement found; its height equals its bound when it is proved best.
    """
    bound = live_peak(buffers)
    neighbours = _neighbours(buffers)
    best: Placement | None = None
    for name, order in _candidates(buffers, neighbours, seed):
        for fit in ("first", "best"):
            offsets = _greedy(buffers, order, neighbours, alignment, best_fit=fit == "best")
            height = max((o + b.bytes for o, b in zip(offsets, buffers, strict=True)), default=0)
            if best is None or height < best.height:
                best = Placement(tuple(offsets), height, bound, f"{name}, {fit} fit")
            if height == bound:
                return best
    return best if best is not None else Placement((), 0, bound, "nothing to place")


def _candidates(
    buffers: Sequence[Buffer], neighbours: Sequence[Sequence[int]], seed: int
) -> Iterator[tuple[str, list[int]]]:
    """Orders to try: the named ones, then seeded perturbations of the order by size."""
    for name, key in _ORDERS.items():
        yield f"by {name}", sorted(range(len(buffers)), key=lambda index: (*key(buffers[index]), index))
    crowd = np.array([sum(buffers[other].bytes for other in around) for around in neighbours], dtype=float)
    own = np.array([buffer.bytes for buffer in buffers], dtype=float)
    generator = np.random.default_rng(seed)
    for number in range(_RESTARTS if len(buffers) else 0):
        weight = generator.uniform(0.0, 0.5)
        noise = generator.uniform(0.7, 1.3, len(buffers))
        rank = (own + weight * crowd / max(len(buffers), 1)) * noise
        yield f"by size, perturbed ({number})", [int(index) for index in np.argsort(-rank, kind="stable")]


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
        taken = sorted((offsets[other], offsets[other] + buffers[other].bytes) for other in neighbours[index] if offsets[other] >= 0)
        offsets[index] = _gap(taken, buffers[index].bytes, alignment, best_fit=best_fit)
    return offsets


def _gap(taken: Sequence[tuple[int, int]], size: int, alignment: int, *, best_fit: bool) -> int:
    """The lowest (or the tightest) aligned offset at which `size` bytes overlap nothing that is taken."""
    chosen: int | None = None
    tightest = 0
    top = 0
    for begin, end in taken:
        slack = begin - top - size
        if slack >= 0 and size > 0:
            if not best_fit:
                return top
            if chosen is None or slack < tightest:
                chosen, tightest = top, slack
        top = max(top, -(-end // alignment) * alignment)
    return top if chosen is None else chosen
