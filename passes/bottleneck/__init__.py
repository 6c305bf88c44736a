"""Bottlenecks: layers in narrower factors, from their weights, from samples, or for networks still to be trained."""

from cnnir.passes.bottleneck.bottleneck import Bottleneck
from cnnir.passes.bottleneck.data import batched, data_aware
from cnnir.passes.bottleneck.factors import Decomposition, Metric, decompose
from cnnir.passes.bottleneck.merge import MergeLinear
from cnnir.passes.bottleneck.report import Comparison, Row, compare

__all__ = [
    "Bottleneck",
    "Comparison",
    "Decomposition",
    "MergeLinear",
    "Metric",
    "Row",
    "batched",
    "compare",
    "data_aware",
    "decompose",
]
