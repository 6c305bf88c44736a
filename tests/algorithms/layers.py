"""Layers of the sizes that networks have, for what is measured of their kernels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnir.ops import (
    GRU,
    LRN,
    LSTM,
    RNN,
    Add,
    AveragePool,
    BatchNormalization,
    Concat,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Gemm,
    GroupNormalization,
    HardSwish,
    InstanceNormalization,
    LayerNormalization,
    LpPool,
    MatMul,
    MaxPool,
    MeanVarianceNormalization,
    Op,
    Pad,
    QLinearConv,
    QLinearMatMul,
    Relu,
    Resize,
    Sigmoid,
    Softmax,
    SpaceToDepth,
    TrainingBatchNormalization,
)
from tests.interpreter.drawing import AnyArray, Case

_RNG = np.random.default_rng(6)


def _floats(*shape: int) -> AnyArray:
    return _RNG.standard_normal(shape).astype(np.float32)


def _bytes(*shape: int) -> AnyArray:
    return _RNG.integers(0, 255, shape).astype(np.uint8)


def _layer(op: Op, *operands: AnyArray) -> Case:
    return Case(op, operands)


def conv(shape: Sequence[int], filters: int, size: int, stride: int = 1, **settings: Any) -> Case:
    """A convolution with a bias on a map of that shape.

    Args:
        shape: Batch, channels, height and width.
        filters: Channels of the result.
        size: Of the window, along both axes.
        stride: Along both axes.
        settings: `pad`, half the window unless it is said; `dilation` and `group`, 1 likewise.
    """
    pad, dilation, group = settings.get("pad", size // 2), settings.get("dilation", 1), settings.get("group", 1)
    op = Conv((stride,) * 2, (pad,) * 4, (dilation,) * 2, group)
    return _layer(op, _floats(*shape), _floats(filters, shape[1] // group, size, size), _floats(filters))


def _recurrent(op: LSTM | GRU | RNN, steps: int, batch: int, features: int) -> Case:
    ways, rows, hidden = op.directions, op.gates * op.hidden_size, op.hidden_size
    data = _floats(*((batch, steps, features) if op.batch_first else (steps, batch, features)))
    return _layer(op, data, _floats(ways, rows, features), _floats(ways, rows, hidden), _floats(ways, 2 * rows))


CONVOLUTIONS = {
    "stem": conv((1, 3, 224, 224), 64, 7, 2),
    "pointwise": conv((1, 64, 56, 56), 64, 1),
    "pointwise, strided": conv((1, 64, 56, 56), 128, 1, 2),
    "pointwise, padded": conv((1, 8, 60, 60), 40, 1, pad=1),
    "in several strips": conv((1, 64, 56, 56), 64, 3),
    "two images": conv((2, 32, 50, 50), 40, 3),
    "in two strips": conv((1, 256, 28, 28), 64, 3),
    "in one strip": conv((1, 96, 7, 7), 256, 3),
    "two groups": conv((1, 96, 27, 27), 256, 5, group=2),
    "pointwise groups": conv((1, 64, 28, 28), 128, 1, group=4),
    "dilated": conv((1, 16, 57, 57), 16, 3, dilation=2),
    "depthwise": conv((1, 32, 112, 112), 32, 3, group=32),
    "depthwise, strided": conv((1, 32, 112, 112), 32, 3, 2, group=32),
    "no padding": conv((1, 16, 60, 60), 32, 3, pad=0),
}

_ALONG = (0,) * 4

LAYERS = {
    **CONVOLUTIONS,
    "transposed": _layer(
        ConvTranspose((2, 2), _ALONG, (1, 1), (0, 0)), _floats(1, 64, 28, 28), _floats(64, 32, 2, 2), _floats(32)
    ),
    "transposed, groups": _layer(
        ConvTranspose((2, 2), (1,) * 4, (1, 1), (0, 0), 2), _floats(2, 32, 28, 28), _floats(32, 16, 4, 4)
    ),
    "max pooling": _layer(MaxPool((3, 3), (2, 2), (1,) * 4), _floats(1, 64, 112, 112)),
    "max pooling, indices": _layer(MaxPool((3, 3), (2, 2), (1,) * 4, with_indices=True), _floats(1, 64, 112, 112)),
    "max pooling, columns": _layer(
        MaxPool((2, 2), (2, 2), _ALONG, with_indices=True, storage_order=1), _floats(2, 64, 56, 56)
    ),
    "average pooling": _layer(AveragePool((3, 3), (1, 1), (1,) * 4), _floats(1, 64, 56, 56)),
    "p-norm pooling": _layer(LpPool((3, 3), (2, 2), (1,) * 4), _floats(1, 64, 56, 56)),
    "local response": _layer(LRN(5, 1e-4, 0.75, 1.0), _floats(1, 96, 55, 55)),
    "batch normalisation": _layer(
        BatchNormalization(1e-5), _floats(1, 64, 56, 56), *(abs(_floats(64)) for _ in range(4))
    ),
    "batch statistics": _layer(
        TrainingBatchNormalization(1e-5, 0.9), _floats(2, 64, 56, 56), *(abs(_floats(64)) for _ in range(4))
    ),
    "instances": _layer(InstanceNormalization(1e-5), _floats(2, 64, 56, 56), _floats(64), _floats(64)),
    "groups": _layer(GroupNormalization(8, 1e-5), _floats(2, 64, 56, 56), _floats(64), _floats(64)),
    "layer": _layer(LayerNormalization(2), _floats(4, 64, 512), _floats(512), _floats(512)),
    "mean and variance": _layer(MeanVarianceNormalization((0, 2, 3)), _floats(2, 64, 56, 56)),
    "product with a bias": _layer(Gemm(trans_b=True), _floats(64, 1024), _floats(1000, 1024), _floats(1000)),
    "scaled bias": _layer(Gemm(beta=0.5), _floats(256, 64), _floats(64, 512), _floats(256, 512)),
    "batched product": _layer(MatMul(), _floats(4, 12, 128, 64), _floats(4, 12, 64, 128)),
    "probabilities": _layer(Softmax((1,)), _floats(64, 1000)),
    "activation": _layer(Relu(), _floats(1, 64, 56, 56)),
    "hard gate": _layer(HardSwish(), _floats(1, 64, 56, 56)),
    "residual": _layer(Add(), _floats(1, 64, 56, 56), _floats(1, 64, 56, 56)),
    "joined": _layer(Concat(1), _floats(1, 64, 56, 56), _floats(1, 32, 56, 56)),
    "nearest": _layer(Resize(sizes=(None, None, 112, 112)), _floats(1, 32, 56, 56)),
    "linear": _layer(Resize(sizes=(None, None, 112, 112), mode="linear"), _floats(1, 32, 56, 56)),
    "cubic": _layer(Resize(sizes=(None, None, 112, 112), mode="cubic"), _floats(1, 32, 56, 56)),
    "shrunk": _layer(Resize(sizes=(None, None, 28, 28), mode="linear", antialias=True), _floats(1, 64, 80, 80)),
    "reflected": _layer(Pad((0, 0, 3, 3, 0, 0, 3, 3), "reflect"), _floats(1, 64, 56, 56)),
    "blocks to channels": _layer(SpaceToDepth(2), _floats(1, 64, 56, 56)),
    "channels to blocks": _layer(DepthToSpace(2), _floats(1, 64, 56, 56)),
    "long memory": _recurrent(LSTM(96), 40, 8, 64),
    "long memory, both ways": _recurrent(LSTM(128, "bidirectional"), 20, 16, 64),
    "gated": _recurrent(GRU(96), 40, 8, 64),
    "recurrent": _recurrent(RNN(128, "bidirectional"), 20, 64, 64),
}
"""Layers whose workspace is told to within a tenth, by what is special about them."""

_SCALE, _ZERO = np.full((), 0.02, np.float32), np.full((), 3, np.uint8)

BOUNDED = {
    "gate": _layer(Sigmoid(), _floats(1, 64, 56, 56)),
    "quantised": _layer(
        QLinearConv((1, 1), (1,) * 4, (1, 1)),
        *(_bytes(1, 32, 28, 28), _SCALE, _ZERO, _bytes(32, 32, 3, 3), _SCALE, _ZERO, _SCALE, _ZERO),
    ),
    "quantised, wide": _layer(
        QLinearConv((1, 1), _ALONG, (1, 1)),
        *(_bytes(1, 8, 56, 56), _SCALE, _ZERO, _bytes(128, 8, 1, 1), _SCALE, _ZERO, _SCALE, _ZERO),
    ),
    "quantised product": _layer(
        QLinearMatMul(), *(_bytes(128, 256), _SCALE, _ZERO, _bytes(256, 300), _SCALE, _ZERO, _SCALE, _ZERO)
    ),
    "gated, backward": _recurrent(GRU(32, "reverse", batch_first=True), 20, 16, 128),
    "one step": _recurrent(LSTM(128), 1, 16, 256),
    "many features": _recurrent(GRU(16, "bidirectional"), 64, 2, 512),
}
"""Layers whose workspace is an upper bound, at times twice what is needed."""
