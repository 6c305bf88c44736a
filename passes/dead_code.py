"""Dead code: nodes none of whose outputs anybody reads, and weights that nobody reads.

Inputs stay, read or not: they are the interface.
"""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass
from cnnir.rewriter import Rewriter


@dataclass(frozen=True)
class DeadCode(Pass):
    """Remove what does not reach an output."""

    name: ClassVar[str] = "dead-code"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        # From the end: a node's readers stand behind it, so one walk finds whole dead chains.
        for node in reversed(graph.nodes):
            if all(not value.uses and not graph.is_output(value) for value in node.outputs):
                journal.change("removed, nobody reads it", [node])
                journal.count("nodes removed")
                rewriter.erase(node)
        for value in graph.weights:
            if not value.uses and not graph.is_output(value):
                journal.change(f"weight {value.name} removed, nobody reads it")
                journal.count("weights removed")
                rewriter.erase_weight(value)
