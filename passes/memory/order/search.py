"""The smallest peak of a region, by a search over the states that its moves lead to.

Three facts keep the search small. Bytes that live after a set of tasks are a submodular function of the set, and what a
task needs on top of them never grows when more has run before it. Therefore

- only events matter (see `cnnir.passes.memory.order.region`), and of two moves of which one contains the other, the
  smaller goes first;
- a smallest move after which no more bytes live than before, and which needs no more than every schedule needs anyway,
  may go at once: moved to the front of any schedule it lowers, or leaves, what all others need;
- what has been needed is forgotten, up to the level that every schedule is known to need: a state is met once.

The search goes through all states below a level, depth first; only then the level rises, to the least that any of the
moves put aside needs. So the level is a lower bound at any time, and the peak when the last task has run.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cnnir.passes.memory.order.region import Region

Preference = Callable[[int, int], int]
"""Ranks (state, bytes that live): of the states that a state leads to, the one of least rank is looked into first."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to.

    Attributes:
        order: Tasks of the region, by their indices in the problem; None when none was found.
        level: Bytes that every schedule of the region needs at least, or that the caller said every schedule does.
        complete: Nothing was left out: without an order there is none under the ceiling.
        states: How many were looked into.
    """

    order: tuple[int, ...] | None
    level: int
    complete: bool
    states: int


@dataclass(frozen=True, slots=True)
class Step:
    """A move from a state.

    Attributes:
        tasks: Mask of those that it runs.
        last: The one that runs last, if that matters.
        need: Bytes that live while it runs, at most.
        change: Bytes by which what lives grows.
        smallest: No other move from the state is a part of it.
    """

    tasks: int
    last: int | None
    need: int
    change: int
    smallest: bool


def steps(region: Region, state: int, live: int) -> list[Step]:
    """The moves from a state that are worth a look."""
    finished: dict[int, int] = {}
    for closure, size in region.finishing.items():
        if left := closure & ~state:
            finished[left] = finished.get(left, 0) + size
    smallest: list[int] = []
    for tasks in sorted(finished, key=int.bit_count):
        if all(part & ~tasks for part in smallest):
            smallest.append(tasks)
    found = [
        Step(tasks, None, live + size, size - finished[tasks], smallest=True)
        for tasks in smallest
        if not tasks & region.noisy
        for size in (region.begun(state, tasks),)
    ]
    found.extend(_led(region, state, live, finished, smallest))
    return found


def _led(region: Region, state: int, live: int, finished: dict[int, int], smallest: list[int]) -> Iterator[Step]:
    """Moves whose last task is given."""
    for move in region.led:
        bit = 1 << move.last
        tasks = move.tasks & ~state
        if not tasks & bit or tasks & ~bit & region.noisy:
            continue
        parts = [part for part in smallest if not part & ~tasks and part != tasks]
        if not all(part & bit for part in parts):
            continue
        size = region.begun(state, tasks)
        need = live + size - region.donated(state | tasks & ~bit, move.last) + region.scratch[move.last]
        freed = sum(gone for closure, gone in finished.items() if not closure & ~tasks)
        yield Step(tasks, move.last, need, size - freed, smallest=not parts)


@dataclass
class _Frontier:
    """States to look into, and moves put aside because they need more than the level.

    Attributes:
        stack: (state, live), the next one last.
        aside: (need, number, state, live, move), the least need first; the number makes the order definite.
        reached: For each state met the (state, tasks, last) that led to it.
        count: Moves put aside so far.
    """

    stack: list[tuple[int, int]]
    aside: list[tuple[int, int, int, int, Step]] = field(default_factory=list)
    reached: dict[int, tuple[int, int, int | None] | None] = field(default_factory=dict)
    count: int = 0

    def put_aside(self, state: int, live: int, step: Step) -> None:
        heapq.heappush(self.aside, (step.need, self.count, state, live, step))
        self.count += 1

    def go(self, state: int, live: int, step: Step) -> tuple[int, int] | None:
        """The state after a move, with what lives then; None when it has been met."""
        after = state | step.tasks
        if after in self.reached:
            return None
        self.reached[after] = (state, step.tasks, step.last)
        return after, live + step.change

    def path(self, region: Region, state: int) -> tuple[int, ...]:
        """The tasks up to a state, in the order in which they run."""
        legs = []
        while (came := self.reached[state]) is not None:
            legs.append(came)
            state = came[0]
        return tuple(task for _, tasks, last in reversed(legs) for task in region.sequence(tasks, last))


def search(region: Region, level: int, ceiling: int, limit: int, prefer: Preference | None = None) -> Found:
    """An order of the region with the smallest peak, if that is below the ceiling.

    Args:
        region: What to order.
        level: Bytes that every schedule needs, or up to which all are equally good.
        ceiling: Bytes that a schedule must stay below to be of interest.
        limit: Number of states to look into at most.
        prefer: Which states to look into first; None: those after which least lives.

    Returns:
        The order, and the level to which the search rose.
    """
    full = region.full
    level = max(level, region.live)
    if level >= ceiling:
        return Found(None, level, complete=True, states=0)
    frontier = _Frontier([(0, region.live)], reached={0: None})
    states = 0
    while True:
        while frontier.stack:
            state, live = frontier.stack.pop()
            if state == full:
                return Found(frontier.path(region, state), level, complete=True, states=states)
            if states >= limit:
                return Found(None, level, complete=False, states=states)
            states += 1
            _look(region, frontier, (state, live), (level, ceiling), prefer)
        if not frontier.aside:
            return Found(None, ceiling, complete=True, states=states)
        level = max(level, frontier.aside[0][0])
        while frontier.aside and frontier.aside[0][0] <= level:
            _, _, state, live, step = heapq.heappop(frontier.aside)
            if (met := frontier.go(state, live, step)) is not None:
                frontier.stack.append(met)


def _look(
    region: Region, frontier: _Frontier, here: tuple[int, int], between: tuple[int, int], prefer: Preference | None
) -> None:
    """Follow the moves from a state, or the one that may go at once."""
    state, live = here
    level, ceiling = between
    found = steps(region, state, live)
    free = [step for step in found if step.smallest and step.change <= 0 and step.need <= level]
    if free:
        met = frontier.go(state, live, min(free, key=lambda step: step.change))
        frontier.stack.extend([] if met is None else [met])
        return
    ahead = []
    for step in found:
        if step.need > level:
            if step.need < ceiling:
                frontier.put_aside(state, live, step)
        elif (met := frontier.go(state, live, step)) is not None:
            ahead.append(met)
    if prefer is None:
        ahead.sort(key=lambda met: (-met[1], met[0].bit_count()))
    else:
        ahead.sort(key=lambda met: -prefer(*met))
    frontier.stack.extend(ahead)


__all__ = ["Found", "Preference", "Step", "search", "steps"]
