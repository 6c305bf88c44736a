"""Depthwise convolution, channels innermost: rows of the map times one cell of all filters, added up."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from cnnir.algorithms.channels_last import Axis, Depthwise, DepthwiseSums, Layer
from cnnir.interpreter.kernels.base import optional, present
from cnnir.interpreter.lowering.base import Call, Rows, Site, Step, lowering
from cnnir.interpreter.lowering.maps import channelwise, inner, padded_rows, strips, windows
from cnnir.interpreter.lowering.products import layer_of
from cnnir.ops import Conv
from cnnir.weights import AnyArray


@lowering("depthwise").rule(Conv)
def depthwise(op: Conv, site: Site) -> Step:
    """No padded map is made: each cell is added where it lies on the map."""
    layer, data = layer_of(op, site), inner(present(site.operands, 0))
    shapes = Depthwise(layer, site.setting("rows"))
    products = site.workspace.take(shapes.products, data.dtype)
    filters = _filters(shapes, site)
    bias = optional(site.operands, 2)
    start = site.form("start", lambda: _start(layer, bias, data.dtype))
    for part in strips(layer.images, layer.down.windows, shapes.rows):
        target = inner(site.target(part))[0]
        yield partial(np.copyto, target, start)
        for row in range(layer.down.cells):
            for column in range(layer.across.cells):
                yield from _cell(layer, data[part.image], filters[row, column], products, target, part, row, column)
        yield part


@lowering("depthwise-sums").rule(Conv)
def depthwise_sums(op: Conv, site: Site) -> Step:
    """One call for all cells of so many rows."""
    layer, data = layer_of(op, site), inner(present(site.operands, 0))
    shapes = DepthwiseSums(layer, site.setting("rows"))
    padded = site.workspace.take(shapes.padded, data.dtype)
    filters = _filters(shapes, site)
    bias = optional(site.operands, 2)
    for part in strips(layer.images, layer.down.windows, shapes.rows):
        count = part.end - part.begin
        first = part.begin * layer.down.stride - layer.down.before
        source = data[part.image, max(first, 0) :]
        if layer.is_padded:
            source = padded[: layer.down.reach(count)]
            yield from padded_rows(layer, data[part.image], source, first)
        target = inner(site.target(part))[0]
        met = windows(source, layer.down, layer.across, count).transpose(2, 3, 0, 1, 4)
        if _in_rows(met) and target.flags.c_contiguous:
            # A row at a time is what one loop goes through.
            row = layer.across.windows * layer.groups
            strides = (*met.strides[:3], met.itemsize)
            rows = np.lib.stride_tricks.as_strided(met, (*met.shape[:3], row), strides, writeable=False)
            flat, long = filters.reshape(*filters.shape[:2], row), target.reshape(count, row)
            yield partial(np.einsum, "ijhc,ijc->hc", rows, flat, out=long)
        else:
            yield partial(np.einsum, "ijhwc,ijwc->hwc", met, filters, out=target)
        if bias is not None:
            yield from channelwise(np.add, target, bias, site, "bias")
        yield part


def _in_rows(met: AnyArray) -> bool:
    """Whether the windows of a row meet one stretch of memory, each one pixel further than the last."""
    return met.strides[3] == met.shape[4] * met.itemsize and met.strides[4] == met.itemsize


def _filters(shapes: Depthwise | DepthwiseSums, site: Site) -> AnyArray:
    """One cell of all filters, again and again along a row: ``[height, width, windows, channels]``."""
    weight = present(site.operands, 1)

    def made() -> AnyArray:
        cells = weight[:, 0].transpose(1, 2, 0)[:, :, None]
        return np.ascontiguousarray(np.broadcast_to(cells, shapes.filters))

    return site.form("cells", made)


def _start(layer: Layer, bias: AnyArray | None, dtype: np.dtype[np.float32]) -> AnyArray:
    """A row of biases."""
    row = np.zeros(layer.target(1)[1:], dtype)
    if bias is not None:
        row[...] = bias
    return row


def _cell(
    layer: Layer,
    image: AnyArray,
    filters: AnyArray,
    products: AnyArray,
    target: AnyArray,
    part: Rows,
    row: int,
    column: int,
) -> Iterator[Call]:
    met = layer.down.met(row)
    rows, columns = range(max(part.begin, met.start), min(part.end, met.stop)), layer.across.met(column)
    if not rows or not columns:
        return
    seen = image[_reached(layer.down, rows, row), _reached(layer.across, columns, column)]
    place = target[rows.start - part.begin : rows.stop - part.begin, columns.start : columns.stop]
    product = _strip(products, place.shape)
    yield partial(np.multiply, seen, filters[: len(columns)], product)
    yield partial(np.add, place, product, place)


def _reached(axis: Axis, windows: range, cell: int) -> slice:
    """Where the windows have that cell of theirs."""
    first = windows.start * axis.stride + cell * axis.dilation - axis.before
    return slice(first, first + (len(windows) - 1) * axis.stride + 1, axis.stride)


def _strip(products: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    return products.reshape(-1)[: int(np.prod(shape))].reshape(shape)


__all__ = ["depthwise", "depthwise_sums"]
