"""From an order of tasks to steps with lives: who writes what, what is written over what, what lies fixed to what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from cnnir.algorithms import Choice
from cnnir.graph import Node, Value
from cnnir.passes.memory.forming import Formation, Group, Meeting, Strip, reaches, read_by, stored_operands
from cnnir.passes.memory.layouts import lie_alike
from cnnir.plan import JOIN, KERNEL, VIEW


@dataclass(frozen=True, slots=True)
class Entry:
    """A step in the making.

    Attributes:
        nodes: In executable order.
        reads, writes: Stored values.
        algorithm: `KERNEL`, `VIEW`, `JOIN`, or another way to compute it.
        strip: Rows of an unstored value that the step holds.
        way: With its workspace, once it has been chosen how the step is computed.
    """

    nodes: tuple[Node, ...]
    reads: tuple[Value, ...]
    writes: tuple[Value, ...]
    algorithm: str = KERNEL
    strip: Strip | None = None
    way: Choice | None = None

    @property
    def strips(self) -> int:
        """Bytes of its strips."""
        return self.strip.bytes if self.strip is not None else 0

    @property
    def scratch(self) -> int:
        """Bytes that it needs beside what it reads and writes."""
        return self.strips + (self.way.scratch_bytes if self.way is not None else 0)


def entries(formation: Formation, order: Sequence[int]) -> tuple[Entry, ...]:
    """The steps of an order of the formation's tasks, views where what they look at has just been made."""
    writer = _Writer(formation)
    writer.views(formation.graph.inputs)
    for task in order:
        writer.task(task)
    return tuple(writer.entries)


def in_turn(steps: Sequence[Entry], nodes: Sequence[Node]) -> tuple[Entry, ...]:
    """Steps of one node each in an order that was asked for, views in their turn."""
    turn = {node: index for index, node in enumerate(nodes)}
    return tuple(sorted(steps, key=lambda step: turn[step.nodes[0]]))


class _Writer:
    def __init__(self, formation: Formation) -> None:
        self.formation = formation
        self.entries: list[Entry] = []
        self.there: set[Value] = set()
        self.first_of: dict[int, Value] = {}
        """For each meeting the operand that has run, once one has."""

    def task(self, number: int) -> None:
        work = self.formation.works[number]
        group = self.formation.fusion.groups[work.group] if work.group is not None else None
        if work.meeting is not None:
            self._meet(work.meeting, group)
        elif work.group is not None and group is not None:
            self._run(group, self.formation.group_reads[work.group])

    def _run(self, group: Group, reads: tuple[Value, ...]) -> None:
        nodes, strip = group.nodes, group.strip
        if nodes[0] in self.formation.copies:
            self._write(Entry(nodes, tuple(stored_operands(nodes[0])), nodes[0].outputs, JOIN))
        else:
            self._write(Entry(nodes, reads, nodes[-1].outputs, KERNEL, strip))

    def _meet(self, number: int, group: Group | None) -> None:
        """The first of a meeting's operands is written as it is; the second is written as the result."""
        meeting = self.formation.fusion.meetings[number]
        nodes, strip = (group.nodes, group.strip) if group is not None else ((), None)
        if number not in self.first_of:
            self.first_of[number] = nodes[-1].output if nodes else self._stored_operand(meeting)
            if nodes:
                self._write(Entry(nodes, tuple(read_by(nodes)), nodes[-1].outputs, KERNEL, strip))
            return
        together = (*nodes, *meeting.nodes)
        self._write(Entry(together, tuple(read_by(together)), (meeting.output,), KERNEL, strip))

    def _stored_operand(self, meeting: Meeting) -> Value:
        return next(value for value, group in zip(meeting.operands, meeting.groups, strict=True) if group is None)

    def _write(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.views(entry.writes)

    def views(self, made: Sequence[Value]) -> None:
        """The views that these values complete."""
        pending = list(made)
        self.there.update(made)
        while pending:
            value = pending.pop(0)
            for node in value.users:
                if self._is_complete(node):
                    self.entries.append(Entry((node,), tuple(stored_operands(node)), node.outputs, VIEW))
                    self.there.update(node.outputs)
                    pending += node.outputs

    def _is_complete(self, node: Node) -> bool:
        if node not in self.formation.parts or node in self.formation.copies or node.outputs[0] in self.there:
            return False
        return all(value in self.there for value in stored_operands(node))


@dataclass(frozen=True, slots=True)
class Room:
    """A storage in the making: a place in a body, and the steps at which it is taken.

    Attributes:
        body: Index of the body.
        at: Where it begins in the body.
        bytes: Its size.
        first, last: The steps.
    """

    body: int
    at: int
    bytes: int
    first: int
    last: int


@dataclass
class Layout:
    """Lives, donations and bodies of a list of steps.

    Attributes:
        donations: For each step (operand, result): the result is written over the operand.
        rooms: The storages.
        room_of: For each atom that is ever written its storage.
        outside: Bodies that lie with the caller.
        refused: Names of (operand, result) whose bytes cannot be shared after all: each of them lies fixed to others.
    """

    donations: list[tuple[tuple[Value, Value], ...]] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)
    room_of: dict[int, int] = field(default_factory=dict)
    outside: frozenset[int] = frozenset()
    refused: set[tuple[str, str]] = field(default_factory=set)

    def peak(self, entries: Sequence[Entry]) -> int:
        """The most bytes that any step needs, of what does not lie with the caller."""
        return max(self.needs(entries))

    def needs(self, entries: Sequence[Entry]) -> list[int]:
        """Bytes that live at each step, scratch included, of what does not lie with the caller."""
        return [live + step.scratch for live, step in zip(self.live(len(entries)), entries, strict=True)]

    def live(self, steps: int) -> list[int]:
        """Bytes that live at each of so many steps, scratch left out, of what does not lie with the caller."""
        change = [0] * (steps + 1)
        for room in self.rooms:
            if room.body not in self.outside:
                change[room.first] += room.bytes
                change[room.last + 1] -= room.bytes
        return list(accumulate(change[:-1]))


def lay_out(formation: Formation, steps: Sequence[Entry], alignment: int) -> Layout:
    """Work out what lives when, and what is written over what.

    Args:
        formation: What is planned.
        steps: In the order in which they run.
        alignment: Bytes; a value that is fixed to others begins at a multiple all the same, slices apart.
    """
    return _LayOut(formation, steps, alignment).run()


class _LayOut:
    def __init__(self, formation: Formation, steps: Sequence[Entry], alignment: int) -> None:
        self.formation = formation
        self.steps = steps
        self.alignment = alignment
        outputs = [value for value in formation.graph.outputs if value.weight is None]
        self.kept = {atom for value in outputs for atom in formation.atoms[value]}
        self.given = {atom for value in formation.graph.inputs for atom in formation.atoms[value]}
        self.first: dict[int, int] = dict.fromkeys(self.given, 0)
        self.last: dict[int, int] = dict.fromkeys(self.given, 0)
        # Atoms written over each other, and frames fixed to each other: disjoint sets, each member with its shift.
        self.chain: dict[int, int] = {}
        self.base: dict[int, tuple[int, int]] = {}
        self.members: dict[int, list[int]] = {}
        self.layout = Layout()

    def run(self) -> Layout:
        self._find_lives()
        for number, step in enumerate(self.steps):
            self.layout.donations.append(self._donations(number, step) if step.algorithm == KERNEL else ())
        self._make_rooms()
        return self.layout

    def _find_lives(self) -> None:
        atoms = self.formation.atoms
        for number, step in enumerate(self.steps):
            for value in (*step.reads, *step.writes):
                for atom in atoms[value]:
                    self.first.setdefault(atom, number)
                    self.last[atom] = number
        end = len(self.steps) - 1
        for atom in self.kept:
            self.last[atom] = end
        for atom, part in enumerate(self.formation.slices):
            if atom in self.first:
                self.members.setdefault(part.frame, []).append(atom)
                self.base.setdefault(part.frame, (part.frame, 0))

    def _slice_outside(self, atom: int) -> bool:
        return self.formation.slices[atom].frame in self.formation.outside

    def _donations(self, number: int, step: Entry) -> tuple[tuple[Value, Value], ...]:
        """The operands that the result is written over: one at most."""
        if len(step.writes) != 1:
            return ()
        (target,) = step.writes
        for source in step.reads:
            if not lie_alike(source, target, self.formation.choices.layout):
                continue
            if reaches(source, target, step.nodes) and self._apart(source, step):
                if self._same_bytes(source, target):
                    return ((source, target),)
                allowed = self.formation.choices.writes_over(source, step.nodes)
                if allowed and self._dies(source, target, number) and self._fix(source, target):
                    return ((source, target),)
        return ()

    def _same_bytes(self, source: Value, target: Value) -> bool:
        atoms, interleaved = self.formation.atoms, self.formation.interleaved
        return atoms[source] == atoms[target] and interleaved.get(source) == interleaved.get(target)

    def _apart(self, source: Value, step: Entry) -> bool:
        return not any(self.formation.share_bytes(source, other) for other in step.reads if other is not source)

    def _dies(self, source: Value, target: Value, number: int) -> bool:
        atoms = self.formation.atoms
        if len(atoms[source]) != 1 or len(atoms[target]) != 1 or self.formation.interleaved.keys() & {source, target}:
            return False
        (given,), (taken,) = atoms[source], atoms[target]
        if given in self.given or given in self.kept or self.last[given] != number or self.first[taken] != number:
            return False
        return not self._slice_outside(given) and not self._slice_outside(taken)

    def _fix(self, source: Value, target: Value) -> bool:
        """Fix the two frames to each other, unless slices would meet that live at the same time."""
        (given,), (taken,) = self.formation.atoms[source], self.formation.atoms[target]
        one, other = self._place(given), self._place(taken)
        shift = one[1] - other[1]
        same = one[0] == other[0]
        if shift != 0 if same else self._keeps_apart(one[0], other[0], shift, (given, taken)):
            self.layout.refused.add((source.name, target.name))
            return False
        self.chain[taken] = given
        if not same:
            self._merge(one[0], other[0], shift)
        return True

    def _place(self, atom: int) -> tuple[int, int]:
        """Root frame of an atom, and where it begins there."""
        part = self.formation.slices[atom]
        root, shift = self.base[part.frame]
        return root, part.begin + shift

    def _keeps_apart(self, root: int, other: int, shift: int, pair: tuple[int, int]) -> bool:
        """Whether two frames cannot be fixed to each other: slices would meet, or values begin out of line."""
        if len(self.members[root]) > 1 and len(self.members[other]) > 1:
            lowest = [min(self._place(atom)[1] for atom in self.members[frame]) for frame in (root, other)]
            if (lowest[0] - lowest[1] - shift) % self.alignment:
                return True
        return self._collide(root, other, shift, pair)

    def _collide(self, root: int, other: int, shift: int, pair: tuple[int, int]) -> bool:
        slices = self.formation.slices
        few, many = self.members[other], self.members[root]
        for atom in few:
            begin = self._place(atom)[1] + shift
            end = begin + slices[atom].end - slices[atom].begin
            for rival in many:
                if (rival, atom) == pair:
                    continue
                low = self._place(rival)[1]
                high = low + slices[rival].end - slices[rival].begin
                if low < end and begin < high and self._meet_in_time(atom, rival):
                    return True
        return False

    def _meet_in_time(self, atom: int, rival: int) -> bool:
        return self.first[atom] <= self.last[rival] and self.first[rival] <= self.last[atom]

    def _merge(self, root: int, other: int, shift: int) -> None:
        frames = {self.formation.slices[atom].frame for atom in self.members[other]}
        for frame in frames:
            _, by = self.base[frame]
            self.base[frame] = (root, by + shift)
        self.members[root] += self.members.pop(other)

    def _make_rooms(self) -> None:
        """One storage for each chain of atoms that are written over each other."""
        layout, slices = self.layout, self.formation.slices
        lowest = {root: min(self._place(atom)[1] for atom in atoms) for root, atoms in self.members.items()}
        numbers = {root: index for index, root in enumerate(self.members)}
        heads: dict[int, int] = {}
        spans: dict[int, tuple[int, int]] = {}
        for atom in sorted(self.first, key=lambda atom: (self.first[atom], atom)):
            head = heads[self.chain[atom]] if atom in self.chain else atom
            heads[atom] = head
            first, last = spans.get(head, (self.first[atom], self.last[atom]))
            spans[head] = (min(first, self.first[atom]), max(last, self.last[atom]))
        index_of = {head: index for index, head in enumerate(spans)}
        for head, life in spans.items():
            root, at = self._place(head)
            size = slices[head].end - slices[head].begin
            # What lies with the caller is his from beginning to end: nothing else can lie there before or after.
            first, last = (0, len(self.steps) - 1) if self._slice_outside(head) else life
            layout.rooms.append(Room(numbers[root], at - lowest[root], size, first, last))
        layout.room_of = {atom: index_of[head] for atom, head in heads.items()}
        layout.outside = frozenset(numbers[root] for root in self.members if self._slice_outside(self.members[root][0]))


__all__ = ["Entry", "Layout", "Room", "entries", "in_turn", "lay_out"]
