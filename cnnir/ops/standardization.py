"""Layers that standardise values by the mean and the size of the values around them."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import Shape
from cnnir.errors import CnnirError
from cnnir.ops.base import (
    Facts,
    Inputs,
    Op,
    Operand,
    Role,
    require_floats,
    require_front_axes,
    require_same_dtype,
    single,
)
from cnnir.ops.broadcasting import broadcast
from cnnir.types import DType, TensorType, Type, UnknownType


@dataclass(frozen=True)
class InstanceNormalization(Op):
    """``scale * (x - mean) / sqrt(variance + epsilon) + B``, mean and variance of each map of each image.

    Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization" (2016). ONNX
    operator specification: InstanceNormalization.
    """

    epsilon: float = single(1e-5)

    singles: ClassVar[tuple[str, ...]] = ("epsilon",)
    operands: ClassVar[tuple[Operand, ...]] = (Operand("input"), Operand("scale", Role.WEIGHT), Operand("B", Role.BIAS))
    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 3)
        _check_channelwise(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        for index in (1, 2):
            message = f"{inputs.name(index)} does not match the number of channels"
            facts.require_equal(inputs.tensor(index).shape[0], data.shape[1], "norm-channels", message)
        return (data,)


def _check_channelwise(inputs: Inputs) -> None:
    require_same_dtype(inputs, 0, 1, 2)
    require_floats(inputs)
    for index in (1, 2):
        inputs.rank(index, 1, 1)


@dataclass(frozen=True)
class GroupNormalization(Op):
    """``scale * (x - mean) / sqrt(variance + epsilon) + bias``, mean and variance of each group of channels.

    Wu and He, "Group Normalization" (2018). ONNX operator specification: GroupNormalization, of which versions 18 and
    21 differ in the shape of scale and bias.
    """

    num_groups: int
    epsilon: float = single(1e-5)
    per_group: bool = False
    """Scale and bias have an element for each group (version 18) instead of for each channel (version 21)."""

    singles: ClassVar[tuple[str, ...]] = ("epsilon",)
    operands: ClassVar[tuple[Operand, ...]] = (Operand("X"), Operand("scale", Role.WEIGHT), Operand("bias", Role.BIAS))
    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        inputs.rank(0, 3)
        _check_channelwise(inputs)
        if self.num_groups < 1:
            raise CnnirError("norm-groups", "num_groups out of range", expected="at least 1", got=self.num_groups)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        rest = data.shape[1] % self.num_groups
        facts.require_equal(rest, 0, "norm-groups", "the channels do not divide into groups")
        length = self.num_groups if self.per_group else data.shape[1]
        what = "groups" if self.per_group else "channels"
        for index in (1, 2):
            message = f"{inputs.name(index)} does not match the number of {what}"
            facts.require_equal(inputs.tensor(index).shape[0], length, "norm-channels", message)
        return (data,)


@dataclass(frozen=True)
class LayerNormalization(Op):
    """``scale * (x - mean) / sqrt(variance + epsilon) + B`` over all axes from one on.

    Ba, Kiros and Hinton, "Layer Normalization" (2016). ONNX operator specification: LayerNormalization, with its
    ``stash_type`` float32.
    """

    axis: int
    """The first axis that is standardised over, counted from the front."""
    epsilon: float = single(1e-5)
    statistics: int = 0
    """How many further outputs there are: the mean, and 1 / the standard deviation, float32."""

    singles: ClassVar[tuple[str, ...]] = ("epsilon",)
    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("X"),
        Operand("Scale", Role.WEIGHT),
        Operand("B", Role.BIAS, optional=True),
    )

    @property
    def num_outputs(self) -> int:
        return 1 + self.statistics

    def check(self, inputs: Inputs) -> None:
        require_same_dtype(inputs, 0, 1, 2)
        require_floats(inputs)
        require_front_axes((self.axis,), inputs.tensor(0).rank)
        if not 0 <= self.statistics <= 2:
            raise CnnirError("norm-outputs", "so many outputs are not there", expected="0 to 2", got=self.statistics)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        for index in (1, 2):
            if inputs.has(index):
                _check_unidirectional(inputs, index, data.shape, facts)
        for axis in range(self.axis, data.rank):
            facts.require_at_least(data.shape[axis], 1, "reduce-empty", f"nothing to average on axis {axis}")
        kept = (*data.shape[: self.axis], *(1 for _ in data.shape[self.axis :]))
        return (data, *(TensorType(DType.FLOAT32, kept) for _ in range(self.statistics)))

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()), *(UnknownType(DType.FLOAT32) for _ in range(self.statistics)))


def _check_unidirectional(inputs: Inputs, index: int, target: Shape, facts: Facts) -> None:
    """The operand must broadcast to a shape without growing it."""
    message = f"{inputs.name(index)} does not broadcast to what is standardised"
    result = broadcast([target, inputs.tensor(index).shape], facts)
    facts.require_equal(len(result), len(target), "norm-scale", message)
    for dim, wanted in zip(result, target, strict=True):
        facts.require_equal(dim, wanted, "norm-scale", message)


@dataclass(frozen=True)
class RMSNormalization(Op):
    """``scale * x / sqrt(mean of squares + epsilon)`` over all axes from one on; the result has the scale's type.

    Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019). ONNX operator specification: RMSNormalization,
    with its ``stash_type`` float32.
    """

    axis: int
    """The first axis that is standardised over, counted from the front."""
    epsilon: float = single(1e-5)

    singles: ClassVar[tuple[str, ...]] = ("epsilon",)
    operands: ClassVar[tuple[Operand, ...]] = (Operand("X"), Operand("scale", Role.WEIGHT))

    def check(self, inputs: Inputs) -> None:
        require_floats(inputs)
        require_floats(inputs, 1)
        require_front_axes((self.axis,), inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        _check_unidirectional(inputs, 1, data.shape, facts)
        for axis in range(self.axis, data.rank):
            facts.require_at_least(data.shape[axis], 1, "reduce-empty", f"nothing to average on axis {axis}")
        return (TensorType(inputs.tensor(1).dtype, data.shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(1)),)


@dataclass(frozen=True)
class LpNormalization(Op):
    """``x`` divided by the p-norm along an axis; 0 where that is 0. ONNX operator specification: LpNormalization."""

    axis: int
    """Counted from the front."""
    p: int = 2
    """1 or 2."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("input"),)
    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        require_floats(inputs)
        require_front_axes((self.axis,), inputs.tensor(0).rank)
        if self.p not in (1, 2):
            raise CnnirError("norm-order", "p out of range", expected="1 or 2", got=self.p)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (inputs.tensor(0),)


@dataclass(frozen=True)
class MeanVarianceNormalization(Op):
    """``(x - mean) / (standard deviation + 1e-9)`` over some axes.

    ONNX operator specification: MeanVarianceNormalization; the small number is that of its function body.
    """

    axes: tuple[int, ...]
    """Counted from the front, ascending."""

    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        require_floats(inputs)
        require_front_axes(self.axes, inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        for axis in self.axes:
            facts.require_at_least(data.shape[axis], 1, "reduce-empty", f"nothing to average on axis {axis}")
        return (data,)
