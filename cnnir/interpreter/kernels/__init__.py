"""NumPy kernels, one rule for each op."""

from cnnir.interpreter.kernels import (
    activation,
    assembly,
    convolution,
    elementwise,
    linear,
    normalization,
    pooling,
    reduction,
    resize,
    shaping,
)
from cnnir.interpreter.kernels.base import Kernel, kernels

__all__ = [
    "Kernel",
    "activation",
    "assembly",
    "convolution",
    "elementwise",
    "kernels",
    "linear",
    "normalization",
    "pooling",
    "reduction",
    "resize",
    "shaping",
]
