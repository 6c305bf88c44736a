"""Comparing two networks: what differs, how much, and what that costs."""

from cnnir.compare.differ import diff
from cnnir.compare.figures import at_common_sizes, figures
from cnnir.compare.model import (
    FieldChange,
    Figure,
    GraphDiff,
    InterfaceChange,
    NodeChange,
    Numeric,
    OperandChange,
    OutputError,
    WeightChange,
)
from cnnir.compare.side_by_side import figures_text
from cnnir.compare.text import diff_text

__all__ = [
    "FieldChange",
    "Figure",
    "GraphDiff",
    "InterfaceChange",
    "NodeChange",
    "Numeric",
    "OperandChange",
    "OutputError",
    "WeightChange",
    "at_common_sizes",
    "diff",
    "diff_text",
    "figures",
    "figures_text",
]
