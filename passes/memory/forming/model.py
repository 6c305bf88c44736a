"""A graph that is ready to be scheduled: what was allowed, what each task stands for, where its atoms lie."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from cnnir.graph import Graph, Node, Value
from cnnir.passes.memory.forming.chains import NO_WISH, Wish
from cnnir.passes.memory.forming.fusion import Fuse, Fusion
from cnnir.passes.memory.forming.kinds import read_by
from cnnir.passes.memory.forming.views import Part
from cnnir.passes.memory.layouts import Arrangement, pixels_of
from cnnir.passes.memory.problem import Problem
from cnnir.passes.memory.sizes import known_bytes
from cnnir.passes.memory.workspace import UNCOUNTED, Counting


@dataclass(frozen=True)
class Choices:
    """What may share bytes.

    Attributes:
        fuse: Which nodes are one step.
        concat: Whether producers write into their slice of a concatenation.
        strided: Whether slices that are not contiguous may be written in place, and shown.
        views: Whether parts of a value may be values of their own: what is cut out of another, or put together.
        in_place: Whether results are written over operands that die; or the names of the nodes whose results are.
        count_inputs, count_outputs: Whether they lie in the arena, or with the caller.
        apart: (operand, result) pairs that are not written over each other after all.
        copied: (concatenation, operand number): that operand lies elsewhere, and is copied to its slice in the end.
        chains: Where sequences of convolutions and poolings are cut after all, and where they are not.
        layout: In which order the axes of maps run in memory.
        counting: How the kernels' own workspace counts.
    """

    fuse: Fuse = "none"
    concat: bool = False
    views: bool = True
    strided: bool = False
    in_place: bool | frozenset[str] = True
    count_inputs: bool = True
    count_outputs: bool = True
    apart: frozenset[tuple[str, str]] = frozenset()
    copied: frozenset[tuple[str, int]] = frozenset()
    chains: Wish = NO_WISH
    layout: Arrangement = "rows"
    counting: Counting = UNCOUNTED

    def writes_over(self, source: Value, nodes: Iterable[Node]) -> bool:
        """Whether what these nodes make of an operand, as one step, may be written over it: one of them says so."""
        if isinstance(self.in_place, bool):
            return self.in_place
        reached = {source}
        for node in nodes:
            if not reached.isdisjoint(node.operands):
                if node.name in self.in_place:
                    return True
                reached.update(node.outputs)
        return False


@dataclass(frozen=True, slots=True)
class Work:
    """What a task of the problem stands for: a group, or a stored operand that is added where a meeting's result grows.

    Attributes:
        group: Index of the group, None for an operand.
        meeting: Index of the meeting that the group's result, or the operand, goes into.
        operand: The stored operand.
    """

    group: int | None
    meeting: int | None = None
    operand: Value | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """One atom's place: a stretch of a frame."""

    frame: int
    begin: int
    end: int


@dataclass(frozen=True)
class Formation:
    """A graph, ready to be scheduled.

    Attributes:
        graph: What was asked about.
        choices: What was allowed.
        fusion: Its steps.
        works: What each task stands for.
        problem: Tasks and atoms; atoms that lie with the caller have no bytes in it.
        atoms: For each stored value its atoms, in the order of its bytes.
        slices: For each atom its place.
        strides: Of the stored values that do not lie in row-major order.
        interleaved: Of the stored values that share the pixels of a map with its channels last, in which byte of each
            pixel they begin, and the bytes from pixel to pixel.
        outside: Frames that lie with the caller.
        parts: For each view node that moves no byte, its parts.
        copies: For each concatenation that writes something, the operands that it copies.
    """

    graph: Graph
    choices: Choices
    fusion: Fusion
    works: tuple[Work, ...]
    problem: Problem
    atoms: Mapping[Value, tuple[int, ...]]
    slices: tuple[Slice, ...]
    strides: Mapping[Value, tuple[int, ...]]
    interleaved: Mapping[Value, tuple[int, int]]
    outside: frozenset[int]
    parts: Mapping[Node, tuple[Part, ...]]
    copies: Mapping[Node, tuple[Value, ...]]

    def share_bytes(self, value: Value, other: Value) -> bool:
        """Whether two stored values have bytes in common."""
        if set(self.atoms[value]).isdisjoint(self.atoms[other]):
            return False
        if value not in self.interleaved or other not in self.interleaved:
            return True
        (begin, end), (first, last) = self._in_pixel(value), self._in_pixel(other)
        return begin < last and first < end

    def _in_pixel(self, value: Value) -> tuple[int, int]:
        begin, _ = self.interleaved[value]
        return begin, begin + known_bytes(value) // pixels_of(value)

    @cached_property
    def group_reads(self) -> tuple[tuple[Value, ...], ...]:
        """For each group of nodes the stored values that it reads: the same in every order."""
        return tuple(tuple(read_by(group.nodes)) for group in self.fusion.groups)


__all__ = ["Choices", "Formation", "Slice", "Work"]
