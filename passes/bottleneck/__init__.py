"""Bottlenecks: layers in narrower factors, from their weights, from samples, or for networks still to be trained."""

from cnnir.passes.bottleneck.bottleneck import Bottleneck
from cnnir.passes.bottleneck.data import batched, data_aware
from cnnir.passes.bottleneck.end_to_end import EndToEnd, end_to_end
from cnnir.passes.bottleneck.factors import Decomposition, Metric, decompose
from cnnir.passes.bottleneck.merge import MergeLinear
from cnnir.passes.bottleneck.select import choose

__all__ = [
    "Bottleneck",
    "Decomposition",
    "EndToEnd",
    "MergeLinear",
    "Metric",
    "batched",
    "choose",
    "data_aware",
    "decompose",
    "end_to_end",
]
