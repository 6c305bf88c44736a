"""The proof's part about the graph: the plan computes all of its nodes, and what it does not move need not be moved."""

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from cnnir.dims import is_known
from cnnir.ops import Concat, Conv, ConvTranspose, Gemm, MatMul, Slice, Split, Transpose
from cnnir.ops.opaque import Opaque
from cnnir.ops.pooling import Pool
from cnnir.plan.arrays import Strided, extents_of, itemsize_of, runs_in_memory, runs_of, strided, touch
from cnnir.plan.model import JOIN, VIEW, MemoryPlan, PlannedValue, Step
from cnnir.plan.refusal import refuse, where
from cnnir.types import TensorType, known_shape

if TYPE_CHECKING:
    from cnnir.graph import Graph, Node, Value


_SUMMING = (Conv, ConvTranspose, Gemm, MatMul, Pool)
"""Ops that read many elements for each that they give, and each of them several times.

What reads all of them once, as a mean does, can take them as they come.
"""


def check_faithful(plan: MemoryPlan, graph: "Graph") -> None:
    """Prove that the plan is a plan of this graph.

    Raises:
        CnnirError: ``plan-graph``.
    """
    from cnnir.text import digest  # noqa: PLC0415  a plan can be checked without its graph

    if plan.digest != digest(graph):
        refuse("plan-graph", "the plan was made for another graph", expected=digest(graph)[:12], got=plan.digest[:12])
    _check_nodes(plan, graph)
    if plan.inputs != tuple(value.name for value in graph.inputs):
        refuse("plan-graph", "other inputs than the graph's", got=plan.inputs)
    stored_outputs = {value.name for value in graph.outputs if value.weight is None}
    if set(plan.outputs) != stored_outputs:
        refuse("plan-graph", "other outputs than the graph's", expected=sorted(stored_outputs), got=plan.outputs)
    expected = {value.name: value for value in graph.values if value.weight is None}
    if plan.values.keys() != expected.keys():
        odd = sorted(plan.values.keys() ^ expected.keys())
        refuse("plan-graph", "the plan does not hold the values of the graph, weights apart", got=", ".join(odd[:4]))
    for name, placed in plan.values.items():
        value = expected[name]
        if str(value.type) != f"{placed.dtype}[{', '.join(map(str, placed.shape))}]":
            refuse("plan-graph", "the value has another type in the graph", node=name, expected=value.type, got=placed)
    held, whole = sum(pool.weights for pool in plan.pools), weight_bytes(graph)
    if held not in {0, whole}:
        refuse("plan-graph", "the pools hold other weights than the graph's", expected=whole, got=held)
    for number, step in enumerate(plan.steps):
        _check_step(plan, graph, number, step)


def weight_bytes(graph: "Graph") -> int | None:
    """Bytes of all constants that nodes read, each once; None when one has no known size."""
    sizes = [value.weight.type.bytes for value in graph.weights if value.weight is not None and value.uses]
    return sum(size for size in sizes if is_known(size)) if all(map(is_known, sizes)) else None


def _check_nodes(plan: MemoryPlan, graph: "Graph") -> None:
    """Each node runs once; one of which nothing is stored runs wherever it is needed."""
    counts = Counter(plan.order)
    nodes = {node.name: node for node in graph.nodes}
    if counts.keys() != nodes.keys():
        odd = sorted(counts.keys() ^ nodes.keys())
        refuse("plan-graph", "the steps do not run the nodes of the graph", got=", ".join(odd[:4]))
    for name, count in counts.items():
        node = nodes[name]
        if count > 1 and (isinstance(node.op, Opaque) or any(_is_stored(plan, value) for value in node.outputs)):
            refuse("plan-graph", "a node runs again that has stored a value, or may give another", node=name, got=count)


def _is_stored(plan: MemoryPlan, value: "Value") -> bool:
    return value.name in plan.values and plan.values[value.name].pieces is not None


def _check_step(plan: MemoryPlan, graph: "Graph", number: int, step: Step) -> None:
    at = where(number, step)
    nodes = [graph.node(name) for name in step.nodes]
    made = {value.name for node in nodes for value in node.outputs}
    read = {value.name for node in nodes for value in node.operands if value.weight is None} - made
    stored = {value.name for node in nodes for value in node.outputs if _is_stored(plan, value)}
    if set(step.reads) != read or set(step.writes) != stored:
        refuse("plan-graph", "the step reads or writes other values than its nodes", node=at)
    _check_order_within(nodes, at)
    if step.algorithm == VIEW and not _shows(plan, nodes[0]):
        refuse("plan-graph", "a view of an op that computes, or of another operand or part", node=at)
    if step.algorithm == JOIN and not _joins(plan, nodes[0]):
        refuse("plan-graph", "a join of no Concat, or one that would write over what it reads", node=at)
    for source, target in step.donations:
        if graph.value(source).type != graph.value(target).type:
            refuse("plan-graph", "a donation to a value of another type", node=at, got=target)
        if not _works_in_place(source, target, nodes):
            refuse("plan-graph", "a donation to an op that does not work in place", node=at)
    _check_strips(plan, step, nodes, at)


def _check_order_within(nodes: "Sequence[Node]", at: str) -> None:
    """A fused step names its nodes in an executable order."""
    for index, node in enumerate(nodes):
        later = {value for other in nodes[index:] for value in other.outputs}
        if any(value in later for value in node.operands):
            refuse("plan-graph", "the step runs a node before its operands are there", node=at, got=node.name)


def _works_in_place(source: str, target: str, nodes: "Sequence[Node]") -> bool:
    """May the target be written over the source, element by element?

    The way from the one to the other goes through ops that work in place, none of the step's other ops needs the
    source, or what came of it, in a way of its own, and nobody reads the source once the target is there.
    """
    found, shown, written = {source}, {source}, False
    for node in nodes:
        operands = {value.name for value in node.operands}
        if found.isdisjoint(operands):
            continue
        if written and not shown.isdisjoint(operands):
            return False
        first = node.inputs[0]
        if node.op.view and first is not None and first.name in found:
            found.add(node.outputs[0].name)
            shown |= {node.outputs[0].name} if first.name in shown else set()
        elif node.op.in_place:
            found.update(value.name for value in node.outputs)
        else:
            return False
        written = written or any(value.name == target for value in node.outputs)
    return target in found


def _check_strips(plan: MemoryPlan, step: Step, nodes: "Sequence[Node]", at: str) -> None:
    """What windows read behind other windows lies in strips, and these hold the rows and channels that are told.

    An activation behind a convolution takes each element as it comes, and one in front is computed for each element
    anew; a pooling behind a convolution needs rows of it.
    """
    held = step.scratch.strips if step.scratch is not None else 0
    read = _read_in_windows(plan, nodes)
    if read and not held:
        refuse("plan-graph", "what is neither stored nor held in strips is read by windows", node=at, got=read[0].name)
    if held:
        gone = [value for node in nodes for value in node.outputs if not _is_stored(plan, value)]
        sizes = [_strip_bytes(plan.values[value.name], step.tile or ()) for value in read or gone]
        # Strips that nobody needs for windows are a strip of something, at least.
        least = max(sizes) if read else min(sizes, default=held + 1)
        if least > held:
            refuse("plan-graph", "the strips hold less than their rows and channels", node=at, expected=least, got=held)


def _read_in_windows(plan: MemoryPlan, nodes: "Sequence[Node]") -> "list[Value]":
    """What is not stored, rests on sums over windows, and is read by windows again."""
    summed: set[Value] = set()
    found: list[Value] = []
    for node in nodes:
        rests = [value for value in node.operands if value in summed]
        if isinstance(node.op, _SUMMING):
            found += rests
        if rests or isinstance(node.op, _SUMMING):
            summed.update(value for value in node.outputs if not _is_stored(plan, value))
    return found


def _strip_bytes(value: PlannedValue, tile: tuple[int, ...]) -> int:
    """Bytes of so many rows and channels of one image."""
    _, channels, rows, *others = (*value.shape, *(1,) * (3 - len(value.shape)))
    return min(tile[0], rows) * min(tile[1], channels) * prod(others) * itemsize_of(value)


# Views and joins


def _shows(plan: MemoryPlan, node: "Node") -> bool:
    """Does each output of the node lie where its op finds it in what is there?"""
    first = node.inputs[0]
    if first is None:
        return False
    if node.op.view:
        # The same bytes in the same order. An output more, a mask, is computed.
        shown = plan.values[node.outputs[0].name]
        source = plan.values.get(first.name)
        if len(node.outputs) != 1 or source is None:
            return False
        if source.shape == shown.shape:
            return runs_in_memory(shown) == runs_in_memory(source)
        one, other = strided(source), strided(shown)
        if one is not None and other is not None and (turned := one.reshaped(shown.shape)) is not None:
            return turned.same_as(other)
        return runs_of(shown) == runs_of(source)
    if isinstance(node.op, Concat):
        return _in_place(plan, _blocks(plan, node.outputs[0], node.operands, node.op.axis))
    if isinstance(node.op, Split):
        return _in_place(plan, _blocks(plan, first, node.outputs, node.op.axis))
    whole = _array(plan, first)
    if whole is not None and isinstance(node.op, Transpose):
        return _in_place(plan, [(node.outputs[0], whole.permuted(node.op.permutation))])
    if whole is not None and isinstance(node.op, Slice):
        cuts = zip(node.op.ranges(whole.shape), whole.shape, strict=True)
        return _in_place(plan, [(node.outputs[0], whole.part([range(size)[cut] for cut, size in cuts]))])
    return False


def _joins(plan: MemoryPlan, node: "Node") -> bool:
    """Does a Concat copy nothing over what it reads? Operands that lie in their place are not copied."""
    if not isinstance(node.op, Concat):
        return False
    blocks = _blocks(plan, node.outputs[0], node.operands, node.op.axis)
    copied = extents_of(run for value, block in blocks if not _lies_in(plan, value, block) for run in block.runs())
    operands = {value.name for value in node.operands if value.weight is None}
    return bool(blocks) and not any(
        touch(extents_of(runs_in_memory(plan.values[name])[1]), copied) for name in operands
    )


def _in_place(plan: MemoryPlan, blocks: "Sequence[tuple[Value, Strided]]") -> bool:
    return bool(blocks) and all(_lies_in(plan, value, block) for value, block in blocks)


def _lies_in(plan: MemoryPlan, value: "Value", block: Strided) -> bool:
    array = _array(plan, value)
    return array is not None and array.same_as(block)


def _blocks(plan: MemoryPlan, whole: "Value", parts: "Sequence[Value]", axis: int) -> "list[tuple[Value, Strided]]":
    """Where the parts of a value belong that stand side by side along an axis; none when it is no array."""
    array = _array(plan, whole)
    if array is None:
        return []
    found: list[tuple[Value, Strided]] = []
    begin = 0
    for part in parts:
        assert isinstance(part.type, TensorType)  # noqa: S101  the op has been inferred
        size = known_shape(part.type.shape, part.name)[axis]
        found.append((part, array.block(axis, begin, size)))
        begin += size
    return found


def _array(plan: MemoryPlan, value: "Value") -> Strided | None:
    return strided(plan.values[value.name]) if value.name in plan.values else None


__all__ = ["check_faithful"]
