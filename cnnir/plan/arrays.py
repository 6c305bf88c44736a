"""Where the bytes of a planned value lie: as one strided array, and as stretches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from cnnir.plan.model import Piece, PlannedValue
from cnnir.types import DType

Run: TypeAlias = tuple[str, int, int, int]
"""A stretch of bytes with consecutive elements of a value: pool, begin, end, position of its first byte in the value.

Positions count the bytes of the value in row-major order.
"""

Extent: TypeAlias = tuple[str, int, int]
"""A stretch of bytes, whatever it holds: pool, begin, end."""


@dataclass(frozen=True, slots=True)
class Strided:
    """A tensor in a pool: its element (i, j, ...) lies at ``offset + i * strides[0] + j * strides[1] + ...``."""

    pool: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int

    def part(self, ranges: Sequence[range]) -> "Strided":
        """The part that has these indices along each axis."""
        begin = (r.start * stride for r, stride in zip(ranges, self.strides, strict=True) if len(r))
        strides = tuple(r.step * stride for r, stride in zip(ranges, self.strides, strict=True))
        return Strided(self.pool, self.offset + sum(begin), tuple(map(len, ranges)), strides, self.itemsize)

    def block(self, axis: int, begin: int, size: int) -> "Strided":
        """The part with the indices from `begin` on along one axis."""
        ranges = [range(dim) for dim in self.shape]
        ranges[axis] = range(begin, begin + size)
        return self.part(ranges)

    def permuted(self, axes: Sequence[int]) -> "Strided":
        """The same elements under exchanged axes."""
        shape, strides = (tuple(of[axis] for axis in axes) for of in (self.shape, self.strides))
        return Strided(self.pool, self.offset, shape, strides, self.itemsize)

    def reshaped(self, shape: tuple[int, ...]) -> "Strided | None":
        """The same elements in row-major order under another shape; None where no strides tell that."""
        if prod(shape) != prod(self.shape) or 0 in shape:
            return None
        wide = [(size, stride) for size, stride in zip(self.shape, self.strides, strict=True) if size > 1]
        found: list[int] = []
        taken: list[int] = []  # sizes of the new axes that the next old ones are spelled as
        pending, left, stride = iter(wide), 1, self.itemsize
        for size in shape:
            if size == 1:
                found.append(self.itemsize)
                continue
            taken.append(size)
            while left % prod(taken) and (old := next(pending, None)) is not None:
                if left > 1 and stride != old[0] * old[1]:
                    return None
                left, stride = left * old[0], old[1]
            if left % prod(taken):
                return None
            found.append(left // prod(taken) * stride)
            if left == prod(taken):
                taken, left = [], 1
        return Strided(self.pool, self.offset, shape, tuple(found), self.itemsize)

    def same_as(self, other: "Strided") -> bool:
        """Does each element lie where the other's element of the same index lies?"""
        if self.shape != other.shape or self.itemsize != other.itemsize:
            return False
        if 0 in self.shape:
            return True
        strides = zip(self.shape, self.strides, other.strides, strict=True)
        return (self.pool, self.offset) == (other.pool, other.offset) and all(n == 1 or a == b for n, a, b in strides)

    def runs(self) -> list[Run]:
        """Its stretches in the order of its elements."""
        origin = (0,) * len(self.shape)
        return joined(_piece_runs(self.pool, self.offset, origin, self.shape, self.strides, self.shape, self.itemsize))


def itemsize_of(value: PlannedValue) -> int:
    """Bytes of one element."""
    return max((DType(value.dtype).bits or 8) // 8, 1)


def strided(value: PlannedValue) -> Strided | None:
    """The value as one array; None when it is not stored, or its pieces do not lie as parts of one array."""
    if not value.pieces:
        return None
    first = value.pieces[0]
    bases = {(p.pool, p.offset - _distance(p.origin, p.strides), p.strides) for p in value.pieces if 0 not in p.shape}
    if len(bases) > 1:
        return None
    pool, base, strides = bases.pop() if bases else (first.pool, first.offset, first.strides)
    return Strided(pool, base, value.shape, strides, itemsize_of(value))


def runs_of(value: PlannedValue) -> list[Run]:
    """Where a value's bytes lie, in the order of its elements; neighbours in both are one stretch."""
    itemsize = itemsize_of(value)
    found = (
        run
        for piece in value.pieces or ()
        for run in _piece_runs(
            piece.pool, piece.offset, piece.origin, piece.shape, piece.strides, value.shape, itemsize
        )
    )
    return joined(found)


def runs_in_memory(value: PlannedValue) -> tuple[tuple[int, ...], list[Run]]:
    """Where a value's bytes lie, its axes taken from the slowest to the fastest, and these axes.

    No axes are named where they run in their own order.

    A map whose channels run fastest is a few stretches so, and as many as it has elements in row-major order. Two
    values of one shape lie element over element when both answers are equal.
    """
    steps = {piece.strides for piece in value.pieces or ()}
    # What has one element alone along an axis may have any stride there.
    wide = [axis for axis, size in enumerate(value.shape) if size != 1]
    (only,) = steps if len(steps) == 1 else (range(len(value.shape), 0, -1),)
    turned = sorted(wide, key=lambda axis: -only[axis])
    if turned == wide:
        return (), runs_of(value)
    axes = (*(axis for axis in range(len(value.shape)) if axis not in wide), *turned)
    itemsize = itemsize_of(value)
    found: list[Run] = []
    for piece in value.pieces or ():
        sides = (value.shape, piece.origin, piece.shape, piece.strides)
        whole, origin, shape, strides = (tuple(of[axis] for axis in axes) for of in sides)
        found += _piece_runs(piece.pool, piece.offset, origin, shape, strides, whole, itemsize)
    return axes, joined(found)


def joined(runs: Iterable[Run]) -> list[Run]:
    """The stretches in the order of their positions, those that continue each other made one."""
    result: list[Run] = []
    for pool, begin, end, position in sorted(runs, key=lambda run: run[3]):
        if result:
            other, start, stop, first = result[-1]
            if other == pool and stop == begin and first + stop - start == position:
                result[-1] = (pool, start, end, first)
                continue
        result.append((pool, begin, end, position))
    return result


def extents_of(runs: Iterable[Run]) -> list[Extent]:
    """The bytes of the stretches in the order of their addresses, without gaps where there are none."""
    result: list[Extent] = []
    for pool, begin, end, _ in sorted(runs):
        if result and result[-1][0] == pool and result[-1][2] >= begin:
            result[-1] = (pool, result[-1][1], max(end, result[-1][2]))
        elif end > begin:
            result.append((pool, begin, end))
    return result


def touch(left: Sequence[Extent], right: Sequence[Extent]) -> bool:
    """Do two lists of extents share a byte?"""
    i = j = 0
    while i < len(left) and j < len(right):
        pool, begin, end = left[i]
        other, start, stop = right[j]
        if pool == other and begin < stop and start < end:
            return True
        if (pool, end) <= (other, stop):
            i += 1
        else:
            j += 1
    return False


def without(runs: Iterable[Run], taken: Sequence[Extent]) -> Iterator[Run]:
    """What the stretches have outside of the extents."""
    for pool, begin, end, position in runs:
        at = begin
        for other, start, stop in taken:
            if other == pool and start < end and stop > at:
                if start > at:
                    yield pool, at, start, position + at - begin
                at = max(at, stop)
        if at < end:
            yield pool, at, end, position + at - begin


def reach(piece: Piece, itemsize: int) -> tuple[int, int]:
    """First byte, and first byte behind; both the offset for an empty piece."""
    if 0 in piece.shape:
        return piece.offset, piece.offset
    steps = [(size - 1) * stride for size, stride in zip(piece.shape, piece.strides, strict=True)]
    below, above = (sum(pick(step, 0) for step in steps) for pick in (min, max))
    return piece.offset + below, piece.offset + above + itemsize


def _distance(index: Sequence[int], strides: Sequence[int]) -> int:
    return sum(i * stride for i, stride in zip(index, strides, strict=True))


def _piece_runs(
    pool: str,
    offset: int,
    origin: tuple[int, ...],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    whole: tuple[int, ...],
    itemsize: int,
) -> Iterator[Run]:
    """The stretches of a box of a value of the shape `whole`."""
    if 0 in shape:
        return
    # Trailing axes that are contiguous in memory and whole in the value make one stretch.
    length, axes = 1, len(whole)
    while axes > 0 and (strides[axes - 1] == length * itemsize or whole[axes - 1] == 1):
        length *= shape[axes - 1]
        axes -= 1
        if shape[axes] != whole[axes]:
            break
    weights = [itemsize] * len(whole)
    for axis in range(len(whole) - 2, -1, -1):
        weights[axis] = weights[axis + 1] * whole[axis + 1]
    found = [(offset, _distance(origin, weights))]
    for axis in range(axes):
        steps = range(shape[axis])
        if len(steps) > 1:
            found = [(o + i * strides[axis], p + i * weights[axis]) for o, p in found for i in steps]
    for begin, position in found:
        yield pool, begin, begin + length * itemsize, position


__all__ = [
    "Extent",
    "Run",
    "Strided",
    "extents_of",
    "itemsize_of",
    "joined",
    "reach",
    "runs_in_memory",
    "runs_of",
    "strided",
    "touch",
    "without",
]
