"""Comparing two networks: what differs, how much, and what that costs."""

from cnnir.compare.differ import diff
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
    "diff",
    "diff_text",
]
