"""Ranges, ones on a diagonal, one-hot codes, triangles."""

from collections.abc import Sequence

import numpy as np

from cnnir.errors import CnnirError
from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import EyeLike, OneHot, Range, Trilu
from cnnir.ops.making import range_length
from cnnir.weights import AnyArray


@kernels.rule(Range)
@in_float32
def range_(op: Range, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Each number by a multiplication of its own, so that no rounding adds up."""
    start, limit, delta = (present(inputs, index).reshape(-1)[0] for index in range(3))
    out = outputs[0]
    count = range_length(start, limit, delta)
    if count != out.shape[0]:
        message = "the range has another length than was worked out"
        raise CnnirError("range-length", message, expected=out.shape[0], got=count)
    out[...] = start + np.arange(count).astype(out.dtype) * delta


@kernels.rule(EyeLike)
def eye_like(op: EyeLike, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The diagonal may lie outside."""
    rows, columns = outputs[0].shape
    outputs[0][...] = np.arange(columns) - np.arange(rows)[:, None] == op.k


@kernels.rule(OneHot)
def one_hot(op: OneHot, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Indices are compared with every place of a row."""
    indices, depth = present(inputs, 0).astype(np.int64), outputs[0].shape[op.axis]
    off, on = present(inputs, 2)
    places = np.arange(depth).reshape(-1, *(1,) * (indices.ndim - op.axis))
    counted = np.where(indices < 0, indices + depth, indices)
    np.copyto(outputs[0], np.where(np.expand_dims(counted, op.axis) == places, on, off))


@kernels.rule(Trilu)
def triangle(op: Trilu, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """A mask of the matrix, the same for all of them."""
    data = present(inputs, 0)
    rows, columns = data.shape[-2:]
    above = np.arange(columns) - np.arange(rows)[:, None]
    kept = above >= op.k if op.upper else above <= op.k
    np.copyto(outputs[0], np.where(kept, data, np.zeros((), data.dtype)))
