"""Scratch against time over all steps of an order: what is fastest in an arena of so many bytes.

Where the bytes that live at each step are fixed, steps do not meet: each takes the fastest of its ways that fits into
what the arena has left at it. So a choice for all steps is best when it is best for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnir.algorithms.choosing import Choice
from cnnir.errors import CnnirError


@dataclass(frozen=True, slots=True)
class Trade:
    """The ways of all steps that are taken in an arena of some size.

    Attributes:
        bytes: What the steps need, the largest sum of live bytes and scratch.
        seconds: All steps', by the profile; a step whose time is not estimated counts as 0 in each trade.
        choices: One a step.
    """

    bytes: int
    seconds: float
    choices: tuple[Choice, ...]


def least_arena(live: Sequence[int], fronts: Sequence[Sequence[Choice]]) -> int:
    """Bytes of the smallest arena in which every step has a way.

    Args:
        live: Bytes that live at each step, scratch left out.
        fronts: Of each step the ways from the least scratch to the least time, see `cnnir.algorithms.front`.
    """
    return max((need + front[0].scratch_bytes for need, front in zip(live, fronts, strict=True)), default=0)


def trade(live: Sequence[int], fronts: Sequence[Sequence[Choice]], arena: int | None = None) -> Trade:
    """The fastest ways in an arena.

    Args:
        live: As for `least_arena`.
        fronts: Likewise.
        arena: Bytes; the least that every step has a way in when None.

    Raises:
        CnnirError: ``scratch-budget`` naming the first step that has no way in it.
    """
    size = least_arena(live, fronts) if arena is None else arena
    chosen = []
    for step, (need, front) in enumerate(zip(live, fronts, strict=True)):
        # From the least scratch to the least time: the last one that fits is the fastest.
        fitting = [choice for choice in front if need + choice.scratch_bytes <= size]
        if not fitting:
            message = f"step {step} needs more than the arena has, whichever way it is computed"
            raise CnnirError("scratch-budget", message, expected=size, got=need + front[0].scratch_bytes)
        chosen.append(fitting[-1])
    return _of(live, chosen)


def trades(live: Sequence[int], fronts: Sequence[Sequence[Choice]]) -> tuple[Trade, ...]:
    """All trades that no other one beats in both bytes and seconds, from the least arena to the least time."""
    least = least_arena(live, fronts)
    sizes = {least}
    for need, front in zip(live, fronts, strict=True):
        sizes.update(need + choice.scratch_bytes for choice in front if need + choice.scratch_bytes > least)
    found: list[Trade] = []
    for size in sorted(sizes):
        new = trade(live, fronts, size)
        if not found or new.seconds < found[-1].seconds:
            found.append(new)
    return tuple(found)


def _of(live: Sequence[int], chosen: Sequence[Choice]) -> Trade:
    needs = (need + choice.scratch_bytes for need, choice in zip(live, chosen, strict=True))
    return Trade(max(needs, default=0), sum(choice.seconds or 0.0 for choice in chosen), tuple(chosen))
