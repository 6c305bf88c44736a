"""NumPy kernels, one rule for each op."""

from cnnir.interpreter.kernels import (
    activation,
    assembly,
    blocks,
    convolution,
    elementwise,
    function,
    indexing,
    linear,
    narrow,
    normalization,
    pooling,
    quantization,
    reduction,
    resize,
    shaping,
    standardization,
)
from cnnir.interpreter.kernels.base import Kernel, kernels

__all__ = [
    "Kernel",
    "activation",
    "assembly",
    "blocks",
    "convolution",
    "elementwise",
    "function",
    "indexing",
    "kernels",
    "linear",
    "narrow",
    "normalization",
    "pooling",
    "quantization",
    "reduction",
    "resize",
    "shaping",
    "standardization",
]
