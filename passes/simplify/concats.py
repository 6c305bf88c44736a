"""Concatenations of concatenations: what is put side by side in two steps is put side by side in one."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Concat
from cnnir.passes.base import Journal, Pass
from cnnir.rewriter import Rewriter


@dataclass(frozen=True)
class MergeConcats(Pass):
    """Merge a Concat into the one that reads it, along the same axis, where nothing else reads it."""

    name: ClassVar[str] = "merge-concats"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        for node in graph.nodes:
            if not isinstance(node.op, Concat):
                continue
            journal.at(node)
            inner = [_inner(graph, value, node.op) for value in node.operands]
            if not any(inner):
                continue
            operands: list[Value] = []
            for value, found in zip(node.operands, inner, strict=True):
                operands += found.operands if found is not None else (value,)
            rewriter.replace_node(node, node.op, operands)
            for found in dict.fromkeys(filter(None, inner)):
                rewriter.erase(found)
                journal.change(f"is a part of {node.label}", [found])
                journal.count("nodes removed")


def _inner(graph: Graph, value: Value, op: Concat) -> Node | None:
    """The Concat along the same axis that makes a value for one reader alone."""
    node = value.producer
    if node is None or node.op != op or graph.is_output(value) or len(value.uses) > 1:
        return None
    return node
