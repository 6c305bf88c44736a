"""Standardising layers. All is computed beside the output, so that it may lie over the input."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, optional, present
from cnnir.ops import (
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    LpNormalization,
    MeanVarianceNormalization,
    RMSNormalization,
)
from cnnir.weights import AnyArray

_MEAN_VARIANCE_EPSILON = 1e-9
"""Of the function body that defines the op."""


def _centered(x: AnyArray, axes: tuple[int, ...]) -> tuple[AnyArray, AnyArray, AnyArray]:
    """``x - mean``, the mean, and the variance, the latter two with dims of 1 along the axes."""
    mean = x.mean(axis=axes, keepdims=True, dtype=x.dtype)
    centered = x - mean
    return centered, mean, np.square(centered).mean(axis=axes, keepdims=True, dtype=x.dtype)


def _inverse(variance: AnyArray, epsilon: float) -> AnyArray:
    result: AnyArray = 1 / np.sqrt(variance + variance.dtype.type(epsilon))
    return result


@kernels.rule(InstanceNormalization)
@in_float32
def instance_normalization(
    op: InstanceNormalization, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]
) -> None:
    """Each map by its own mean and variance."""
    x, scale, bias, out = present(inputs, 0), present(inputs, 1), present(inputs, 2), outputs[0]
    if x.size == 0:
        return
    along = (-1, *(1 for _ in x.shape[2:]))
    centered, _, variance = _centered(x, tuple(range(2, x.ndim)))
    factor = _inverse(variance, op.epsilon) * scale.reshape(along)
    np.add(centered * factor, bias.reshape(along), out=out)


@kernels.rule(GroupNormalization)
@in_float32
def group_normalization(op: GroupNormalization, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Each group of channels as one long row."""
    x, scale, bias, out = present(inputs, 0), present(inputs, 1), present(inputs, 2), outputs[0]
    if x.size == 0:
        return
    rows = x.reshape(x.shape[0], op.num_groups, -1)
    centered, _, variance = _centered(rows, (2,))
    standard = (centered * _inverse(variance, op.epsilon)).reshape(x.shape)
    if op.per_group:
        scale, bias = (np.repeat(array, x.shape[1] // op.num_groups) for array in (scale, bias))
    along = (-1, *(1 for _ in x.shape[2:]))
    np.add(standard * scale.reshape(along), bias.reshape(along), out=out)


@kernels.rule(LayerNormalization)
@in_float32
def layer_normalization(op: LayerNormalization, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """All axes from one on; the statistics where they are asked for."""
    x, scale, bias, out = present(inputs, 0), present(inputs, 1), optional(inputs, 2), outputs[0]
    centered, mean, variance = _centered(x, tuple(range(op.axis, x.ndim)))
    inverse = _inverse(variance, op.epsilon)
    result = centered * inverse * scale
    np.copyto(out, result if bias is None else result + bias)
    for place, statistic in zip(outputs[1:], (mean, inverse), strict=False):
        np.copyto(place, statistic, casting="same_kind")


@kernels.rule(RMSNormalization)
@in_float32
def rms_normalization(op: RMSNormalization, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The mean of the squares over all axes from one on."""
    x, scale, out = present(inputs, 0), present(inputs, 1), outputs[0]
    squares = np.square(x).mean(axis=tuple(range(op.axis, x.ndim)), keepdims=True, dtype=x.dtype)
    np.copyto(out, x * _inverse(squares, op.epsilon) * scale, casting="same_kind")


@kernels.rule(LpNormalization)
@in_float32
def lp_normalization(op: LpNormalization, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Divided by the sum of sizes or by the root of the sum of squares."""
    x, out = present(inputs, 0), outputs[0]
    size = np.abs(x) if op.p == 1 else np.square(x)
    norm = size.sum(axis=op.axis, keepdims=True, dtype=x.dtype)
    norm = norm if op.p == 1 else np.sqrt(norm)
    np.copyto(out, np.where(norm == 0, 0, x / norm))


@kernels.rule(MeanVarianceNormalization)
@in_float32
def mean_variance_normalization(
    op: MeanVarianceNormalization, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]
) -> None:
    """Over any axes."""
    x, out = present(inputs, 0), outputs[0]
    if x.size == 0:
        return
    centered, _, variance = _centered(x, op.axes)
    np.divide(centered, np.sqrt(variance) + x.dtype.type(_MEAN_VARIANCE_EPSILON), out=out)
