"""Maps with their channels innermost: how a kernel looks at them, pads rows of them, and adds what is one a channel."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from cnnir.algorithms.channels_last import Axis, Layer
from cnnir.errors import CnnirError
from cnnir.interpreter.lowering.base import Call, Rows, Site, copy
from cnnir.weights import AnyArray

RUN = 8192
"""Elements that a vector of channels is repeated to: NumPy's inner loops are as long as that, and stay in the cache."""


def inner(array: AnyArray) -> AnyArray:
    """``[N, C, H, W]`` as ``[N, H, W, C]``.

    Raises:
        CnnirError: ``plan-unsupported`` when the channels do not lie innermost.
    """
    last = array.transpose(0, 2, 3, 1)
    if last.shape[3] > 1 and last.strides[3] != last.itemsize:
        raise _unsupported("channels do not lie innermost", array)
    return last


def merged(array: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """The same memory in another shape.

    Raises:
        CnnirError: ``plan-unsupported`` when it has no such view.
    """
    view = array.reshape(shape)
    if view.size and view.__array_interface__["data"] != array.__array_interface__["data"]:
        raise _unsupported("axes do not lie behind one another", array)
    return view


def _unsupported(message: str, array: AnyArray) -> CnnirError:
    """The algorithms that are here are for maps with their channels last; plans may name them for others."""
    hint = 'plan with layout="channels-last", or workspace="today"'
    return CnnirError("plan-unsupported", message, got=f"strides {array.strides}", hint=hint)


def windows(padded: AnyArray, down: Axis, across: Axis, rows: int) -> AnyArray:
    """``[H, W, C]`` as what all windows of so many rows of results meet: ``[rows, width, cells, cells, C]``."""
    row, column, channel = padded.strides
    shape = rows, across.windows, down.cells, across.cells, padded.shape[2]
    strides = row * down.stride, column * across.stride, row * down.dilation, column * across.dilation, channel
    return np.lib.stride_tricks.as_strided(padded, shape, strides)


def padded_rows(layer: Layer, image: AnyArray, buffer: AnyArray, first: int, fill: float = 0) -> Iterator[Call]:
    """Rows of an image, from `first` on, which may lie in front of it, and what pads them, into a buffer of them.

    Args:
        layer: Says how far the padding goes.
        image: ``[H, W, C]``.
        buffer: ``[rows, width, C]``, filled wholly.
        first: The number of the buffer's first row in the image.
        fill: What the padding holds.
    """
    before, width = layer.across.before, image.shape[1]
    low, high = max(first, 0), max(min(first + buffer.shape[0], image.shape[0]), 0)
    kept = min(width, buffer.shape[1] - before)
    if low >= high:
        yield partial(buffer.fill, fill)
        return
    top, bottom = buffer[: low - first], buffer[high - first :]
    middle = buffer[low - first : high - first]
    for border in (top, bottom, middle[:, :before], middle[:, before + kept :]):
        if border.size:
            yield partial(np.copyto, border, border.dtype.type(fill))
    yield copy(middle[:, before : before + kept], image[low:high, :kept])


def channelwise(
    ufunc: Any, data: AnyArray, vector: AnyArray, site: Site, name: str, result: AnyArray | None = None
) -> Iterator[Call]:
    """``result = ufunc(data, vector)``, the vector one number a channel.

    Args:
        ufunc: Of two operands.
        data: ``[..., C]``, channels innermost.
        vector: ``[C]``.
        site: Keeps the repeated vector.
        name: Of the vector among the node's forms.
        result: ``[..., C]``; the data's own place when None.
    """
    out = data if result is None else result
    repeats = RUN // vector.size
    if repeats < 2 or not data.flags.c_contiguous or not out.flags.c_contiguous:
        yield partial(ufunc, data, vector, out)
        return
    run = site.form(name, lambda: np.tile(vector, repeats))
    given, made = data.reshape(-1), out.reshape(-1)
    whole = given.size // run.size * run.size
    if whole:
        yield partial(ufunc, given[:whole].reshape(-1, run.size), run, made[:whole].reshape(-1, run.size))
    if whole < given.size:
        yield partial(ufunc, given[whole:], run[: given.size - whole], made[whole:])


def bounded(ufunc: Any, source: AnyArray, bound: float, result: AnyArray, site: Site) -> Iterator[Call]:
    """``result = ufunc(source, bound)`` for a maximum or a minimum.

    NumPy compares with an array three times as fast as with a number, so the bound is repeated.
    """
    run = site.shared(f"run of {bound!r}", lambda: np.full(RUN, bound, result.dtype))
    given, made = flat(source), flat(result)
    if given is None or made is None or lying(source) != lying(result):
        axes = lying(result)
        given, made = source.transpose(axes), result.transpose(axes)
        last = made.shape[-1] if made.ndim else 1
        yield partial(ufunc, given, run[:last] if 1 < last <= RUN else result.dtype.type(bound), out=made)
        return
    whole = made.size // RUN * RUN
    if whole:
        yield partial(ufunc, given[:whole].reshape(-1, RUN), run, out=made[:whole].reshape(-1, RUN))
    if whole < made.size:
        yield partial(ufunc, given[whole:], run[: made.size - whole], out=made[whole:])


def lying(array: AnyArray) -> tuple[int, ...]:
    """The axes of an array, the one that runs slowest first."""
    return tuple(
        sorted(range(array.ndim), key=lambda axis: (-array.strides[axis], axis) if array.shape[axis] > 1 else (0, axis))
    )


def flat(array: AnyArray) -> AnyArray | None:
    """The elements one behind the other, as they lie; None when there is something between them."""
    turned = array.transpose(lying(array))
    return turned.reshape(-1) if turned.flags.c_contiguous else None


def strips(images: int, height: int, rows: int) -> Iterator[Rows]:
    """All rows of all images, so many at a time."""
    for image in range(images):
        for begin in range(0, height, rows):
            yield Rows(image, image + 1, begin, min(begin + rows, height))


__all__ = ["RUN", "bounded", "channelwise", "flat", "inner", "lying", "merged", "padded_rows", "strips", "windows"]
