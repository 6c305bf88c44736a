"""What a task needs whatever the order: the proof that no order does, in atoms that can be named."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnir.passes.memory.problem import Problem


@dataclass(frozen=True, slots=True)
class Forced:
    """What has to live while a task runs.

    Attributes:
        atoms: Those that live then in every order.
        donated: Bytes of these that the task may write over others of these, at best.
        scratch: Bytes of the task's own.
        bytes: All together: no order needs less.
    """

    atoms: tuple[int, ...]
    donated: int
    scratch: int
    bytes: int


def forced(problem: Problem, task: int) -> Forced:
    """What the task needs at its best.

    An atom lives then when something that runs before the task in every order has begun it, and something that runs
    with the task or behind it in every order needs it; so does what the task itself reads and writes.
    """
    before, behind = _closure(problem.predecessors, task), _closure(_successors(problem), task)
    own = problem.tasks[task]
    begun = [atom.given or any(p in before for p in atom.producers) for atom in problem.atoms]
    needed = [atom.kept or any(t in behind for t in (*atom.producers, *atom.consumers)) for atom in problem.atoms]
    living = set(own.reads) | set(own.writes) | {i for i, flag in enumerate(begun) if flag and needed[i]}
    blocked = {atom for atom in own.writes if begun[atom]}
    blocked |= {atom for atom in own.reads if needed[atom] or problem.atoms[atom].given}
    donated = sum(problem.atoms[target].bytes for _, target in problem.taken(task, blocked))
    total = sum(problem.atoms[atom].bytes for atom in living) - donated + own.scratch
    return Forced(tuple(sorted(living)), donated, own.scratch, total)


def _successors(problem: Problem) -> list[set[int]]:
    after: list[set[int]] = [set() for _ in problem.tasks]
    for task, before in enumerate(problem.predecessors):
        for other in before:
            after[other].add(task)
    return after


def _closure(neighbours: Sequence[set[int] | frozenset[int]], task: int) -> set[int]:
    """All tasks that are reached, the task itself apart."""
    reached, waiting = set[int](), [task]
    while waiting:
        for other in neighbours[waiting.pop()]:
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return reached


__all__ = ["Forced", "forced"]
