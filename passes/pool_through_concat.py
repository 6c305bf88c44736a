"""Pooling pushed through a concatenation: each part is pooled where it is made, and what is joined is smaller.

``pool(concat(a, b)) = concat(pool(a), pool(b))`` for a concatenation of channels, since pooling never looks at two
channels at once. The whole unpooled map then never has to be there: a convolution can pool its part in strips of rows.
"""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.graph import Graph, Node
from cnnir.ops import Concat
from cnnir.ops.pooling import GlobalPool, Pool
from cnnir.passes.base import Journal, Pass
from cnnir.rewriter import Rewriter

CHANNELS = 1
"""The axis of channels, in ONNX's layout."""


@dataclass(frozen=True)
class PoolThroughConcat(Pass):
    """Pool the parts of a concatenation of channels instead of the whole, where nothing else reads the whole."""

    name: ClassVar[str] = "pool-through-concat"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        # What is pushed through one concatenation may stand behind another one: those come later in the order.
        for node in graph.nodes:
            if not isinstance(node.op, Pool | GlobalPool) or len(node.outputs) != 1:
                continue
            joined = node.operands[0].producer
            if joined is None or not isinstance(joined.op, Concat):
                continue
            reason = _refusal(graph, joined)
            if reason is not None:
                journal.refuse(reason, [node, joined])
                continue
            journal.at(node)
            pools = [
                rewriter.insert(node.op, [part], before=node, name=f"{node.name}_{number}")
                for number, part in enumerate(joined.operands)
            ]
            rewriter.replace_node(node, Concat(CHANNELS), [pool.output for pool in pools])
            rewriter.erase(joined)
            journal.change(f"pools the {len(pools)} parts of {joined.label}", [node])
            journal.count("concatenations")


def _refusal(graph: Graph, joined: Node) -> str | None:
    """Why the pooling cannot be pushed through."""
    if not isinstance(joined.op, Concat) or joined.op.axis != CHANNELS:
        return "what is joined are no channels"
    if len(joined.output.uses) > 1 or graph.is_output(joined.output):
        return "somebody else reads the whole"
    if any(value.weight is not None for value in joined.operands):
        return "a part is a weight"
    return None
