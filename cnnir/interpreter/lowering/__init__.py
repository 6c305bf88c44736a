"""Steps of plans as calls of NumPy on views that are made once."""

from cnnir.interpreter.lowering import dense, depthwise, lrn, pooling, products, winograd
from cnnir.interpreter.lowering.base import Call, lowerings
from cnnir.interpreter.lowering.steps import Context, lower, parse

__all__ = [
    "Call", "Context", "dense", "depthwise", "lower", "lowerings", "lrn", "parse", "pooling", "products", "winograd",
]  # fmt: skip
