"""A stretch of a problem as bit masks, and the moves that a search over it needs.

Only the events of a schedule matter: a task that finishes an atom, or that needs scratch. Whatever else a schedule has
run by then only begins atoms, and can wait until the event that needs it. So every schedule can be put in the form
"what the first event needs, the event, what else the second event needs, the event, ..." without a higher peak:

    Let U be what the first i events need and X what the given schedule has run when the i-th is over. U is a part of X,
    and both have finished the same atoms, as each of them is finished by one of the events. A task that the new
    schedule runs between two events adds to U nothing that is not begun in X, or in the state in which the given
    schedule runs it, and those live there; it has no scratch, or it would be an event.

A move is therefore: all that is missing for an atom to be finished, or for a task with scratch to run, or for a
task to run last of those that touch atoms whose bytes it may write over. Its tasks need most when the last one runs,
in whichever order the others have gone. The number of states falls from that of all downsets to that of the unions of
such moves: for a random Watts-Strogatz network of 48 nodes, from a hundred thousand to a hundred.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from cnnir.passes.memory.problem import Atom, Problem


@dataclass(frozen=True, slots=True)
class Move:
    """Tasks that run together.

    Attributes:
        tasks: Mask of all that must have run after the move, from the beginning of the region.
        last: The task that runs last, by its index in the region.
    """

    tasks: int
    last: int


@dataclass(frozen=True, slots=True)
class Donation:
    """An atom may take over the bytes of another one when a task runs.

    Attributes:
        source: Index of the atom that is read.
        target: Index of the atom that is written.
        touching: Mask of the other tasks that read or write the source: all must have run.
        beginning: Mask of the other tasks that write the target: none may have run.
        bytes: Size of both.
    """

    source: int
    target: int
    touching: int
    beginning: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LocalAtom:
    """An atom as a region sees it.

    Attributes:
        atom: Of the problem.
        begun: It is there before the region.
        stays: It is needed after the region.
        beginning: Mask of the region's tasks of which the first begins it.
        touching: Mask of those that read or write it.
        closure: Mask of all that must have run for all these to have run.
    """

    atom: Atom
    begun: bool
    stays: bool
    beginning: int
    touching: int
    closure: int


@dataclass(frozen=True, slots=True)
class Guards:
    """For each move one that is a part of it, and that has to be made before it comes into question.

    The moves that finish atoms stand for themselves by their numbers; None stands for no guard.

    Attributes:
        finishing: By guard, the moves that finish atoms.
        led: By guard, the moves with a last task; the guard does not contain that task.
    """

    finishing: dict[int | None, list[int]]
    led: dict[int | None, list[int]]


@dataclass(frozen=True)
class Region:
    """Tasks of a problem between two states through which the schedule goes.

    Attributes:
        members: The tasks, by their indices in the problem, in the file's order; a mask has a bit for each of them.
        live: Bytes that live before the first of them.
        ancestors: For each task the mask of those that must have run before it, and itself.
        beginnings: (mask, bytes): each of these tasks begins so many bytes of which it is the only producer.
        shared: (mask, bytes) of atoms with several producers: the first that runs begins it.
        finishing: (mask of all that must have run, bytes that are finished then), the smaller masks first; none twice.
            Each is a move, and in these it makes no difference which task is the last.
        led: The moves whose last task has scratch, or writes over what it reads.
        guards: Who waits for whom: a move need not be looked at before a move that is a part of it has been made.
        scratch: Bytes, for each task.
        noisy: Mask of the tasks with scratch.
        donations: For each task, in its order of preference.
        atoms: What the tasks touch.
    """

    members: tuple[int, ...]
    live: int
    ancestors: tuple[int, ...]
    beginnings: tuple[tuple[int, int], ...]
    shared: tuple[tuple[int, int], ...]
    finishing: tuple[tuple[int, int], ...]
    led: tuple[Move, ...]
    guards: Guards
    scratch: tuple[int, ...]
    noisy: int
    donations: tuple[tuple[Donation, ...], ...]
    atoms: tuple[LocalAtom, ...]

    @property
    def full(self) -> int:
        """The mask of all tasks."""
        return (1 << len(self.members)) - 1

    def begun(self, done: int, tasks: int) -> int:
        """Bytes of the atoms that tasks begin, when others have run before."""
        total = sum((tasks & mask).bit_count() * size for mask, size in self.beginnings)
        joint, writers = self._joint
        rest, met = tasks & joint, set[int]()
        while rest:
            low = rest & -rest
            met.update(writers[low])
            rest ^= low
        return total + sum(self.shared[index][1] for index in met if not done & self.shared[index][0])

    @cached_property
    def _joint(self) -> tuple[int, dict[int, list[int]]]:
        """Mask of the tasks that write atoms of several producers, and for the bit of each the indices of these."""
        writers: dict[int, list[int]] = {}
        for index, (mask, _) in enumerate(self.shared):
            rest = mask
            while rest:
                low = rest & -rest
                writers.setdefault(low, []).append(index)
                rest ^= low
        return sum(writers), writers

    def donated(self, done: int, task: int) -> int:
        """Bytes that a task writes over when it runs; `done` are those that have run before it."""
        taken: set[int] = set()
        total = 0
        for donation in self.donations[task]:
            if donation.touching & ~done or donation.beginning & done:
                continue
            # An atom never stands on both sides: a target is begun by the task, a source before it.
            if donation.source not in taken and donation.target not in taken:
                taken |= {donation.source, donation.target}
                total += donation.bytes
        return total

    @property
    def change(self) -> int:
        """Bytes by which what lives after the region is more than what lives before it."""
        return self.begun(0, self.full) - sum(size for _, size in self.finishing)

    def walk(self, order: Iterable[int]) -> Iterator[tuple[int, int]]:
        """(bytes that it needs, bytes that live after it) of each task, in an order of the problem's indices."""
        place = {task: index for index, task in enumerate(self.members)}
        touched: list[list[LocalAtom]] = [[] for _ in self.members]
        for local in self.atoms:
            rest = 0 if local.stays else local.touching
            while rest:
                low = rest & -rest
                touched[low.bit_length() - 1].append(local)
                rest ^= low
        done, live = 0, self.live
        for task in order:
            index = place[task]
            size = self.begun(done, 1 << index)
            need = live + size - self.donated(done, index) + self.scratch[index]
            done |= 1 << index
            live += size - sum(local.atom.bytes for local in touched[index] if not local.touching & ~done)
            yield need, live

    def peak(self, order: Iterable[int]) -> int:
        """Bytes that the tasks need in an order of the problem's indices."""
        return max((need for need, _ in self.walk(order)), default=self.live)

    def forced(self) -> int:
        """Bytes that every schedule of the region needs: those of the most demanding task, at its best.

        When a task runs, what its ancestors have begun lives unless all that touches it has run; and what it needs on
        top of that is least when all has run that can run before it.
        """
        descendants = self._descendants()
        passing = self.live - sum(local.atom.bytes for local in self.atoms if local.begun)
        most = self.live
        for task, mask in enumerate(self.ancestors):
            bit = 1 << task
            later = descendants[task] | bit
            need = passing + self.scratch[task] - self.donated(self.full & ~later, task)
            need += self.begun(self.full & ~later, bit)
            for local in self.atoms:
                if (local.begun or local.beginning & mask & ~bit) and (local.stays or local.touching & later):
                    need += local.atom.bytes
            most = max(most, need)
        return most

    def _descendants(self) -> list[int]:
        """For each task the mask of those that must run after it."""
        masks = [0] * len(self.ancestors)
        for task, mask in enumerate(self.ancestors):
            bit = 1 << task
            rest = mask ^ bit
            while rest:
                low = rest & -rest
                masks[low.bit_length() - 1] |= bit
                rest ^= low
        return masks


def region(problem: Problem, members: Sequence[int], place: Sequence[int], live: int) -> Region:
    """The region of some tasks, between the state before them and the state after them.

    Args:
        problem: The whole.
        members: Tasks in an executable order, with everything that lies between them.
        place: For each task of the problem its position in an order in which the members stand together.
        live: Bytes that live before the region.
    """
    inside = set(members)
    first = min((place[task] for task in members), default=0)

    def begun(atom: Atom) -> bool:
        return atom.given or any(place[other] < first for other in atom.producers)

    def stays(atom: Atom) -> bool:
        touching = (*atom.producers, *atom.consumers)
        return atom.kept or any(other not in inside and place[other] > first for other in touching)

    return _build(problem, members, lambda atom: (begun(atom), stays(atom)), lambda _: live)


def projection(problem: Problem, members: Sequence[int], always: int) -> Region:
    """The region of some tasks as if there were no others: its smallest peak is a bound for the whole problem.

    In an order of the whole the tasks of the region stand in an order of the region. What lives there while one of
    them runs also lives in the whole: an atom whose producer lies outside is taken to begin with the first task that
    touches it, and to be finished with the last one. So each task needs as much in the whole at least.

    Args:
        problem: The whole.
        members: Tasks in an executable order, with everything that lies between them.
        always: Bytes of the atoms that are given and kept.
    """

    def live(atoms: Iterable[LocalAtom]) -> int:
        return always + sum(local.atom.bytes for local in atoms if local.begun and not local.stays)

    return _build(problem, members, lambda atom: (atom.given, atom.kept), live)


def _build(
    problem: Problem,
    members: Sequence[int],
    about: Callable[[Atom], tuple[bool, bool]],
    live: Callable[[Iterable[LocalAtom]], int],
) -> Region:
    """A region, by what is known about its atoms: (begun before it, needed after it)."""
    place = {task: index for index, task in enumerate(members)}
    ancestors: list[int] = []
    for index, task in enumerate(members):
        mask = 1 << index
        for other in problem.predecessors[task]:
            if other in place:
                mask |= ancestors[place[other]]
        ancestors.append(mask)
    atoms = _local_atoms(problem, place, about, ancestors)
    alone = [0] * len(members)
    finishing: dict[int, int] = {(1 << len(members)) - 1: 0}
    for local in atoms.values():
        if not local.begun and local.beginning.bit_count() == 1:
            alone[local.beginning.bit_length() - 1] += local.atom.bytes
        if not local.stays:
            finishing[local.closure] = finishing.get(local.closure, 0) + local.atom.bytes
    by_size: dict[int, int] = {}
    for index, size in enumerate(alone):
        if size:
            by_size[size] = by_size.get(size, 0) | 1 << index
    ordered = sorted(finishing.items(), key=lambda item: (item[0].bit_count(), item[0]))
    donations = tuple(tuple(_donations(problem, task, 1 << index, atoms)) for index, task in enumerate(members))
    scratch = tuple(problem.tasks[task].scratch for task in members)
    led = tuple(_led(ancestors, donations, scratch, atoms))
    several = (local for local in atoms.values() if not local.begun and local.beginning.bit_count() > 1)
    return Region(
        members=tuple(members),
        live=live(atoms.values()),
        ancestors=tuple(ancestors),
        beginnings=tuple((mask, size) for size, mask in by_size.items()),
        shared=tuple((local.beginning, local.atom.bytes) for local in several),
        finishing=tuple(ordered),
        led=led,
        guards=_guards([mask for mask, _ in ordered], led),
        scratch=scratch,
        noisy=sum(1 << index for index, size in enumerate(scratch) if size),
        donations=donations,
        atoms=tuple(atoms.values()),
    )


def _local_atoms(
    problem: Problem,
    place: dict[int, int],
    about: Callable[[Atom], tuple[bool, bool]],
    ancestors: Sequence[int],
) -> dict[int, LocalAtom]:
    """Atoms with bytes that tasks of the region touch; one that nobody writes and that is not given never lives."""
    found: dict[int, LocalAtom] = {}
    for task in place:
        for index in (*problem.tasks[task].reads, *problem.tasks[task].writes):
            atom = problem.atoms[index]
            if index in found or not atom.bytes or not (atom.given or atom.producers):
                continue
            inside = [place[other] for other in {*atom.producers, *atom.consumers} if other in place]
            closure = 0
            for other in inside:
                closure |= ancestors[other]
            touching = sum(1 << other for other in inside)
            producers = sum(1 << place[other] for other in set(atom.producers) if other in place)
            # Where a producer lies outside, whatever touches the atom first begins it, if it is not begun before.
            beginning = producers if all(other in place for other in atom.producers) else touching
            begun, stays = about(atom)
            found[index] = LocalAtom(atom, begun, stays, beginning, touching, closure)
    return found


def _donations(problem: Problem, task: int, bit: int, atoms: dict[int, LocalAtom]) -> Iterator[Donation]:
    """The donations of a task that can happen at all."""
    writes = problem.tasks[task].writes
    for source, target in problem.tasks[task].donations:
        if source not in atoms or target not in atoms:
            continue
        read, written = atoms[source], atoms[target]
        if read.atom.given or read.stays or source in writes or written.begun:
            continue
        yield Donation(source, target, read.touching & ~bit, written.beginning & ~bit, written.atom.bytes)


def _led(
    ancestors: Sequence[int],
    donations: Sequence[tuple[Donation, ...]],
    scratch: Sequence[int],
    atoms: dict[int, LocalAtom],
) -> Iterator[Move]:
    """Moves with a last task that has scratch, or that writes over what it reads."""
    followed = [0] * len(ancestors)
    for index, mask in enumerate(ancestors):
        for other in range(index):
            if mask >> other & 1:
                followed[other] |= 1 << index
    for index, mask in enumerate(ancestors):
        if scratch[index]:
            yield Move(mask, index)
        sources = dict.fromkeys(d.source for d in donations[index] if not atoms[d.source].closure & followed[index])
        targets = {donation.target for donation in donations[index]}
        masks: dict[int, None] = {}
        for count in range(1, min(len(sources), len(targets)) + 1):
            for chosen in combinations(sources, count):
                tasks = mask
                for source in chosen:
                    tasks |= atoms[source].closure
                masks[tasks] = None
        yield from (Move(tasks, index) for tasks in masks if tasks != mask or not scratch[index])


def _guards(finishing: Sequence[int], led: Sequence[Move]) -> Guards:
    """The largest possible guards; the masks are given by size."""
    guards = Guards({}, {})
    for number, mask in enumerate(finishing):
        guard = next((g for g in range(number - 1, -1, -1) if not finishing[g] & ~mask), None)
        guards.finishing.setdefault(guard, []).append(number)
    for number, move in enumerate(led):
        rest = move.tasks & ~(1 << move.last)
        guard = next((g for g in range(len(finishing) - 1, -1, -1) if not finishing[g] & ~rest), None)
        guards.led.setdefault(guard, []).append(number)
    return guards


__all__ = ["Donation", "Guards", "LocalAtom", "Move", "Region", "projection", "region"]
