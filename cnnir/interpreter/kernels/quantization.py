"""Quantisation, and layers on integers.

Sums of products of bytes are made in float64 by BLAS: whole numbers far below 2 ** 53, so that none is rounded.
"""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import kernels, optional, present
from cnnir.interpreter.kernels.convolution import conv
from cnnir.interpreter.kernels.narrow import narrowed
from cnnir.ops import (
    ConvInteger,
    DequantizeLinear,
    DynamicQuantizeLinear,
    MatMulInteger,
    QLinearConv,
    QLinearMatMul,
    QuantizeLinear,
)
from cnnir.ops.integers import IntegerConvolution
from cnnir.ops.quantization import Granular
from cnnir.types import DType
from cnnir.weights import AnyArray

Arrays = Sequence[AnyArray | None]


def limits(dtype: DType) -> tuple[int, int]:
    """The least and the largest integer of a type."""
    bits = dtype.bits or 0
    unsigned = str(dtype.value).startswith("u")
    return (0, (1 << bits) - 1) if unsigned else (-(1 << bits - 1), (1 << bits - 1) - 1)


def _saturated(numbers: AnyArray, zero: AnyArray | None, out: AnyArray) -> None:
    """Rounded to the nearest integer, halves to the even one; shifted, and cut off at the type's limits."""
    wide = np.rint(numbers).astype(np.float64)
    if zero is not None:
        wide = wide + zero.astype(np.float64)
    # By way of int32: the narrow integers that NumPy lacks are made of integers.
    whole = np.clip(wide, *limits(DType.of(out.dtype))).astype(np.int32)
    out[...] = whole.astype(out.dtype)


def _spread(op: Granular, given: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """Scales or zero points, one for each element, or broadcast to that."""
    if given.size == 1:
        return given.reshape(())
    if not op.block_size:
        return given.reshape(-1, *(1 for _ in shape[op.axis + 1 :]))
    blocks = np.repeat(given, op.block_size, axis=op.axis)
    return blocks[tuple(slice(size) for size in shape)]


@kernels.rule(QuantizeLinear)
def quantize(op: QuantizeLinear, inputs: Arrays, outputs: Sequence[AnyArray]) -> None:
    """The division is made in the scale's type, if no other one is said."""
    x, scale, zero = present(inputs, 0), present(inputs, 1), optional(inputs, 2)
    precision = scale.dtype if op.precision is None else op.precision.numpy
    divided = (x.astype(precision) / _spread(op, scale.astype(precision), x.shape)).astype(np.float64)
    zeros = None if zero is None else _spread(op, zero, x.shape)
    if op.to.is_integer:
        _saturated(divided, zeros, outputs[0])
        return
    shifted = divided if zeros is None else divided + zeros.astype(np.float64)
    outputs[0][...] = narrowed(shifted, op.to, saturate=op.saturate)


@kernels.rule(DequantizeLinear)
def dequantize(op: DequantizeLinear, inputs: Arrays, outputs: Sequence[AnyArray]) -> None:
    """The difference is exact, the product is made in float32 and rounded once."""
    x, scale, zero = present(inputs, 0), present(inputs, 1), optional(inputs, 2)
    # Narrow floats are exact in float32, integers of 32 bits in none but float64.
    numbers = x.astype(np.float64)
    if zero is not None:
        numbers = numbers - _spread(op, zero, x.shape).astype(np.float64)
    outputs[0][...] = numbers.astype(np.float32) * _spread(op, scale, x.shape).astype(np.float32)


@kernels.rule(DynamicQuantizeLinear)
def dynamic_quantize(op: DynamicQuantizeLinear, inputs: Arrays, outputs: Sequence[AnyArray]) -> None:
    """The range always holds 0, so that 0 has an integer of its own."""
    x = present(inputs, 0)
    low, high = np.float32(x.min(initial=0)), np.float32(x.max(initial=0))
    scale = np.float32((high - low) / np.float32(255)) if high > low else np.float32(1)
    outputs[1][...] = scale
    _saturated(np.asarray(-low / scale), None, outputs[2])
    _saturated(x / scale, outputs[2], outputs[0])


def _behind(given: AnyArray, zero: AnyArray | None, shape: tuple[int, ...]) -> AnyArray:
    """The numbers behind the zero point, whole ones in float64."""
    numbers: AnyArray = given.astype(np.float64)
    if zero is not None:
        numbers = numbers - (zero.reshape(()) if zero.size == 1 else zero.reshape(shape)).astype(np.float64)
    return numbers


def _convolved(op: IntegerConvolution, x: AnyArray, w: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    total = np.empty(shape, np.float64)
    conv(op.conv, [x, w, None], [total])
    return total


@kernels.rule(ConvInteger)
def conv_integer(op: ConvInteger, inputs: Arrays, outputs: Sequence[AnyArray]) -> None:
    """As a convolution of real numbers."""
    x, w, out = present(inputs, 0), present(inputs, 1), outputs[0]
    per_filter = (-1, *(1 for _ in w.shape[1:]))
    total = _convolved(op, _behind(x, optional(inputs, 2), ()), _behind(w, optional(inputs, 3), per_filter), out.shape)
    np.copyto(out, total, casting="unsafe")


@kernels.rule(QLinearConv)
def qlinear_conv(op: QLinearConv, inputs: Arrays, outputs: Sequence[AnyArray]) -> None:
    """The whole sum is scaled once, in float32."""
    x, w, out = present(inputs, 0), present(inputs, 3), outputs[0]
    per_filter = (-1, *(1 for _ in w.shape[1:]))
    total = _convolved(op, _behind(x, present(inputs, 2), ()), _behind(w, present(inputs, 5), per_filter), out.shape)
    along = (-1, *(1 for _ in out.shape[2:]))
    bias = optional(inputs, 8)
    if bias is not None:
        total = total + bias.astype(np.float64).reshape(along)
    factor = present(inputs, 1).reshape(()) * present(inputs, 4) / present(inputs, 6).reshape(())
    factor = factor.reshape(()) if factor.size == 1 else factor.reshape(along)
    _saturated(total.astype(np.float32) * factor, present(inputs, 7).reshape(()), out)


def _rows(given: AnyArray | None) -> AnyArray | None:
    """An element for each row as a column."""
    return given.reshape(-1, 1) if given is not None and given.ndim == 1 and given.size > 1 else given


def _product(a: AnyArray, b: AnyArray, a_zero: AnyArray | None, b_zero: AnyArray | None) -> AnyArray:
    left, right = a.astype(np.float64), b.astype(np.float64)
    rows = _rows(a_zero)
    left = left if rows is None else left - rows.astype(np.float64)
    right = right if b_zero is None else right - b_zero.astype(np.float64)
    result: AnyArray = np.matmul(left, right)
    return result


@kernels.rule(MatMulInteger)
def matmul_integer(op: MatMulInteger, inputs: Arrays, outputs: Sequence[AnyArray]) -> None:
    """As a product of real numbers."""
    product = _product(present(inputs, 0), present(inputs, 1), optional(inputs, 2), optional(inputs, 3))
    np.copyto(outputs[0], product, casting="unsafe")


@kernels.rule(QLinearMatMul)
def qlinear_matmul(op: QLinearMatMul, inputs: Arrays, outputs: Sequence[AnyArray]) -> None:
    """The whole sum is scaled once, in float32."""
    a, b = present(inputs, 0), present(inputs, 3)
    product = _product(a, b, present(inputs, 2), present(inputs, 5))
    a_scale, b_scale, y_scale = (present(inputs, index).astype(np.float32) for index in (1, 4, 6))
    rows = _rows(a_scale)
    factor = (a_scale if rows is None else rows) * b_scale / y_scale.reshape(())
    factor = factor.reshape(()) if factor.size == 1 else factor
    _saturated(product.astype(np.float32) * factor, present(inputs, 7).reshape(()), outputs[0])
