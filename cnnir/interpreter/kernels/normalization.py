"""Batch normalisation and local response normalisation."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import LRN, BatchNormalization, TrainingBatchNormalization
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


@kernels.rule(TrainingBatchNormalization)
@in_float32
def training_batch_normalization(
    op: TrainingBatchNormalization, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]
) -> None:
    """The statistics of the batch, summed in float64 since there are few of them; of no elements they are NaN."""
    x, out = present(inputs, 0), outputs[0]
    scale, bias, mean, variance = (np.asarray(present(inputs, index), np.float64) for index in range(1, 5))
    axes, along = (0, *range(2, x.ndim)), (1, -1, *(1 for _ in x.shape[2:]))
    count = x.size // x.shape[1] if x.shape[1] else 0
    with np.errstate(divide="ignore", invalid="ignore"):
        current = np.sum(x, axis=axes, dtype=np.float64) / np.float64(count)
        centered = x - current.astype(x.dtype).reshape(along)
        spread = np.sum(np.square(centered), axis=axes, dtype=np.float64) / np.float64(count)
    # What the rounding of the mean has left over is a shift of its own.
    rest = current - current.astype(x.dtype).astype(np.float64)
    factor = scale / np.sqrt(spread - rest**2 + op.epsilon)
    np.multiply(centered, factor.astype(x.dtype).reshape(along), out=out)
    np.add(out, (bias - rest * factor).astype(x.dtype).reshape(along), out=out)
    for place, running, seen in zip(outputs[1:], (mean, variance), (current, spread - rest**2), strict=True):
        np.copyto(place, running * op.momentum + seen * (1 - op.momentum), casting="same_kind")


@kernels.rule(LRN)
@in_float32
def lrn(op: LRN, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The window over the channels as a sum of shifted squares."""
    x, out = present(inputs, 0), outputs[0]
    channels = x.shape[1]
    squares = np.square(x)
    total = np.zeros_like(squares)
    # A window of any size meets so many neighbours at the most.
    farthest = channels - 1
    for shift in range(-min((op.size - 1) // 2, farthest), min(op.size // 2, farthest) + 1):
        begin, end = max(0, -shift), min(channels, channels - shift)
        total[:, begin:end] += squares[:, begin + shift : end + shift]
    total *= x.dtype.type(op.alpha / op.size)
    total += x.dtype.type(op.bias)
    np.power(total, x.dtype.type(-op.beta), out=total)
    np.multiply(x, total, out=out)
