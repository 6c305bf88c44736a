"""From a placement to "lies on": which bodies rest on which, whatever their sizes are.

Of two bodies that ever live together one is the upper one, and all of its slices come to lie above those of the other
that they live with. Each body lies as low as those below it allow, so that bases are longest paths. Where the slices of
two bodies lie between each other, or a ring of bodies would rest on each other, the one that begins higher is the upper
one with all its slices: no ring is left then, but that can take more than the placement did.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter


@dataclass(frozen=True, slots=True)
class Block:
    """A slice of a body where it was placed.

    Attributes:
        body: Index of its body.
        pool: Where it lies.
        begin: Where it was placed in the pool.
        bytes: Its size there.
        first, last: The steps at which it is taken.
    """

    body: int
    pool: str
    begin: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Stack:
    """Which bodies rest on which.

    Attributes:
        order: The bodies, each behind those on which it rests.
        below: For each body those on which it rests, with the blocks, by index, that live together: (lower, upper).
    """

    order: tuple[int, ...]
    below: Mapping[int, Mapping[int, tuple[tuple[int, int], ...]]]

    def bases(self, gap: Callable[[int, int], int], alignment: Callable[[int], int]) -> dict[int, int]:
        """Where each body begins.

        Args:
            gap: For two blocks of the lower and the upper body, how far the one body begins behind the other at least.
            alignment: Of a body.
        """
        found: dict[int, int] = {}
        for body in self.order:
            least = 0
            for other, pairs in self.below[body].items():
                least = max(least, found[other] + max(gap(lower, upper) for lower, upper in pairs))
            found[body] = -(-least // alignment(body)) * alignment(body)
        return found


def stacked(blocks: Sequence[Block]) -> Stack:
    """Which bodies rest on which, by where their blocks were placed.

    Args:
        blocks: No two that live together share a byte.
    """
    bases: dict[int, int] = {}
    for block in blocks:
        bases[block.body] = min(block.begin, bases.get(block.body, block.begin))
    meeting = _meeting(blocks)
    by_base = {pair: _order(*pair, bases) for pair in meeting}
    upright = {pair: _direction(blocks, pairs) or by_base[pair] for pair, pairs in meeting.items()}
    try:
        return _stack(bases, meeting, upright)
    except CycleError:
        return _stack(bases, meeting, by_base)


def _order(one: int, other: int, bases: Mapping[int, int]) -> tuple[int, int]:
    return (one, other) if (bases[one], one) < (bases[other], other) else (other, one)


def _stack(
    bases: Mapping[int, int],
    meeting: Mapping[tuple[int, int], Sequence[tuple[int, int]]],
    directions: Mapping[tuple[int, int], tuple[int, int]],
) -> Stack:
    below: dict[int, dict[int, tuple[tuple[int, int], ...]]] = {body: {} for body in bases}
    for pair, pairs in meeting.items():
        lower, upper = directions[pair]
        swapped = (lower, upper) != pair
        below[upper][lower] = tuple((b, a) if swapped else (a, b) for a, b in pairs)
    order = TopologicalSorter({body: list(others) for body, others in below.items()}).static_order()
    return Stack(tuple(order), below)


def _meeting(blocks: Sequence[Block]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """For each two bodies, the smaller index first, the blocks of them that live together."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    living: list[int] = []
    for index in sorted(range(len(blocks)), key=lambda index: (blocks[index].first, index)):
        block = blocks[index]
        living = [other for other in living if blocks[other].last >= block.first]
        for other in living:
            if blocks[other].pool != block.pool or blocks[other].body == block.body:
                continue
            low, high = sorted((other, index), key=lambda each: blocks[each].body)
            found.setdefault((blocks[low].body, blocks[high].body), []).append((low, high))
        living.append(index)
    return found


def _direction(blocks: Sequence[Block], pairs: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """(lower, upper) body, None where the blocks of the two lie between each other."""
    (one, other) = pairs[0]
    bodies = blocks[one].body, blocks[other].body
    # Blocks without bytes lie anywhere.
    solid = [(a, b) for a, b in pairs if blocks[a].bytes and blocks[b].bytes]
    under = {blocks[a].begin < blocks[b].begin for a, b in solid}
    if len(under) != 1:
        return None
    return bodies if under == {True} else (bodies[1], bodies[0])


__all__ = ["Block", "Stack", "stacked"]
