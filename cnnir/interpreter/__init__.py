"""The NumPy interpreter: kernels, and the executor that runs a graph or its plan."""

from cnnir.interpreter.executor import run
from cnnir.interpreter.kernels import kernels

__all__ = ["kernels", "run"]
