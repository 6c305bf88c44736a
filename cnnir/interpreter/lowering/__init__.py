"""Steps of plans as calls of NumPy on views that are made once."""

from cnnir.interpreter.lowering import dense, depthwise, lrn, moving, pooling, products, winograd
from cnnir.interpreter.lowering.base import Call, lowerings
from cnnir.interpreter.lowering.steps import Context, joined, lower, parse

__all__ = [
    "Call",
    "Context",
    "dense",
    "depthwise",
    "joined",
    "lower",
    "lowerings",
    "lrn",
    "moving",
    "parse",
    "pooling",
    "products",
    "winograd",
]
