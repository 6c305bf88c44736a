"""An order of the tasks, with what it needs and what every order needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.passes.memory.order.region import region
from cnnir.passes.memory.order.solve import Solved, solve
from cnnir.passes.memory.order.stages import stages
from cnnir.passes.memory.order.windows import lower, needs_and_live
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
    # The most demanding stage first: others need no search where its bound is above what the file's order needs.
    for stage in sorted(walk.stages, key=lambda stage: (-stage.peak, stage.first)):
        walk.order(stage)
    return walk.schedule()


@dataclass(slots=True)
class _Stage:
    """A stretch of the file's order.

    Attributes:
        first: Position of the first task.
        end: Position behind the last one.
        live: Bytes that live before it.
        own: Bytes that the file's order needs.
        order: Its tasks in the best order known.
        peak: Bytes that this needs.
    """

    first: int
    end: int
    live: int
    own: int
    order: Sequence[int]
    peak: int


class _Walk:
    """The stages, as far as they are solved.

    Attributes:
        stages: All of them, one behind the other.
        bound: Bytes that every order of the problem needs.
        states: How many were looked into.
    """

    def __init__(self, problem: Problem, effort: int) -> None:
        self.problem = problem
        self.effort = effort
        self.states = 0
        self.places = range(len(problem.tasks))
        needs, live = needs_and_live(problem, self.places)
        self.bound = live[0]
        self.stages: list[_Stage] = []
        for first, end in stages(problem):
            peak = max(needs[first:end])
            self.stages.append(_Stage(first, end, live[first], peak, range(first, end), peak))
            if end - first <= LARGEST:
                here = region(problem, range(first, end), self.places, live[first])
                self.bound = max(self.bound, here.forced())

    def order(self, stage: _Stage) -> None:
        """Look for a better order of one stage, if that can matter."""
        if stage.peak > self.bound and len(stage.order) <= LARGEST:
            here = region(self.problem, stage.order, self.places, stage.live)
            self._note(stage, solve(here, self.bound, stage.peak, self.effort))
        if stage.peak > self.bound:
            whole = (*self.places[: stage.first], *stage.order, *self.places[stage.end :])
            self._note(stage, lower(self.problem, whole, (stage.first, stage.end), self.bound, self.effort))

    def _note(self, stage: _Stage, found: Solved) -> None:
        stage.order, stage.peak = found.order, found.peak
        self.bound = max(self.bound, found.bound)
        self.states += found.states

    def schedule(self) -> Schedule:
        """The best order of all; stages whose own order does not need more than the peak keep it."""
        peak = max((stage.peak for stage in self.stages), default=self.bound)
        order: list[int] = []
        for stage in self.stages:
            order.extend(range(stage.first, stage.end) if stage.own <= peak else stage.order)
        reached = max(profile(self.problem, order), default=peak)
        if reached != peak or self.bound > peak:
            raise CnnirError("order-internal", "the order needs other bytes than were counted", got=reached)
        return Schedule(tuple(order), peak, self.bound, self.states)


__all__ = ["EFFORT", "Schedule", "schedule"]
