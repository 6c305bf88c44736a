"""Batch normalisation and local response normalisation."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import LRN, BatchNormalization
from cnnir.weights import AnyArray


@kernels.rule(BatchNormalization)
@in_float32
def batch_normalization(op: BatchNormalization, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """One scale and one shift a channel, computed in float64 since there are few of them, then applied in place."""
    x, out = present(inputs, 0), outputs[0]
    scale, bias, mean, variance = (np.asarray(present(inputs, index), np.float64) for index in range(1, 5))
    factor = scale / np.sqrt(variance + op.epsilon)
    along = (1, -1, *(1 for _ in x.shape[2:]))
    np.multiply(x, factor.astype(x.dtype).reshape(along), out=out)
    np.add(out, (bias - mean * factor).astype(x.dtype).reshape(along), out=out)


@kernels.rule(LRN)
@in_float32
def lrn(op: LRN, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The window over the channels as a sum of shifted squares."""
    x, out = present(inputs, 0), outputs[0]
    channels = x.shape[1]
    squares = np.square(x)
    total = np.zeros_like(squares)
    for shift in range(-((op.size - 1) // 2), op.size // 2 + 1):
        begin, end = max(0, -shift), min(channels, channels - shift)
        if begin < end:
            total[:, begin:end] += squares[:, begin + shift : end + shift]
    total *= x.dtype.type(op.alpha / op.size)
    total += x.dtype.type(op.bias)
    np.power(total, x.dtype.type(-op.beta), out=total)
    np.multiply(x, total, out=out)
