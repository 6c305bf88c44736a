"""The places of a plan as formulas: what lies where when its sizes are open.

A plan is made for known sizes. What it decides is taken from its structure, never from its numbers: a view lies in what
it shows, a slice of a concatenation behind the slices before it, a result in the bytes that were donated to it. So each
value has a place in its rigid body, as a formula; and a storage lies from where a value begins to where one ends.

What holds at the planned sizes by chance is refused: two lengths that are equal there alone, a cut that is contiguous
there alone, slices whose order is not the same in the whole range.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

from cnnir.dims import Dim, UnknownDim, bind, bounds, decide_at_least, is_known, product
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Concat, Conv, Slice, Split, Transpose
from cnnir.passes.memory.forming.kinds import is_pool
from cnnir.passes.memory.forming.strips import CHANNELS, MAPS, window_rows
from cnnir.passes.memory.sizes import dims_of, itemsize_of
from cnnir.plan import JOIN, KERNEL, VIEW, MemoryPlan, PlannedValue, Step, row_major_strides
from cnnir.plan.arrays import itemsize_of as planned_itemsize
from cnnir.plan.arrays import strided
from cnnir.types import TensorType

Ranges = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Strips:
    """What a step holds of values that are never stored, as formulas.

    Attributes:
        bytes: Of all strips of the step.
        tile: Rows and channels of the first of them.
    """

    bytes: Dim
    tile: tuple[Dim, Dim]


@dataclass(frozen=True)
class Lifted:
    """The places of a plan as formulas.

    Attributes:
        bodies: For each storage the index of the rigid body of which it is a part.
        begins: Where each storage begins in its body.
        sizes: Bytes of each storage.
        places: For each stored value where it begins in its body.
        strips: For the steps that have some.
    """

    bodies: tuple[int, ...]
    begins: tuple[Dim, ...]
    sizes: tuple[Dim, ...]
    places: Mapping[str, Dim]
    strips: Mapping[int, Strips]


def lift(graph: Graph, plan: MemoryPlan, ranges: Ranges) -> Lifted:
    """The places of a plan as formulas.

    Args:
        graph: Of open sizes.
        plan: Of the graph, bound to the upper ends of the ranges.
        ranges: Of each symbol.

    Raises:
        CnnirError: ``plan-form`` for what the plan does at its own sizes alone, and for values in strides;
            ``size-unknown`` for one whose size does not follow from the symbols.
    """
    return _Lifter(graph, plan, ranges).lift()


class _Lifter:
    def __init__(self, graph: Graph, plan: MemoryPlan, ranges: Ranges) -> None:
        self.graph = graph
        self.plan = plan
        self.ranges = ranges
        self.stored = {name: value for name, value in plan.values.items() if value.pieces is not None}
        self.starts = {name: self._start(name, value) for name, value in self.stored.items()}
        self.sizes = {name: self._size(graph.value(name)) for name in self.stored}
        self.near: dict[str, list[tuple[str, Dim]]] = {name: [] for name in self.stored}

    def lift(self) -> Lifted:
        for step in self.plan.steps:
            self._relate(step)
        bodies = self._bodies()
        members: dict[int, list[str]] = {}
        parts: dict[int, list[int]] = {}
        for index, body in enumerate(bodies):
            parts.setdefault(body, []).append(index)
        for name, value in self.stored.items():
            members.setdefault(bodies[self._storages(value)[0]], []).append(name)
        places: dict[str, Dim] = {}
        begins: list[Dim] = [0] * len(bodies)
        sizes: list[Dim] = [0] * len(bodies)
        for body, names in members.items():
            places.update(self._places(names))
            cuts = self._cuts(names, places)
            for index in parts[body]:
                storage = self.plan.storages[index]
                begins[index], sizes[index] = cuts[storage.offset], cuts[storage.end] - cuts[storage.offset]
            self._require_in_line(parts[body], begins, names)
        strips = {number: found for number, step in enumerate(self.plan.steps) if (found := self._strips(step))}
        return Lifted(bodies, tuple(begins), tuple(sizes), places, strips)

    # Values

    def _start(self, name: str, value: PlannedValue) -> int:
        array = strided(value)
        dense = row_major_strides(value.shape, planned_itemsize(value))
        if array is None or any(n > 1 and a != b for n, a, b in zip(value.shape, array.strides, dense, strict=True)):
            _refuse("the value lies in strides, whose sizes at other dims are not known", name)
        return array.offset

    def _size(self, value: Value) -> Dim:
        size = product(value.type.shape) * itemsize_of(value) if isinstance(value.type, TensorType) else UnknownDim()
        if isinstance(size, UnknownDim) or None in bounds(size, self.ranges):
            raise CnnirError("size-unknown", "the value has no size that follows from the symbols", node=value.name)
        return size

    @staticmethod
    def _storages(value: PlannedValue) -> tuple[int, ...]:
        """The storages that the value spans: one at least, as it is stored."""
        return tuple(piece.storage for piece in value.pieces or ())

    def _bodies(self) -> tuple[int, ...]:
        """For each storage the first one of its body: values that span several hold them together."""
        roots = list(range(len(self.plan.storages)))

        def root(index: int) -> int:
            while roots[index] != index:
                roots[index] = roots[roots[index]]
                index = roots[index]
            return index

        for value in self.stored.values():
            for one, other in pairwise(self._storages(value)):
                low, high = sorted((root(one), root(other)))
                roots[high] = low
        return tuple(root(index) for index in range(len(roots)))

    # Which value lies where in which

    def _relate(self, step: Step) -> None:
        for source, target in step.donations:
            if self.graph.value(source).type != self.graph.value(target).type:
                _refuse_equal(source, target, self.plan.graph)
            self._fix(target, source, 0)
        if step.algorithm in (VIEW, JOIN):
            (node,) = (self.graph.node(name) for name in step.nodes)
            for value, whole, at in self._shown(node):
                # What a join copies lies elsewhere, and stays there.
                if step.algorithm == VIEW or self._lies_there(value, whole, at):
                    self._fix(value, whole, at)

    def _lies_there(self, value: str, whole: str, at: Dim) -> bool:
        one, other = (set(self._storages(self.stored[name])) for name in (value, whole))
        return one <= other and self.starts[value] == self.starts[whole] + self._planned(at)

    def _fix(self, value: str, other: str, at: Dim) -> None:
        """The value begins so many bytes behind where the other one begins."""
        self.near[value].append((other, -at))
        self.near[other].append((value, at))

    def _shown(self, node: Node) -> Iterator[tuple[str, str, Dim]]:
        """(part, whole, where it begins in it) of a node that moves no byte."""
        op, source = node.op, node.operands[0]
        if isinstance(op, Concat):
            yield from self._side_by_side(node.output, node.operands, op.axis, node)
        elif isinstance(op, Split):
            yield from self._side_by_side(source, node.outputs, op.axis, node)
        elif isinstance(op, Slice):
            yield node.output.name, source.name, self._cut_at(node, op, source)
        elif isinstance(op, Transpose):
            wide = [axis for axis in op.permutation if dims_of(source)[axis] != 1]
            if wide != sorted(wide):
                _refuse("dims that are transposed have size 1 at the upper end of the range alone", node.name)
            yield node.output.name, source.name, 0
        else:
            yield node.output.name, source.name, 0

    def _side_by_side(
        self, whole: Value, parts: tuple[Value, ...], axis: int, node: Node
    ) -> Iterator[tuple[str, str, Dim]]:
        self._require_contiguous(dims_of(whole), axis, node)
        at: Dim = 0
        for part in parts:
            if part.weight is None:
                yield part.name, whole.name, at
            at = at + self._size(part)

    def _cut_at(self, node: Node, op: Slice, source: Value) -> Dim:
        """Where a slice begins, of which all but one axis are whole."""
        shape, result = dims_of(source), dims_of(node.output)
        axes = [axis for axis in range(len(shape)) if shape[axis] != result[axis]]
        if not axes:
            return 0
        (axis, *others), size = axes, shape[axes[0]]
        if others or not is_known(size):
            _refuse("what is cut out of an open dim lies elsewhere at other sizes", node.name)
        self._require_contiguous(shape, axis, node)
        known = [size if other == axis else 1 for other in range(len(shape))]
        begin = op.ranges(known)[axis].indices(size)[0]
        return product(begin if other == axis else dim for other, dim in enumerate(shape)) * itemsize_of(source)

    def _require_contiguous(self, shape: tuple[Dim, ...], axis: int, node: Node) -> None:
        if bounds(product(shape[:axis]), self.ranges)[1] != 1:
            _refuse("the parts are contiguous at the upper end of the range alone", node.name)

    # Places

    def _places(self, names: list[str]) -> dict[str, Dim]:
        """Where each value of a body begins in it; 0 is where the lowest of them does."""
        lowest = min(names, key=lambda name: self.starts[name])
        found: dict[str, Dim] = {lowest: 0}
        pending = [lowest]
        while pending:
            name = pending.pop()
            for other, at in self.near[name]:
                place = found[name] + at
                if other not in found:
                    found[other] = place
                    pending.append(other)
                elif found[other] != place:
                    _refuse_equal(name, other, self.plan.graph)
        for name in names:
            if name not in found:
                _refuse("the value shares bytes with what it has nothing to do with", name)
        return found

    def _cuts(self, names: list[str], places: Mapping[str, Dim]) -> dict[int, Dim]:
        """Where values begin and end: at the planned sizes, and as formulas that stand in the same order everywhere."""
        found: dict[int, tuple[Dim, str]] = {}
        for name in names:
            start = self.starts[name]
            length = self._planned(self.sizes[name])
            for at, place in ((start, places[name]), (start + length, places[name] + self.sizes[name])):
                other, whose = found.setdefault(at, (place, name))
                if other != place:
                    _refuse_equal(whose, name, self.plan.graph)
        cuts = {at: found[at][0] for at in sorted(found)}
        lengths = [self.sizes[name] for name in names]  # never negative, whether interval arithmetic sees it or not
        for low, high in pairwise(cuts.values()):
            if high - low not in lengths and decide_at_least(high, low, self.ranges) is not True:
                _refuse("slices of it may lie in another order at other sizes", names[0])
        return cuts

    def _planned(self, size: Dim) -> int:
        found = bind(size, {name: most for name, (_, most) in self.ranges.items()})
        assert is_known(found)  # noqa: S101  each symbol has a range
        return found

    def _require_in_line(self, inside: list[int], begins: list[Dim], names: list[str]) -> None:
        """What does not begin inside of a value has to be aligned by itself."""
        inner = {
            storage
            for name in names
            for storage in self._storages(self.stored[name])
            if self.plan.storages[storage].offset > self.starts[name]
        }
        for index in inside:
            if index not in inner and begins[index] % self.plan.pool(self.plan.storages[index].pool).alignment != 0:
                _refuse("a value begins out of line at other sizes", self.plan.holders(index)[0], "a finer alignment")

    # Strips

    def _strips(self, step: Step) -> Strips | None:
        """The rows and channels that are held, by the rules of `cnnir.passes.memory.forming.strips`."""
        if step.scratch is None or not step.scratch.strips:
            return None
        nodes = [self.graph.node(name) for name in step.nodes]
        readers = list(self._readers(nodes))
        ways = [[self._strip(reader, whole=whole) for reader in readers] for whole in (False, True)]
        totals = [sum((strip.bytes for strip in way), start=0) for way in ways]
        planned = [self._planned(total) for total in totals]
        if not readers or step.scratch.strips not in planned:
            _refuse("the strips of the step at other sizes are not known", step.nodes[0])
        way = planned.index(step.scratch.strips)
        return Strips(totals[way], ways[way][0].tile)

    def _readers(self, nodes: list[Node]) -> Iterator[Node]:
        """The nodes that read, by windows, what rests on other windows and is not stored."""
        resting: set[Value] = set()
        for node in nodes:
            windows = isinstance(node.op, Conv) or is_pool(node)
            rests = not resting.isdisjoint(node.operands)
            if windows and node.operands[0] in resting:
                yield node
            if windows or rests:
                resting.update(value for value in node.outputs if value.name not in self.stored)

    def _strip(self, reader: Node, *, whole: bool) -> Strips:
        """What is held of the reader's operand: blocks of channels, or the whole depth."""
        operand = reader.operands[0]
        if len(dims_of(operand)) != MAPS:
            _refuse("the strips of the step at other sizes are not known", reader.name)
        _, depth, height, width = dims_of(operand)
        rows = self._at_most(height, window_rows(reader))
        channels = depth if whole else self._at_most(depth, CHANNELS)
        return Strips(rows * width * channels * itemsize_of(operand), (rows, channels))

    def _at_most(self, size: Dim, limit: Dim) -> Dim:
        """The lesser of the two; where that depends on the sizes, the limit, which is enough."""
        return size if decide_at_least(limit, size, self.ranges) else limit


def workspace_of(plan: MemoryPlan) -> tuple[int, ...]:
    """Steps in which kernels have workspace of their own.

    Raises:
        CnnirError: ``plan-form`` for a step that is computed in a way chosen for its size.
    """
    found = []
    for number, step in enumerate(plan.steps):
        if step.algorithm not in (KERNEL, VIEW, JOIN):
            _refuse("the way to compute a step was chosen for one size", step.nodes[0], 'workspace="today"')
        if step.scratch is not None and step.scratch.bytes > step.scratch.strips:
            found.append(number)
    return tuple(found)


def _refuse(message: str, node: str, hint: str | None = None) -> NoReturn:
    raise CnnirError("plan-form", message, node=node, hint=hint)


def _refuse_equal(one: str, other: str, network: str) -> NoReturn:
    message = f"{one} and {other} are equally large, or begin at one place, at the upper end of the range alone"
    _refuse(message, network, "another upper end, in_place=False, or concat=False")


__all__ = ["Lifted", "Ranges", "Strips", "lift", "workspace_of"]
