"""Folding: what can be worked out before the network runs.

Constants: a node that reads nothing but constants is a constant; so is the shape of a value whose shape is known. What
was computed by such nodes (the target of a Reshape, the pads of a Pad) is then known, and the node that reads it stops
being opaque. Scales: a factor and a summand for each channel beside a convolution or a fully connected layer
(BatchNormalization, Mul, Add, Sub, Div by constants) go into its weight and bias,

    s * (W x + b) + t = (s W) x + (s b + t).
"""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.graph import Graph
from cnnir.passes.base import Journal, Pass
from cnnir.passes.fold.constants import fold_constants
from cnnir.passes.fold.scales import fold_scales
from cnnir.passes.fold.settings import FoldSettings
from cnnir.rewriter import Rewriter

__all__ = ["Fold", "FoldSettings"]


@dataclass(frozen=True)
class Fold(Pass):
    """Work out constants; fold BatchNormalization, Mul, Add, Sub and Div by constants into the layer before."""

    constants: bool = True
    """Fold nodes that read nothing but constants."""
    scales: bool = True
    """Fold factors and summands for each channel into convolutions and fully connected layers."""

    name: ClassVar[str] = "fold"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        unused = {value for value in graph.weights if not value.uses}
        if self.constants:
            fold_constants(rewriter, journal, graph.nodes)
        if self.scales:
            fold_scales(rewriter, journal)
        for value in graph.weights:
            if not value.uses and not graph.is_output(value) and value not in unused:
                rewriter.erase_weight(value)
                journal.count("weights removed")
