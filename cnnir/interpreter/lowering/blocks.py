"""Products of matrices in blocks: see `cnnir.algorithms.channels_last.blocks`."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from cnnir.algorithms.channels_last import positions_of_block
from cnnir.interpreter.lowering.base import Call
from cnnir.weights import AnyArray


def blocked(matrix: AnyArray, width: int) -> AnyArray:
    """``[..., C, K]`` as ``[..., K / width, C, width]``; as it is for a width of 0."""
    if not width:
        return np.ascontiguousarray(matrix)
    *outer, channels, filters = matrix.shape
    parts = matrix.reshape(*outer, channels, filters // width, width)
    return np.ascontiguousarray(np.moveaxis(parts, -2, -3))


def multiply(left: AnyArray, right: AnyArray, out: AnyArray, width: int) -> Iterator[Call]:
    """``out = left @ right``.

    Args:
        left: ``[..., M, C]``.
        right: What `blocked` made of ``[..., C, K]``.
        out: ``[..., M, K]``.
        width: Filters of a block, or 0.
    """
    if not width:
        yield partial(np.matmul, left, right, out)
        return
    *outer, positions, channels = left.shape
    high = positions_of_block(channels, width, positions)
    whole = positions // high * high
    for begin, end, size in ((0, whole, high), (whole, positions, positions - whole)):
        if begin < end:
            count = (end - begin) // size
            rows = left[..., begin:end, :].reshape(*outer, count, 1, size, channels)
            places = out[..., begin:end, :].reshape(*outer, count, size, -1, width)
            yield partial(np.matmul, rows, right[..., None, :, :, :], np.moveaxis(places, -2, -3))


__all__ = ["blocked", "multiply"]
