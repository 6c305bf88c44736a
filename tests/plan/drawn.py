"""Plans drawn at random: not good ones, but right ones, in all that a plan can say.

Steps are fused where a value has one reader, activations are computed again for each of theirs, concats lie where
their operands are written, splits and reshapes show bytes, results are written over operands, workspace lies
anywhere, in two pools. Sharing is decided value by value; places are the lowest free ones in a random order.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from math import prod

import numpy as np

from cnnir.graph import Graph, Node, Value
from cnnir.ops import BatchNormalization, Concat, Conv, Gemm, Relu, Sigmoid, Slice, Split, Tanh, Transpose, pooling
from cnnir.plan import JOIN, KERNEL, VIEW, Bound, MemoryPlan, Piece, PlannedValue, Pool, Scratch, Step, Storage
from cnnir.plan import row_major_strides as row_major
from cnnir.text import digest
from cnnir.types import TensorType, known_shape
from tests.plan import plans

ITEM = 4
"""Bytes of an element: all is float32."""


@dataclasses.dataclass
class _Body:
    """Bytes that lie together."""

    bytes: int
    places: dict[str, int] = dataclasses.field(default_factory=dict)
    strides: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class _Group:
    """A step in the making."""

    nodes: list[Node]
    algorithm: str = KERNEL
    donations: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    scratch: _Body | None = None
    in_strips: bool = False


def drawn_plan(graph: Graph, rng: np.random.Generator) -> MemoryPlan:
    """A plan of a graph of float32 values, all of them tensors of rank 1 or more."""
    return _Draw(graph, rng).plan()


class _Draw:
    def __init__(self, graph: Graph, rng: np.random.Generator) -> None:
        self.graph = graph
        self.rng = rng
        self.unstored: set[str] = set()
        self.bodies: list[_Body] = []
        self.body_of: dict[str, _Body] = {}
        self.kept = {value.name for value in (*graph.inputs, *graph.outputs)}
        self.groups = self.fused([_Group([node]) for node in graph.nodes])

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    # Steps

    def fused(self, groups: list[_Group]) -> list[_Group]:
        for group in list(groups):
            (node,) = group.nodes
            if self.chance(0.5):
                self.append_to_producer(groups, group, node)
        for group in list(groups):
            if len(group.nodes) == 1 and self.chance(0.3):
                self.recompute(groups, group, group.nodes[0])
        return groups

    def append_to_producer(self, groups: list[_Group], group: _Group, node: Node) -> None:
        """The step that makes an operand which nobody else reads moves here."""
        source = next((v for v in node.operands if self.is_private(v)), None)
        if source is None or isinstance(node.op, Concat | Split):
            return
        maker = next(other for other in groups if source.producer in other.nodes)
        if len(maker.nodes[-1].outputs) == 1 and maker.nodes[-1] is source.producer:
            # Windows over what windows have made need rows of it.
            group.in_strips = maker.in_strips or (_has_windows(node) and any(map(_has_windows, maker.nodes)))
            group.nodes[:0] = maker.nodes
            groups.remove(maker)
            self.unstored.add(source.name)

    def is_private(self, value: Value) -> bool:
        one = len({user for user, _ in value.uses}) == 1
        return value.producer is not None and one and value.name not in self.kept and len(value.producer.outputs) == 1

    def recompute(self, groups: list[_Group], group: _Group, node: Node) -> None:
        """Each step that reads the result of a cheap layer computes it for itself."""
        (value, *_) = node.outputs
        readers = [other for other in groups if any(value in n.operands for n in other.nodes)]
        plain = isinstance(node.op, Relu | Sigmoid | Tanh | BatchNormalization) and value.name not in self.kept
        if plain and readers and not any(isinstance(n.op, Concat | Split) for other in readers for n in other.nodes):
            for other in readers:
                other.nodes.insert(0, node)
            groups.remove(group)
            self.unstored.add(value.name)

    # Sharing

    def share(self) -> None:
        for group in reversed(self.groups):
            if isinstance(group.nodes[0].op, Concat) and len(group.nodes) == 1 and self.chance(0.7):
                self.place_operands(group, group.nodes[0])
        for value in self.graph.inputs:
            self.open(value)
        for number, group in enumerate(self.groups):
            if len(group.nodes) == 1 and group.algorithm == KERNEL and self.chance(0.7):
                self.show(group, group.nodes[0])
            for node in group.nodes:
                for value in node.outputs:
                    stored = value.name not in self.unstored and value.name not in self.body_of
                    if stored and not self.take_over(group, number, value):
                        self.open(value)

    def open(self, value: Value) -> None:
        """Bytes of its own, unless it has its place."""
        if value.name not in self.body_of:
            shape = _shape(value)
            body = _Body(prod(shape) * ITEM)
            self.bodies.append(body)
            self.put(value, body, 0, row_major(shape, ITEM))

    def put(self, value: Value, body: _Body, offset: int, strides: tuple[int, ...]) -> None:
        shape = _shape(value)
        plain = row_major(shape, ITEM)
        if all(n == 1 or stride == other for n, stride, other in zip(shape, strides, plain, strict=True)):
            strides = plain
        self.body_of[value.name] = body
        body.places[value.name], body.strides[value.name] = offset, strides

    def place_operands(self, group: _Group, node: Node) -> None:
        assert isinstance(node.op, Concat)
        (whole,) = node.outputs
        self.open(whole)
        body, strides = self.body_of[whole.name], self.body_of[whole.name].strides[whole.name]
        at, placed = body.places[whole.name], 0
        for part in node.operands:
            if part.name not in self.body_of and part.name not in self.unstored and self.chance(0.8):
                self.put(part, body, at, strides)
            lies = self.body_of.get(part.name) is body and body.places[part.name] == at
            placed += lies
            at += _shape(part)[node.op.axis] * strides[node.op.axis]
        group.algorithm = VIEW if placed == len(node.operands) else JOIN if placed else KERNEL

    def show(self, group: _Group, node: Node) -> None:
        """Parts and turned maps move no byte, nor does a reshape of what lies as its elements follow each other."""
        (source, *_) = node.operands
        if source.name not in self.body_of or any(value.name in self.body_of for value in node.outputs):
            return
        body = self.body_of[source.name]
        at, strides = body.places[source.name], body.strides[source.name]
        if isinstance(node.op, Split):
            for value in node.outputs:
                self.put(value, body, at, strides)
                at += _shape(value)[node.op.axis] * strides[node.op.axis]
            group.algorithm = VIEW
        elif isinstance(node.op, Slice):
            for axis, (begin, _, _) in _ranges(node.op, _shape(source)).items():
                at += begin * strides[axis]
            self.put(node.outputs[0], body, at, strides)
            group.algorithm = VIEW
        elif isinstance(node.op, Transpose):
            self.put(node.outputs[0], body, at, tuple(strides[axis] for axis in node.op.permutation))
            group.algorithm = VIEW
        elif node.op.view and strides == row_major(_shape(source), ITEM):
            self.put(node.outputs[0], body, at, row_major(_shape(node.outputs[0]), ITEM))
            group.algorithm = VIEW

    def take_over(self, group: _Group, number: int, value: Value) -> bool:
        """Write over an operand that nobody needs any more, if all that the step does with it is element by element."""
        node = value.producer
        assert node is not None
        made = {v for n in group.nodes for v in n.outputs}
        reads = {v for n in group.nodes for v in n.operands if v.weight is None} - made
        if not node.op.in_place or node is not group.nodes[-1] or not self.chance(0.8):
            return False
        for source in node.operands:
            others = [n for n in group.nodes[:-1] if source in n.operands]
            if source not in reads or source.type != value.type or source.name in self.kept or others:
                continue
            body = self.body_of[source.name]
            low, high = self.reach(source)
            over = [v for v in self.graph.values if self.body_of.get(v.name) is body and v is not source]
            over = [v for v in over if self.reach(v)[0] < high and low < self.reach(v)[1]]
            if self.last_use(source) == number and all(self.is_over(v, number) and v not in reads for v in over):
                self.put(value, body, body.places[source.name], body.strides[source.name])
                group.donations.append((source.name, value.name))
                return True
        return False

    def reach(self, value: Value) -> tuple[int, int]:
        body = self.body_of[value.name]
        steps = zip(_shape(value), body.strides[value.name], strict=True)
        return body.places[value.name], body.places[value.name] + sum((n - 1) * stride for n, stride in steps) + ITEM

    def is_over(self, value: Value, number: int) -> bool:
        made = [i for i, group in enumerate(self.groups) if any(value in n.outputs for n in group.nodes)]
        return value.name not in self.kept and self.last_use(value) < number and max(made, default=-1) < number

    def last_use(self, value: Value) -> int:
        return max((i for i, g in enumerate(self.groups) if any(value in n.operands for n in g.nodes)), default=-1)

    # Places

    def plan(self) -> MemoryPlan:
        self.share()
        for group in self.groups:
            if group.algorithm == KERNEL and (group.in_strips or self.chance(0.3)):
                group.scratch = _Body(4 * int(self.rng.integers(1, 40)))
        storages: list[Storage] = []
        values = {v.name: PlannedValue("float32", _shape(v), None) for v in self.graph.values if v.weight is None}
        spans: list[tuple[_Body, int, int]] = []
        for body in self.bodies:
            cuts, pool = self.cuts(body), "arena" if self.chance(0.8) else "side"
            first = len(storages)
            storages += [Storage(pool, low, high - low, 0, 0) for low, high in itertools.pairwise(cuts)]
            spans.append((body, first, len(storages)))
            for name in body.places:
                pieces = self.pieces(name, body, cuts, first, pool)
                values[name] = dataclasses.replace(values[name], pieces=pieces)
        pools = tuple(Pool(name, 0, int(self.rng.choice([4, 16, 64])), name == "arena") for name in ("arena", "side"))
        plan = MemoryPlan(
            self.graph.name, digest(self.graph), {}, tuple(v.name for v in self.graph.inputs),
            tuple(dict.fromkeys(v.name for v in self.graph.outputs)), pools, tuple(storages), values,
            tuple(self.steps(values)), {"placement": Bound.of(0, 0, ""), "order": Bound.of(0, 0, "")},
        )  # fmt: skip
        return plans.figures_mended(self.placed(plans.lives_mended(plan), spans))

    def cuts(self, body: _Body) -> list[int]:
        """Where the body may be cut into storages: none where some value would fall into odd parts."""
        found, whole = {0, body.bytes}, [0, body.bytes]
        spans: list[tuple[int, int, int]] = []
        for name, at in body.places.items():
            shape, strides = _shape(self.graph.value(name)), body.strides[name]
            if strides != row_major(shape, ITEM):
                return whole
            end = at + prod(shape) * ITEM
            spans.append((at, end, strides[_outer(shape)]))
            found |= {at, end}
        if any((cut - at) % stride for at, end, stride in spans for cut in found if at < cut < end):
            return whole
        return sorted(found) if self.chance(0.85) else whole

    def pieces(self, name: str, body: _Body, cuts: list[int], first: int, pool: str) -> tuple[Piece, ...]:
        shape, at, strides = _shape(self.graph.value(name)), body.places[name], body.strides[name]
        if len(cuts) == 2:
            return (Piece(first, pool, at, (0,) * len(shape), shape, strides),)
        axis = _outer(shape)
        found = []
        for index, (low, high) in enumerate(itertools.pairwise(cuts)):
            if at <= low and high <= at + prod(shape) * ITEM:
                origin, size = [0] * len(shape), list(shape)
                origin[axis], size[axis] = (low - at) // strides[axis], (high - low) // strides[axis]
                found.append(Piece(first + index, pool, low, tuple(origin), tuple(size), strides))
        return tuple(found)

    def steps(self, values: dict[str, PlannedValue]) -> Iterator[Step]:
        for group in self.groups:
            made = [value for node in group.nodes for value in node.outputs]
            read = dict.fromkeys(v for node in group.nodes for v in node.operands if v.weight is None and v not in made)
            maps = [v for v in made if values[v.name].pieces is None and len(_shape(v)) == 4]
            scratch, tile = None, None
            if group.scratch is not None:
                scratch = Scratch("arena", 0, group.scratch.bytes)
                if maps and (group.in_strips or self.chance(0.7)):
                    shapes = [_shape(value) for value in maps]
                    _, channels, rows, _ = shapes[int(self.rng.integers(len(shapes)))]
                    tile = (int(self.rng.integers(1, rows + 1)), int(self.rng.integers(1, channels + 1)))
                    strips = max(min(tile[0], r) * min(tile[1], c) * width * ITEM for _, c, r, width in shapes)
                    scratch = Scratch("arena", 0, strips + group.scratch.bytes, strips)
            yield Step(
                tuple(node.name for node in group.nodes), tuple(v.name for v in read),
                tuple(v.name for v in made if values[v.name].pieces is not None), tuple(group.donations), scratch,
                group.algorithm, tile,
            )  # fmt: skip

    def placed(self, plan: MemoryPlan, spans: list[tuple[_Body, int, int]]) -> MemoryPlan:
        """Each body, in a random order, at the lowest place that is free while its parts live."""
        taken: list[Storage] = []
        storages, offsets = list(plan.storages), [0] * len(plan.storages)
        alignment = {pool.name: pool.alignment for pool in plan.pools}
        for place in self.rng.permutation(len(spans)):
            _, first, last = spans[int(place)]
            offset = _lowest(storages[first:last], taken, alignment[storages[first].pool])
            for index in range(first, last):
                offsets[index] = offset
                new = dataclasses.replace(storages[index], offset=storages[index].offset + offset)
                aligned = new.offset % alignment[new.pool] == 0
                storages[index] = dataclasses.replace(new, aligned=aligned)
                taken.append(storages[index])
        steps = []
        for number, step in enumerate(plan.steps):
            if (scratch := step.scratch) is not None:
                own = Storage("arena", 0, scratch.bytes, number, number)
                offset = _lowest([own], taken, alignment["arena"])
                scratch = dataclasses.replace(scratch, offset=offset)
                taken.append(dataclasses.replace(own, offset=offset))
            steps.append(dataclasses.replace(step, scratch=scratch))
        values = {
            name: dataclasses.replace(value, pieces=None if value.pieces is None else tuple(
                dataclasses.replace(piece, offset=piece.offset + offsets[piece.storage]) for piece in value.pieces
            ))
            for name, value in plan.values.items()
        }  # fmt: skip
        return dataclasses.replace(plan, storages=tuple(storages), steps=tuple(steps), values=values)


def _lowest(parts: list[Storage], taken: list[Storage], alignment: int) -> int:
    offset = 0
    while True:
        above = [
            other.end - part.offset for part, other in itertools.product(parts, taken)
            if plans.alive_together(part, other)
            and part.offset + offset < other.end and other.offset < part.end + offset
        ]  # fmt: skip
        if not above:
            return offset
        offset = -(-max(above) // alignment) * alignment


def _has_windows(node: Node) -> bool:
    return isinstance(node.op, Conv | Gemm | pooling.Pool)


def _ranges(op: Slice, shape: tuple[int, ...]) -> dict[int, tuple[int, int, int]]:
    """What Python makes of the ranges along each axis; all their steps are 1 here."""
    cuts = zip(op.axes, op.starts, op.ends, strict=True)
    return {axis: slice(start, end).indices(shape[axis]) for axis, start, end in cuts}


def _outer(shape: tuple[int, ...]) -> int:
    """The axis along which a contiguous value can be cut into boxes that are contiguous themselves."""
    return next((axis for axis, size in enumerate(shape) if size > 1), len(shape) - 1)


def _shape(value: Value) -> tuple[int, ...]:
    assert isinstance(value.type, TensorType)
    return known_shape(value.type.shape, value.name)
