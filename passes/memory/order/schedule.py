"""An order of the tasks, with what it needs and what every order needs."""

from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.passes.memory.order.region import Region, region
from cnnir.passes.memory.order.search import Search
from cnnir.passes.memory.order.stages import stages
from cnnir.passes.memory.problem import Problem, profile

EFFORT = 100_000
"""States that the search looks into at most in each stage of a problem, unless told otherwise; some ten seconds."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """An order of a problem's tasks.

    Attributes:
        order: Each task once, by its index.
        peak: Bytes that it needs.
        bound: Bytes that every order needs; equal to the peak when the order is proved to be best.
        states: How many states the search looked into.
    """

    order: tuple[int, ...]
    peak: int
    bound: int
    states: int


def schedule(problem: Problem, *, effort: int = EFFORT) -> Schedule:
    """An order with a small peak: the file's own where none that was found is better.

    Each stage between two states that every order passes through is a problem of its own. The peak is proved to be the
    smallest unless the search of a stage meets its limit; then the order is the best one seen, and the bound what was
    proved until then.

    Args:
        problem: Tasks, in an executable order.
        effort: States to look into at most, in each stage.
    """
    walk = _Walk(problem, effort)
    needs = profile(problem, range(len(problem.tasks)))
    for first, end in stages(problem):
        walk.take(first, end, max(needs[first:end], default=0))
    return walk.schedule(needs)


class _Walk:
    """The stages one after the other.

    Attributes:
        done: For each task, whether it lies in a stage that is over.
        live: Bytes that live after the stages that are over.
        bound: Bytes that every order needs.
        states: How many were looked into.
        peak: Bytes that the orders of the stages need.
        stretches: (first, end, order) of each stage.
    """

    def __init__(self, problem: Problem, effort: int) -> None:
        self.problem = problem
        self.effort = effort
        self.done = bytearray(len(problem.tasks))
        self.live = sum(a.bytes for a in problem.atoms if a.given and (a.kept or a.producers or a.consumers))
        self.bound = self.live
        self.peak = self.live
        self.states = 0
        self.stretches: list[tuple[int, int, tuple[int, ...]]] = []

    def take(self, first: int, end: int, peak: int) -> None:
        """Order one stage; `peak` is what the file's order needs in it."""
        here = region(self.problem, range(first, end), self.done, self.live)
        self.bound = max(self.bound, here.forced())
        order = tuple(range(first, end))
        if peak > self.bound:
            order, peak, bound, states = _solve(here, self.bound, peak, self.effort)
            self.bound = max(self.bound, bound)
            self.states += states
        self.stretches.append((first, end, order))
        self.peak = max(self.peak, peak)
        self.live += here.change
        self.done[first:end] = b"\x01" * (end - first)

    def schedule(self, needs: list[int]) -> Schedule:
        """The best order of all; stages whose own order does not need more than the peak keep it."""
        order: list[int] = []
        for first, end, better in self.stretches:
            order.extend(range(first, end) if max(needs[first:end]) <= self.peak else better)
        reached = max(profile(self.problem, order), default=self.live)
        if reached != self.peak or self.bound > self.peak:
            raise CnnirError("order-internal", "the order needs other bytes than were counted", got=reached)
        return Schedule(tuple(order), self.peak, self.bound, self.states)


def _solve(here: Region, bound: int, peak: int, effort: int) -> tuple[tuple[int, ...], int, int, int]:
    """The best order of a stage: (order, its peak, what every order needs, states looked into).

    First from below, which meets little more than it must where the peak is soon found. Then from above: is there an
    order below the best one known? As all that lies below it may be used at once, such a search meets fewer states,
    finds better orders fast, and when it comes to its end without one, the best one known is proved. What is left of
    the effort raises the bound.
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
            return best, peak, peak, below.states + spent
    if not found.complete:
        found = below.run(effort - below.states - spent)
    if found.order is not None:
        best, peak = found.order, here.peak(found.order)
    return best, peak, max(bound, below.level), below.states + spent


__all__ = ["EFFORT", "Schedule", "schedule"]
