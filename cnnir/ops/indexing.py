"""Sizes as values, elements by index, and elements repeated."""

import math
from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import Shape as Dims
from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, require_front_axes
from cnnir.ops.broadcasting import broadcast
from cnnir.types import DType, TensorType, Type, UnknownType

MOST_INDICES = 1 << 16
"""Constant indices beyond these are checked when they are used: reading them may take long."""


@dataclass(frozen=True)
class Shape(Op):
    """The dims of a tensor, or a range of them, as a vector of int64. ONNX operator specification: Shape."""

    start: int = 0
    """The first axis; counted from the back when negative, and cut to the rank."""
    end: int | None = None
    """The axis behind the last one, likewise; None for all."""

    def taken(self, rank: int) -> range:
        """The axes whose dims are given, of a tensor of that rank."""
        return range(rank)[self.start : self.end]

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (TensorType(DType.INT64, (len(self.taken(inputs.tensor(0).rank)),)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(DType.INT64),)


@dataclass(frozen=True)
class Size(Op):
    """How many elements a tensor has, as a scalar of int64. ONNX operator specification: Size."""

    def check(self, inputs: Inputs) -> None:
        inputs.tensor(0)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (TensorType(DType.INT64, ()),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(DType.INT64),)


@dataclass(frozen=True)
class Gather(Op):
    """The slices along one axis that the indices name, in their order. ONNX operator specification: Gather."""

    axis: int = 0
    """Of the data, counted from the front; the axes of the indices take its place."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("data"), Operand("indices"))

    def check(self, inputs: Inputs) -> None:
        require_front_axes((self.axis,), inputs.tensor(0).rank)
        require_indices(inputs, 1)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, indices = inputs.tensors()
        low, high = extremes(inputs, 1)
        size = data.shape[self.axis]
        for least, index in ((high + 1, high), (-low, low)):
            facts.require_at_least(size, least, "gather-index", f"index {index} is outside axis {self.axis}")
        return (data.with_shape((*data.shape[: self.axis], *indices.shape, *data.shape[self.axis + 1 :])),)


def require_indices(inputs: Inputs, index: int) -> None:
    """The operand holds int32 or int64.

    Raises:
        CnnirError: ``operand-dtype``.
    """
    dtype = inputs.tensor(index).dtype
    if dtype not in (DType.INT32, DType.INT64):
        message = f"{inputs.name(index)} are no indices"
        raise CnnirError("operand-dtype", message, expected="int32 or int64", got=dtype.value)


def extremes(inputs: Inputs, index: int) -> tuple[int, int]:
    """The least and the largest of constant indices; 0 and -1, which lie in any tensor, where they are not known."""
    weight = inputs.weight(index)
    if weight is None or not 0 < math.prod(weight.shape) <= MOST_INDICES:
        return 0, -1
    array = weight.array()
    return int(array.min()), int(array.max())


@dataclass(frozen=True)
class Expand(Op):
    """The tensor broadcast with a shape, in both directions. ONNX operator specification: Expand."""

    shape: Dims

    def check(self, inputs: Inputs) -> None:
        inputs.tensor(0)
        if any(is_known(dim) and dim < 0 for dim in self.shape):
            raise CnnirError("dim-negative", "a dim cannot be negative", got=list(self.shape))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        return (data.with_shape(broadcast((data.shape, self.shape), facts)),)


@dataclass(frozen=True)
class Tile(Op):
    """The tensor as often as said along each axis, side by side. ONNX operator specification: Tile."""

    repeats: Dims
    """One an axis."""

    def check(self, inputs: Inputs) -> None:
        rank = inputs.tensor(0).rank
        if len(self.repeats) != rank:
            raise CnnirError("tile-repeats", "one number an axis is needed", expected=rank, got=list(self.repeats))
        if any(is_known(count) and count < 0 for count in self.repeats):
            raise CnnirError("tile-repeats", "nothing repeats a negative number of times", got=list(self.repeats))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        return (data.with_shape(tuple(dim * count for dim, count in zip(data.shape, self.repeats, strict=True))),)
