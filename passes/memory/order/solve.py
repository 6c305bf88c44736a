"""The best order of one region: searches from below and from above share an effort."""

from dataclasses import dataclass

from cnnir.passes.memory.order.region import Region
from cnnir.passes.memory.order.search import Search


@dataclass(frozen=True, slots=True)
class Solved:
    """What was found for a region.

    Attributes:
        order: Its tasks, by their indices in the problem; the members' own order where nothing better was found.
        peak: Bytes that it needs.
        bound: Bytes that every order of the region needs, given that every one needs the bound it was solved with.
        states: How many were looked into.
    """

    order: tuple[int, ...]
    peak: int
    bound: int
    states: int


def solve(here: Region, bound: int, peak: int, effort: int) -> Solved:
    """The best order of a region, as far as the effort goes.

    First from below, which meets little more than it must where the peak is soon found. Then from above: is there an
    order below the best one known? As all that lies below it may be used at once, such a search meets fewer states,
    finds better orders fast, and when it comes to its end without one, the best one known is proved. What is left of
    the effort raises the bound.

    Args:
        here: The region.
        bound: Bytes that every order needs, or up to which all are equally good.
        peak: Bytes that the members' own order needs.
        effort: States to look into at most.
    """
    best, spent = here.members, 0
    below = Search(here, bound, peak)
    found = below.run(effort // 4)
    while not found.complete and below.states + spent < effort * 3 // 4:
        above = Search(here, peak - 1, peak)
        lower = above.run(effort * 3 // 4 - below.states - spent)
        spent += above.states
        if lower.order is not None:
            best, peak = lower.order, here.peak(lower.order)
            below.ceiling = peak
        elif lower.complete:
            return Solved(best, peak, peak, below.states + spent)
    if not found.complete:
        found = below.run(effort - below.states - spent)
    if found.order is not None:
        best, peak = found.order, here.peak(found.order)
    return Solved(best, peak, max(bound, min(below.level, peak)), below.states + spent)


__all__ = ["Solved", "solve"]
