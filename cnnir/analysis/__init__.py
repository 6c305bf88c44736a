"""What can be known of a graph without running it: costs, live ranges, receptive fields, structure.

networkx is imported by the structural view alone, and only when that is asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cnnir.analysis.cost import GraphCosts, NodeCosts, costs, total
from cnnir.analysis.liveness import LiveRange, live_ranges
from cnnir.analysis.receptive_field import Fields, ReceptiveField, receptive_fields

if TYPE_CHECKING:
    from cnnir.analysis.structure import cut_nodes, generations, longest_path, networkx_view

_STRUCTURE = ("cut_nodes", "generations", "longest_path", "networkx_view")

__all__ = [
    "Fields",
    "GraphCosts",
    "LiveRange",
    "NodeCosts",
    "ReceptiveField",
    "costs",
    "cut_nodes",
    "generations",
    "live_ranges",
    "longest_path",
    "networkx_view",
    "receptive_fields",
    "total",
]


def __getattr__(name: str) -> Any:
    if name not in _STRUCTURE:
        raise AttributeError(f"module 'cnnir.analysis' has no attribute {name!r}")
    return getattr(importlib.import_module("cnnir.analysis.structure"), name)
