"""Convolutions and matrix products of bytes, summed in int32 and perhaps quantised again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import Dim, Shape, product
from cnnir.errors import CnnirError
from cnnir.ops.base import Cost, Facts, Inputs, Op, Operand, Role, require_same_dtype
from cnnir.ops.broadcasting import broadcast
from cnnir.ops.convolution import Conv
from cnnir.ops.quantization import BYTES, SCALES
from cnnir.ops.window import AutoPad
from cnnir.types import DType, TensorType, Type, UnknownType


def _require_bytes(inputs: Inputs, *indices: int) -> None:
    for index in indices:
        dtype = inputs.tensor(index).dtype
        if dtype.is_float:
            raise CnnirError("quantize-mode", f"products of {dtype.value} are not defined here")
        if dtype not in BYTES:
            raise CnnirError(
                "operand-dtype", f"{inputs.name(index)} holds no bytes", expected="int8 or uint8", got=dtype.value
            )


def _check_plain(inputs: Inputs) -> None:
    """Two operands of bytes, behind them a zero point of each."""
    _require_bytes(inputs, 0, 1)
    require_same_dtype(inputs, 0, 2)
    require_same_dtype(inputs, 1, 3)


def _check_quantized(inputs: Inputs) -> None:
    """Two operands of bytes, each with its scale and zero point, behind them those of the result."""
    _require_bytes(inputs, 0, 3, 7)
    require_same_dtype(inputs, 0, 2)
    require_same_dtype(inputs, 3, 5)


def _require_scalar(inputs: Inputs, index: int, facts: Facts) -> None:
    """The operand has one element, with or without an axis."""
    for dim in inputs.rank(index, 0, 1).shape:
        facts.require_equal(dim, 1, "quantize-scale", f"{inputs.name(index)} is not one number")


def _require_filters(inputs: Inputs, index: int, filters: Dim, facts: Facts) -> None:
    """The operand has one element, or one for each filter."""
    for dim in inputs.rank(index, 0, 1).shape:
        if dim != 1:
            facts.require_equal(dim, filters, "quantize-scale", f"{inputs.name(index)} does not match the filters")


@dataclass(frozen=True)
class IntegerConvolution(Op):
    """Base of convolutions of bytes; the attributes are those of `Conv`."""

    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    group: int = 1
    auto_pad: AutoPad = "NOTSET"

    weight: ClassVar[int]
    """Which operand is the weight."""
    bias: ClassVar[int | None] = None

    @property
    def conv(self) -> Conv:
        """The convolution of the numbers behind the bytes."""
        return Conv(self.strides, self.pads, self.dilations, self.group, self.auto_pad)

    def _output_shape(self, inputs: Inputs, facts: Facts) -> Shape:
        """As `Conv` has it, in whatever type is summed."""
        sources = [_Float(inputs.tensor(index).shape) for index in (0, self.weight)]
        if self.bias is not None and inputs.has(self.bias):
            sources.append(_Float(inputs.tensor(self.bias).shape))
        behind = Inputs(self.conv, sources)
        self.conv.check(behind)
        (output,) = self.conv.infer(behind, facts)
        return output.shape if isinstance(output, TensorType) else ()

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        (output,) = outputs
        if not isinstance(output, TensorType):
            return Cost(None, "the type of the output is not known")
        return Cost(output.elements * product(inputs.tensor(self.weight).shape[1:]))


class _Float:
    """An operand as real numbers."""

    def __init__(self, shape: Shape) -> None:
        self.type: Type = TensorType(DType.FLOAT64, shape)
        self.weight = None


@dataclass(frozen=True)
class ConvInteger(IntegerConvolution):
    """Convolution of ``x - x_zero_point`` with ``w - w_zero_point``, summed in int32.

    Padding is 0 behind the zero point. ONNX operator specification: ConvInteger.
    """

    weight: ClassVar[int] = 1
    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("x"),
        Operand("w", Role.WEIGHT),
        Operand("x_zero_point", Role.STATISTIC, optional=True),
        Operand("w_zero_point", Role.STATISTIC, optional=True),
    )

    def check(self, inputs: Inputs) -> None:
        _check_plain(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        shape = self._output_shape(inputs, facts)
        if inputs.has(2):
            _require_scalar(inputs, 2, facts)
        if inputs.has(3):
            _require_filters(inputs, 3, inputs.tensor(1).shape[0], facts)
        return (TensorType(DType.INT32, shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(DType.INT32),)


@dataclass(frozen=True)
class QLinearConv(IntegerConvolution):
    """Convolution of quantised tensors, plus an int32 bias, quantised again.

    ``y = saturate(round((sum + B) * x_scale * w_scale / y_scale) + y_zero_point)``; the weight may have a scale for
    each filter. ONNX operator specification: QLinearConv.
    """

    weight: ClassVar[int] = 3
    bias: ClassVar[int | None] = 8
    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("x"),
        Operand("x_scale", Role.STATISTIC),
        Operand("x_zero_point", Role.STATISTIC),
        Operand("w", Role.WEIGHT),
        Operand("w_scale", Role.STATISTIC),
        Operand("w_zero_point", Role.STATISTIC),
        Operand("y_scale", Role.STATISTIC),
        Operand("y_zero_point", Role.STATISTIC),
        Operand("B", Role.BIAS, optional=True),
    )

    def check(self, inputs: Inputs) -> None:
        _check_quantized(inputs)
        _require_type(inputs, DType.FLOAT32, 1, 4, 6)
        if inputs.has(8):
            _require_type(inputs, DType.INT32, 8)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        shape = self._output_shape(inputs, facts)
        for index in (1, 2, 6, 7):
            _require_scalar(inputs, index, facts)
        for index in (4, 5):
            _require_filters(inputs, index, inputs.tensor(3).shape[0], facts)
        return (TensorType(inputs.tensor(7).dtype, shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(7)),)


def _require_type(inputs: Inputs, wanted: DType, *indices: int) -> None:
    for index in indices:
        if inputs.tensor(index).dtype is not wanted:
            got = inputs.tensor(index).dtype.value
            raise CnnirError(
                "operand-dtype", f"{inputs.name(index)} has another element type", expected=wanted.value, got=got
            )


@dataclass(frozen=True)
class IntegerProduct(Op):
    """Base of matrix products of bytes."""

    right: ClassVar[int]
    """Which operand is the matrix on the right."""

    def _output_shape(self, inputs: Inputs, facts: Facts) -> Shape:
        left, right = inputs.rank(0, 1).shape, inputs.rank(self.right, 1).shape
        rows: Shape = left[-2:-1]
        columns: Shape = right[-1:] if len(right) > 1 else ()
        inner = right[max(len(right) - 2, 0)]
        facts.require_equal(left[-1], inner, "matmul-inner", "the inner dims of the product differ")
        return (*broadcast([left[:-2], right[:-2]], facts), *rows, *columns)

    def _check_rows(self, inputs: Inputs, index: int, facts: Facts) -> None:
        """One element, or one for each row of the matrix on the left."""
        self._check_kept(inputs, index, inputs.tensor(0).shape, -2, facts)

    def _check_columns(self, inputs: Inputs, index: int, facts: Facts) -> None:
        """One element, or one for each column of the matrix on the right."""
        self._check_kept(inputs, index, inputs.tensor(self.right).shape, -1, facts)

    def _check_kept(self, inputs: Inputs, index: int, matrix: Shape, axis: int, facts: Facts) -> None:
        given = inputs.tensor(index).shape
        if given in ((), (1,)):
            return
        if len(given) == 1:
            wanted: Shape = (matrix[axis],) if len(matrix) >= -axis else (1,)
        else:
            wanted = tuple(1 if place == (-3 - axis) % len(matrix) else dim for place, dim in enumerate(matrix))
            inputs.rank(index, len(matrix), len(matrix))
        for dim, expected in zip(given, wanted, strict=True):
            facts.require_equal(dim, expected, "quantize-scale", f"{inputs.name(index)} does not fit the matrix")

    def cost(self, inputs: Inputs, outputs: Sequence[Type]) -> Cost:
        (output,) = outputs
        if not isinstance(output, TensorType):
            return Cost(None, "the type of the output is not known")
        return Cost(output.elements * inputs.tensor(0).shape[-1])


@dataclass(frozen=True)
class MatMulInteger(IntegerProduct):
    """``(A - a_zero_point) @ (B - b_zero_point)`` in int32; a zero point may be given for each row of A or column of B.

    ONNX operator specification: MatMulInteger.
    """

    right: ClassVar[int] = 1
    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("A"),
        Operand("B", Role.WEIGHT),
        Operand("a_zero_point", Role.STATISTIC, optional=True),
        Operand("b_zero_point", Role.STATISTIC, optional=True),
    )

    def check(self, inputs: Inputs) -> None:
        _check_plain(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        shape = self._output_shape(inputs, facts)
        if inputs.has(2):
            self._check_rows(inputs, 2, facts)
        if inputs.has(3):
            self._check_columns(inputs, 3, facts)
        return (TensorType(DType.INT32, shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(DType.INT32),)


@dataclass(frozen=True)
class QLinearMatMul(IntegerProduct):
    """Product of quantised matrices, quantised again; scales may be given for each row of a or column of b.

    ``y = saturate(round(sum * a_scale * b_scale / y_scale) + y_zero_point)``. ONNX operator specification:
    QLinearMatMul, on bytes.
    """

    right: ClassVar[int] = 3
    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("a"),
        Operand("a_scale", Role.STATISTIC),
        Operand("a_zero_point", Role.STATISTIC),
        Operand("b", Role.WEIGHT),
        Operand("b_scale", Role.STATISTIC),
        Operand("b_zero_point", Role.STATISTIC),
        Operand("y_scale", Role.STATISTIC),
        Operand("y_zero_point", Role.STATISTIC),
    )

    def check(self, inputs: Inputs) -> None:
        _check_quantized(inputs)
        require_same_dtype(inputs, 1, 4, 6)
        for index in (6, 7):
            if inputs.tensor(index).shape not in ((), (1,)):
                raise CnnirError("quantize-mode", "a scale for each row of the result is not defined here")
        if inputs.tensor(1).dtype not in SCALES:
            got = inputs.tensor(1).dtype.value
            raise CnnirError("operand-dtype", "the scales have another element type", expected="floats", got=got)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        shape = self._output_shape(inputs, facts)
        for index in (1, 2):
            self._check_rows(inputs, index, facts)
        for index in (4, 5):
            self._check_columns(inputs, index, facts)
        for index in (6, 7):
            _require_scalar(inputs, index, facts)
        return (TensorType(inputs.tensor(7).dtype, shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(7)),)
