"""By which algorithms ops can be computed, and what each takes: workspace in bytes, and time by a cost profile."""

from cnnir.algorithms import today
from cnnir.algorithms.base import Call, Tensor, workspaces

__all__ = ["Call", "Tensor", "today", "workspaces"]
