"""All orders in which no task needs more than some bytes, where they are few."""

from collections.abc import Set as AbstractSet
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
    waiting: list[tuple[int, ...]] = [()]
    found: list[tuple[int, ...]] = []
    looked = 0
    while waiting:
        order = waiting.pop()
        if len(order) == len(problem.tasks):
            found.append(order)
            continue
        looked += 1
        if looked > states or len(found) >= limit:
            return Orders(tuple(found), complete=False)
        done = set(order)
        ready = (task for task, before in enumerate(problem.predecessors) if task not in done and before <= done)
        fitting = [task for task in ready if needed(problem, done, task) <= budget]
        waiting.extend((*order, task) for task in reversed(fitting))
    return Orders(tuple(found), complete=True)


def needed(problem: Problem, done: AbstractSet[int], task: int) -> int:
    """Bytes that live while a task runs, when others have run."""
    begun = [atom.given or not done.isdisjoint(atom.producers) for atom in problem.atoms]
    touching = [{*atom.producers, *atom.consumers} for atom in problem.atoms]
    after = done | {task}
    live = sum(
        atom.bytes
        for atom, is_begun, touches in zip(problem.atoms, begun, touching, strict=True)
        if is_begun and (atom.kept or not touches <= done) and (touches or atom.kept)
    )
    own = problem.tasks[task]
    fresh = {atom for atom in own.writes if not begun[atom]}
    stays = {atom for atom in own.reads if problem.atoms[atom].kept or not touching[atom] <= after}
    blocked = {atom for atom in own.writes if begun[atom]} | stays
    blocked |= {atom for atom in own.reads if problem.atoms[atom].given}
    donated = sum(problem.atoms[target].bytes for _, target in problem.taken(task, blocked))
    return live + sum(problem.atoms[atom].bytes for atom in fresh) - donated + own.scratch


__all__ = ["Orders", "needed", "orders_within"]
