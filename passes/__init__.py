"""Passes: graph to graph, or graph to plan."""

from cnnir.passes.base import Change, Journal, Pass, PassResult, Preserves, Refusal
from cnnir.passes.cut import Cut, cut
from cnnir.passes.dead_code import DeadCode
from cnnir.passes.manager import REGISTRY, Pipeline, apply, make_pass
from cnnir.passes.shape_inference import InferShapes, bind, graph_symbols, resize_inputs

__all__ = [
    "REGISTRY",
    "Change",
    "Cut",
    "DeadCode",
    "InferShapes",
    "Journal",
    "Pass",
    "PassResult",
    "Pipeline",
    "Preserves",
    "Refusal",
    "apply",
    "bind",
    "cut",
    "graph_symbols",
    "make_pass",
    "resize_inputs",
]
