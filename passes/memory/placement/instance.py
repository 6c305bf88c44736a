"""The instance that all searches share: bodies in whole units, and for each pair where the two cannot lie.

A unit is as many bytes as divide everything that matters, so that numbers are small and positions few: every slice
begins at a multiple of it in some lowest placement. Sizes are rounded up to units, which loses nothing below the top;
what is saved there is in `Instance.reach`, which is in bytes.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cnnir.errors import CnnirError
from cnnir.passes.memory.placement.bounds import least_height, live_peak
from cnnir.passes.memory.placement.model import Body, Slice, common_alignment, rounded_up


@dataclass(frozen=True)
class Instance:
    """Bodies, in units.

    Attributes:
        bodies: As they were given, in bytes.
        unit: Bytes.
        slices: Of each body, those that have bytes; offset and size in units.
        step: The base of each body is a multiple of it; units.
        fixed: The base of each body that has a given one, else None; units.
        bound: The largest sum of bytes live at one step.
        least: No placement is lower; bytes.
    """

    bodies: tuple[Body, ...]
    unit: int
    slices: tuple[tuple[Slice, ...], ...]
    step: tuple[int, ...]
    fixed: tuple[int | None, ...]
    bound: int
    least: int

    @cached_property
    def reach(self) -> tuple[int, ...]:
        """Bytes from the base of each body to its end."""
        return tuple(body.reach for body in self.bodies)

    @cached_property
    def free(self) -> tuple[int, ...]:
        """The bodies that have to be placed: those not fixed that take bytes."""
        return tuple(i for i, pieces in enumerate(self.slices) if pieces and self.fixed[i] is None)

    @cached_property
    def neighbours(self) -> tuple[tuple[tuple[int, int, int], ...], ...]:
        """For each body (other, low, high): less the other's base, its own is at most `low` or at least `high`."""
        return neighbours_of(self.slices)

    @cached_property
    def pairs(self) -> int:
        """How many pairs of slices live at some step together: the size of what searches need."""
        begins = sorted(piece.first for pieces in self.slices for piece in pieces)
        ends = sorted(piece.last for pieces in self.slices for piece in pieces)
        return sum(index - bisect_left(ends, begin) for index, begin in enumerate(begins))

    def height(self, bases: Sequence[int]) -> int:
        """The first byte behind all bodies, for bases in units."""
        return max((base * self.unit + reach for base, reach in zip(bases, self.reach, strict=True)), default=0)

    def offsets(self, bases: Sequence[int]) -> tuple[int, ...]:
        """The same in bytes."""
        return tuple(base * self.unit for base in bases)


def instance_of(bodies: tuple[Body, ...], alignment: int) -> Instance:
    """Bodies in whole units.

    Raises:
        CnnirError: ``alignment``; ``placement-fixed`` when two fixed bodies overlap.
    """
    if alignment < 1:
        raise CnnirError("alignment", "an alignment is a positive number", got=alignment)
    steps = [common_alignment(body, alignment) for body in bodies]
    unit, kept = _unit(bodies, steps)
    slices = tuple(
        tuple(
            Slice(piece.offset // unit, -(-piece.bytes // unit), piece.first, piece.last)
            for piece in body.slices
            if piece.bytes
        )
        for body in bodies
    )
    fixed = tuple(None if body.fixed is None else body.fixed // unit for body in bodies)
    bound = live_peak(bodies)
    result = Instance(
        bodies, unit, slices, tuple(max(step // unit, 1) for step in steps), fixed, bound,
        max(bound, least_height(bodies, kept)),
    )  # fmt: skip
    _check_fixed(result)
    return result


def _unit(bodies: Sequence[Body], steps: Sequence[int]) -> tuple[int, int]:
    """The unit of an instance, and what every slice begins at a multiple of in each placement.

    In a lowest placement in which no body can sink, bases are sums of sizes and distances, rounded up to the body's own
    alignment: where all alignments divide all sizes, bases are multiples of what divides the sizes.
    """
    distances = [piece.offset for body in bodies for piece in body.slices if piece.bytes]
    distances += [body.fixed for body in bodies if body.fixed is not None]
    kept = math.gcd(*(step for step, body in zip(steps, bodies, strict=True) if body.fixed is None), *distances) or 1
    sizes = [rounded_up(piece.bytes, kept) for body in bodies for piece in body.slices]
    common = math.gcd(*sizes, *distances)
    return (common if common and all(common % step == 0 for step in steps) else kept), kept


def neighbours_of(slices: Sequence[Sequence[Slice]]) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """For each body (other, low, high): less the other's base, its own is at most `low` or at least `high`."""
    found: list[list[tuple[int, int, int]]] = [[] for _ in slices]
    for (one, other), clashes in _clashes(slices).items():
        for low, high in _merged(clashes):
            found[one].append((other, low, high))
            found[other].append((one, -high, -low))
    return tuple(tuple(row) for row in found)


def _clashes(slices: Sequence[Sequence[Slice]]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """For pairs of bodies with slices that live at one step: the differences of bases at which these slices overlap."""
    clashes: dict[tuple[int, int], list[tuple[int, int]]] = {}
    active: list[tuple[int, Slice]] = []
    everything = [(owner, piece) for owner, pieces in enumerate(slices) for piece in pieces]
    for owner, piece in sorted(everything, key=lambda entry: (entry[1].first, entry[0], entry[1].offset)):
        active = [entry for entry in active if entry[1].last >= piece.first]
        for other, beside in active:
            if other != owner:
                # The base of `owner` less that of `other` is not in between.
                low = beside.offset - piece.offset - piece.bytes
                high = beside.offset + beside.bytes - piece.offset
                key = (owner, other) if owner < other else (other, owner)
                clashes.setdefault(key, []).append((low, high) if owner < other else (-high, -low))
        active.append((owner, piece))
    return clashes


def _merged(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Open intervals of integers, joined where no integer between them is left."""
    result: list[tuple[int, int]] = []
    for low, high in sorted(intervals):
        if result and low < result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], high))
        else:
            result.append((low, high))
    return result


def _check_fixed(instance: Instance) -> None:
    fixed = [(base, index) for index, base in enumerate(instance.fixed) if base is not None]
    if len(fixed) < 2:
        return
    parts = [
        (base + piece.offset, base + piece.offset + piece.bytes, piece.first, piece.last, index)
        for base, index in fixed
        for piece in instance.slices[index]
    ]
    active: list[tuple[int, int, int, int, int]] = []
    for part in sorted(parts, key=lambda part: part[2]):
        active = [other for other in active if other[3] >= part[2]]
        for other in active:
            if other[0] < part[1] and part[0] < other[1] and other[4] != part[4]:
                raise CnnirError(
                    "placement-fixed", "two fixed bodies take the same bytes at the same step",
                    node=f"bodies {min(other[4], part[4])} and {max(other[4], part[4])}", got=f"step {part[2]}",
                )  # fmt: skip
        active.append(part)
