"""What has to be scheduled, without the graph: atoms of storage, and tasks that begin and finish them.

An atom is a stretch of bytes that begins and ends as one: the slice of a concatenation that one task writes, a
whole result, an input. A task is what becomes a step of the plan. The state of a schedule is nothing but the set S
of tasks that have run:

- an atom lives after S when it has begun (it is given, or a producer is in S) and is not finished (it is kept, or a
  producer or a consumer is not in S);
- a task needs, while it runs, what lives after the tasks before it, the atoms that it begins, and its scratch; less
  what it writes over: a donated atom that nobody needs after this task gives its bytes to one that the task begins.

In-place is a discount of the task, it never enters the state. A sum into which several tasks accumulate is one atom
with several producers: the first begins it, and which of the operands is written over follows from the order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from cnnir.errors import CnnirError


@dataclass(frozen=True, slots=True)
class Atom:
    """Bytes that begin and end together.

    Attributes:
        bytes: How many.
        producers: Tasks that write it, by index; several when they accumulate. None for what is given.
        consumers: Tasks that read it.
        given: It is there before the first task.
        kept: It is there after the last task.
    """

    bytes: int
    producers: tuple[int, ...]
    consumers: tuple[int, ...]
    given: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What runs at once.

    Attributes:
        reads: Atoms that must be complete before it runs.
        writes: Atoms that it writes, or accumulates into.
        donations: (read, written) atoms of one size: the written one may take over the bytes of the one that is read,
            if that is not needed any more, and is neither given nor kept. Each takes part in one at most.
        scratch: Bytes that it needs for itself while it runs.
        after: Tasks that must have run, beside the producers of what it reads.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    donations: tuple[tuple[int, int], ...] = ()
    scratch: int = 0
    after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Problem:
    """Tasks over atoms; indices are positions in these tuples.

    Attributes:
        atoms: The bytes.
        tasks: In an executable order, the file's own.
    """

    atoms: tuple[Atom, ...]
    tasks: tuple[Task, ...]

    @cached_property
    def predecessors(self) -> tuple[frozenset[int], ...]:
        """For each task the tasks that must have run before it, direct ones only."""
        return tuple(
            frozenset(
                other
                for other in (*task.after, *(p for atom in task.reads for p in self.atoms[atom].producers))
                if other != index
            )
            for index, task in enumerate(self.tasks)
        )

    def taken(self, task: int, blocked: Iterable[int]) -> tuple[tuple[int, int], ...]:
        """The donations that happen when the task runs.

        Args:
            task: Index of the task.
            blocked: Atoms that take no part: needed after the task, given, or begun before it and written by it.

        Returns:
            (read, written), each atom at most once, in the task's own order of preference.
        """
        out, found = set(blocked), []
        for source, target in self.tasks[task].donations:
            if source not in out and target not in out:
                found.append((source, target))
                out |= {source, target}
        return tuple(found)


def profile(problem: Problem, order: Sequence[int]) -> list[int]:
    """Bytes that each task needs while it runs, in the given order: the definition, walked through plainly.

    Raises:
        CnnirError: ``order-dependency`` when a task runs before one that it needs, or not exactly once.
    """
    if sorted(order) != list(range(len(problem.tasks))):
        raise CnnirError("order-dependency", "the order does not run each task once", got=len(order))
    waiting = [len(atom.producers) + len(atom.consumers) for atom in problem.atoms]
    begun = {index for index, atom in enumerate(problem.atoms) if atom.given}
    live = {i for i in begun if problem.atoms[i].kept or waiting[i]}
    bytes_live = sum(problem.atoms[i].bytes for i in live)
    done: set[int] = set()
    needs = []
    for index in order:
        if not problem.predecessors[index] <= done:
            raise CnnirError("order-dependency", "a task runs before what it needs", got=index)
        task = problem.tasks[index]
        fresh = [atom for atom in dict.fromkeys(task.writes) if atom not in begun]
        for atom in (*task.reads, *task.writes):
            waiting[atom] -= 1
        stays = {a for a in (*task.reads, *task.writes) if problem.atoms[a].kept or waiting[a]}
        blocked = begun.intersection(task.writes) | {a for a in task.reads if a in stays or problem.atoms[a].given}
        donated = sum(problem.atoms[target].bytes for _, target in problem.taken(index, blocked))
        grown = bytes_live + sum(problem.atoms[atom].bytes for atom in fresh)
        needs.append(grown - donated + task.scratch)
        begun.update(fresh)
        over = [atom for atom in dict.fromkeys((*task.reads, *task.writes)) if atom in begun and atom not in stays]
        bytes_live = grown - sum(problem.atoms[atom].bytes for atom in over)
        done.add(index)
    return needs


__all__ = ["Atom", "Problem", "Task", "profile"]
