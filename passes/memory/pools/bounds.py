"""What must be paid from some step on, whoever has been housed until then.

At a step where more lives than a memory holds, some of it has to lie elsewhere. The cheapest way to make room is a
knapsack, of which the fractional one is a bound (Dantzig, 1957). Steps of which no two share a lodger add up.
"""

from collections.abc import Sequence
from fractions import Fraction

from cnnir.passes.memory.pools.stays import Stays


def to_pay(stays: Stays, capacities: Sequence[int | None]) -> list[int | None]:
    """For each step what the lodgers that move in at it, or later, cost beyond their cheapest memories at least.

    Returns:
        One entry more than there are steps, the last one 0; None where no room can be made.
    """
    # A chain of steps is known by the earliest lodger of its first; `open_from[e]` is the dearest that begins there.
    open_from: list[int | None] = [0] * (stays.steps + 1)
    after: list[int | None] = [0] * (stays.steps + 2)
    for step in range(stays.steps - 1, -1, -1):
        # All chains whose lodgers move in behind this step are known by now.
        behind = after[step + 1]
        excess = stays.excess(step, capacities)
        if excess:
            here = _to_make_room(stays, step, excess)
            earliest = min(stays.spans[lodger][0] for lodger in stays.sizes[step])
            chain = None if here is None or behind is None else here + behind
            open_from[earliest] = _larger(open_from[earliest], chain)
        after[step] = _larger(behind, open_from[step])
    return after[: stays.steps + 1]


def hopeless_step(stays: Stays, capacities: Sequence[int | None]) -> int | None:
    """The first step at which no room can be made; None when there is none."""
    for step in range(stays.steps):
        excess = stays.excess(step, capacities)
        if excess and _to_make_room(stays, step, excess) is None:
            return step
    return None


def _larger(one: int | None, other: int | None) -> int | None:
    """The larger of two costs, where None is more than any."""
    return None if one is None or other is None else max(one, other)


def _to_make_room(stays: Stays, step: int, excess: dict[int, int]) -> int | None:
    """The least that it costs to bring so many bytes of these memories elsewhere."""
    total = 0
    for memory, missing in excess.items():
        movable = [
            (Fraction(stays.extra[lodger][1], size), stays.extra[lodger][1], size)
            for lodger, size in stays.sizes[step].items()
            if stays.rooms[lodger][0] == memory and len(stays.rooms[lodger]) > 1
        ]
        left = missing
        for rate, extra, size in sorted(movable):
            if left <= 0:
                break
            total += extra if size <= left else -(-rate.numerator * left // rate.denominator)
            left -= size
        if left > 0:
            return None
    return total


__all__ = ["hopeless_step", "to_pay"]
