"""Simplification: the same network in fewer nodes.

Each pass has one thought, keeps values, and can be run by itself. `Simplify` is all of them, in an order in which one
makes room for the next.
"""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass
from cnnir.passes.dead_code import DeadCode
from cnnir.passes.fold import Fold
from cnnir.passes.simplify.compose import ComposeOps
from cnnir.passes.simplify.concats import MergeConcats
from cnnir.passes.simplify.pads import FoldPads
from cnnir.passes.simplify.redundant import RemoveIdentities
from cnnir.passes.simplify.scalars import MergeScalars
from cnnir.passes.simplify.subexpressions import CommonSubexpressions
from cnnir.passes.simplify.transposes import CancelTransposes
from cnnir.passes.simplify.views import MergeViews

STAGES: tuple[Pass, ...] = (
    Fold(scales=False),
    DeadCode(),
    RemoveIdentities(),
    MergeViews(),
    MergeConcats(),
    CancelTransposes(),
    FoldPads(),
    CommonSubexpressions(),
    ComposeOps(),
    MergeScalars(),
    Fold(),
    RemoveIdentities(),
    DeadCode(),
)
"""What `Simplify` does, in order: constants first, for they tell what the rest computes; scales at the end."""

__all__ = [
    "STAGES",
    "CancelTransposes",
    "CommonSubexpressions",
    "ComposeOps",
    "FoldPads",
    "MergeConcats",
    "MergeScalars",
    "MergeViews",
    "RemoveIdentities",
    "Simplify",
]


@dataclass(frozen=True)
class Simplify(Pass):
    """The same network in fewer nodes: constants, identities, views, Transposes, pads, scales, repetitions."""

    name: ClassVar[str] = "simplify"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        for stage in STAGES:
            stage.rewrite(graph, journal)
        # What one stage had to leave another one may have taken.
        left = {node.label for node in graph.nodes}
        journal.refusals = [refusal for refusal in dict.fromkeys(journal.refusals) if left.issuperset(refusal.nodes)]
