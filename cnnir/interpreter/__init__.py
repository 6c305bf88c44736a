"""The NumPy interpreter: kernels, and the executor that runs a graph or its plan."""

from cnnir.interpreter.executor import evaluate, run
from cnnir.interpreter.fallback import Fallback, foreign_values
from cnnir.interpreter.feeds import seeded_array, seeded_feed
from cnnir.interpreter.kernels import kernels
from cnnir.interpreter.profiling import RunProfile, StepProfile
from cnnir.interpreter.program import Program
from cnnir.interpreter.watching import Done, Watch

__all__ = [
    "Done", "Fallback", "Program", "RunProfile", "StepProfile", "Watch", "evaluate", "foreign_values", "kernels", "run",
    "seeded_array", "seeded_feed",
]  # fmt: skip
