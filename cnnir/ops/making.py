"""Tensors that are made rather than computed: ranges, ones on a diagonal, one-hot codes, triangles."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnnir.dims import UNKNOWN, Dim
from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, Role, normalize_axis, require_same_dtype
from cnnir.ops.elements import NUMBERS, ORDERED
from cnnir.types import DType, TensorType, Type, UnknownType


@dataclass(frozen=True)
class Range(Op):
    """``start``, ``start + delta`` and so on, up to ``limit``, which is left out. ONNX operator specification: Range.

    Floats of fewer than 32 bits are counted in float32, which is the default of the specification's ``stash_type``.
    """

    lengths: tuple[Dim, ...] = ()
    """The length, where it is known though the operands are no constants; else empty."""

    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("start", Role.SETTING),
        Operand("limit", Role.SETTING),
        Operand("delta", Role.SETTING),
    )

    def check(self, inputs: Inputs) -> None:
        require_same_dtype(inputs, 0, 1, 2)
        NUMBERS.require(inputs)
        for index in range(3):
            inputs.rank(index, 0, 1)
        if len(self.lengths) > 1:
            raise CnnirError("range-length", "a range has one length", got=list(self.lengths))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        for index in range(3):
            for dim in inputs.tensor(index).shape:
                facts.require_equal(dim, 1, "range-limits", f"{inputs.name(index)} is not one number")
        dtype, length = inputs.tensor(0).dtype, self.lengths[0] if self.lengths else UNKNOWN
        weights = [weight for index in range(3) if (weight := inputs.weight(index)) is not None]
        if len(weights) == 3:
            count = range_length(*(weight.array().reshape(-1)[0] for weight in weights))
            if self.lengths:
                facts.require_equal(count, length, "range-length", "the range has another length than was worked out")
            length = count
        return (TensorType(dtype, (length,)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()),)


def range_length(start: np.generic, limit: np.generic, delta: np.generic) -> int:
    """How many numbers a range has: ``ceil((limit - start) / delta)``, none when that is negative.

    Raises:
        CnnirError: ``range-limits`` where no number of steps, or no finite one, leads there.
    """
    first, last, step = (number.item() for number in (start, limit, delta))
    if not all(math.isfinite(number) for number in (first, last, step)) or step == 0:
        raise CnnirError("range-limits", "no range", expected="finite numbers, and a step", got=[first, last, step])
    if isinstance(first, int):
        count: int = -((first - last) // step)
        return max(count, 0)
    # The difference is rounded as the element type has it; narrow floats are taken as float32.
    wide = np.float64 if start.dtype == np.float64 else np.float32
    with np.errstate(over="ignore"):
        steps = float(wide(limit) - wide(start)) / float(wide(delta))
    if not math.isfinite(steps):
        message = "the way from start to limit is beyond all numbers of the element type"
        raise CnnirError("range-limits", message, got=[first, last, step])
    return max(math.ceil(steps), 0)


@dataclass(frozen=True)
class EyeLike(Op):
    """Ones on a diagonal of a matrix, as large as another one. ONNX operator specification: EyeLike."""

    dtype: DType
    k: int = 0
    """Which diagonal: 0 is the main one, above it they count up."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("input"),)

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 2, 2)
        if not ORDERED.holds(self.dtype):
            raise CnnirError("eye-dtype", "no such type has a one", expected=ORDERED.label, got=self.dtype.value)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (TensorType(self.dtype, inputs.tensor(0).shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(self.dtype),)


@dataclass(frozen=True)
class OneHot(Op):
    """For each index a row of `depth` values: the second one where the index says, the first one elsewhere.

    Indices count from the back when negative; one outside of the row leaves it without a second value. ONNX operator
    specification: OneHot.
    """

    axis: int
    """Of the output, counted from the front: where the rows come to lie."""

    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("indices"),
        Operand("depth", Role.SETTING),
        Operand("values", Role.SETTING),
    )

    def check(self, inputs: Inputs) -> None:
        NUMBERS.require(inputs)
        NUMBERS.require(inputs, 1)
        if normalize_axis(self.axis, inputs.tensor(0).rank + 1) != self.axis:
            raise CnnirError("axis", "the axis must be counted from the front", got=self.axis)
        inputs.rank(1, 0, 1)
        inputs.rank(2, 1, 1)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        indices, values = inputs.tensor(0).shape, inputs.tensor(2)
        for dim in inputs.tensor(1).shape:
            facts.require_equal(dim, 1, "onehot-depth", "the depth is not one number")
        facts.require_equal(values.shape[0], 2, "onehot-values", "an off value and an on value are needed")
        weight = inputs.weight(1)
        depth: Dim = UNKNOWN if weight is None else _depth(weight.array().reshape(-1)[0].item())
        return (values.with_shape((*indices[: self.axis], depth, *indices[self.axis :])),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(2)),)


def _depth(given: float) -> int:
    """A depth as a size: what is behind the point is cut off."""
    if not math.isfinite(given) or given <= -1:
        raise CnnirError("onehot-depth", "a depth is finite, and cannot be negative", got=given)
    return int(given)


@dataclass(frozen=True)
class Trilu(Op):
    """The part of matrices on and above a diagonal, or on and below it; zeros elsewhere.

    ONNX operator specification: Trilu.
    """

    k: int = 0
    """Which diagonal: 0 is the main one, above it they count up."""
    upper: bool = True

    operands: ClassVar[tuple[Operand, ...]] = (Operand("input"),)
    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 2)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (inputs.tensor(0),)
