"""Reductions over axes."""

from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, normalize_axis
from cnnir.types import Type


@dataclass(frozen=True)
class ReduceMean(Op):
    """The mean over some axes; over none when `axes` is empty. ONNX operator specification: ReduceMean."""

    axes: tuple[int, ...]
    """Counted from the front, ascending."""
    keepdims: bool = True

    def check(self, inputs: Inputs) -> None:
        rank = inputs.tensor(0).rank
        if list(self.axes) != sorted({normalize_axis(axis, rank) for axis in self.axes}):
            raise CnnirError("axis", "axes must be counted from the front and ascend", got=list(self.axes))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        for axis in self.axes:
            facts.require_at_least(data.shape[axis], 1, "reduce-empty", f"nothing to average on axis {axis}")
        kept = [(1 if axis in self.axes else dim, axis) for axis, dim in enumerate(data.shape)]
        return (data.with_shape(tuple(dim for dim, axis in kept if self.keepdims or axis not in self.axes)),)
