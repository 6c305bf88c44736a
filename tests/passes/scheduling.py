"""Random problems, and what an order of tasks needs, told from the definition; shares no code with the product."""

import random
from collections.abc import Iterator, Sequence
from functools import cache

from cnnir.passes.memory.problem import Atom, Problem, Task


def random_problem(seed: int, tasks: int) -> Problem:
    """Atoms that are given, kept, shared by several producers, without bytes or readers; scratch and donations."""
    draw = random.Random(seed)
    sizes = draw.choice([[1], [1, 2], [0, 1, 2, 3], [1, 5, 7, 16]])
    reads: list[list[int]] = [[] for _ in range(tasks)]
    writes: list[list[int]] = [[] for _ in range(tasks)]
    atoms = []
    for number in range(draw.randint(tasks, 2 * tasks + 1)):
        given = draw.random() < 0.15
        producers = _producers(draw, tasks, given)
        density = draw.choice([0.1, 0.3, 0.6])
        readers = [task for task in range(max(producers, default=-1) + 1, tasks) if draw.random() < density]
        consumers = readers[: draw.randint(0, 4)]
        for task in producers:
            writes[task].append(number)
        for task in consumers:
            reads[task].append(number)
        atoms.append(Atom(draw.choice(sizes), tuple(producers), tuple(consumers), given, kept=draw.random() < 0.1))
    donating, scratching = draw.choice([0, 0.5, 0.9]), draw.choice([0, 0, 0.2, 0.5])
    found = []
    for task in range(tasks):
        donations = [
            (source, target)
            for source in reads[task]
            for target in writes[task]
            if atoms[source].bytes == atoms[target].bytes and draw.random() < donating
        ]
        draw.shuffle(donations)
        scratch = draw.choice([1, 2, 4]) if draw.random() < scratching else 0
        after = tuple(other for other in range(task) if draw.random() < 0.06)
        found.append(Task(tuple(reads[task]), tuple(writes[task]), tuple(donations), scratch, after))
    return Problem(tuple(atoms), tuple(found))


def _producers(draw: random.Random, tasks: int, given: bool) -> list[int]:
    if given:
        return [draw.randrange(tasks)] if draw.random() < 0.1 else []
    first = draw.randrange(tasks)
    more = 0 if draw.random() < 0.75 else draw.randint(1, 2)
    return sorted({first, *(min(tasks - 1, first + draw.randint(0, 3)) for _ in range(more))})


def orders(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Every order in which each task comes after what it reads, and after what it names."""
    before = [
        {other for other in range(len(problem.tasks)) if _must_precede(problem, other, task)}
        for task in range(len(problem.tasks))
    ]

    def extend(order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(order) == len(problem.tasks):
            yield order
        for task in range(len(problem.tasks)):
            if task not in order and before[task] <= set(order):
                yield from extend((*order, task))

    return extend(())


def _must_precede(problem: Problem, one: int, other: int) -> bool:
    task = problem.tasks[other]
    return one != other and (one in task.after or any(one in problem.atoms[atom].producers for atom in task.reads))


def need(problem: Problem, before: frozenset[int], task: int) -> int:
    """Bytes that live while a task runs, when these have run before it."""

    def wanted(atom: int, done: frozenset[int]) -> bool:
        about = problem.atoms[atom]
        return about.kept or not {*about.producers, *about.consumers} <= done

    def there(atom: int, done: frozenset[int]) -> bool:
        return problem.atoms[atom].given or bool(done & set(problem.atoms[atom].producers))

    now, then = before, before | {task}
    own = problem.tasks[task]
    held = {a for a in range(len(problem.atoms)) if there(a, now) and wanted(a, now)}
    new = {a for a in own.writes if not there(a, now)}
    overwritten: set[int] = set()
    partners: set[int] = set()
    for source, target in own.donations:
        free = not wanted(source, then) and not problem.atoms[source].given and source not in own.writes
        if free and target in new and not {source, target} & partners:
            partners |= {source, target}
            overwritten.add(source)
    return sum(problem.atoms[a].bytes for a in (held - overwritten) | new) + own.scratch


def peak(problem: Problem, order: Sequence[int]) -> int:
    """The most that any task needs."""
    return max(need(problem, frozenset(order[:place]), task) for place, task in enumerate(order))


def least_peak(problem: Problem) -> int:
    """The smallest peak of all orders; needs depend on what has run alone, so each such set is solved once."""
    count = len(problem.tasks)

    @cache
    def rest(done: frozenset[int]) -> int:
        if len(done) == count:
            return 0
        ready = [
            task
            for task in range(count)
            if task not in done and all(o in done or not _must_precede(problem, o, task) for o in range(count))
        ]
        return min(max(need(problem, done, task), rest(done | {task})) for task in ready)

    return rest(frozenset())
