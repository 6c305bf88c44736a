"""Pooling: the window's cells one after the other, each a strided view of the padded map."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import AveragePool, GlobalAveragePool, GlobalLpPool, GlobalMaxPool, LpPool, MaxPool
from cnnir.ops.window import Window
from cnnir.weights import AnyArray


@kernels.rule(MaxPool)
def max_pool(op: MaxPool, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Running maximum over the cells; the padding is the lowest value there is."""
    data, out = present(inputs, 0), outputs[0]
    window = op.window
    padded = padded_map(data, window, out.shape[2:], lowest(data.dtype))
    if op.with_indices:
        _with_indices(op, data, padded, window, out, outputs[1])
        return
    for number, (_, cells) in enumerate(window_cells(padded, window, out.shape[2:])):
        if number == 0:
            np.copyto(out, cells)
        else:
            np.maximum(out, cells, out=out)


def _with_indices(
    op: MaxPool, data: AnyArray, padded: AnyArray, window: Window, out: AnyArray, indices: AnyArray
) -> None:
    sizes = data.shape[2:]
    # Within one map the flat index may run along the columns; maps themselves always follow one another.
    counted = np.arange(int(np.prod(sizes)), dtype=np.int64)
    within = counted.reshape(sizes) if op.storage_order == 0 else counted.reshape(sizes[::-1]).transpose()
    maps = np.arange(data.shape[0] * data.shape[1], dtype=np.int64).reshape(*data.shape[:2], *(1 for _ in sizes))
    flat = padded_map(maps * int(np.prod(sizes)) + within, window, out.shape[2:], -1)
    pairs = zip(window_cells(padded, window, out.shape[2:]), window_cells(flat, window, out.shape[2:]), strict=True)
    for number, ((_, cells), (_, places)) in enumerate(pairs):
        # The first maximum wins; padding (place -1) gives way to whatever is real.
        better = (cells > out) | ((indices < 0) & (places >= 0)) if number else np.ones(out.shape, bool)
        np.copyto(out, cells, where=better)
        np.copyto(indices, places, where=better)


@kernels.rule(AveragePool)
@in_float32
def average_pool(op: AveragePool, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Running sum over the cells, divided by how many of them count; NaN where none does."""
    data, out = present(inputs, 0), outputs[0]
    window = op.window
    out[...] = 0
    for _, cells in window_cells(padded_map(data, window, out.shape[2:], 0), window, out.shape[2:]):
        np.add(out, cells, out=out)
    np.divide(out, divisors(op, data.shape[2:], out.shape[2:]).astype(out.dtype), out=out)


def divisors(op: AveragePool, sizes: tuple[int, ...], targets: tuple[int, ...]) -> AnyArray:
    """How many cells of each window count; along each axis apart, then multiplied."""
    window = op.window
    pads = window.resolved_pads(sizes)
    result: AnyArray = np.ones((), np.int64)
    for axis, (size, target) in enumerate(zip(sizes, targets, strict=True)):
        begin, end = pads[axis], pads[axis + len(sizes)]
        starts = np.arange(target)[:, None] * window.strides[axis] - begin
        cells = starts + np.arange(window.kernel[axis]) * window.dilations[axis]
        low, high = (-begin, size + end) if op.count_include_pad else (0, size)
        counts = ((cells >= low) & (cells < high)).sum(axis=1)
        result = result[..., None] * counts
    return result


@kernels.rule(LpPool)
@in_float32
def lp_pool(op: LpPool, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Running sum of powers over the cells, then the root."""
    data, out = present(inputs, 0), outputs[0]
    window = op.window
    powers = np.power(np.abs(data), data.dtype.type(op.p))
    out[...] = 0
    for _, cells in window_cells(padded_map(powers, window, out.shape[2:], 0), window, out.shape[2:]):
        np.add(out, cells, out=out)
    np.power(out, out.dtype.type(1 / op.p), out=out)


@kernels.rule(GlobalLpPool)
@in_float32
def global_lp_pool(op: GlobalLpPool, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The p-norm of each map."""
    data = present(inputs, 0)
    powers = np.power(np.abs(data), data.dtype.type(op.p))
    total = powers.sum(axis=tuple(range(2, data.ndim)), keepdims=True, dtype=data.dtype)
    np.power(total, data.dtype.type(1 / op.p), out=outputs[0])


@kernels.rule(GlobalAveragePool)
@in_float32
def global_average_pool(op: GlobalAveragePool, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The mean of each map."""
    data = present(inputs, 0)
    outputs[0][...] = data.mean(axis=tuple(range(2, data.ndim)), keepdims=True, dtype=data.dtype)


@kernels.rule(GlobalMaxPool)
def global_max_pool(op: GlobalMaxPool, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The maximum of each map."""
    data = present(inputs, 0)
    outputs[0][...] = data.max(axis=tuple(range(2, data.ndim)), keepdims=True)


def lowest(dtype: np.dtype[Any]) -> float | int:
    """A value that no other is below."""
    return int(np.iinfo(dtype).min) if np.issubdtype(dtype, np.integer) else -np.inf


def padded_map(data: AnyArray, window: Window, targets: Sequence[int], fill: float) -> AnyArray:
    """The map with its padding, as far as the windows reach; the map itself where they reach no further."""
    axes = len(window.kernel)
    pads = window.resolved_pads(data.shape[2:])
    widths = [(0, 0), (0, 0)]
    for axis, (size, target, extent) in enumerate(zip(data.shape[2:], targets, window.extents(), strict=True)):
        reach = (target - 1) * window.strides[axis] + extent
        widths.append((pads[axis], max(pads[axis + axes], reach - size - pads[axis], 0)))
    if not any(width for pair in widths for width in pair):
        return data
    return np.pad(data, widths, constant_values=data.dtype.type(fill))


def window_cells(
    padded: AnyArray, window: Window, targets: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], AnyArray]]:
    """For each cell of the window its index, and what all windows see there, ``[N, C, *targets]``."""
    for cell in itertools.product(*(range(size) for size in window.kernel)):
        ranges = tuple(
            slice(place * dilation, place * dilation + (target - 1) * stride + 1, stride)
            for place, dilation, target, stride in zip(cell, window.dilations, targets, window.strides, strict=True)
        )
        yield cell, padded[(slice(None), slice(None), *ranges)]
