"""Greedy placements: bodies in some order, each where it overlaps no placed one that lives at the same time.

No order is best everywhere, so all of them are tried. By size: Pisarchyk and Lee, "Efficient Memory Management for Deep
Neural Net Inference" (2020), and TensorFlow Lite Micro's planner.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cnnir.passes.memory.placement.instance import Instance
from cnnir.passes.memory.placement.model import Slice, rounded_up

_ROUNDS = 100
"""Most rounds of noise, each over all orders, when none of them is as low as one can be as it stands."""

_EFFORT = 2_000_000
"""Neighbours looked at in all rounds together: many bodies that live together get fewer rounds, in the same time."""

_SHAKE = 0.3
"""In the last round a key may shrink by so much."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the orders go by.

    Attributes:
        size: Units from the lowest slice to the end of the highest.
        area: Units times steps, over all slices.
        first: The step at which it begins.
        last: The step at which it ends.
    """

    size: int
    area: int
    first: int
    last: int

    @classmethod
    def of(cls, slices: Sequence[Slice]) -> "Shape":
        """The shape of a body that has slices."""
        return cls(
            max(piece.offset + piece.bytes for piece in slices) - min(piece.offset for piece in slices),
            sum(piece.bytes * (piece.last - piece.first + 1) for piece in slices),
            min(piece.first for piece in slices),
            max(piece.last for piece in slices),
        )

    @property
    def duration(self) -> int:
        """Steps from beginning to end."""
        return self.last - self.first + 1


_Key: TypeAlias = Callable[[Shape], tuple[int, ...]]

ORDERS: dict[str, _Key] = {
    "size": lambda shape: (-shape.size, shape.first),
    "area": lambda shape: (-shape.area, shape.first),
    "duration": lambda shape: (-shape.duration, -shape.size),
    "start": lambda shape: (shape.first, -shape.size),
    "end": lambda shape: (-shape.last, -shape.size),
}


def greedy_placements(instance: Instance) -> Iterator[tuple[str, list[int]]]:
    """(how, bases in units) of every family, first and best fit."""
    shapes = _shapes(instance)
    for name, key in ORDERS.items():
        order = sorted(shapes, key=lambda index: (*key(shapes[index]), index))
        for fit in ("first", "best"):
            yield f"by {name}, {fit} fit", fill(instance, order, best_fit=fit == "best")


def noisy_placements(instance: Instance, seed: int) -> Iterator[tuple[str, list[int]]]:
    """(how, bases in units) of every family again, shaken a little more in each round: some near-ties decide.

    The generator is seeded and its numbers are the same on every machine, so the placements are too.
    """
    shapes = _shapes(instance)
    generator = random.Random(seed)  # noqa: S311  nothing secret
    looks = len(ORDERS) * sum(len(instance.neighbours[index]) + 1 for index in shapes)
    rounds = max(min(_ROUNDS, _EFFORT // max(looks, 1)), 1)
    for number in range(rounds):
        for name, key in ORDERS.items():
            shaken = {index: generator.uniform(1 - _SHAKE * number / rounds, 1) for index in shapes}
            keys = {index: tuple(part * shaken[index] for part in key(shape)) for index, shape in shapes.items()}
            order = sorted(shapes, key=lambda index: (keys[index], index))
            yield f"by {name} with some noise, first fit", fill(instance, order, best_fit=False)


def _shapes(instance: Instance) -> dict[int, Shape]:
    return {index: Shape.of(instance.slices[index]) for index in instance.free}


def fill(instance: Instance, order: Sequence[int], *, best_fit: bool) -> list[int]:
    """Bases in units: fixed bodies where they are, those of the order one after the other, the others at 0."""
    bases: list[int | None] = list(instance.fixed)
    for index in order:
        taken = []
        for other, low, high in instance.neighbours[index]:
            base = bases[other]
            if base is not None:
                taken.append((base + low, base + high))
        taken.sort()
        bases[index] = gap(taken, instance.step[index], best_fit=best_fit)
    return [base if base is not None else 0 for base in bases]


def swept(slices: Sequence[Sequence[Slice]], step: Sequence[int], fixed: Sequence[int | None]) -> list[list[int]]:
    """Bases in units, first fit and best fit, in the order in which bodies begin: memory grows with the bodies alone.

    Only the bodies that live when another begins are kept at hand, and pairs are never listed: for very many bodies.
    """
    first = [min((piece.first for piece in pieces), default=0) for pieces in slices]
    last = [max((piece.last for piece in pieces), default=-1) for pieces in slices]
    size = [sum(piece.bytes for piece in pieces) for pieces in slices]
    # Fixed bodies are there from the outset: nothing may be laid where one will be.
    held = [index for index, base in enumerate(fixed) if base is not None and slices[index]]
    result = []
    for best_fit in (False, True):
        bases = [base or 0 for base in fixed]
        active: list[int] = []
        for index in sorted(range(len(slices)), key=lambda index: (first[index], -size[index], index)):
            if fixed[index] is not None or not slices[index]:
                continue
            active = [other for other in active if last[other] >= first[index]]
            taken = [
                (bases[other] + beside.offset - piece.offset - piece.bytes,
                 bases[other] + beside.offset + beside.bytes - piece.offset)
                for other in (*active, *held)
                for beside in slices[other]
                for piece in slices[index]
                if beside.first <= piece.last and piece.first <= beside.last
            ]  # fmt: skip
            bases[index] = gap(sorted(taken), step[index], best_fit=best_fit)
            active.append(index)
        result.append(bases)
    return result


def gap(taken: Sequence[tuple[int, int]], step: int, *, best_fit: bool) -> int:
    """The lowest (or the tightest) base that lies in none of the open intervals, which are sorted."""
    chosen: int | None = None
    tightest = 0
    top = 0
    for low, high in taken:
        slack = low - top
        if slack >= 0:
            if not best_fit:
                return top
            if chosen is None or slack < tightest:
                chosen, tightest = top, slack
        if high > top:
            top = rounded_up(high, step)
    return top if chosen is None else chosen
