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
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cnnir.passes.memory.order.region import Region


class State(NamedTuple):
    """What has run, and what comes into question then.

    Attributes:
        done: Mask of the tasks that have run.
        live: Bytes that live.
        finishing: Moves that finish atoms, by number, whose guards have been passed when this was written.
        led: Moves with a last task, likewise.
    """

    done: int
    live: int
    finishing: tuple[int, ...]
    led: tuple[int, ...]


class Step(NamedTuple):
    """A move from a state.

    Attributes:
        tasks: Mask of those that it runs.
        last: The one that runs last, if that matters.
        need: Bytes that live while it runs, at most.
        begun: Bytes that it begins.
        smallest: No other move from the state is a part of it.
    """

    tasks: int
    last: int | None
    need: int
    begun: int
    smallest: bool


def beginning(region: Region) -> State:
    """Before the first task."""
    guards = region.guards
    return State(0, region.live, tuple(guards.finishing.get(None, ())), tuple(guards.led.get(None, ())))


def current(region: Region, state: State) -> State:
    """The same state, with the moves that come into question by now."""
    done = state.done
    passed = [number for number in state.finishing if not region.finishing[number][0] & ~done]
    if not passed:
        return state
    waiting = [number for number in state.finishing if region.finishing[number][0] & ~done]
    led = [number for number in state.led if not done >> region.led[number].last & 1]
    while passed:
        number = passed.pop()
        led.extend(region.guards.led.get(number, ()))
        for other in region.guards.finishing.get(number, ()):
            (waiting if region.finishing[other][0] & ~done else passed).append(other)
    return State(done, state.live, tuple(waiting), tuple(led))


def finished(region: Region, state: State, tasks: int) -> int:
    """Bytes of the atoms that are finished when these tasks run from a state that is current."""
    after = state.done | tasks
    total = 0
    open_ = [number for number in state.finishing if not region.finishing[number][0] & ~after]
    while open_:
        number = open_.pop()
        total += region.finishing[number][1]
        held = region.guards.finishing.get(number, ())
        open_.extend(other for other in held if not region.finishing[other][0] & ~after)
    return total


def steps(region: Region, state: State) -> list[Step]:
    """The moves from a state that are worth a look."""
    done, live = state.done, state.live
    smallest: list[int] = []
    for tasks in sorted({region.finishing[number][0] & ~done for number in state.finishing}, key=int.bit_count):
        if all(part & ~tasks for part in smallest):
            smallest.append(tasks)
    found = []
    for tasks in smallest:
        if not tasks & region.noisy:
            size = region.begun(done, tasks)
            found.append(Step(tasks, None, live + size, size, smallest=True))
    found.extend(_led(region, state, smallest))
    return found


def _led(region: Region, state: State, smallest: list[int]) -> Iterator[Step]:
    """Moves whose last task is given."""
    for number in state.led:
        move = region.led[number]
        bit = 1 << move.last
        tasks = move.tasks & ~state.done
        if not tasks & bit or tasks & ~bit & region.noisy:
            continue
        parts = [part for part in smallest if not part & ~tasks and part != tasks]
        if not all(part & bit for part in parts):
            continue
        size = region.begun(state.done, tasks)
        donated = region.donated(state.done | tasks & ~bit, move.last)
        need = state.live + size - donated + region.scratch[move.last]
        yield Step(tasks, move.last, need, size, smallest=not parts)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has come to.

    Attributes:
        order: Tasks of the region, by their indices in the problem; None when none was found.
        complete: Nothing was left out: without an order there is none under the ceiling.
    """

    order: tuple[int, ...] | None
    complete: bool


class Search:
    """A search that can be taken up again.

    Attributes:
        level: Bytes that every schedule needs at least, given that every one needs the level it began with; the
            ceiling once there is none under it.
        states: How many have been looked into.
    """

    def __init__(self, region: Region, level: int, ceiling: int, draw: random.Random | None = None) -> None:
        """Prepare a search.

        Args:
            region: What to order.
            level: Bytes that every schedule needs, or up to which all are equally good.
            ceiling: Bytes that a schedule must stay below to be of interest; may be lowered at any time.
            draw: For one of many orders that are equally good; None for what promises to be found fastest.
        """
        self.region = region
        self.level = max(level, region.live)
        self.ceiling = ceiling
        self.states = 0
        self._draw = draw
        first = beginning(region)
        self._stack = [first]
        # The least need first; the number makes the order of equal needs definite.
        self._aside: list[tuple[int, int, State, Step]] = []
        self._put_aside = 0
        self._reached: dict[int, tuple[int, int, int | None] | None] = {first.done: None}

    def run(self, limit: int) -> Found:
        """Look into so many more states at most, for an order with the smallest peak below the ceiling."""
        end = self.states + limit
        while self.level < self.ceiling:
            while self._stack:
                if self.states >= end:
                    return Found(None, complete=False)
                state = self._stack.pop()
                if state.done == self.region.full:
                    return Found(self._path(state.done), complete=True)
                self.states += 1
                self._look(current(self.region, state))
            if not self._aside:
                break
            self.level = max(self.level, self._aside[0][0])
            while self._aside and self._aside[0][0] <= self.level:
                _, _, state, step = heapq.heappop(self._aside)
                self._stack.extend(self._go(state, step))
        self.level = max(self.level, self.ceiling)
        return Found(None, complete=True)

    def _look(self, state: State) -> None:
        """Follow the moves from a state, or the one that may go at once."""
        found = steps(self.region, state)
        within = [step for step in found if step.need <= self.level]
        if self._draw:
            self._draw.shuffle(within)
        for step in within:
            if step.smallest and step.begun <= finished(self.region, state, step.tasks):
                self._stack.extend(self._go(state, step))
                return
        for step in found:
            if self.level < step.need < self.ceiling:
                heapq.heappush(self._aside, (step.need, self._put_aside, state, step))
                self._put_aside += 1
        ahead = [after for step in within for after in self._go(state, step)]
        # The last one is looked into first: that after which least lives; drawn orders take it less seriously.
        ahead.sort(key=lambda after: (-self._rank(after), after.done.bit_count()))
        self._stack.extend(ahead)

    def _rank(self, state: State) -> float:
        return state.live * self._draw.uniform(0.5, 1.5) if self._draw else state.live

    def _go(self, state: State, step: Step) -> Iterator[State]:
        """The state after a move, unless it has been met."""
        after = state.done | step.tasks
        if after not in self._reached:
            self._reached[after] = (state.done, step.tasks, step.last)
            live = state.live + step.begun - finished(self.region, state, step.tasks)
            yield State(after, live, state.finishing, state.led)

    def _path(self, done: int) -> tuple[int, ...]:
        """The tasks up to a state, in the order in which they run."""
        legs = []
        while (came := self._reached[done]) is not None:
            legs.append(came)
            done = came[0]
        return tuple(task for _, tasks, last in reversed(legs) for task in self._sequence(tasks, last))

    def _sequence(self, tasks: int, last: int | None) -> Iterator[int]:
        """The tasks of a move, in the order of the file or in one that is drawn; the last one last."""
        rest = tasks if last is None else tasks & ~(1 << last)
        while rest:
            ready = rest & -rest
            if self._draw:
                free = [bit for bit in _bits(rest) if self.region.ancestors[bit.bit_length() - 1] & rest == bit]
                ready = self._draw.choice(free)
            yield self.region.members[ready.bit_length() - 1]
            rest ^= ready
        if last is not None:
            yield self.region.members[last]


def _bits(mask: int) -> Iterator[int]:
    while mask:
        yield mask & -mask
        mask &= mask - 1


__all__ = ["Found", "Search", "State", "Step", "beginning", "current", "finished", "steps"]
