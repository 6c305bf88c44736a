"""Where a problem falls apart: places in the file's order that every order passes through.

Between two positions of the file's order lies such a place when each task before it must run before each task after
it. That is the case when every task before it that nobody before it waits for (an end) is a direct predecessor of
every task after it that waits for nobody after it (a start): a path between the two has no room for anything else. A
task that is comparable with all others has such a place before it and after it.
"""

from itertools import accumulate, pairwise

from cnnir.passes.memory.problem import Problem


def stages(problem: Problem) -> list[tuple[int, int]]:
    """(first, end): stretches of the file's order that run one after the other in every order.

    All places are counted in one sweep, in time and memory that grow with tasks and edges.
    """
    count = len(problem.tasks)
    latest = [max(before, default=-1) for before in problem.predecessors]
    earliest = [count] * count
    for task, before in enumerate(problem.predecessors):
        for other in before:
            earliest[other] = min(earliest[other], task)
    ends, starts, edges = [0] * (count + 2), [0] * (count + 2), [0] * (count + 2)
    for task, before in enumerate(problem.predecessors):
        _count(ends, task + 1, earliest[task])
        _count(starts, latest[task] + 1, task)
        for other in before:
            _count(edges, latest[task] + 1, earliest[other])
    totals = zip(accumulate(ends), accumulate(starts), accumulate(edges), strict=True)
    places = [place for place, (end, start, edge) in enumerate(totals) if place <= count and end * start == edge]
    return list(pairwise(sorted({0, *places, count})))


def _count(changes: list[int], first: int, last: int) -> None:
    """One more at each place from the first to the last."""
    if first <= last:
        changes[first] += 1
        changes[last + 1] -= 1


__all__ = ["stages"]
