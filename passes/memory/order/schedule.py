"""An order of the tasks, with what it needs and what every order needs."""

from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.passes.memory.order.region import region
from cnnir.passes.memory.order.solve import solve
from cnnir.passes.memory.order.stages import stages
from cnnir.passes.memory.order.windows import lower
from cnnir.passes.memory.problem import Problem, profile

EFFORT = 100_000
"""States that the search looks into at most in each stage of a problem, unless told otherwise; some ten seconds."""


LARGEST = 2_000
"""Tasks of a stage that is searched as a whole."""


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
        effort: States to look into at most in each stage; a twentieth in each window of a stage that is not solved.
    """
    walk = _Walk(problem, effort)
    needs = profile(problem, range(len(problem.tasks)))
    for first, end in stages(problem):
        walk.take(first, end, max(needs[first:end], default=0))
    return walk.schedule(needs)


class _Walk:
    """The stages one after the other.

    Attributes:
        live: Bytes that live after the stages that are over.
        bound: Bytes that every order needs.
        states: How many were looked into.
        peak: Bytes that the orders of the stages need.
        stretches: (first, end, order) of each stage.
    """

    def __init__(self, problem: Problem, effort: int) -> None:
        self.problem = problem
        self.effort = effort
        self.live = sum(a.bytes for a in problem.atoms if a.given and (a.kept or a.producers or a.consumers))
        self.bound = self.live
        self.peak = self.live
        self.states = 0
        self.stretches: list[tuple[int, int, tuple[int, ...]]] = []

    def take(self, first: int, end: int, peak: int) -> None:
        """Order one stage; `peak` is what the file's order needs in it."""
        order = tuple(range(first, end))
        if end - first <= LARGEST:
            here = region(self.problem, order, range(len(self.problem.tasks)), self.live)
            self.bound = max(self.bound, here.forced())
            self.live += here.change
            if peak > self.bound:
                found = solve(here, self.bound, peak, self.effort)
                order, peak = found.order, found.peak
                self.bound = max(self.bound, found.bound)
                self.states += found.states
        else:
            self.live = _live_after(self.problem, end)
        if peak > self.bound:
            whole = (*range(first), *order, *range(end, len(self.problem.tasks)))
            lowered = lower(self.problem, whole, (first, end), self.bound, self.effort)
            order, peak, self.bound = lowered.order, lowered.peak, lowered.bound
            self.states += lowered.states
        self.stretches.append((first, end, order))
        self.peak = max(self.peak, peak)

    def schedule(self, needs: list[int]) -> Schedule:
        """The best order of all; stages whose own order does not need more than the peak keep it."""
        order: list[int] = []
        for first, end, better in self.stretches:
            order.extend(range(first, end) if max(needs[first:end]) <= self.peak else better)
        reached = max(profile(self.problem, order), default=self.live)
        if reached != self.peak or self.bound > self.peak:
            raise CnnirError("order-internal", "the order needs other bytes than were counted", got=reached)
        return Schedule(tuple(order), self.peak, self.bound, self.states)


def _live_after(problem: Problem, end: int) -> int:
    """Bytes that live after the tasks before a position of the file's order."""
    return sum(
        atom.bytes
        for atom in problem.atoms
        if (atom.given or any(task < end for task in atom.producers))
        and (atom.kept or any(task >= end for task in (*atom.producers, *atom.consumers)))
    )


__all__ = ["EFFORT", "Schedule", "schedule"]
