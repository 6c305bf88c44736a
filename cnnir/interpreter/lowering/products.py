"""Convolution as products of matrices, channels innermost: on the map as it lies, or on columns."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from cnnir.algorithms.channels_last import Columns, Layer, Pointwise
from cnnir.interpreter.kernels.base import optional, present
from cnnir.interpreter.lowering.base import Call, Rows, Site, Step, copy, lowering
from cnnir.interpreter.lowering.blocks import blocked, multiply
from cnnir.interpreter.lowering.maps import channelwise, inner, merged, padded_rows, strips, windows
from cnnir.ops import Conv
from cnnir.weights import AnyArray


def layer_of(op: Conv, site: Site) -> Layer:
    """The sizes of a convolution where it is."""
    data, weight = present(site.operands, 0), present(site.operands, 1)
    return Layer.of(op, data.shape, weight.shape, site.results[0].shape, data.itemsize)


@lowering("pointwise").rule(Conv)
def pointwise(op: Conv, site: Site) -> Step:
    """A window of one cell; what strides leave out, and padding, is gathered first."""
    layer, data = layer_of(op, site), inner(present(site.operands, 0))
    shapes = Pointwise(layer, site.setting("rows"))
    gathered = site.workspace.take(shapes.gathered, data.dtype)
    matrix = _matrix(layer, site)
    for part in strips(layer.images, layer.down.windows, shapes.rows):
        count = part.end - part.begin
        source = data[part.image, part.begin : part.end]
        if not layer.is_plain:
            source = gathered[:count]
            yield from _gather(layer, data[part.image], source, part)
        yield from _product(layer, source, matrix, site, part)


def _gather(layer: Layer, image: AnyArray, into: AnyArray, part: Rows) -> Iterator[Call]:
    rows, columns = layer.down.met(0), layer.across.met(0)
    low, high = max(part.begin, rows.start), min(part.end, rows.stop)
    if layer.is_padded:
        yield partial(into.fill, 0)
    if low < high and columns:
        first = [row * axis.stride - axis.before for row, axis in ((low, layer.down), (columns.start, layer.across))]
        last = [
            (row - 1) * axis.stride - axis.before + 1
            for row, axis in ((high, layer.down), (columns.stop, layer.across))
        ]
        met = image[first[0] : last[0] : layer.down.stride, first[1] : last[1] : layer.across.stride]
        yield copy(into[low - part.begin : high - part.begin, columns.start : columns.stop], met)


@lowering("im2col").rule(Conv)
def columns(op: Conv, site: Site) -> Step:
    """Any window."""
    layer, data = layer_of(op, site), inner(present(site.operands, 0))
    shapes = Columns(layer, site.setting("rows"))
    padded = site.workspace.take(shapes.padded, data.dtype)
    buffer = site.workspace.take(shapes.columns, data.dtype)
    matrix = _matrix(layer, site)
    for part in strips(layer.images, layer.down.windows, shapes.rows):
        count = part.end - part.begin
        first = part.begin * layer.down.stride - layer.down.before
        source = data[part.image, max(first, 0) :]
        if layer.is_padded:
            source = padded[: layer.down.reach(count)]
            yield from padded_rows(layer, data[part.image], source, first)
        met = windows(source, layer.down, layer.across, count)
        by_group = met.reshape(*met.shape[:4], layer.groups, layer.channels) if layer.groups > 1 else met[..., None, :]
        strip = _front(
            buffer, (layer.groups, count, layer.across.windows, layer.down.cells, layer.across.cells * layer.channels)
        )
        dense = met.strides[3] == layer.channels * met.itemsize
        if layer.groups == 1 and dense:
            # What a window meets in one row is one stretch.
            yield copy(strip[0], _stretches(met))
        else:
            spread = strip.reshape(*strip.shape[:4], layer.across.cells, layer.channels)
            yield copy(spread, by_group.transpose(4, 0, 1, 2, 3, 5))
        yield from _product(layer, strip, matrix, site, part)


def _front(buffer: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """The front of a buffer in another shape."""
    size = int(np.prod(shape))
    return buffer.reshape(-1)[:size].reshape(shape)


def _stretches(met: AnyArray) -> AnyArray:
    rows, width, down, across, channels = met.shape
    shape, strides = (rows, width, down, across * channels), (*met.strides[:3], met.strides[4])
    return np.lib.stride_tricks.as_strided(met, shape, strides)


def _matrix(layer: Layer, site: Site) -> AnyArray:
    """The filters as ``[groups, cells * channels, filters]``, in blocks."""
    weight = present(site.operands, 1)

    def made() -> AnyArray:
        by_group = weight.reshape(layer.groups, layer.filters, layer.channels, -1).transpose(0, 3, 2, 1)
        return blocked(by_group.reshape(layer.groups, -1, layer.filters), site.setting("block"))

    return site.form(f"matrix-{site.setting('block')}", made)


def _product(layer: Layer, source: AnyArray, matrix: AnyArray, site: Site, part: Rows) -> Step:
    """Rows of results from what their windows meet, bias added."""
    target = inner(site.target(part))[0]
    count = target.shape[0] * target.shape[1]
    if layer.groups == 1:
        places = merged(target, (count, layer.filters))
        yield from multiply(merged(source, (count, -1)), matrix[0], places, site.setting("block"))
    else:
        by_group = merged(target, (count, layer.groups, layer.filters)).transpose(1, 0, 2)
        if source.ndim == 3:
            met = merged(source, (count, layer.groups, layer.channels)).transpose(1, 0, 2)
        else:
            met = merged(source, (layer.groups, count, layer.cells * layer.channels))
        yield from multiply(met, matrix, by_group, site.setting("block"))
    bias = optional(site.operands, 2)
    if bias is not None:
        yield from channelwise(np.add, target, bias, site, "bias")
    yield part


__all__ = ["columns", "layer_of", "pointwise"]
