"""Reductions over axes."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.ops.base import Facts, Inputs, Op, require_front_axes
from cnnir.ops.elements import FLOATS, NUMBERS, ORDERED, WIDE, Elements
from cnnir.types import DType, TensorType, Type, UnknownType


@dataclass(frozen=True)
class Reduction(Op):
    """Base of what takes the elements along some axes together.

    Over no axis nothing is taken together; what is done to each element (a square, a logarithm) is done all the same.

    Class attributes:
        takes: Element types of the operand.
        of_nothing: Whether there is a result where an axis is empty.
    """

    axes: tuple[int, ...]
    """Counted from the front, ascending."""
    keepdims: bool = True

    takes: ClassVar[Elements] = WIDE
    of_nothing: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        self.takes.require(inputs)
        require_front_axes(self.axes, inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        if not self.of_nothing:
            for axis in self.axes:
                facts.require_at_least(data.shape[axis], 1, "reduce-empty", f"nothing to average on axis {axis}")
        return (_reduced(data, self.axes, keepdims=self.keepdims),)


def _reduced(data: TensorType, axes: tuple[int, ...], *, keepdims: bool) -> TensorType:
    kept = [(1 if axis in axes else dim, axis) for axis, dim in enumerate(data.shape)]
    return data.with_shape(tuple(dim for dim, axis in kept if keepdims or axis not in axes))


@dataclass(frozen=True)
class ReduceMean(Reduction):
    """The mean over some axes; over none when `axes` is empty. ONNX operator specification: ReduceMean."""

    takes: ClassVar[Elements] = NUMBERS
    of_nothing: ClassVar[bool] = False


@dataclass(frozen=True)
class ReduceSum(Reduction):
    """The sum. ONNX operator specification: ReduceSum."""


@dataclass(frozen=True)
class ReduceProd(Reduction):
    """The product. ONNX operator specification: ReduceProd."""


@dataclass(frozen=True)
class ReduceMax(Reduction):
    """The largest; of nothing the least that the element type has. ONNX operator specification: ReduceMax."""

    takes: ClassVar[Elements] = ORDERED


@dataclass(frozen=True)
class ReduceMin(Reduction):
    """The least; of nothing the largest that the element type has. ONNX operator specification: ReduceMin."""

    takes: ClassVar[Elements] = ORDERED


@dataclass(frozen=True)
class ReduceL1(Reduction):
    """The sum of absolute values. ONNX operator specification: ReduceL1."""


@dataclass(frozen=True)
class ReduceL2(Reduction):
    """The square root of the sum of squares. ONNX operator specification: ReduceL2."""

    takes: ClassVar[Elements] = FLOATS


@dataclass(frozen=True)
class ReduceSumSquare(Reduction):
    """The sum of squares. ONNX operator specification: ReduceSumSquare."""


@dataclass(frozen=True)
class ReduceLogSum(Reduction):
    """The logarithm of the sum. ONNX operator specification: ReduceLogSum."""

    takes: ClassVar[Elements] = FLOATS


@dataclass(frozen=True)
class ReduceLogSumExp(Reduction):
    """The logarithm of the sum of exponentials. ONNX operator specification: ReduceLogSumExp."""

    takes: ClassVar[Elements] = FLOATS


@dataclass(frozen=True)
class Extreme(Op):
    """Base of what gives the place of an extreme along an axis, as int64."""

    axis: int = 0
    """Counted from the front."""
    keepdims: bool = True
    select_last_index: bool = False
    """Of several equal extremes the last one, in place of the first."""

    def check(self, inputs: Inputs) -> None:
        NUMBERS.require(inputs)
        require_front_axes((self.axis,), inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        message = f"there is no extreme on axis {self.axis}"
        facts.require_at_least(data.shape[self.axis], 1, "reduce-empty", message)
        return (TensorType(DType.INT64, _reduced(data, (self.axis,), keepdims=self.keepdims).shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(DType.INT64),)


@dataclass(frozen=True)
class ArgMax(Extreme):
    """The place of the largest. ONNX operator specification: ArgMax."""


@dataclass(frozen=True)
class ArgMin(Extreme):
    """The place of the least. ONNX operator specification: ArgMin."""
