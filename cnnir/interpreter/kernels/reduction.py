"""Reductions over axes, and what weighs elements along axes against each other."""

import math
from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import Hardmax, LogSoftmax, ReduceMean, Softmax
from cnnir.weights import AnyArray


@kernels.rule(ReduceMean)
@in_float32
def reduce_mean(op: ReduceMean, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The mean over the axes, in the tensor's own element type."""
    data, out = present(inputs, 0), outputs[0]
    if not op.axes:
        np.copyto(out, data)
    elif np.issubdtype(data.dtype, np.integer):
        np.copyto(out, _integer_mean(data, op.axes, keepdims=op.keepdims), casting="unsafe")
    else:
        out[...] = data.mean(axis=op.axes, keepdims=op.keepdims, dtype=data.dtype)


def _integer_mean(data: AnyArray, axes: tuple[int, ...], *, keepdims: bool) -> AnyArray:
    """The mean rounded towards zero, exact: wholes and rests are summed apart, so that no sum leaves 64 bits."""
    count = math.prod(data.shape[axis] for axis in axes)
    wide = data.astype(np.uint64 if data.dtype == np.uint64 else np.int64)
    whole, rest = np.divmod(wide, wide.dtype.type(count))
    rests = rest.sum(axis=axes, keepdims=keepdims)
    floored = whole.sum(axis=axes, keepdims=keepdims) + rests // wide.dtype.type(count)
    up = (floored < 0) & (rests % wide.dtype.type(count) != 0)
    result: AnyArray = floored + up.astype(wide.dtype)
    return result


@kernels.rule(Softmax)
@in_float32
def softmax(op: Softmax, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The maximum is taken off first, so that no exponential overflows."""
    x, out = present(inputs, 0), outputs[0]
    if x.size == 0:
        return
    np.subtract(x, x.max(axis=op.axes, keepdims=True), out=out)
    np.exp(out, out=out)
    np.divide(out, out.sum(axis=op.axes, keepdims=True), out=out)


@kernels.rule(LogSoftmax)
@in_float32
def log_softmax(op: LogSoftmax, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The maximum is taken off first, so that no exponential overflows."""
    x, out = present(inputs, 0), outputs[0]
    if x.size == 0:
        return
    np.subtract(x, x.max(axis=op.axes, keepdims=True), out=out)
    np.subtract(out, np.log(np.exp(out).sum(axis=op.axes, keepdims=True)), out=out)


@kernels.rule(Hardmax)
def hardmax(op: Hardmax, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The axes are brought to the end and counted through together."""
    x, out = present(inputs, 0), outputs[0]
    if x.size == 0:
        return
    last = tuple(range(x.ndim - len(op.axes), x.ndim))
    turned = np.moveaxis(x, op.axes, last)
    flat = turned.reshape(*turned.shape[: last[0]], -1)
    first = flat.argmax(axis=-1, keepdims=True) == np.arange(flat.shape[-1])
    np.copyto(np.moveaxis(out, op.axes, last), first.reshape(turned.shape))
