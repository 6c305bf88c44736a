"""What steers a node (the target of a Reshape, the pads of a Pad, the sizes of a Resize), worked out before it runs.

Exporters compute such settings by nodes, often from shapes. As long as they are not known, neither is the result's
shape, nor that of anything behind it. Whoever loads a file wants shapes; its other constants are for `fold`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Flatten, Identity, Opaque, Reshape, Shape, Size, Squeeze, Transpose, Unsqueeze
from cnnir.passes.base import Journal, Pass
from cnnir.passes.fold.constants import fold_constants
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType

_VIEWS = (Flatten, Identity, Reshape, Squeeze, Transpose, Unsqueeze)


@dataclass(frozen=True)
class FoldSettings(Pass):
    """Work out the settings that nodes read from other nodes, as numbers or as symbolic dims; leave the rest."""

    name: ClassVar[str] = "fold-settings"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        chosen = _that_steer(graph)
        # A reader makes a weight of a view of one at once: what has become a weight here gets its views folded too.
        chosen.update(node for node in graph.nodes if isinstance(node.op, _VIEWS))
        read = {value for node in chosen for value in node.operands}
        fold_constants(rewriter, journal, [node for node in graph.nodes if node in chosen])
        for value in graph.weights:
            if value in read and not value.uses and not graph.is_output(value):
                rewriter.erase_weight(value)


def _that_steer(graph: Graph) -> set[Node]:
    """The opaque nodes that settings may define, and all nodes that these settings are made by."""
    found: set[Node] = set()
    waiting: list[Node] = []
    for node in graph.nodes:
        if isinstance(node.op, Opaque) and not node.op.domain:
            found.add(node)
            waiting += _makers(value for value in node.operands if _may_be_setting(value))
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            if not isinstance(node.op, Shape | Size):  # they read no elements
                waiting += _makers(iter(node.operands))
    return found


def _makers(values: Iterator[Value]) -> list[Node]:
    return [value.producer for value in values if value.producer is not None]


def _may_be_setting(value: Value) -> bool:
    """Settings are lists or single numbers."""
    return not isinstance(value.type, TensorType) or value.type.rank <= 1
