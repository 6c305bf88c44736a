"""Convolution and its transpose, over any number of spatial axes; the layout is batch, channels, spatial axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import Dim, product
from cnnir.errors import CnnirError
from cnnir.ops.base import Cost, Facts, Inputs, Op, Operand, Role, require_floats, require_same_dtype
from cnnir.ops.window import AutoPad, Window
from cnnir.types import TensorType, Type, UnknownType, known_shape


@dataclass(frozen=True)
class Conv(Op):
    """Convolution (cross-correlation) of X ``[N, C, *sizes]`` with W ``[K, C / group, *kernel]``, plus bias B ``[K]``.

    Params of one layer: ``K * (F * F * C / group + 1)``. ONNX operator specification: Conv.
    """

    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    group: int = 1
    auto_pad: AutoPad = "NOTSET"

    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("X"),
        Operand("W", Role.WEIGHT),
        Operand("B", Role.BIAS, optional=True),
    )

    def window(self, weight_shape: Sequence[int]) -> Window:
        """The window that a weight of this shape slides."""
        return Window(tuple(weight_shape[2:]), self.strides, self.pads, self.dilations, self.auto_pad)

    def check(self, inputs: Inputs) -> None:
        data = inputs.rank(0, 3)
        weight = inputs.rank(1, data.rank, data.rank)
        require_same_dtype(inputs, 0, 1, 2)
        require_floats(inputs)
        kernel = known_shape(weight.shape[2:])
        self.window((0, 0, *kernel)).check()
        if self.group < 1:
            raise CnnirError("conv-group", "group out of range", expected="at least 1", got=self.group)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, weight = inputs.tensor(0), inputs.tensor(1)
        filters = weight.shape[0]
        channels = weight.shape[1] * self.group
        facts.require_equal(
            data.shape[1],
            channels,
            "conv-channels",
            f"input has {data.shape[1]} channels, weight expects {channels}",
            "check which value feeds the convolution, and its group",
        )
        facts.require_equal(filters % self.group, 0, "conv-group", "filters do not divide into groups")
        if inputs.has(2):
            bias = inputs.rank(2, 1, 1)
            facts.require_equal(bias.shape[0], filters, "conv-bias", "bias does not match the number of filters")
        sizes = self.window(known_shape((0, 0, *weight.shape[2:]))).output_sizes(data.shape[2:], facts)
        return (TensorType(data.dtype, (data.shape[0], filters, *sizes)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()),)

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        (output,) = outputs
        if not isinstance(output, TensorType):
            return Cost(None, "the type of the output is not known")
        per_output: Dim = product(inputs.tensor(1).shape[1:])
        return Cost(output.elements * per_output)


@dataclass(frozen=True)
class ConvTranspose(Op):
    """Transposed convolution of X ``[N, C, *sizes]`` with W ``[C, K / group, *kernel]``, plus bias B ``[K]``.

    Along one axis the output has ``stride * (size - 1) + output_padding + d * (F - 1) + 1 - P_begin - P_end`` cells,
    unless `output_shape` fixes them. ONNX operator specification: ConvTranspose.
    """

    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    output_padding: tuple[int, ...]
    group: int = 1
    auto_pad: AutoPad = "NOTSET"
    output_shape: tuple[int, ...] | None = None
    """Spatial sizes of the output; padding then follows from them."""

    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("X"),
        Operand("W", Role.WEIGHT),
        Operand("B", Role.BIAS, optional=True),
    )

    def extents(self, weight_shape: Sequence[int]) -> tuple[int, ...]:
        """Cells that one input cell is spread over along each axis, gaps of the dilation included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(weight_shape[2:], self.dilations, strict=True))

    def check(self, inputs: Inputs) -> None:
        data = inputs.rank(0, 3)
        weight = inputs.rank(1, data.rank, data.rank)
        require_same_dtype(inputs, 0, 1, 2)
        require_floats(inputs)
        kernel = known_shape(weight.shape[2:])
        Window(kernel, self.strides, self.pads, self.dilations, self.auto_pad).check()
        if self.group < 1:
            raise CnnirError("conv-group", "group out of range", expected="at least 1", got=self.group)
        for name, values in (("output_padding", self.output_padding), ("output_shape", self.output_shape)):
            if values is not None and len(values) != len(kernel):
                raise CnnirError("window", f"{name} does not fit", expected=len(kernel), got=list(values))

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, weight = inputs.tensor(0), inputs.tensor(1)
        facts.require_equal(
            data.shape[1],
            weight.shape[0],
            "conv-channels",
            f"input has {data.shape[1]} channels, weight expects {weight.shape[0]}",
        )
        facts.require_equal(weight.shape[0] % self.group, 0, "conv-group", "channels do not divide into groups")
        filters = weight.shape[1] * self.group
        if inputs.has(2):
            bias = inputs.rank(2, 1, 1)
            facts.require_equal(bias.shape[0], filters, "conv-bias", "bias does not match the number of filters")
        sizes = self.output_sizes(data.shape[2:], known_shape((0, 0, *weight.shape[2:])))
        for axis, size in enumerate(sizes):
            facts.require_at_least(size, 1, "window-too-large", f"the output is empty on spatial axis {axis}")
        return (TensorType(data.dtype, (data.shape[0], filters, *sizes)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()),)

    def output_sizes(self, sizes: Sequence[Dim], weight_shape: Sequence[int]) -> tuple[Dim, ...]:
        """Spatial sizes of the output."""
        if self.output_shape is not None:
            return self.output_shape
        if self.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            return tuple(size * stride for size, stride in zip(sizes, self.strides, strict=True))
        axes = len(self.strides)
        pads = (0,) * (2 * axes) if self.auto_pad == "VALID" else self.pads
        extents = self.extents(weight_shape)
        return tuple(
            (sizes[axis] - 1) * self.strides[axis]
            + (self.output_padding[axis] + extents[axis] - pads[axis] - pads[axis + axes])
            for axis in range(axes)
        )

    def resolved_pads(self, sizes: Sequence[int], weight_shape: Sequence[int]) -> tuple[int, ...]:
        """Explicit padding in ONNX's layout; where the output's sizes are given, what is left is split in halves."""
        axes = len(self.strides)
        if self.output_shape is None and self.auto_pad == "NOTSET":
            return self.pads
        if self.output_shape is None and self.auto_pad == "VALID":
            return (0,) * (2 * axes)
        extents, targets = self.extents(weight_shape), known_shape(self.output_sizes(sizes, weight_shape))
        totals = [
            max((sizes[a] - 1) * self.strides[a] + self.output_padding[a] + extents[a] - targets[a], 0)
            for a in range(axes)
        ]
        halves = [total // 2 for total in totals]
        rests = [total - total // 2 for total in totals]
        return (*halves, *rests) if self.auto_pad == "SAME_UPPER" else (*rests, *halves)

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        return Cost(inputs.tensor(0).elements * product(inputs.tensor(1).shape[1:]))
