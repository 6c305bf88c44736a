"""Convolution: as matrix products over columns (im2col), in strips of rows so that the columns stay in the cache."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, optional, present
from cnnir.interpreter.kernels.linear import dense
from cnnir.interpreter.kernels.pooling import padded_map, window_cells
from cnnir.ops import Conv, ConvTranspose
from cnnir.ops.window import Window
from cnnir.weights import AnyArray

STRIP_BYTES = 2 * 1024 * 1024
"""Target size of a strip's columns; about a second-level cache."""


@kernels.rule(Conv)
@in_float32
def conv(op: Conv, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Choose the cheapest way for the shape: pointwise, depthwise, or columns."""
    data, weight, out = present(inputs, 0), dense(present(inputs, 1)), outputs[0]
    if weight.size == 0:
        out[...] = 0  # no channels: every sum is empty
    elif out.size:
        window = op.window(weight.shape)
        padded = padded_map(data, window, out.shape[2:], 0)
        if op.group == data.shape[1] == weight.shape[0] and weight.shape[1] == 1:
            _depthwise(window, padded, weight, out)
        else:
            _by_group(op.group, window, padded, weight, out)
    bias = optional(inputs, 2)
    if bias is not None:
        np.add(out, bias.reshape(-1, *(1 for _ in out.shape[2:])), out=out)


def _depthwise(window: Window, padded: AnyArray, weight: AnyArray, out: AnyArray) -> None:
    """Multiply-accumulate over the cells; each channel has a filter of its own."""
    out[...] = 0
    for cell, cells in window_cells(padded, window, out.shape[2:]):
        one_a_filter: tuple[Any, ...] = (slice(None), 0, *cell)
        np.add(out, cells * weight[one_a_filter].reshape(-1, *(1 for _ in cell)), out=out)


def _by_group(group: int, window: Window, padded: AnyArray, weight: AnyArray, out: AnyArray) -> None:
    channels, filters = weight.shape[1], weight.shape[0] // group
    for number in range(group):
        part = padded[:, number * channels : (number + 1) * channels]
        target = out[:, number * filters : (number + 1) * filters]
        matrix = weight[number * filters : (number + 1) * filters].reshape(filters, -1)
        for image in range(out.shape[0]):
            if all(size == 1 for size in window.kernel) and all(stride == 1 for stride in window.strides):
                target[image] = (matrix @ part[image].reshape(channels, -1)).reshape(target.shape[1:])
            else:
                _columns(window, part[image], matrix, target[image])


def _columns(window: Window, image: AnyArray, matrix: AnyArray, out: AnyArray) -> None:
    """One image ``[C, *padded]`` times ``[K, C * cells]`` into ``[K, *sizes]``, in strips of the first spatial axis."""
    channels, sizes = image.shape[0], out.shape[1:]
    # View [C, *kernel, *sizes]: for each cell what all windows see there, without a copy.
    axis_strides = image.strides[1:]
    cells = np.lib.stride_tricks.as_strided(
        image,
        (channels, *window.kernel, *sizes),
        (
            image.strides[0],
            *(stride * dilation for stride, dilation in zip(axis_strides, window.dilations, strict=True)),
            *(stride * step for stride, step in zip(axis_strides, window.strides, strict=True)),
        ),
        writeable=False,
    )
    row = matrix.shape[1] * math.prod(sizes[1:]) * image.itemsize
    rows = max(1, min(sizes[0], STRIP_BYTES // max(row, 1)))
    columns = np.empty((channels, *window.kernel, rows, *sizes[1:]), image.dtype)
    first_spatial = (slice(None),) * (1 + len(window.kernel))
    for start in range(0, sizes[0], rows):
        count = min(rows, sizes[0] - start)
        strip = columns[(*first_spatial, slice(count))] if count < rows else columns
        np.copyto(strip, cells[(*first_spatial, slice(start, start + count))])
        result = matrix @ strip.reshape(matrix.shape[1], -1)
        out[:, start : start + count] = result.reshape(out.shape[0], count, *sizes[1:])


@kernels.rule(ConvTranspose)
@in_float32
def conv_transpose(op: ConvTranspose, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Every input cell spreads its filter: one product for all cells, then shifted sums into the uncropped output."""
    data, weight, out = present(inputs, 0), dense(present(inputs, 1)), outputs[0]
    axes = data.ndim - 2
    bias = optional(inputs, 2)
    if weight.size and data.size:
        _spread(op, data, weight, out)
    else:
        out[...] = 0
    if bias is not None:
        np.add(out, bias.reshape(-1, *(1 for _ in range(axes))), out=out)


def _spread(op: ConvTranspose, data: AnyArray, weight: AnyArray, out: AnyArray) -> None:
    axes = data.ndim - 2
    pads = op.resolved_pads(data.shape[2:], weight.shape)
    extents = op.extents(weight.shape)
    full_sizes = [
        max((size - 1) * stride + extent, out.shape[2 + axis] + pads[axis])
        for axis, (size, stride, extent) in enumerate(zip(data.shape[2:], op.strides, extents, strict=True))
    ]
    full = np.zeros((data.shape[0], out.shape[1], *full_sizes), out.dtype)
    window = Window(weight.shape[2:], op.strides, (0,) * (2 * axes), op.dilations)
    channels, filters = weight.shape[0] // op.group, weight.shape[1]
    for number in range(op.group):
        taken = data[:, number * channels : (number + 1) * channels]
        matrix = weight[number * channels : (number + 1) * channels].reshape(channels, -1)
        spread = np.einsum("nc...,ck->nk...", taken, matrix, optimize=True)
        spread = spread.reshape(data.shape[0], filters, *weight.shape[2:], *data.shape[2:])
        target = full[:, number * filters : (number + 1) * filters]
        for cell, places in window_cells(target, window, data.shape[2:]):
            np.add(places, spread[(slice(None), slice(None), *cell)], out=places)
    crop = tuple(slice(pads[axis], pads[axis] + out.shape[2 + axis]) for axis in range(axes))
    np.copyto(out, full[(slice(None), slice(None), *crop)])
