"""Reductions over axes."""

from dataclasses import dataclass

from cnnir.ops.base import Facts, Inputs, Op, require_front_axes, require_numbers
from cnnir.types import Type


@dataclass(frozen=True)
class ReduceMean(Op):
    """The mean over some axes; over none when `axes` is empty. ONNX operator specification: ReduceMean."""

    axes: tuple[int, ...]
    """Counted from the front, ascending."""
    keepdims: bool = True

    def check(self, inputs: Inputs) -> None:
        require_numbers(inputs)
        require_front_axes(self.axes, inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        for axis in self.axes:
            facts.require_at_least(data.shape[axis], 1, "reduce-empty", f"nothing to average on axis {axis}")
        kept = [(1 if axis in self.axes else dim, axis) for axis, dim in enumerate(data.shape)]
        return (data.with_shape(tuple(dim for dim, axis in kept if self.keepdims or axis not in self.axes)),)
