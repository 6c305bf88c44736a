"""Constants in a row: what is scaled twice is scaled once, and what is shifted twice is shifted once."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, Mul
from cnnir.passes.base import Journal, Pass
from cnnir.rewriter import Rewriter
from cnnir.weights import AnyArray, Array

_LARGEST = 65_536
"""Elements of a constant that is worked out here; larger ones are hardly met, and would be read and written anew."""


@dataclass(frozen=True)
class MergeScalars(Pass):
    """Merge a Mul by a constant into the next one, and an Add likewise, where nothing else reads what lies between."""

    name: ClassVar[str] = "merge-scalars"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        for node in graph.nodes:
            if not isinstance(node.op, Mul | Add):
                continue
            journal.at(node)
            outer, inner = _parts(graph, node), _inner(graph, node)
            if outer is None or inner is None or (parts := _parts(graph, inner)) is None:
                continue
            merged = _merged(node, parts[1], outer[1])
            if isinstance(merged, str):
                journal.refuse(merged, [inner, node])
                continue
            constant = graph.add_weight(graph.fresh_name(f"{outer[1].name}.merged"), Array.of(merged))
            rewriter.replace_node(node, node.op, [parts[0], constant])
            rewriter.erase(inner)
            for value in (outer[1], parts[1]):
                if value in graph and not value.uses and not graph.is_output(value):
                    rewriter.erase_weight(value)
            journal.change(f"one with {inner.label}", [node])
            journal.count("nodes removed")


def _parts(graph: Graph, node: Node) -> tuple[Value, Value] | None:
    """The operand that is computed, and the constant beside it."""
    data = [value for value in node.operands if value.weight is None]
    constants = [value for value in node.operands if value.weight is not None]
    if len(data) != 1 or len(constants) != 1 or constants[0].name in graph.provenance.listed:
        return None
    return data[0], constants[0]


def _inner(graph: Graph, node: Node) -> Node | None:
    """The node of the same op that makes the computed operand for this one alone."""
    for value in node.operands:
        inner = value.producer
        if inner is not None and inner.op == node.op and len(value.uses) == 1 and not graph.is_output(value):
            return inner
    return None


def _merged(node: Node, one: Value, two: Value) -> AnyArray | str:
    """Both constants as one, or why they cannot be."""
    weights = [value.weight for value in (one, two) if value.weight is not None]
    sizes = [math.prod(weight.shape) for weight in weights]
    if max(sizes) > _LARGEST:
        return "its constants are large"
    dtype = weights[0].dtype
    if not dtype.is_float:
        return f"{dtype.value} overflows in another way"
    wide = [np.asarray(weight.array(), np.float64) for weight in weights]
    exact = wide[0] * wide[1] if isinstance(node.op, Mul) else wide[0] + wide[1]
    if exact.size > max(sizes):
        return "the constant of both would be larger than either"
    with np.errstate(over="ignore", under="ignore"):
        merged = np.asarray(exact).astype(dtype.numpy)
    if not np.isfinite(merged.astype(np.float64)).all() or np.any((merged == 0) & (exact != 0)):
        return f"{dtype.value} does not hold the constant of both"
    return merged
