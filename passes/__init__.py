"""Passes: graph to graph, or graph to plan."""

from cnnir.passes.base import Change, Journal, Pass, PassResult, Place, Preserves, Refusal, StageRecord
from cnnir.passes.checking.value_check import ValueCheck, compare_values
from cnnir.passes.dead_code import DeadCode
from cnnir.passes.fc_to_conv import FcToConv
from cnnir.passes.fold import Fold, FoldSettings
from cnnir.passes.manager import apply
from cnnir.passes.parts.cut import Cut, cut
from cnnir.passes.parts.replacement import replace_subgraph
from cnnir.passes.pipeline import Pipeline, make_pass
from cnnir.passes.precision.half_weights import HalfWeights
from cnnir.passes.registry import REGISTRY, all_passes, broken_passes, find_pass, register
from cnnir.passes.rules.patterns import Match, Pattern, constant, either, find, node, through, value
from cnnir.passes.rules.rule import NotApplicable, RulePass, rule
from cnnir.passes.sizes.batch import SetBatch, SetSize
from cnnir.passes.sizes.shape_inference import InferShapes, bind, graph_symbols, resize_inputs

__all__ = [
    "REGISTRY",
    "Change",
    "Cut",
    "DeadCode",
    "FcToConv",
    "Fold",
    "FoldSettings",
    "HalfWeights",
    "InferShapes",
    "Journal",
    "Match",
    "NotApplicable",
    "Pass",
    "PassResult",
    "Pattern",
    "Pipeline",
    "Place",
    "Preserves",
    "Refusal",
    "RulePass",
    "SetBatch",
    "SetSize",
    "StageRecord",
    "ValueCheck",
    "all_passes",
    "apply",
    "bind",
    "broken_passes",
    "compare_values",
    "constant",
    "cut",
    "either",
    "find",
    "find_pass",
    "graph_symbols",
    "make_pass",
    "node",
    "register",
    "replace_subgraph",
    "resize_inputs",
    "rule",
    "through",
    "value",
]
