"""Random nodes of standardising and quantised layers."""

from collections.abc import Callable

import numpy as np

from cnnir.interpreter.kernels.quantization import limits
from cnnir.ops import (
    ConvInteger,
    DequantizeLinear,
    DynamicQuantizeLinear,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    LpNormalization,
    LpPool,
    MatMulInteger,
    MeanVarianceNormalization,
    Op,
    QLinearConv,
    QLinearMatMul,
    QuantizeLinear,
    RMSNormalization,
)
from cnnir.types import DType
from tests.interpreter.drawing import AnyArray, Case, Draw, makes

_EPSILONS = (1e-5, 1e-3, 0.1)


def _positive(draw: Draw, *shape: int) -> AnyArray:
    """Scales of about 0.01 to 0.2."""
    return np.asarray(draw.rng.uniform(0.01, 0.2, shape), np.float32)


def _bytes(draw: Draw, dtype: DType, *shape: int) -> AnyArray:
    low, high = limits(dtype)
    return np.asarray(draw.rng.integers(low, high + 1, shape), dtype.numpy)


def _zero(draw: Draw, dtype: DType, *shape: int) -> AnyArray:
    """Zero points near the middle."""
    middle = 0 if dtype in (DType.INT8, DType.INT16) else 2 ** ((dtype.bits or 8) - 1)
    return np.asarray(middle + draw.rng.integers(-20, 21, shape), dtype.numpy)


@makes(InstanceNormalization)
def _instance(draw: Draw) -> Case:
    shape = (*draw.numbers(2, 1, 4), *draw.numbers(draw.number(1, 3), 1, 6))
    op = InstanceNormalization(draw.choose(_EPSILONS))
    return Case(op, (draw.tensor(*shape), draw.tensor(shape[1]), draw.tensor(shape[1])))


@makes(GroupNormalization)
def _group(draw: Draw) -> Case:
    groups, each = draw.numbers(2, 1, 3)
    shape = (draw.number(1, 3), groups * each, *draw.numbers(draw.number(1, 3), 1, 6))
    op = GroupNormalization(groups, draw.choose(_EPSILONS), per_group=draw.coin())
    length = groups if op.per_group else shape[1]
    return Case(op, (draw.tensor(*shape), draw.tensor(length), draw.tensor(length)))


@makes(LayerNormalization)
def _layer(draw: Draw) -> Case:
    shape = draw.shape(1)
    axis = draw.number(0, len(shape) - 1)
    op = LayerNormalization(axis, draw.choose(_EPSILONS), draw.number(0, 2))
    bias = draw.tensor(*shape[axis:]) if draw.coin() else None
    return Case(op, (draw.tensor(*shape), draw.tensor(*shape[axis:]), *([] if bias is None else [bias])))


@makes(RMSNormalization)
def _rms(draw: Draw) -> Case:
    shape = draw.shape(1)
    axis = draw.number(0, len(shape) - 1)
    return Case(RMSNormalization(axis, draw.choose(_EPSILONS)), (draw.tensor(*shape), draw.tensor(*shape[axis:])))


@makes(LpNormalization)
def _norm(draw: Draw) -> Case:
    shape = draw.shape(1)
    return Case(LpNormalization(draw.number(0, len(shape) - 1), draw.number(1, 2)), (draw.tensor(*shape),))


@makes(MeanVarianceNormalization)
def _mean_variance(draw: Draw) -> Case:
    """onnxruntime knows two sets of axes, on images."""
    axes = draw.choose([(0, 2, 3), (0, 2, 3), (0, 1, 2, 3), (0, 1, 2, 3), (1,), (2, 3)])
    # Where one element stands alone, its deviation is rounding alone.
    shape = draw.numbers(4, 2, 5)
    return Case(MeanVarianceNormalization(axes), (draw.tensor(*shape),), portable=len(axes) > 2)


def _granularity(draw: Draw, shape: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
    """Axis, size of blocks, and the shape of the scales."""
    kind = draw.choose(["whole", "axis", "blocks"]) if shape else "whole"
    if kind == "whole":
        return 0, 0, ()
    axis = draw.number(0, len(shape) - 1)
    if kind == "axis":
        return axis, 0, (shape[axis],)
    block = draw.number(1, shape[axis])
    return axis, block, (*shape[:axis], -(-shape[axis] // block), *shape[axis + 1 :])


@makes(QuantizeLinear)
def _quantize(draw: Draw) -> Case:
    shape = draw.shape()
    axis, block, scales = _granularity(draw, shape)
    to = draw.choose([DType.INT8, DType.UINT8, DType.INT16, DType.UINT16])
    zero = _zero(draw, to, *scales) if draw.coin(0.7) else None
    operands = (draw.tensor(*shape, scale=draw.choose([1, 10])), _positive(draw, *scales))
    return Case(QuantizeLinear(to, axis, block), operands if zero is None else (*operands, zero), typed=True)


@makes(DequantizeLinear)
def _dequantize(draw: Draw) -> Case:
    shape = draw.shape()
    axis, block, scales = _granularity(draw, shape)
    source = draw.choose([DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32])
    zero = _zero(draw, source, *scales) if source is not DType.INT32 and draw.coin(0.7) else None
    operands = (_bytes(draw, source, *shape), _positive(draw, *scales))
    return Case(
        DequantizeLinear(DType.FLOAT32, axis, block), operands if zero is None else (*operands, zero), typed=True
    )


@makes(DynamicQuantizeLinear)
def _dynamic(draw: Draw) -> Case:
    moved = draw.tensor(*draw.shape(), scale=draw.choose([1, 100])) + np.float32(draw.choose([-3, 0, 3]))
    return Case(DynamicQuantizeLinear(), (np.asarray(moved, np.float32),), typed=True)


def _convolution(draw: Draw) -> tuple[dict[str, object], tuple[int, ...], tuple[int, ...]]:
    """Attributes, and the shapes of data and weight."""
    axes, group, each, filters = draw.number(1, 2), *draw.numbers(3, 1, 2)
    kernel, dilations = draw.numbers(axes, 1, 3), draw.numbers(axes, 1, 2)
    pads = draw.numbers(2 * axes, 0, 2)
    sizes = tuple(d * (k - 1) + 1 + draw.number(0, 4) for k, d in zip(kernel, dilations, strict=True))
    attributes: dict[str, object] = {
        "strides": draw.numbers(axes, 1, 2), "pads": pads, "dilations": dilations, "group": group,
        "auto_pad": "NOTSET",
    }  # fmt: skip
    return attributes, (draw.number(1, 2), group * each, *sizes), (group * filters, each, *kernel)


@makes(ConvInteger)
def _conv_integer(draw: Draw) -> Case:
    """onnxruntime has no zero point for each filter."""
    attributes, data, weight = _convolution(draw)
    left, right = DType.UINT8, draw.choose([DType.UINT8, DType.INT8])
    each = draw.coin(0.3)
    zeros = draw.choose([(), (_zero(draw, left),), (_zero(draw, left), _zero(draw, right, *weight[: int(each)]))])
    operands = (_bytes(draw, left, *data), _bytes(draw, right, *weight), *zeros)
    return Case(ConvInteger(**attributes), operands, portable=not (each and len(zeros) > 1), typed=True)  # type: ignore[arg-type]


@makes(QLinearConv)
def _qlinear_conv(draw: Draw) -> Case:
    attributes, data, weight = _convolution(draw)
    left, right = draw.choose([(DType.UINT8, DType.UINT8), (DType.UINT8, DType.INT8), (DType.INT8, DType.INT8)])
    each = weight[:1] if draw.coin() and right is DType.INT8 else ()
    bias = draw.rng.integers(-500, 500, weight[0]).astype(np.int32)
    operands = (
        *(_bytes(draw, left, *data), _positive(draw), _zero(draw, left)),
        *(_bytes(draw, right, *weight), _positive(draw, *each)),
        *((np.zeros(each, np.int8) if each else _zero(draw, right)), np.float32(draw.choose([0.5, 5, 50]))),
        *(_zero(draw, left), *([bias] if draw.coin() else [])),
    )
    arrays = tuple(np.asarray(operand) for operand in operands)
    return Case(QLinearConv(**attributes), arrays, frozenset({3, 4, 5}), typed=True)  # type: ignore[arg-type]


def _matrices(draw: Draw) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rows, inner, columns = draw.numbers(3, 1, 6)
    batch = draw.numbers(draw.number(0, 2), 1, 3)
    return (*batch, rows, inner), (*(batch if draw.coin() else ()), inner, columns)


@makes(MatMulInteger)
def _matmul_integer(draw: Draw) -> Case:
    """onnxruntime has no zero point for each row."""
    a, b = _matrices(draw)
    right = draw.choose([DType.UINT8, DType.INT8])
    rows, columns = draw.coin(0.2), draw.coin(0.4) and len(b) == 2
    a_zero = _zero(draw, DType.UINT8, *((a[-2],) if rows else ()))
    b_zero = _zero(draw, right, *((b[-1],) if columns else ()))
    zeros = draw.choose([(), (a_zero,), (a_zero, b_zero)])
    operands = (_bytes(draw, DType.UINT8, *a), _bytes(draw, right, *b), *zeros)
    return Case(MatMulInteger(), operands, portable=not rows or not zeros, typed=True)


@makes(QLinearMatMul)
def _qlinear_matmul(draw: Draw) -> Case:
    a, b = _matrices(draw)
    left, right = draw.choose([(DType.UINT8, DType.UINT8), (DType.UINT8, DType.INT8), (DType.INT8, DType.INT8)])
    columns = (b[-1],) if draw.coin(0.4) and len(b) == 2 else ()
    b_zero = np.zeros(columns, right.numpy) if columns else _zero(draw, right)
    operands = (
        *(_bytes(draw, left, *a), _positive(draw), _zero(draw, left)),
        *(_bytes(draw, right, *b), _positive(draw, *columns), b_zero),
        *(np.float32(draw.choose([0.5, 5, 50])), _zero(draw, left)),
    )
    return Case(QLinearMatMul(), tuple(np.asarray(operand) for operand in operands), typed=True)


def _image(channels: int, size: int) -> AnyArray:
    return Draw(0).tensor(1, channels, size, size)


def _ones(*shape: int) -> AnyArray:
    return np.ones(shape, np.float32)


def _pixels(*shape: int) -> AnyArray:
    return np.full(shape, 3, np.uint8)


_TENTH, _ONE = np.asarray(0.1, np.float32), np.asarray(1, np.uint8)
_WINDOW: dict[str, tuple[int, ...]] = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1)}

SCALED: dict[type[Op], Callable[[int, int], Case]] = {
    InstanceNormalization: lambda c, n: Case(InstanceNormalization(), (_image(c, n), _ones(c), _ones(c))),
    GroupNormalization: lambda c, n: Case(GroupNormalization(2), (_image(c, n), _ones(c), _ones(c))),
    LayerNormalization: lambda c, n: Case(LayerNormalization(1), (_image(c, n), _ones(c, n, n), _ones(n))),
    RMSNormalization: lambda c, n: Case(RMSNormalization(1), (_image(c, n), _ones(c, n, n))),
    LpNormalization: lambda c, n: Case(LpNormalization(1), (_image(c, n),)),
    MeanVarianceNormalization: lambda c, n: Case(MeanVarianceNormalization((0, 2, 3)), (_image(c, n),)),
    LpPool: lambda c, n: Case(LpPool((2, 2), (2, 2), (0, 0, 1, 1)), (_image(c, n),)),
    QuantizeLinear: lambda c, n: Case(QuantizeLinear(DType.UINT8, 1), (_image(c, n), _ones(c))),
    DequantizeLinear: lambda c, n: Case(DequantizeLinear(DType.FLOAT32, 1), (_pixels(1, c, n, n), _ones(c))),
    ConvInteger: lambda c, n: Case(ConvInteger(**_WINDOW), (_pixels(1, c, n, n), _pixels(c, c, 3, 3))),  # type: ignore[arg-type]
    QLinearConv: lambda c, n: Case(
        QLinearConv(**_WINDOW),  # type: ignore[arg-type]
        (_pixels(1, c, n, n), _TENTH, _ONE, _pixels(c, c, 3, 3), _ones(c), _pixels(c), _TENTH, _ONE),
    ),
    MatMulInteger: lambda c, n: Case(MatMulInteger(), (_pixels(c, n), _pixels(n, c), _pixels(c), _pixels(c))),
    QLinearMatMul: lambda c, n: Case(
        QLinearMatMul(), (_pixels(c, n), _TENTH, _ONE, _pixels(n, c), _ones(c), _pixels(c), _TENTH, _ONE)
    ),
}
"""For each op nodes that differ in channels and pixels alone."""
