"""All orders in which no task needs more than some bytes, where they are few."""

from dataclasses import dataclass

from cnnir.passes.memory.problem import Problem


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders of a problem's tasks.

    Attributes:
        found: Each runs every task once.
        complete: There are no others.
    """

    found: tuple[tuple[int, ...], ...]
    complete: bool


def orders_within(problem: Problem, budget: int, limit: int, states: int) -> Orders:
    """The orders in which no task needs more than the budget.

    Args:
        problem: The tasks.
        budget: Bytes.
        limit: Orders that are wanted at most.
        states: Beginnings of orders to look at, at most.
    """
    walk = Walk(problem)
    found: list[tuple[int, ...]] = []
    # For each beginning of the present order the tasks that are still to be tried behind it, the next one last.
    choices: list[list[int]] = []
    looked = 0
    while True:
        if len(walk.order) == len(problem.tasks):
            found.append(tuple(walk.order))
            choices.append([])
        else:
            looked += 1
            if looked > states or len(found) >= limit:
                return Orders(tuple(found), complete=False)
            choices.append([task for task in sorted(walk.ready, reverse=True) if walk.need(task) <= budget])
        while not choices[-1]:
            choices.pop()
            if not choices:
                return Orders(tuple(found), complete=True)
            walk.undo()
        walk.run(choices[-1].pop())


class Walk:
    """Tasks that run one after the other and are taken back, each in the time of what it touches.

    Attributes:
        order: Those that have run.
        ready: Those that may run next.
    """

    def __init__(self, problem: Problem) -> None:
        """Nothing has run."""
        self.order: list[int] = []
        self._problem = problem
        self._missing = [len(before) for before in problem.predecessors]
        self.ready = {task for task, missing in enumerate(self._missing) if not missing}
        self._followers: list[list[int]] = [[] for _ in problem.tasks]
        for task, before in enumerate(problem.predecessors):
            for other in before:
                self._followers[other].append(task)
        self._touched = [frozenset((*task.reads, *task.writes)) for task in problem.tasks]
        touching = [frozenset((*atom.producers, *atom.consumers)) for atom in problem.atoms]
        self._waiting = [len(tasks) for tasks in touching]
        self._begun = [int(atom.given) for atom in problem.atoms]
        self._live = sum(a.bytes for a, tasks in zip(problem.atoms, touching, strict=True)
                         if a.given and (a.kept or tasks))  # fmt: skip
        self._lives: list[int] = []

    def need(self, task: int) -> int:
        """Bytes that live while a task runs that is ready."""
        own = self._problem.tasks[task]
        begun = {atom for atom in own.writes if self._begun[atom]}
        blocked = begun | {a for a in own.reads if self._stays(a) or self._problem.atoms[a].given}
        donated = sum(self._problem.atoms[target].bytes for _, target in self._problem.taken(task, blocked))
        return self._live + self._fresh(task) - donated + own.scratch

    def run(self, task: int) -> None:
        """Run a task that is ready."""
        self._lives.append(self._live)
        over = sum(self._problem.atoms[atom].bytes for atom in self._touched[task] if not self._stays(atom))
        self._live += self._fresh(task) - over
        self._count(task, 1)
        self.order.append(task)
        self.ready.remove(task)
        for other in self._followers[task]:
            self._missing[other] -= 1
            if not self._missing[other]:
                self.ready.add(other)

    def undo(self) -> None:
        """Take back the task that has run last."""
        task = self.order.pop()
        for other in self._followers[task]:
            self._missing[other] += 1
            self.ready.discard(other)
        self.ready.add(task)
        self._count(task, -1)
        self._live = self._lives.pop()

    def _stays(self, atom: int) -> bool:
        """Whether an atom is needed when one more of the tasks that touch it has run."""
        return self._problem.atoms[atom].kept or self._waiting[atom] > 1

    def _fresh(self, task: int) -> int:
        """Bytes of the atoms that a task begins."""
        writes = set(self._problem.tasks[task].writes)
        return sum(self._problem.atoms[atom].bytes for atom in writes if not self._begun[atom])

    def _count(self, task: int, change: int) -> None:
        for atom in self._touched[task]:
            self._waiting[atom] -= change
        for atom in set(self._problem.tasks[task].writes):
            self._begun[atom] += change


__all__ = ["Orders", "Walk", "orders_within"]
