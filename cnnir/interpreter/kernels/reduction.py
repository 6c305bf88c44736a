"""Reductions over axes, and what weighs elements along axes against each other."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import (
    ArgMax,
    ArgMin,
    Hardmax,
    LogSoftmax,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
    Softmax,
)
from cnnir.ops.reduction import Extreme, Reduction
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


def _largest(x: AnyArray, **over: Any) -> Any:
    return np.maximum.reduce(x, initial=_lowest(x.dtype), **over)


def _least(x: AnyArray, **over: Any) -> Any:
    return np.minimum.reduce(x, initial=_highest(x.dtype), **over)


def _lowest(dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return False if dtype.kind == "b" else -np.inf


def _highest(dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "iu":
        return np.iinfo(dtype).max
    return True if dtype.kind == "b" else np.inf


def _sum(x: AnyArray, **over: Any) -> Any:
    return np.add.reduce(x, dtype=x.dtype, **over)


def _log_sum_exp(x: AnyArray, axis: tuple[int, ...], *, keepdims: bool) -> Any:
    """The maximum is taken off first, so that no exponential overflows; one that is infinite is the result."""
    top = _largest(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    found = np.log(_sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return found if keepdims else found.squeeze(axis)


_REDUCTIONS: Mapping[type[Reduction], Callable[..., Any]] = {
    ReduceSum: _sum,
    ReduceProd: lambda x, **over: np.multiply.reduce(x, dtype=x.dtype, **over),
    ReduceMax: _largest,
    ReduceMin: _least,
    ReduceL1: lambda x, **over: _sum(np.abs(x), **over),
    ReduceL2: lambda x, **over: np.sqrt(_sum(np.square(x), **over)),
    ReduceSumSquare: lambda x, **over: _sum(np.square(x), **over),
    ReduceLogSum: lambda x, **over: np.log(_sum(x, **over)),
    ReduceLogSumExp: _log_sum_exp,
}


@kernels.rule(*_REDUCTIONS)
@in_float32
def reduction(op: Reduction, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """NumPy's reductions, in the tensor's own element type: integers wrap around."""
    outputs[0][...] = _REDUCTIONS[type(op)](present(inputs, 0), axis=op.axes, keepdims=op.keepdims)


@kernels.rule(ArgMax, ArgMin)
@in_float32
def extreme(op: Extreme, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The last one is the first one from behind."""
    data, find = present(inputs, 0), np.argmax if isinstance(op, ArgMax) else np.argmin
    if op.select_last_index:
        places = data.shape[op.axis] - 1 - find(np.flip(data, op.axis), axis=op.axis, keepdims=op.keepdims)
    else:
        places = find(data, axis=op.axis, keepdims=op.keepdims)
    outputs[0][...] = places


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
