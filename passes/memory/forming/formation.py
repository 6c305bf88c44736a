"""From a graph to the problem that it poses: its steps as tasks, its bytes as atoms, and the way back."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from cnnir.graph import Graph, Node, Value
from cnnir.passes.memory.forming.frames import Frames, Runs, strides_of
from cnnir.passes.memory.forming.fusion import Group, Meeting, fuse
from cnnir.passes.memory.forming.kinds import read_by, stored_operands
from cnnir.passes.memory.forming.model import Choices, Formation, Slice, Work
from cnnir.passes.memory.forming.views import Part, concat_places, is_identity, view_parts
from cnnir.passes.memory.layouts import lie_alike, pixels_of
from cnnir.passes.memory.problem import Atom, Problem, Task
from cnnir.passes.memory.sizes import known_bytes


def form(
    graph: Graph, choices: Choices, order: Sequence[Node] | None = None, *, views_in_turn: bool = False
) -> Formation:
    """Pose the problem.

    Args:
        graph: All dims known.
        choices: What may share bytes.
        order: An executable order of all nodes, in which the tasks are listed; the graph's own when None.
        views_in_turn: Whether views, too, run when that order says, and not as soon as what they look at is there.

    Raises:
        CnnirError: ``size-unknown`` or ``dims-unbound`` naming a value without a size, ``workspace-unknown`` a node.
    """
    return _Former(graph, choices, order if order is not None else graph.nodes, views_in_turn=views_in_turn).form()


class _Former:
    def __init__(self, graph: Graph, choices: Choices, order: Sequence[Node], *, views_in_turn: bool) -> None:
        self.graph = graph
        self.views_in_turn = views_in_turn
        self.position = {node: index for index, node in enumerate(order)}
        self.choices = choices
        for value in graph.values:
            if value.weight is None:
                known_bytes(value)  # the first in the graph's order without a size is the one that messages name
        self.kept = {value for value in graph.outputs if value.weight is None}
        self.given = set(graph.inputs)
        self.parts = self._views()
        self.fusion = fuse(graph, choices.fuse, self.parts, choices.chains, choices.layout)
        self.frames = Frames()
        self.strides: dict[Value, tuple[int, ...]] = {}
        self.interleaved: dict[Value, tuple[int, int]] = {}
        self.copies: dict[Node, tuple[Value, ...]] = {}
        self.readers: dict[Value, list[int]] = {}
        self.writers: dict[Value, list[int]] = {}
        self.works: list[Work] = []
        self.reads: list[list[Value]] = []
        self.writes: list[list[Value]] = []

    def form(self) -> Formation:
        self._open_frames()
        self._list_tasks()
        for meeting in self.fusion.meetings:
            for operand, group in zip(meeting.operands, meeting.groups, strict=True):
                if group is not None:
                    self.frames.overwrite(operand, meeting.output)
        if self.choices.in_place:
            self._write_over()
        self.strides = self._find_strides()
        slices, atoms = self._cut()
        problem = self._problem(slices, atoms)
        outside = frozenset(index for index, frame in self.frames.frames.items() if frame.outside)
        return Formation(
            self.graph, self.choices, self.fusion, tuple(self.works), problem, atoms, tuple(slices), self.strides,
            self.interleaved, outside, self.parts, self.copies,
        )  # fmt: skip

    # Views and frames

    def _views(self) -> dict[Node, tuple[Part, ...]]:
        """The nodes that need not move a byte, and of what their results consist."""
        found: dict[Node, tuple[Part, ...]] = {}
        read = set(self.kept)
        offered = self._offered()
        for node in reversed(self.graph.nodes):
            parts = offered.get(node, ())
            leaves = not self.choices.count_outputs and any(value in self.kept for value in node.outputs)
            concat = node.op.kind == "Concat"
            # What the caller keeps is written to him, and what nobody reads is not worth a place in a frame.
            idle = leaves if not concat else not read.intersection(node.outputs)
            if not parts or idle or any(known_bytes(value) == 0 for value in stored_operands(node)):
                read.update(node.operands)
                continue
            found[node] = parts
            if read.intersection(node.outputs):
                read.update(node.operands)
        return {node: found[node] for node in self.graph.nodes if node in found}

    def _offered(self) -> dict[Node, tuple[Part, ...]]:
        """What views could be; of what lies in strides, all but the same under its own shape is copied."""
        found: dict[Node, tuple[Part, ...]] = {}
        loose: set[Value] = set()
        choices = self.choices
        for node in self.graph.nodes:
            parts = view_parts(
                node, concat=choices.concat, cuts=choices.views, strided=choices.strided, layout=choices.layout
            )
            if not parts:
                continue
            if node.op.kind != "Concat" and (parts[0].operand in loose or len(parts[0].sources) > 1):
                if parts[0].operand in loose and not is_identity(node.op):
                    continue
                loose.update(node.outputs)
            found[node] = parts
        return found

    def _open_frames(self) -> None:
        """A span for every value that may be stored; views inside what they look at."""
        for value in self.graph.inputs:
            size = known_bytes(value)
            lies_outside = not self.choices.count_inputs or (value in self.kept and not self.choices.count_outputs)
            self.frames.open(value, size, outside=lies_outside)
        for node in self.graph.nodes:
            parts = self.parts.get(node, ())
            if parts and node.op.kind == "Concat":
                self._open_concat(node, parts)
            elif parts and not self.fusion.unstored.intersection((*node.outputs, parts[0].operand)):
                for part in parts:
                    self.frames.view(part.output, part.operand, part.sources)
            else:
                self.parts.pop(node, None)
                for value in node.outputs:
                    if value not in self.fusion.unstored:
                        self._open(value)

    def _open(self, value: Value, *, owned: bool = True) -> None:
        outside = value in self.kept and not self.choices.count_outputs
        self.frames.open(value, known_bytes(value), outside=outside, owned=owned)

    def _open_concat(self, node: Node, parts: Sequence[Part]) -> None:
        """Each operand becomes its slice where it can; the others are copied by the node."""
        output = node.output
        self._open(output, owned=False)
        copied = []
        for number, (_, stretches) in enumerate(concat_places(node, len(parts[0].stretches))):
            self.frames.reserve(output, (node, number), stretches)
        for number, operand in enumerate(node.operands):
            apart = operand.weight is not None or (node.name, number) in self.choices.copied
            if apart or not self.frames.fill(output, (node, number), operand):
                copied.append(operand)
        self.parts[node] = tuple(part for part in parts if part.operand not in copied)
        if copied:
            self.copies[node] = tuple(dict.fromkeys(copied))

    # Tasks

    def _list_tasks(self) -> None:
        """Groups, each in its place in the file, and the stored operands of meetings right before what they meet."""
        position = self.position
        meetings = enumerate(self.fusion.meetings)
        met = {index: number for number, meeting in meetings for index in meeting.groups if index is not None}
        entries: list[tuple[float, Work]] = []
        for index, group in enumerate(self.fusion.groups):
            if self._moves_nothing(group):
                continue
            entries.append((max(position[node] for node in group.nodes), Work(index, met.get(index))))
        for number, meeting in enumerate(self.fusion.meetings):
            for operand, made_by in zip(meeting.operands, meeting.groups, strict=True):
                if made_by is None:
                    entries.append((self._turn(meeting, operand), Work(None, number, operand)))
        for _, work in sorted(entries, key=lambda entry: entry[0]):
            self._task(work)

    def _turn(self, meeting: Meeting, operand: Value) -> float:
        """Right before the group that it meets, should it be there by then; else when the meeting's own turn is."""
        position = self.position
        there = position[operand.producer] if operand.producer is not None else -1
        groups = [self.fusion.groups[index] for index in meeting.groups if index is not None]
        turns = [max(position[node] for node in group.nodes) for group in groups]
        later = [turn for turn in turns if turn > there]
        return max(later) - 0.5 if later else position[meeting.nodes[0]]

    def _moves_nothing(self, group: Group) -> bool:
        (node, *others) = group.nodes
        return not others and node in self.parts and node not in self.copies

    def _task(self, work: Work) -> None:
        number = len(self.works)
        self.works.append(work)
        meeting = self.fusion.meetings[work.meeting] if work.meeting is not None else None
        if work.group is None:
            assert meeting is not None  # noqa: S101  an operand is one of a meeting
            assert work.operand is not None  # noqa: S101  so it was made
            reads, writes = [work.operand], [meeting.output]
        else:
            group = self.fusion.groups[work.group]
            reads = read_by(group.nodes)
            if group.nodes[0] in self.copies:
                reads = [value for value in reads if value in self.copies[group.nodes[0]]]
            writes = [meeting.output] if meeting is not None else list(group.outputs)
        self.reads.append(reads)
        self.writes.append(writes)
        for value in reads:
            self.readers.setdefault(value, []).append(number)
        for value in writes:
            self.writers.setdefault(value, []).append(number)

    # Bytes that a result takes over whatever the order

    def _write_over(self) -> None:
        """A result lies in the bytes of the operand that its task alone reads."""
        for number, work in enumerate(self.works):
            if work.meeting is not None:
                continue  # the other operand may have begun the result, while this one is still read
            for operand, result in self.candidates(number):
                if self._alone(operand, number) and self.frames.overwrite(result, operand):
                    break

    def candidates(self, number: int) -> list[tuple[Value, Value]]:
        """(operand, result) pairs of a task, where the result may be written over the operand."""
        work, writes = self.works[number], self.writes[number]
        if len(writes) != 1 or not self.choices.in_place:
            return []
        result, nodes = writes[0], self._nodes(work)
        if work.group is None:
            pairs = [(value, result) for value in self.reads[number]]
        else:
            group = self.fusion.groups[work.group]
            own = group.outputs[0]
            pairs = [(value, result) for value in self.reads[number] if reaches(value, own, group.nodes)]
        return [
            (source, target)
            for source, target in pairs
            if lie_alike(source, target, self.choices.layout) and (source.name, target.name) not in self.choices.apart
            and self._apart_from_others(source, number) and self.choices.writes_over(source, nodes)
        ]  # fmt: skip

    def _nodes(self, work: Work) -> tuple[Node, ...]:
        """The nodes that the task may run: its group, and those that it meets."""
        group = self.fusion.groups[work.group].nodes if work.group is not None else ()
        return (*group, *(self.fusion.meetings[work.meeting].nodes if work.meeting is not None else ()))

    def _apart_from_others(self, value: Value, number: int) -> bool:
        """No other operand of the task lies in the same bytes."""
        overlapping = set(self.frames.overlapping(value))
        return not any(other in overlapping for other in self.reads[number] if other is not value)

    def _alone(self, value: Value, number: int) -> bool:
        """Nobody else reads the bytes, and they belong neither to the caller nor to an output."""
        for other in self.frames.overlapping(value):
            if other in self.kept or other in self.given or any(r != number for r in self.readers.get(other, ())):
                return False
            if not other.users and other.producer in self.parts:
                return False  # a view that nobody reads has its turn in the order all the same
            if self.views_in_turn and any(user in self.parts and self._is_later(user, number) for user in other.users):
                return False
        return True

    def _is_later(self, node: Node, number: int) -> bool:
        """Whether a node has its turn behind a task."""
        return self.position[node] > max(self.position[other] for other in self._nodes(self.works[number]))

    # Atoms

    def _find_strides(self) -> dict[Value, tuple[int, ...]]:
        found = {}
        for value in self.frames.frame_of:
            runs = self.frames.runs(value)
            if len(runs) > 1:
                strides = strides_of(value, runs)
                assert strides is not None  # noqa: S101  or its frame had not been joined
                found[value] = strides
        return found

    def _cut(self) -> tuple[list[Slice], dict[Value, tuple[int, ...]]]:
        """Cut the frames wherever a stretch of a value begins or ends."""
        slices: list[Slice] = []
        atoms: dict[Value, tuple[int, ...]] = {}
        for index, frame in self.frames.frames.items():
            if self._interleaves(frame.members):
                # Parts of channels lie in each pixel: none of the bytes is free before all of them are.
                low, high = _hull(frame.members.values())
                for value, runs in frame.members.items():
                    pixels = pixels_of(value)
                    self.interleaved[value] = (runs[0][0] - low) // pixels, (high - low) // pixels
                    atoms[value] = (len(slices),)
                slices.append(Slice(index, low, high))
                continue
            cuts = sorted({at for runs in frame.members.values() for run in runs for at in run})
            first: dict[int, int] = {}
            for begin, end in pairwise(cuts):
                first[begin] = len(slices)
                slices.append(Slice(index, begin, end))
            first[cuts[-1]] = len(slices)
            for value, runs in frame.members.items():
                begin, end = runs[0]
                if begin == end:
                    atoms[value] = (len(slices),)
                    slices.append(Slice(index, begin, end))
                else:
                    atoms[value] = tuple(atom for begin, end in runs for atom in range(first[begin], first[end]))
        return slices, atoms

    def _interleaves(self, members: Mapping[Value, Runs]) -> bool:
        """Whether values lie beside one another in the pixels of a map with its channels last."""
        if self.choices.layout != "channels-last" or len(set(members.values())) == 1:
            return False
        return any(pixels_of(value) > 1 for value in members)

    def _problem(self, slices: Sequence[Slice], atoms: Mapping[Value, tuple[int, ...]]) -> Problem:
        consumers: list[dict[int, None]] = [{} for _ in slices]
        producers: list[dict[int, None]] = [{} for _ in slices]
        given, kept = [False] * len(slices), [False] * len(slices)
        for value in self.given:
            for atom in atoms[value]:
                given[atom] = True
        for value in self.kept:
            for atom in atoms[value]:
                kept[atom] = True
        tasks = []
        for number in range(len(self.works)):
            met = [value for value in self.reads[number] if value in self.interleaved]
            # What shares its pixels with others lives as long as they, but it is there when its own makers have run.
            reads = dict.fromkeys(atom for value in self.reads[number] if value not in met for atom in atoms[value])
            written = [*self._written_atoms(number, atoms), *(atom for value in met for atom in atoms[value])]
            written = list(dict.fromkeys(written))
            # What is written over an operand's bytes has begun with the operand.
            writes = [atom for atom in written if atom not in reads and not given[atom]]
            for atom in reads:
                consumers[atom][number] = None
            for atom in writes:
                producers[atom][number] = None
            makers = dict.fromkeys(maker for value in self._awaited(number) for maker in self._makers(value))
            after = tuple(maker for maker in makers if maker != number)
            donations = self._donations(number, atoms, slices, writes)
            tasks.append(Task(tuple(reads), tuple(writes), donations, self._scratch(number), after))
        return Problem(
            tuple(
                Atom(
                    0 if self.frames.frames[part.frame].outside else part.end - part.begin,
                    tuple(producers[i]), tuple(consumers[i]), given[i], kept[i],
                )
                for i, part in enumerate(slices)
            ),
            tuple(tasks),
        )  # fmt: skip

    def _written_atoms(self, number: int, atoms: Mapping[Value, tuple[int, ...]]) -> list[int]:
        """The atoms that a task writes; of a concatenation those alone that it copies."""
        work = self.works[number]
        node = self.fusion.groups[work.group].nodes[0] if work.group is not None else None
        written = [atom for value in self.writes[number] for atom in atoms[value]]
        if node is None or node not in self.copies:
            return written
        sliced = {atom for part in self.parts.get(node, ()) for atom in atoms[part.operand]}
        return [atom for atom in written if atom not in sliced]

    def _awaited(self, number: int) -> list[Value]:
        """What must be there before the task runs; a concatenation that copies waits for its slices, too."""
        group = self.works[number].group
        node = self.fusion.groups[group].nodes[0] if group is not None else None
        return self.reads[number] if node is None or node not in self.copies else stored_operands(node)

    def _makers(self, value: Value) -> list[int]:
        """The tasks that must have run before a value is there: its own, or those of what it is a view of."""
        found: dict[int, None] = {}
        pending, seen = [value], {value}
        while pending:
            current = pending.pop()
            found.update(dict.fromkeys(self.writers.get(current, ())))
            node = current.producer
            if node is not None and node in self.parts:
                new = [part.operand for part in self.parts[node] if part.output is current and part.operand not in seen]
                seen.update(new)
                pending += new
        return list(found)

    def _donations(
        self, number: int, atoms: Mapping[Value, tuple[int, ...]], slices: Sequence[Slice], begun: Sequence[int]
    ) -> tuple[tuple[int, int], ...]:
        """Operands of one atom whose bytes the result may take over, should they die at the task."""
        found = []
        for source, target in self.candidates(number):
            if len(atoms[source]) != 1 or len(atoms[target]) != 1 or self.interleaved.keys() & {source, target}:
                continue
            (given,), (taken,) = atoms[source], atoms[target]
            frames = [self.frames.frames[slices[atom].frame] for atom in (given, taken)]
            if taken in begun and not any(frame.outside for frame in frames):
                found.append((given, taken))
        return tuple(found)

    def _scratch(self, number: int) -> int:
        """The strip, and the least workspace of the steps that the task may become: first or last at its meeting."""
        work = self.works[number]
        if work.group is None:
            return 0
        group = self.fusion.groups[work.group]
        if group.nodes[0] in self.copies:
            return 0
        steps = [(group.nodes, group.outputs)]
        if work.meeting is not None:
            meeting = self.fusion.meetings[work.meeting]
            steps.append(((*group.nodes, *meeting.nodes), (meeting.output,)))
        strip = group.strip.bytes if group.strip is not None else 0
        return strip + self.choices.counting.least(steps, self.strides)


def reaches(source: Value, result: Value, nodes: Sequence[Node]) -> bool:
    """May the result be written over the operand: does whatever reads it work in place, up to the result?"""
    found = {source}
    for node in nodes:
        if found.isdisjoint(node.operands):
            continue
        viewed = node.op.view and node.inputs[0] in found
        if len(node.outputs) != 1 or not (node.op.in_place or viewed):
            return False
        found.add(node.output)
    return result in found


def _hull(members: Iterable[Runs]) -> tuple[int, int]:
    """From the first byte of all to the last."""
    ends = [at for runs in members for run in runs for at in run]
    return min(ends), max(ends)


__all__ = ["form", "reaches"]
