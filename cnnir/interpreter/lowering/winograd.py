"""Winograd's minimal filtering, channels innermost: see `cnnir.algorithms.channels_last.Tiles`.

The matrices are those of Toom and Cook: polynomials are multiplied by their values at the points 0, 1, -1, 2, -2, ...
and at infinity (Blahut, "Fast Algorithms for Signal Processing" (2010), section 5.2); transposed, they filter.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import product

import numpy as np

from cnnir.algorithms.channels_last import Tiles
from cnnir.interpreter.kernels.base import optional, present
from cnnir.interpreter.lowering.base import Call, Rows, Site, Step, copy, lowering
from cnnir.interpreter.lowering.blocks import blocked, multiply
from cnnir.interpreter.lowering.maps import channelwise, inner, padded_rows
from cnnir.interpreter.lowering.products import layer_of
from cnnir.ops import Conv
from cnnir.weights import AnyArray

_POINTS = (0, 1, -1, 2, -2)


def transforms(outputs: int, cells: int) -> tuple[AnyArray, AnyArray, AnyArray]:
    """The matrices of F(m, r), float64.

    Args:
        outputs: m.
        cells: r; at most six inputs, ``t = m + r - 1``, have points.

    Returns:
        What is applied to inputs ``[t, t]``, to filters ``[t, r]``, and to products ``[m, t]``.
    """
    points = _POINTS[: outputs + cells - 2]
    others = [[other for other in points if other != point] for point in points]
    rows = [_from_roots(roots) for roots in others]
    inputs = [[*row, *(Fraction(0) for _ in range(len(points) + 1 - len(row)))] for row in rows]
    inputs.append(_from_roots(points))
    scales = [
        Fraction(1) / _product(point - other for other in roots) for point, roots in zip(points, others, strict=True)
    ]
    filters = [[scale * point**k for k in range(cells)] for point, scale in zip(points, scales, strict=True)]
    filters.append([Fraction(int(k == cells - 1)) for k in range(cells)])
    results = [[*(Fraction(point) ** k for point in points), Fraction(int(k == outputs - 1))] for k in range(outputs)]
    by_inputs, by_filters, by_products = (np.array(matrix, np.float64) for matrix in (inputs, filters, results))
    return by_inputs, by_filters, by_products


def _product(factors: Iterator[int]) -> Fraction:
    result = Fraction(1)
    for factor in factors:
        result *= factor
    return result


def _from_roots(roots: Sequence[int]) -> list[Fraction]:
    """Coefficients of the product of all ``x - root``, the constant first."""
    found = [Fraction(1)]
    for root in roots:
        found = [a - root * b for a, b in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


class _Winograd:
    """One convolution in tiles."""

    def __init__(self, op: Conv, site: Site, outputs: int) -> None:
        self.layer = layer_of(op, site)
        self.site = site
        self.data = inner(present(site.operands, 0))
        self.tiles = tiles = Tiles(self.layer, outputs, site.setting("tile_rows"))
        dtype = self.data.dtype
        by_inputs, self.by_filters, by_products = transforms(outputs, self.layer.down.cells)
        self.by_inputs, self.by_products = by_inputs.astype(dtype), by_products.astype(dtype)
        self.width = site.setting("block")
        self.filters = site.form(f"winograd-{outputs}-{self.width}", self._filters)
        take = site.workspace.take
        self.transformed = take(tiles.transformed(tiles.rows), dtype)
        self.products = take(tiles.products(tiles.rows), dtype)
        self.padded = take(tiles.padded(tiles.rows_in), dtype)
        self.half_in = take(tiles.half_in(tiles.rows_in), dtype)
        self.half_out = take(tiles.half_out(tiles.rows_out), dtype)
        self.results = take(tiles.results(tiles.rows_out), dtype)

    def _filters(self) -> AnyArray:
        weight, g = present(self.site.operands, 1), self.by_filters
        spread = np.einsum("ia,kcab,jb->ijck", g, weight.astype(np.float64), g, optimize=True)
        return blocked(spread.reshape(self.tiles.weights).astype(weight.dtype), self.width)

    def steps(self) -> Step:
        tiles = self.tiles
        for image in range(self.layer.images):
            for first in range(0, tiles.down, tiles.rows):
                count = min(tiles.rows, tiles.down - first)
                yield from self._transform(image, first, count)
                yield from self._multiply(count)
                yield from self._transform_back(image, first, count)

    def _transform(self, image: int, first: int, rows: int) -> Iterator[Call]:
        tiles, m, t, channels = self.tiles, self.tiles.outputs, self.tiles.inputs, self.layer.channels
        into = _front(self.transformed, tiles.transformed(rows))
        for begin in range(0, rows, tiles.rows_in):
            count = min(tiles.rows_in, rows - begin)
            padded = self.padded[: m * (count - 1) + t]
            yield from padded_rows(self.layer, self.data[image], padded, (first + begin) * m - self.layer.down.before)
            row, column, item = padded.strides
            shape, strides = (count, t, tiles.width * channels), (m * row, row, item)
            half = _front(self.half_in, (count, t, tiles.width * channels))
            yield partial(np.matmul, self.by_inputs, _view(padded, shape, strides), half)
            over, along, item = half.strides
            shape5, strides5 = (t, count, tiles.across, t, channels), (along, over, m * column, column, item)
            place = into[:, :, begin : begin + count].transpose(0, 2, 3, 1, 4)
            yield partial(np.matmul, self.by_inputs, _view(half, shape5, strides5), place)

    def _multiply(self, rows: int) -> Iterator[Call]:
        tiles, t = self.tiles, self.tiles.inputs
        count = rows * tiles.across
        transformed = _front(self.transformed, (t * t, count, self.layer.channels))
        products = _front(self.products, (t * t, count, self.layer.filters))
        yield from multiply(transformed, self.filters, products, self.width)
        bias = optional(self.site.operands, 2)
        if bias is not None:
            # At the point 1 in both directions: transformed back, a number there is that number everywhere.
            yield from channelwise(np.add, products[t + 1], bias, self.site, "bias")

    def _transform_back(self, image: int, first: int, rows: int) -> Step:
        tiles, m, t, filters = self.tiles, self.tiles.outputs, self.tiles.inputs, self.layer.filters
        products = _front(self.products, tiles.products(rows))
        height = self.layer.down.windows
        for begin in range(0, rows, tiles.rows_out):
            count = min(tiles.rows_out, rows - begin)
            length = count * tiles.across * filters
            source = products[:, :, begin : begin + count]
            whole = _view(source, (t, t, length), (*source.strides[:2], source.itemsize))
            half = _front(self.half_out, (t, m, length))
            yield partial(np.matmul, self.by_products, whole, half)
            results = _front(self.results, (m, m * length))
            yield partial(np.matmul, self.by_products, half.reshape(t, m * length), results)
            top = (first + begin) * m
            part = Rows(image, image + 1, top, min(top + count * m, height))
            yield from self._spread(
                results.reshape(m, m, count, tiles.across, filters), inner(self.site.target(part))[0]
            )
            yield part

    def _spread(self, results: AnyArray, target: AnyArray) -> Iterator[Call]:
        """Tiles to their places; the last ones of rows and columns may be cut off."""
        m = self.tiles.outputs
        rows, columns = (_full_and_rest(size, m) for size in target.shape[:2])
        for (low, high, height), (left, right, width) in product(rows, columns):
            source = results[:height, :width, low:high, left:right].transpose(2, 0, 3, 1, 4)
            corner = target[low * m :, left * m :]
            down, across, item = target.strides
            strides = (m * down, down, m * across, across, item)
            yield copy(_view(corner, source.shape, strides, writeable=True), source)


def _full_and_rest(size: int, tile: int) -> list[tuple[int, int, int]]:
    """(first tile, the one behind the last, cells of each)."""
    full, rest = divmod(size, tile)
    found = [(0, full, tile), (full, full + 1, rest)]
    return [part for part in found if part[0] < part[1] and part[2]]


def _front(buffer: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    return buffer.reshape(-1)[: int(np.prod(shape))].reshape(shape)


def _view(array: AnyArray, shape: tuple[int, ...], strides: tuple[int, ...], *, writeable: bool = False) -> AnyArray:
    return np.lib.stride_tricks.as_strided(array, shape, strides, writeable=writeable)


@lowering("winograd-2x2-3x3").rule(Conv)
@lowering("winograd-2x2-5x5").rule(Conv)
def winograd_2(op: Conv, site: Site) -> Step:
    """F(2 x 2, 3 x 3) or F(2 x 2, 5 x 5)."""
    return _Winograd(op, site, 2).steps()


@lowering("winograd-4x4-3x3").rule(Conv)
def winograd_4(op: Conv, site: Site) -> Step:
    """F(4 x 4, 3 x 3)."""
    return _Winograd(op, site, 4).steps()


__all__ = ["transforms", "winograd_2", "winograd_4"]
