"""Affine quantisation: real numbers as ``scale * (integer - zero point)``.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018).
"""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.dims import Shape, ceil_div
from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, Role, require_front_axes, require_same_dtype
from cnnir.types import DType, TensorType, Type, UnknownType

BYTES = (DType.INT8, DType.UINT8)
SCALES = (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16)
EIGHT_BITS = (DType.FLOAT8E4M3FN, DType.FLOAT8E4M3FNUZ, DType.FLOAT8E5M2, DType.FLOAT8E5M2FNUZ)
TARGETS = (
    *(*BYTES, DType.INT16, DType.UINT16, DType.INT4, DType.UINT4, DType.INT2, DType.UINT2),
    *(*EIGHT_BITS, DType.FLOAT4E2M1, DType.FLOAT6E2M3, DType.FLOAT6E3M2),
)
SOURCES = (*TARGETS, DType.INT32)


@dataclass(frozen=True)
class Granular(Op):
    """Base of the ops with one scale for the whole tensor, for each position of an axis, or for each block along it."""

    to: DType
    """Of the result."""
    axis: int = 0
    """Counted from the front; 0 where one scale serves all."""
    block_size: int = 0
    """Elements along the axis that share a scale; 0 where the scales are not in blocks."""

    def check(self, inputs: Inputs) -> None:
        data, scale = inputs.tensor(0), inputs.tensor(1)
        if scale.dtype not in SCALES:
            raise CnnirError("quantize-mode", f"a scale of {scale.dtype.value} is not defined here")
        if self.block_size < 0:
            raise CnnirError("quantize-block", "block_size out of range", expected="at least 0", got=self.block_size)
        if scale.rank > 0:
            require_front_axes((self.axis,), data.rank)
            wanted = data.rank if self.block_size else 1
            inputs.rank(1, wanted, wanted)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, scale = inputs.tensor(0), inputs.tensor(1)
        for dim, wanted in zip(scale.shape, self._scale_shape(data.shape, scale.shape), strict=True):
            facts.require_equal(dim, wanted, "quantize-scale", f"{inputs.name(1)} does not fit the tensor")
        if inputs.has(2) and inputs.tensor(2).shape != (1,):
            zero = inputs.rank(2, scale.rank, scale.rank)
            for dim, wanted in zip(zero.shape, scale.shape, strict=True):
                facts.require_equal(dim, wanted, "quantize-zero", f"{inputs.name(2)} does not fit the scale")
        return (TensorType(self.to, data.shape),)

    def _scale_shape(self, shape: Shape, given: Shape) -> Shape:
        if not given or given == (1,):
            return given
        if not self.block_size:
            return (shape[self.axis],)
        blocks = ceil_div(shape[self.axis], self.block_size)
        return (*shape[: self.axis], blocks, *shape[self.axis + 1 :])

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(self.to),)


@dataclass(frozen=True)
class QuantizeLinear(Granular):
    """``saturate(round(x / y_scale) + y_zero_point)`` as an integer, halves rounded to the even number.

    A float is rounded once, when the zero point is added. ONNX operator specification: QuantizeLinear.
    """

    saturate: bool = True
    """Whether what is too large for a float of 8 bits becomes its largest number, else infinity or NaN; True for other
    types."""
    precision: DType | None = None
    """In which x is divided; None for that of the scale."""

    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("x"),
        Operand("y_scale", Role.STATISTIC),
        Operand("y_zero_point", Role.STATISTIC, optional=True),
    )

    def __post_init__(self) -> None:
        # One meaning, one form: ops are compared by their attributes.
        if self.to not in EIGHT_BITS:
            object.__setattr__(self, "saturate", True)

    def check(self, inputs: Inputs) -> None:
        if self.to not in TARGETS:
            raise CnnirError("quantize-mode", f"quantisation to {self.to.value} is not defined here")
        if self.precision not in (None, *SCALES):
            raise CnnirError("quantize-mode", f"division in {self.precision.value} is not defined here")
        data = inputs.tensor(0)
        if data.dtype not in (*SCALES, DType.INT32):
            raise CnnirError("operand-dtype", "x cannot be quantised", expected="floats or int32", got=data.dtype.value)
        if inputs.has(2) and inputs.tensor(2).dtype is not self.to:
            raise _other_type(inputs, 2, self.to)
        super().check(inputs)


@dataclass(frozen=True)
class DequantizeLinear(Granular):
    """``(x - x_zero_point) * x_scale``. ONNX operator specification: DequantizeLinear."""

    operands: ClassVar[tuple[Operand, ...]] = (
        Operand("x"),
        Operand("x_scale", Role.STATISTIC),
        Operand("x_zero_point", Role.STATISTIC, optional=True),
    )

    def check(self, inputs: Inputs) -> None:
        data = inputs.tensor(0)
        if data.dtype not in SOURCES or self.to not in SCALES:
            got = f"{data.dtype.value} to {self.to.value}"
            raise CnnirError("operand-dtype", "x cannot be dequantised", expected="narrow numbers to floats", got=got)
        require_same_dtype(inputs, 0, 2)
        super().check(inputs)


def _other_type(inputs: Inputs, index: int, wanted: DType) -> CnnirError:
    return CnnirError(
        "dtype-mismatch", f"{inputs.name(index)} has another element type than the result", expected=wanted.value,
        got=inputs.tensor(index).dtype.value,
    )  # fmt: skip


@dataclass(frozen=True)
class DynamicQuantizeLinear(Op):
    """Quantisation to uint8 by the tensor's own range, 0 included: the integers, the scale and the zero point.

    ``y_scale = (max(0, max x) - min(0, min x)) / 255``, 1 where that is 0. ONNX operator specification:
    DynamicQuantizeLinear.
    """

    operands: ClassVar[tuple[Operand, ...]] = (Operand("x"),)
    results: ClassVar[tuple[str, ...]] = ("y", "y_scale", "y_zero_point")

    def check(self, inputs: Inputs) -> None:
        data = inputs.tensor(0)
        if data.dtype is not DType.FLOAT32:
            raise CnnirError("operand-dtype", "x cannot be quantised", expected="float32", got=data.dtype.value)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        shape = inputs.tensor(0).shape
        return TensorType(DType.UINT8, shape), TensorType(DType.FLOAT32, ()), TensorType(DType.UINT8, ())

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return UnknownType(DType.UINT8), UnknownType(DType.FLOAT32), UnknownType(DType.UINT8)
