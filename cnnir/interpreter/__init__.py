"""The NumPy interpreter: kernels, and the executor that runs a graph or its plan."""

from cnnir.interpreter.executor import evaluate, run
from cnnir.interpreter.feeds import seeded_array, seeded_feed
from cnnir.interpreter.kernels import kernels

__all__ = ["evaluate", "kernels", "run", "seeded_array", "seeded_feed"]
