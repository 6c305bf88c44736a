"""Views of views: reshaping what was reshaped is reshaping once."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import Dim, is_known
from cnnir.graph import Graph, Node
from cnnir.ops import Flatten, Reshape, Squeeze, Unsqueeze
from cnnir.ops.formulas import copied_target
from cnnir.passes.base import Journal, Pass
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType

_VIEWS = (Reshape, Flatten, Squeeze, Unsqueeze)


@dataclass(frozen=True)
class MergeViews(Pass):
    """Merge a Reshape, Flatten, Squeeze or Unsqueeze with the one that it reads, where nothing else reads that."""

    name: ClassVar[str] = "merge-views"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        for node in graph.nodes:
            journal.at(node)
            inner = _inner(graph, node)
            if inner is None:
                continue
            source, made = inner.operands[0], node.output
            if not isinstance(source.type, TensorType) or not isinstance(made.type, TensorType):
                journal.refuse("what it reshapes has no known rank", [inner, node])
                continue
            target = _target(source.type.shape, made.type.shape)
            if target is None:
                journal.refuse("more dims are open than one Reshape can say", [inner, node])
                continue
            rewriter.replace_node(node, Reshape(target), [source])
            rewriter.erase(inner)
            journal.change(f"one Reshape with {inner.label}", [node])
            journal.count("views merged")


def _inner(graph: Graph, node: Node) -> Node | None:
    """The view that a view reads, when it alone does."""
    if not isinstance(node.op, _VIEWS):
        return None
    value = node.operands[0]
    inner = value.producer
    if inner is None or not isinstance(inner.op, _VIEWS) or graph.is_output(value) or len(value.uses) > 1:
        return None
    return inner


def _target(source: tuple[Dim, ...], made: tuple[Dim, ...]) -> tuple[Dim, ...] | None:
    """What the Reshape is told: the numbers, where all are known; else dims that are copied and one inferred."""
    if all(is_known(dim) for dim in made) and 0 not in made:
        return made
    return copied_target(source, made) if 0 not in made else None
