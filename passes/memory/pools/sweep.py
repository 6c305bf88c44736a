"""The cheapest way to house lodgers so that no memory holds more than it can at any step.

A sweep over the steps. What matters at a step of all that has been decided is where the lodgers that are there lie, so
ways that agree in that are one state with the least cost of them: dynamic programming over a path decomposition. The
states of a step are rows of an array, a column for each lodger present.

Sets of lodgers that cannot lie in one memory together, because they have no placement, are ruled out on the way: one
column more says of each such set whether all of it that has moved in lies there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnir.passes.memory.pools.bounds import hopeless_step, to_pay
from cnnir.passes.memory.pools.stays import Stays

WIDTH = 20_000
"""States of a step that are kept; the ones that are cheapest by then."""

Rows: TypeAlias = NDArray[np.int8]
Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Lodgers that cannot all lie in one memory."""

    memory: int
    lodgers: frozenset[int]


@dataclass(frozen=True, slots=True)
class Way:
    """Where each lodger lies, and what that costs beyond the cheapest memories."""

    housed: tuple[int, ...]
    extra: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a sweep has come to.

    Attributes:
        way: The cheapest of those that were kept; None when there was none.
        least: No way costs less beyond the cheapest memories; None when there is no way at all, under the ceiling.
        crowded: A step at which more lives than the memories hold, when that is why there is none.
        states: How many were looked at.
    """

    way: Way | None
    least: int | None
    crowded: int | None
    states: int


@dataclass(frozen=True, slots=True)
class _Event:
    """Each state follows from one; the lodger that has moved in, if one has, lies in the memory given."""

    parents: Numbers
    lodger: int | None = None
    memories: Rows | None = None


class Sweep:
    """A sweep over the steps."""

    def __init__(
        self,
        stays: Stays,
        capacities: Sequence[int | None],
        *,
        free: Sequence[bool],
        conflicts: Sequence[Conflict] = (),
        ceiling: int | None = None,
        width: int = WIDTH,
    ) -> None:
        """Prepare a sweep.

        Args:
            stays: The lodgers.
            capacities: Of the memories.
            free: Which lodgers have a choice; the others lie in their cheapest memory.
            conflicts: Lodgers that cannot lie together.
            ceiling: Ways that cost more than this beyond the cheapest memories are of no interest.
            width: States of a step that are kept at most.
        """
        self.stays = stays
        self.capacities = capacities
        self.free = free
        self.conflicts = conflicts
        self.ceiling = ceiling
        self.width = width
        self.states = 0
        self.left_out: int | None = None
        self._of: dict[int, list[int]] = {}
        for number, conflict in enumerate(conflicts):
            for lodger in conflict.lodgers:
                self._of.setdefault(lodger, []).append(number)
        self._waiting = [len(conflict.lodgers) for conflict in conflicts]
        self._events: list[_Event] = []
        self._rows: Rows = np.zeros((1, 0), np.int8)
        self._costs: Numbers = np.zeros(1, np.int64)
        self._columns: list[int] = []
        """The lodger of each column; below zero for a conflict: -1 for the first."""
        self._to_pay = to_pay(stays, capacities)

    def run(self) -> Found:
        """The cheapest way."""
        if None in self._to_pay:
            return Found(None, None, hopeless_step(self.stays, self.capacities), 0)
        for step in range(self.stays.steps):
            for lodger in self.stays.begins[step]:
                self._move_in(lodger)
            fitting = self._fitting(step)
            if not fitting.any() and self.ceiling is None and self.left_out is None and not self.conflicts:
                return Found(None, None, step, self.states)
            self._keep(fitting, self._to_pay[step + 1] or 0)
            if not len(self._costs):
                return Found(None, self.left_out, None, self.states)
            self._move_out(step)
        best = int(np.argmin(self._costs))
        extra = int(self._costs[best])
        least = extra if self.left_out is None else min(extra, self.left_out)
        return Found(Way(self._housed(best), extra), least, None, self.states)

    def _move_in(self, lodger: int) -> None:
        rooms = self.stays.rooms[lodger] if self.free[lodger] else self.stays.rooms[lodger][:1]
        states = len(self._costs)
        memories = np.tile(np.array(rooms, np.int8), states)
        parents = np.repeat(np.arange(states), len(rooms))
        extra = np.array(self.stays.extra[lodger][: len(rooms)], np.int64)
        self._rows = np.column_stack([self._rows[parents], memories]).astype(np.int8, copy=False)
        self._costs = self._costs[parents] + np.tile(extra, states)
        self._columns.append(lodger)
        self._events.append(_Event(parents, lodger, memories))
        for number in self._of.get(lodger, ()):
            self._meet(number, lodger)

    def _meet(self, number: int, lodger: int) -> None:
        """One more of those that cannot lie together has moved in."""
        name = -1 - number
        there = self._rows[:, self._columns.index(lodger)] == self.conflicts[number].memory
        if name not in self._columns:
            self._rows = np.column_stack([self._rows, there]).astype(np.int8, copy=False)
            self._columns.append(name)
        else:
            self._rows[:, self._columns.index(name)] &= there
        self._waiting[number] -= 1
        if not self._waiting[number]:
            column = self._columns.index(name)
            together = self._rows[:, column] != 0
            self._rows = np.delete(self._rows, column, axis=1)
            del self._columns[column]
            self._choose(np.flatnonzero(~together))

    def _fitting(self, step: int) -> NDArray[np.bool_]:
        """The states that exceed no memory."""
        sizes = self.stays.sizes[step]
        taken = np.array([sizes.get(lodger, 0) for lodger in self._columns], np.int64)
        fitting = np.ones(len(self._costs), bool)
        for memory, capacity in enumerate(self.capacities):
            if capacity is not None and int(taken.sum()) > capacity:
                fitting &= (self._rows == memory) @ taken <= capacity
        return fitting

    def _keep(self, fitting: NDArray[np.bool_], still: int) -> None:
        """Drop the states that do not fit, or cannot become cheap enough, or are too many."""
        if self.ceiling is not None:
            fitting &= self._costs + still <= self.ceiling
        chosen = np.flatnonzero(fitting)
        self.states += len(chosen)
        if len(chosen) > self.width:
            ranked = chosen[np.argsort(self._costs[chosen], kind="stable")]
            chosen, lost = np.sort(ranked[: self.width]), ranked[self.width :]
            least = int(self._costs[lost].min()) + still
            self.left_out = least if self.left_out is None else min(self.left_out, least)
        if len(chosen) < len(self._costs):
            self._choose(chosen)

    def _choose(self, chosen: Numbers) -> None:
        self._events.append(_Event(chosen))
        self._rows, self._costs = self._rows[chosen], self._costs[chosen]

    def _move_out(self, step: int) -> None:
        """Forget where those lay that move out; of states that agree in the rest, the cheapest stays."""
        stay = [at for at, lodger in enumerate(self._columns) if lodger < 0 or self.stays.spans[lodger][1] > step]
        if len(stay) == len(self._columns):
            return
        self._columns = [self._columns[at] for at in stay]
        rows = np.ascontiguousarray(self._rows[:, stay])
        by_cost = np.argsort(self._costs, kind="stable")
        self._rows = rows
        if rows.shape[1]:
            _, first = np.unique(rows[by_cost], axis=0, return_index=True)
            self._choose(by_cost[first])
        else:
            self._choose(by_cost[:1])

    def _housed(self, state: int) -> tuple[int, ...]:
        """Where everyone lies, read off from the last state."""
        housed = [rooms[0] for rooms in self.stays.rooms]
        for event in reversed(self._events):
            if event.lodger is not None and event.memories is not None:
                housed[event.lodger] = int(event.memories[state])
            state = int(event.parents[state])
        return tuple(housed)


__all__ = ["WIDTH", "Conflict", "Found", "Sweep", "Way"]
