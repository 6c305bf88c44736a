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
        nodes, weights = Rewriter(graph).remove_unused()
        for node in nodes:
            journal.change("removed, nobody reads it", [node])
            journal.count("nodes removed")
        for value in weights:
            journal.change(f"weight {value.name} removed, nobody reads it")
            journal.count("weights removed")
