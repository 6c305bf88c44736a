"""Other orders with no higher peak: the first that is found may not pack where another one does."""

import random
from collections.abc import Iterator, Sequence

from cnnir.passes.memory.order.region import Region, region
from cnnir.passes.memory.order.search import Search
from cnnir.passes.memory.order.stages import stages
from cnnir.passes.memory.problem import Problem, profile

ATTEMPT = 2_000
"""States to look into for another order of one stage."""

PATIENCE = 20
"""Attempts in a row that may give nothing new."""

STRETCH = 1_000
"""Tasks of a stage that is drawn as a whole; longer ones are cut, and each part keeps what runs before it."""


def alternatives(
    problem: Problem, order: Sequence[int], *, seed: int = 0, effort: int | None = None
) -> Iterator[tuple[int, ...]]:
    """Orders that need no more than a given one, each once; the given one does not come up.

    Each stage is searched anew, with what may be as high as the peak of the given order, and drawn choices; a stage in
    which such a search comes to no end keeps its part of the given order. The same arguments give the same orders.

    Args:
        problem: The tasks.
        order: Each task once.
        seed: Of the choices.
        effort: States to look into in all; None for as many as it takes.
    """
    draw = random.Random(seed)  # noqa: S311 - choices, not secrets
    peak = max(profile(problem, order), default=0)
    parts = list(_parts(problem, order))
    seen = {tuple(order)}
    misses = states = 0
    while misses < PATIENCE:
        drawn: list[int] = []
        for part in parts:
            if effort is not None and states >= effort:
                return
            search = Search(part, peak, peak + 1, draw)
            found = search.run(ATTEMPT)
            states += search.states
            drawn.extend(part.members if found.order is None else found.order)
        other = tuple(drawn)
        misses = misses + 1 if other in seen else 0
        if other not in seen:
            seen.add(other)
            yield other


def _parts(problem: Problem, order: Sequence[int]) -> Iterator[Region]:
    """The stages of an order, the long ones cut."""
    place = [0] * len(order)
    for position, task in enumerate(order):
        place[task] = position
    live = sum(a.bytes for a in problem.atoms if a.given and (a.kept or a.producers or a.consumers))
    for start, stop in stages(problem):
        for first in range(start, stop, STRETCH):
            members = order[first : min(first + STRETCH, stop)]
            part = region(problem, members, place, live)
            live += part.change
            yield part


__all__ = ["alternatives"]
