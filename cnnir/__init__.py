"""cnnir: a planning compiler for convolutional networks.

    graph = cnnir.load("network.onnx")
    plan = graph.plan()
    print(plan.arena_bytes, plan.lower_bound, plan.status)

Everything public is imported when it is first used, so that ``import cnnir`` stays fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from cnnir import zoo
    from cnnir.builder import GraphBuilder
    from cnnir.compare import diff
    from cnnir.dense import dense_scores
    from cnnir.errors import CnnirError
    from cnnir.exporters.onnx import load, save
    from cnnir.graph import Graph, Node, Value
    from cnnir.plan import MemoryPlan
    from cnnir.rewriter import Rewriter
    from cnnir.text import parse_graph, print_graph
    from cnnir.zoo.pattern import from_pattern, to_pattern

_HOMES = {
    "CnnirError": "cnnir.errors",
    "Graph": "cnnir.graph",
    "GraphBuilder": "cnnir.builder",
    "MemoryPlan": "cnnir.plan",
    "Node": "cnnir.graph",
    "Rewriter": "cnnir.rewriter",
    "Value": "cnnir.graph",
    "diff": "cnnir.compare",
    "dense_scores": "cnnir.dense",
    "from_pattern": "cnnir.zoo.pattern",
    "load": "cnnir.exporters.onnx",
    "parse_graph": "cnnir.text",
    "print_graph": "cnnir.text",
    "save": "cnnir.exporters.onnx",
    "to_pattern": "cnnir.zoo.pattern",
}

__all__ = [
    "CnnirError",
    "Graph",
    "GraphBuilder",
    "MemoryPlan",
    "Node",
    "Rewriter",
    "Value",
    "__version__",
    "dense_scores",
    "diff",
    "from_pattern",
    "load",
    "parse_graph",
    "print_graph",
    "save",
    "to_pattern",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name == "zoo":
        return importlib.import_module("cnnir.zoo")
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnir' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
