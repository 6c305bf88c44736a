"""Lowering an order's peak where it lies: windows around the most demanding task, ordered anew.

For problems that are too large, or too hard, for one search. A window is a stretch of the order between two places
where little lives. Its tasks are put in the best order between these two states; the rest of the order stays. When that
does not lower the peak, the window's projection, which leaves everything else away, may prove that nothing can; else
the window grows. Memory grows with the number of tasks, as the masks are those of a window.
"""

import heapq
from collections.abc import Sequence

from cnnir.passes.memory.order.region import projection, region
from cnnir.passes.memory.order.solve import Solved, solve
from cnnir.passes.memory.problem import Problem, profile

WIDTHS = (64, 128, 256)
"""Tasks of a window at most, one width after the other."""

SHARE = 20
"""A window may use the effort's twentieth part: there are many."""


def lower(problem: Problem, order: Sequence[int], stretch: tuple[int, int], bound: int, effort: int) -> Solved:
    """Lower the peak of a stretch of an order as far as its windows allow.

    Args:
        problem: The whole.
        order: Each task of the problem once.
        stretch: (first, end) positions of the tasks that may be moved; all before come before them in every order, all
            after after.
        bound: Bytes that every order needs.
        effort: States to look into for a problem that is searched as a whole.

    Returns:
        The stretch in a better order, its peak, and the bound for the whole problem.
    """
    line = _Line(problem, order, stretch, bound, effort // SHARE)
    while line.peak > line.bound and line.improve():
        pass
    first, end = stretch
    return Solved(tuple(line.order[first:end]), line.peak, line.bound, line.states)


class _Line:
    """An order that is being improved.

    Attributes:
        order: Each task of the problem once.
        bound: Bytes that every order needs.
        states: How many were looked into.
    """

    def __init__(
        self, problem: Problem, order: Sequence[int], stretch: tuple[int, int], bound: int, effort: int
    ) -> None:
        self.problem = problem
        self.order = list(order)
        self.bound = bound
        self.states = 0
        self._first, self._end = stretch
        self._effort = effort
        self._place = [0] * len(self.order)
        for place, task in enumerate(self.order):
            self._place[task] = place
        self._always = sum(atom.bytes for atom in problem.atoms if atom.given and atom.kept)
        self._needs, self._live = needs_and_live(problem, self.order)
        self._heap = [(-self._needs[place], place) for place in range(*stretch)]
        heapq.heapify(self._heap)

    @property
    def peak(self) -> int:
        """Bytes that the most demanding task of the stretch needs."""
        while -self._heap[0][0] != self._needs[self._heap[0][1]]:
            heapq.heappop(self._heap)
        return -self._heap[0][0]

    def improve(self) -> bool:
        """Lower the most demanding place, or raise the bound to what it needs; False when neither succeeds."""
        peak = self.peak
        place = self._heap[0][1]
        for width in WIDTHS:
            first, end = self._window(place, width)
            members = self.order[first:end]
            here = region(self.problem, members, self._place, self._live[first])
            found = solve(here, self.bound, here.peak(members), self._effort)
            self.states += found.states
            if found.peak < peak:
                self._put(first, found)
                return True
            alone = projection(self.problem, members, self._always)
            known = solve(alone, self.bound, min(peak, alone.peak(members)), self._effort)
            self.states += known.states
            self.bound = max(self.bound, min(known.bound, peak))
            if self.bound >= peak:
                return True
            if end - first == self._end - self._first:
                break
        return False

    def _window(self, place: int, width: int) -> tuple[int, int]:
        """A window around a place, from where little lives to where little lives."""
        left = range(max(self._first, place - width // 2), max(self._first, place - width // 8) + 1)
        right = range(min(self._end, place + 1 + width // 8), min(self._end, place + 1 + width // 2) + 1)
        return min(left, key=lambda at: (self._live[at], at)), min(right, key=lambda at: (self._live[at], -at))

    def _put(self, first: int, found: Solved) -> None:
        """Take over a window's new order."""
        tasks = found.order
        end = first + len(tasks)
        here = region(self.problem, tasks, self._place, self._live[first])
        for place, (task, (need, live)) in enumerate(zip(tasks, here.walk(tasks), strict=True), start=first):
            self.order[place], self._needs[place] = task, need
            self._live[place + 1] = live
        for place in range(first, end):
            self._place[self.order[place]] = place
            heapq.heappush(self._heap, (-self._needs[place], place))


def needs_and_live(problem: Problem, order: Sequence[int]) -> tuple[list[int], list[int]]:
    """What each task needs, and what lives before each and after the last."""
    waiting = [len(atom.producers) + len(atom.consumers) for atom in problem.atoms]
    begun = bytearray(atom.given for atom in problem.atoms)
    live = sum(a.bytes for a, left in zip(problem.atoms, waiting, strict=True) if a.given and (a.kept or left))
    found = [live]
    for index in order:
        task = problem.tasks[index]
        for number in task.writes:
            live += 0 if begun[number] else problem.atoms[number].bytes
            begun[number] = True
        for number in (*task.reads, *task.writes):
            waiting[number] -= 1
            if not waiting[number] and begun[number] and not problem.atoms[number].kept:
                live -= problem.atoms[number].bytes
        found.append(live)
    return profile(problem, order), found


__all__ = ["lower", "needs_and_live"]
