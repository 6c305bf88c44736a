"""Transposes that take each other back.

Exporters from channels-last frameworks put a Transpose before and behind what wants channels first. One behind the
other they are one, or none; and what works on each element alone does not care in which order the axes stand, so a
Transpose moves behind it until it meets another one. The whole is tried on a copy first: where nothing meets, nothing
moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Concat, Op, Transpose
from cnnir.ops.activation import Activation
from cnnir.ops.elementwise import Arithmetic
from cnnir.passes.base import Journal, Pass
from cnnir.passes.simplify.bypass import bypass
from cnnir.rewriter import Rewriter
from cnnir.weights import Weight


@dataclass(frozen=True)
class CancelTransposes(Pass):
    """Move Transposes behind elementwise ops until they meet, and merge those that do."""

    name: ClassVar[str] = "cancel-transposes"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        before = _transposes(graph)
        if len(before) < 2:
            return
        trial = graph.clone()
        _settle(trial, Journal())
        if len(_transposes(trial)) < len(before):
            _settle(graph, journal)
            journal.count("transposes removed", len(before) - len(_transposes(graph)))
        for node in _transposes(graph):
            journal.refuse("meets no Transpose that takes it back", [node])


def _transposes(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if isinstance(node.op, Transpose)]


def _settle(graph: Graph, journal: Journal) -> None:
    """Move and merge as long as there is something to do: each move brings a Transpose nearer to the outputs."""
    rewriter = Rewriter(graph)
    waiting = _transposes(graph)[::-1]
    while waiting:
        node = waiting.pop()
        if node in graph and isinstance(node.op, Transpose):
            waiting += _step(rewriter, node, node.op, journal)


def _step(rewriter: Rewriter, node: Node, op: Transpose, journal: Journal) -> list[Node]:
    """One move of a Transpose, or one merge; the Transposes to look at next."""
    graph, output = rewriter.graph, node.output
    if graph.is_output(output) or not output.uses:
        return []
    journal.at(node)
    merged = [reader for reader in output.users if isinstance(reader.op, Transpose)]
    if merged:
        for reader in merged:
            assert isinstance(reader.op, Transpose)  # noqa: S101  chosen above
            both = tuple(op.permutation[axis] for axis in reader.op.permutation)
            rewriter.replace_node(reader, Transpose(both), [node.operands[0]])
            if both == tuple(range(len(both))) and bypass(rewriter, reader, node.operands[0]) is None:
                journal.change(f"takes {node.label} back", [reader])
            else:
                journal.change(f"is one with {node.label}", [reader])
        _erase_unread(rewriter, node)
        return [reader for reader in (*merged, node) if reader in graph]
    if len(output.uses) > 1:
        return []
    reader = output.users[0]
    moved = _moved(rewriter, reader, op)
    if moved is None:
        return []
    journal.change(f"stands before {node.label} now", [moved])
    _erase_unread(rewriter, node)
    return [moved.output.users[0]]


def _moved(rewriter: Rewriter, reader: Node, op: Transpose) -> Node | None:
    """The reader in front of the Transposes that it reads, with one behind it; None where it cannot stand there."""
    graph = rewriter.graph
    inner = _inner_op(reader, op)
    if inner is None or len(reader.outputs) != 1:
        return None
    sources = [_source(graph, value, op, rank=len(op.permutation)) for value in reader.inputs]
    operands: list[Value] = []
    for source, value in zip(sources, reader.inputs, strict=True):
        if source is None or value is None:
            return None
        operands.append(
            source if isinstance(source, Value) else graph.add_weight(graph.fresh_name(f"{value.name}.turned"), source)
        )
    # Names keep their meaning: what had one before has it behind the Transpose now.
    name, result, old = reader.name, reader.output.name, reader.operands
    turned = [graph.fresh_name(f"{result}.before")]
    inner_node = rewriter.insert(inner, operands, before=reader, outputs=turned, metadata=reader.metadata)
    outer = rewriter.insert(op, [inner_node.output], before=reader)
    if bypass(rewriter, reader, outer.output) is not None:
        rewriter.erase(outer)
        rewriter.erase(inner_node)
        return None
    rewriter.rename(inner_node, name)
    if outer.output.name != result:
        rewriter.rename(outer.output, result)
    for value in dict.fromkeys(old):
        if value.weight is not None and not value.uses and not graph.is_output(value):
            rewriter.erase_weight(value)
        elif value.producer is not None:
            _erase_unread(rewriter, value.producer)
    return inner_node


def _inner_op(reader: Node, op: Transpose) -> Op | None:
    """The reader's op, for axes in the order before the Transpose."""
    if isinstance(reader.op, Concat):
        return replace(reader.op, axis=op.permutation[reader.op.axis])
    alone = isinstance(reader.op, Activation) and len(reader.inputs) == 1
    return reader.op if alone or isinstance(reader.op, Arithmetic) else None


def _source(graph: Graph, value: Value | None, op: Transpose, *, rank: int) -> Value | Weight | None:
    """What an operand is before the Transpose: what that reads, or a constant with its axes turned back."""
    if value is None:
        return None
    if value.weight is None:
        node = value.producer
        return node.operands[0] if node is not None and node.op == op else None
    shape = value.weight.shape
    if graph.may_be_given(value) or len(shape) > rank:
        return None
    if all(size == 1 for size in shape) and len(shape) < rank:
        return value
    whole = value.weight.reshaped((*(1,) * (rank - len(shape)), *shape))
    return whole.transposed(_inverse(op.permutation))


def _inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(permutation)), key=permutation.__getitem__))


def _erase_unread(rewriter: Rewriter, node: Node) -> None:
    if node in rewriter.graph and not any(rewriter.graph.is_output(v) or v.uses for v in node.outputs):
        rewriter.erase(node)
