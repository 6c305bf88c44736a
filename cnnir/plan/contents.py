"""Symbolic execution of a plan over byte ranges: what does every byte hold at every step?"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NoReturn

from cnnir.errors import CnnirError
from cnnir.plan.model import VIEW, MemoryPlan, Piece, PlannedValue, Scratch, Step
from cnnir.types import DType

Run = tuple[str, int, int, int]
"""A stretch of bytes that holds consecutive elements of a value: pool, begin, end, first element's index."""


class ByteMap:
    """What each byte of one pool holds: a content and a position in it, as sorted stretches without gaps."""

    def __init__(self, size: int) -> None:
        self.starts = [0]
        self.held: list[tuple[str, int] | None] = [None]
        self.size = size

    def write(self, begin: int, end: int, content: tuple[str, int] | None) -> None:
        """Let the bytes hold a content; its second part is the position that belongs to `begin`."""
        if begin >= end:
            return
        first, last = self._cut(begin), self._cut(end)
        self.starts[first:last] = [begin]
        self.held[first:last] = [content]

    def holds(self, begin: int, end: int, content: tuple[str, int]) -> bool:
        """True when the bytes are exactly that stretch of that content."""
        index = bisect_right(self.starts, begin) - 1
        while begin < end:
            held, start = self.held[index], self.starts[index]
            if held is None or held[0] != content[0] or held[1] + begin - start != content[1]:
                return False
            index += 1
            reach = min(end, self.starts[index] if index < len(self.starts) else self.size)
            content = (content[0], content[1] + reach - begin)
            begin = reach
        return True

    def _cut(self, at: int) -> int:
        """Index of the stretch that starts at this byte, which is cut there if need be."""
        index = bisect_right(self.starts, at) - 1
        start, held = self.starts[index], self.held[index]
        if start == at:
            return index
        self.starts.insert(index + 1, at)
        self.held.insert(index + 1, None if held is None else (held[0], held[1] + at - start))
        return index + 1


def check_contents(plan: MemoryPlan) -> None:
    """Execute the plan symbolically.

    Raises:
        CnnirError: ``plan-contents`` when a step reads, or the end of the plan finds, a byte that is not its value's.
    """
    _Walk(plan).run()


class _Walk:
    def __init__(self, plan: MemoryPlan) -> None:
        self.plan = plan
        self.bytes = {pool.name: ByteMap(max(pool.bytes, 1)) for pool in plan.pools}
        # A view holds its source's content under another shape, so contents have names of their own.
        self.content: dict[str, str] = {}
        self.runs = {name: list(_runs(value)) for name, value in plan.values.items()}

    def run(self) -> None:
        for name in self.plan.inputs:
            self._fill(name, "the start")
        for number, step in enumerate(self.plan.steps):
            self._step(step, f"step {number} ({', '.join(step.nodes)})")
        for name in self.plan.outputs:
            self._read(name, "the end")

    def _step(self, step: Step, where: str) -> None:
        for name in step.reads:
            self._read(name, where)
        if step.scratch is not None:
            self._check_scratch(step, step.scratch, where)
        if step.algorithm == VIEW:
            for name in step.writes:
                self._view(step.reads[0], name, where)
            return
        self._check_in_place(step, where)
        for name in step.writes:
            self._fill(name, where)
        for name in step.writes:
            self._read(name, f"{where}, after all its outputs were written")

    def _check_scratch(self, step: Step, scratch: Scratch, where: str) -> None:
        """Workspace may be written at any moment of the step: it is apart from all that the step reads and writes."""
        end = scratch.offset + scratch.bytes
        for name in (*step.reads, *step.writes):
            if _touch(self.runs[name], [(scratch.pool, scratch.offset, end, 0)]):
                self._fail(where, f"the scratch lies over {name}")
        self.bytes[scratch.pool].write(scratch.offset, end, None)

    def _check_in_place(self, step: Step, where: str) -> None:
        """An output may touch the bytes of what is read only by donation, and then element lies over element."""
        for target in step.writes:
            for source in step.reads:
                if _touch(self.runs[source], self.runs[target]) and (
                    (source, target) not in step.donations or self.runs[source] != self.runs[target]
                ):
                    self._fail(where, f"{target} is written over {source} while it is read")
        for source, target in step.donations:
            if self.runs[source] != self.runs[target]:
                self._fail(where, f"{source} is donated to {target}, which lies elsewhere")

    def _view(self, source: str, target: str, where: str) -> None:
        if target in self.content:
            self._fail(where, f"{target} is written twice")
        if self.runs[source] != self.runs[target]:
            self._fail(where, f"{target} is a view of {source} but lies elsewhere")
        self.content[target] = self.content[source]

    def _fill(self, name: str, where: str) -> None:
        if name in self.content:
            self._fail(where, f"{name} is written twice")
        self.content[name] = name
        for pool, begin, end, first in self.runs[name]:
            self.bytes[pool].write(begin, end, (name, first))

    def _read(self, name: str, where: str) -> None:
        content = self.content.get(name)
        if content is None:
            self._fail(where, f"{name} is read before it is written")
        for pool, begin, end, first in self.runs[name]:
            if not self.bytes[pool].holds(begin, end, (content, first)):
                self._fail(where, f"{name} is read at {begin} to {end}, which holds something else by then")

    def _fail(self, where: str, message: str) -> NoReturn:
        raise CnnirError("plan-contents", message, node=where)


def _runs(value: PlannedValue) -> Iterator[Run]:
    """Where a value's bytes lie, in the order of its elements; positions count bytes of the row-major value."""
    itemsize = max((DType(value.dtype).bits or 8) // 8, 1)
    for piece in value.pieces or ():
        if 0 not in piece.shape:
            yield from _piece_runs(piece, value.shape, itemsize)


def _piece_runs(piece: Piece, shape: tuple[int, ...], itemsize: int) -> Iterator[Run]:
    # Trailing axes that are contiguous in memory and whole in the value make one stretch.
    length, axis = 1, len(shape)
    while axis > 0 and piece.strides[axis - 1] == length * itemsize:
        length *= piece.shape[axis - 1]
        axis -= 1
        if piece.shape[axis] != shape[axis]:
            break
    while axis > 0 and piece.shape[axis - 1] == 1:
        axis -= 1
    for offset, position in _walk(piece, shape, axis, itemsize):
        yield piece.pool, offset, offset + length * itemsize, position


def _walk(piece: Piece, shape: tuple[int, ...], axes: int, itemsize: int) -> Iterable[tuple[int, int]]:
    """(offset in the pool, position in the value) of each stretch, over the first `axes` axes."""
    weights = [itemsize] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        weights[axis] = weights[axis + 1] * shape[axis + 1]
    start = sum(origin * weight for origin, weight in zip(piece.origin, weights, strict=True))
    found = [(piece.offset, start)]
    for axis in range(axes):
        steps = range(piece.shape[axis])
        found = [(o + i * piece.strides[axis], p + i * weights[axis]) for o, p in found for i in steps]
    return found


def _touch(left: list[Run], right: list[Run]) -> bool:
    """Do two sorted-or-not lists of stretches share a byte?"""
    stretches = sorted([(pool, begin, end, 0) for pool, begin, end, _ in left if end > begin]
                       + [(pool, begin, end, 1) for pool, begin, end, _ in right if end > begin])  # fmt: skip
    reach: dict[tuple[str, int], int] = {}
    for pool, begin, end, side in stretches:
        if reach.get((pool, 1 - side), -1) > begin:
            return True
        reach[pool, side] = max(reach.get((pool, side), -1), end)
    return False
