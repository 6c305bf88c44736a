"""Common subexpressions: what is computed twice from the same values is computed once."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Opaque
from cnnir.passes.base import Journal, Pass
from cnnir.passes.fold.constants import may_differ
from cnnir.rewriter import Rewriter
from cnnir.weights import Fill

_SMALL = 256
"""Bytes of a constant that is compared by its contents; of larger ones two of one content are rare, and reading them
takes time."""


@dataclass(frozen=True)
class CommonSubexpressions(Pass):
    """Of nodes with the same op and operands keep the first; small constants are the same by their contents."""

    name: ClassVar[str] = "common-subexpressions"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        constants = _constants(graph)
        first: dict[Hashable, Node] = {}
        for node in graph.nodes:
            journal.at(node)
            if isinstance(node.op, Opaque) and may_differ(node.op):
                continue
            key = (node.op, tuple(None if value is None else constants.get(value, value) for value in node.inputs))
            other = first.setdefault(key, node)
            if other is node:
                continue
            if any(graph.is_output(value) for value in node.outputs):
                journal.refuse(f"computes what {other.label} does, but its output has a name of its own", [node])
                continue
            if [value.type for value in node.outputs] != [value.type for value in other.outputs]:
                journal.refuse(f"computes what {other.label} does, but more is known of its type", [node])
                continue
            for old, new in zip(node.outputs, other.outputs, strict=True):
                rewriter.replace_uses(old, new)
            rewriter.erase(node)
            journal.change(f"computes what {other.label} does", [node])
            journal.count("nodes removed")


def _constants(graph: Graph) -> dict[Value, Hashable]:
    """What small constants are compared by."""
    found: dict[Value, Hashable] = {}
    for value in graph.weights:
        weight = value.weight
        if weight is None or graph.may_be_given(value):
            continue
        if isinstance(weight.type.bytes, int) and weight.type.bytes <= _SMALL:  # texts have no size
            found[value] = (str(weight.type), weight.array().tobytes())
        elif isinstance(weight, Fill):
            found[value] = (str(weight.type), weight.reference())
    return found
