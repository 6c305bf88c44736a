"""Which values of a run did not come from kernels of our own, and whether a run may have such values at all."""

from collections.abc import Collection
from dataclasses import dataclass, field

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.ops.opaque import Opaque


@dataclass
class Fallback:
    """What happens to nodes that only another library can compute, and a record of those that it did compute.

    Pass one to `cnnir.interpreter.run` and ask it afterwards.

    Attributes:
        allowed: False to refuse such nodes.
        nodes: Names of the nodes that were left to the other library, in the order of the run, each with the reason.
    """

    allowed: bool = True
    nodes: dict[str, str] = field(default_factory=dict)

    def take(self, node: Node, reason: str) -> None:
        """Note that a node is computed by another library, and why.

        Raises:
            CnnirError: ``fallback-refused`` when that is not allowed.
        """
        if not self.allowed:
            raise CnnirError(
                "fallback-refused", "the node has no kernel here, and no other library may compute it", node=node.label,
                got=reason, hint="allow the fallback",
            )  # fmt: skip
        self.nodes.setdefault(node.name, reason)

    def values(self, graph: Graph) -> list[str]:
        """Names of the values that came from the other library, or rest on such values, in the graph's order."""
        return foreign_values(graph, self.nodes)


def foreign_values(graph: Graph, nodes: Collection[str] | None = None) -> list[str]:
    """Names of the values that some nodes make, or that rest on such values, in the graph's order.

    Args:
        graph: Symbolic or not.
        nodes: Their names; every opaque node when None. A run may do better than that: what steers an op is known
            then, and with it often the op.
    """
    found: dict[str, None] = {}
    for node in graph.nodes:
        own = isinstance(node.op, Opaque) if nodes is None else node.name in nodes
        if own or any(value.name in found for value in node.operands):
            found.update(dict.fromkeys(value.name for value in node.outputs))
    return list(found)
