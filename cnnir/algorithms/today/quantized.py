"""What the kernels of quantisation and of layers on integers allocate: numbers in float64, mostly."""

import math

from cnnir.algorithms.base import Call, Tensor, workspaces
from cnnir.algorithms.today.elementwise import NARROWING
from cnnir.algorithms.today.windows import conv
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
from cnnir.types import DType

_SATURATED = 20
"""Bytes an element to round numbers to integers, beside the numbers: twice in float64, and in int32."""


@workspaces.rule(QuantizeLinear)
def quantize(op: QuantizeLinear, call: Call) -> int:
    """The quotient, with scales and zero points for each element where they are in blocks."""
    count = call.input(0).elements
    spread = count * (call.input(1).itemsize + (9 if call.has(2) else 0)) if op.block_size else 0
    zeros = 8 * call.input(2).elements if call.has(2) else 0
    made = 16 + NARROWING if not op.to.is_integer else 8 + _SATURATED
    return count * made + spread + zeros + 4 * call.input(1).elements + call.buffers(3)


@workspaces.rule(DequantizeLinear)
def dequantize(op: DequantizeLinear, call: Call) -> int:
    """The numbers behind the zero point, in float64 and in float32, and the product."""
    count = call.input(0).elements
    spread = count * 10 if op.block_size else 0
    return count * 16 + spread + 12 * call.input(1).elements + call.buffers(3)


@workspaces.rule(DynamicQuantizeLinear)
def dynamic_quantize(op: DynamicQuantizeLinear, call: Call) -> int:
    """The quotient, and what is rounded of it."""
    return call.input(0).elements * (4 + _SATURATED) + call.buffers(3)


def _summed(op: IntegerConvolution, call: Call) -> int:
    """Both operands behind their zero points, the sums, and what the convolution of them needs."""
    data, weight, out = call.input(0), call.input(op.weight), call.output
    wide = tuple(Tensor(tensor.shape, DType.FLOAT64) for tensor in (data, weight, out))
    convolved = wide[2].bytes + conv(op.conv, Call((wide[0], wide[1], None), (wide[2],)))
    return _behind(wide[0].bytes, wide[1].bytes, convolved)


def _behind(first: int, second: int, beside: int) -> int:
    """Two operands behind their zero points; either is there twice while that is taken off."""
    return first + max(first, 2 * second, second + beside)


@workspaces.rule(ConvInteger)
def conv_integer(op: ConvInteger, call: Call) -> int:
    """As a convolution of real numbers."""
    return _summed(op, call) + call.buffers(3)


@workspaces.rule(QLinearConv)
def qlinear_conv(op: QLinearConv, call: Call) -> int:
    """The sums are scaled, and rounded when the convolution has given back what it needed."""
    out = call.output
    return max(_summed(op, call), out.elements * (12 + _SATURATED)) + 40 * out.shape[1] + call.buffers(3)


def _product(a: Tensor, b: Tensor, out: Tensor) -> int:
    return _behind(8 * a.elements, 8 * b.elements, 8 * out.elements)


@workspaces.rule(MatMulInteger)
def matmul_integer(op: MatMulInteger, call: Call) -> int:
    """As a product of real numbers."""
    return _product(call.input(0), call.input(1), call.output) + call.buffers(3)


@workspaces.rule(QLinearMatMul)
def qlinear_matmul(op: QLinearMatMul, call: Call) -> int:
    """The product is scaled and rounded when the operands are given back."""
    a, b, out = call.input(0), call.input(3), call.output
    # A scale for each row and one for each column make one for each element of a matrix.
    single = call.input(1).elements == 1 or call.input(4).elements == 1
    factors = 4 * (max(call.input(1).elements, call.input(4).elements) if single else math.prod(out.shape[-2:]))
    return max(_product(a, b, out), out.elements * (12 + _SATURATED)) + factors + call.buffers(3)
