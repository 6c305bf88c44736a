"""Algorithms run in a scratch of exactly the bytes that were planned for them: plain, and slow."""

from fractions import Fraction
from math import prod

import numpy as np
from numpy.typing import NDArray

from cnnir.algorithms import Way

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

POINTS = (0, 1, -1, 2, -2)
"""At which the polynomials are evaluated, beside infinity; the first ``t - 1`` of them."""


class Pieces:
    """Arrays cut from one scratch, which must hold them all."""

    def __init__(self, bytes_: int) -> None:
        self._memory = np.full(bytes_ // 4, np.nan, np.float32)
        self._taken = 0

    def take(self, *shape: int) -> Floats:
        """The next piece."""
        begin, self._taken = self._taken, self._taken + prod(shape)
        assert self._taken <= self._memory.size, "the scratch is too small"
        return self._memory[begin : self._taken].reshape(shape)

    @property
    def left(self) -> int:
        """Elements that nothing was taken of."""
        return self._memory.size - self._taken


def _times(polynomial: list[Fraction], root: int) -> list[Fraction]:
    """The polynomial, lowest power first, times ``x - root``."""
    moved, scaled = [Fraction(0), *polynomial], [root * c for c in polynomial]
    return [a - b for a, b in zip(moved, [*scaled, Fraction(0)], strict=True)]


def transforms(m: int, r: int) -> tuple[Doubles, Doubles, Doubles]:
    """Toom's and Cook's matrices of F(m, r): of the output [m, t], the filter [t, r] and the input [t, t]."""
    t = m + r - 1
    points = POINTS[: t - 1]
    output, filters, inputs = (np.zeros(shape) for shape in ((m, t), (t, r), (t, t)))
    whole = [Fraction(1)]
    for point in points:
        whole = _times(whole, point)
    for j, point in enumerate(points):
        others = [other for other in points if other != point]
        without = [Fraction(1)]
        for other in others:
            without = _times(without, other)
        scale = Fraction(prod(point - other for other in others))
        output[:, j] = [point**i for i in range(m)]
        filters[j] = [float(Fraction(point**k) / scale) for k in range(r)]
        inputs[j, : t - 1] = [float(c) for c in without]
    output[m - 1, t - 1] = filters[t - 1, r - 1] = 1
    inputs[t - 1] = [float(c) for c in whole]
    return output, filters, inputs


def fft(way: Way, data: Floats, weight: Floats, pad: int) -> Floats:
    """A convolution at stride 1 of one image ``[H, W, C]`` with ``[kh, kw, C, K]``, by products of spectra."""
    scratch, count = Pieces(way.scratch), dict(way.parameters)["channels"]
    (height, width, channels), (down, across, _, filters) = data.shape, weight.shape
    sizes = tuple(_smooth(size + 2 * pad) for size in (height, width))
    bins = sizes[1] // 2 + 1
    # A correlation is a convolution with the window turned around, which the conjugate of its spectrum does.
    kept = np.conj(np.fft.rfft2(weight.transpose(2, 3, 0, 1), sizes)).astype(np.complex64)
    assert kept.nbytes == way.weight_bytes
    padded = scratch.take(count, *sizes)
    spectra = scratch.take(count, sizes[0], bins, 2).view(np.complex64)[..., 0]
    sums = scratch.take(filters, sizes[0], bins, 2).view(np.complex64)[..., 0]
    assert scratch.left == 0, "more was planned than is needed"
    sums[...] = 0
    for first in range(0, channels, count):
        block = data[:, :, first : first + count].transpose(2, 0, 1)
        padded[...] = 0
        padded[: len(block), pad : pad + height, pad : pad + width] = block
        spectra[: len(block)] = np.fft.rfft2(padded[: len(block)])
        for channel in range(len(block)):
            sums += spectra[channel] * kept[first + channel]
    high, wide = height + 2 * pad - down + 1, width + 2 * pad - across + 1
    result = np.empty((high, wide, filters), np.float32)
    for first in range(0, filters, count):
        some = sums[first : first + count]
        padded[: len(some)] = np.fft.irfft2(some, sizes)
        result[:, :, first : first + count] = padded[: len(some), :high, :wide].transpose(1, 2, 0)
    return result


def _smooth(least: int) -> int:
    """The next product of 2, 3 and 5."""
    sizes: list[int] = [2**a * 3**b * 5**c for a in range(9) for b in range(6) for c in range(4)]
    return min(size for size in sizes if size >= least)


def winograd(way: Way, data: Floats, weight: Floats, pad: int) -> Floats:
    """A convolution at stride 1 of one image ``[H, W, C]`` with ``[r, r, C, K]``, by F(m x m, r x r)."""
    scratch, parameters = Pieces(way.scratch), dict(way.parameters)
    m, r = int(way.algorithm.split("-")[1][0]), weight.shape[0]
    t, (height, width, channels), filters = m + r - 1, data.shape, weight.shape[3]
    high, wide = height + 2 * pad - r + 1, width + 2 * pad - r + 1
    down, across = -(-high // m), -(-wide // m)
    rows_full, columns_full = m * (down - 1) + t, m * (across - 1) + t
    back, whole, into = transforms(m, r)
    back, into = back.astype(np.float32), into.astype(np.float32)
    kept = np.einsum("ik,jl,klcf->ijcf", whole, whole, weight.astype(np.float64)).astype(np.float32)
    assert kept.nbytes == way.weight_bytes
    padded = data
    if (rows_full, columns_full) != (height, width):
        padded = scratch.take(rows_full, columns_full, channels)
        padded[...] = 0
        padded[pad : pad + height, pad : pad + width] = data
    size, rows_in, rows_out = (parameters[name] for name in ("tile_rows", "input_rows", "output_rows"))
    moved = scratch.take(t, t, size, across, channels)
    products = scratch.take(t, t, size, across, filters)
    first = scratch.take(max(rows_in * t * columns_full * channels, t * m * rows_out * across * filters))
    second = scratch.take(max(t * t * rows_in * across * channels, m * m * rows_out * across * filters))
    assert scratch.left == 0, "more was planned than is needed"
    result = np.empty((down * m, across * m, filters), np.float32)
    for start in range(0, down, size):
        count = min(size, down - start)
        for row in range(0, count, rows_in):
            rows = min(rows_in, count - row)
            halves = first[: rows * t * columns_full * channels].reshape(t, rows, columns_full, channels)
            for k in range(rows):
                begin = (start + row + k) * m
                np.matmul(into, padded[begin : begin + t].reshape(t, -1), out=halves[:, k].reshape(t, -1))
            tiles = second[: t * t * rows * across * channels].reshape(t, t, rows, across, channels)
            for k in range(t):
                tiles[k] = halves[:, :, k : k + m * (across - 1) + 1 : m]
            for i in range(t):
                place = moved[:, i, row : row + rows]
                np.matmul(into, tiles[:, i].reshape(t, -1), out=place.reshape(t, -1))
        for j in range(t):
            for i in range(t):
                pairs = moved[j, i, :count].reshape(-1, channels)
                np.matmul(pairs, kept[i, j], out=products[j, i, :count].reshape(-1, filters))
        for row in range(0, count, rows_out):
            rows = min(rows_out, count - row)
            halves = first[: t * m * rows * across * filters].reshape(t, m, rows, across, filters)
            for j in range(t):
                part = np.ascontiguousarray(products[j, :, row : row + rows]).reshape(t, -1)
                np.matmul(back, part, out=halves[j].reshape(m, -1))
            cells = second[: m * m * rows * across * filters].reshape(m, m, rows, across, filters)
            np.matmul(back, halves.reshape(t, -1), out=cells.reshape(m, -1))
            begin = (start + row) * m
            place = result[begin : begin + rows * m].reshape(rows, m, across, m, filters)
            place[...] = cells.transpose(2, 1, 3, 0, 4)
    return result[:high, :wide]


def columns(way: Way, data: Floats, weight: Floats, pad: int, stride: int) -> Floats:
    """A convolution of one image ``[H, W, C]`` with ``[r, r, C, K]`` by columns; no map is padded."""
    scratch, step = Pieces(way.scratch), dict(way.parameters)["rows"]
    (height, width, channels), (r, _, _, filters) = data.shape, weight.shape
    high, wide = ((size + 2 * pad - r) // stride + 1 for size in (height, width))
    held = scratch.take(step, wide, r, r, channels)
    product = scratch.take(step * wide, filters)
    assert scratch.left == 0, "more was planned than is needed"
    result = np.empty((high, wide, filters), np.float32)
    for start in range(0, high, step):
        count = min(step, high - start)
        held[...] = 0
        for row in range(count):
            for k in range(r):
                y = (start + row) * stride + k - pad
                for n in range(r):
                    seen = [x for x in range(wide) if 0 <= x * stride + n - pad < width]
                    if 0 <= y < height and seen:
                        begin = seen[0] * stride + n - pad
                        span = slice(begin, begin + (len(seen) - 1) * stride + 1, stride)
                        held[row, seen[0] : seen[-1] + 1, k, n] = data[y, span]
        matrix = held[:count].reshape(count * wide, -1)
        np.matmul(matrix, weight.reshape(-1, filters), out=product[: count * wide])
        result[start : start + count] = product[: count * wide].reshape(count, wide, filters)
    return result


def separable(way: Way, data: Floats, window: int, stride: int) -> Floats:
    """The maximum over windows of one image ``[H, W, C]``: along the rows into the scratch, then along the columns."""
    scratch, step = Pieces(way.scratch), dict(way.parameters)["rows"]
    height, width, channels = data.shape
    high, wide = ((size - window) // stride + 1 for size in (height, width))
    held = scratch.take(min((step - 1) * stride + window, height), wide, channels)
    assert scratch.left == 0, "more was planned than is needed"
    result = np.full((high, wide, channels), -np.inf, np.float32)
    for start in range(0, high, step):
        count = min(step, high - start)
        met = data[start * stride : (start + count - 1) * stride + window]
        rows = held[: len(met)]
        rows[...] = -np.inf
        for k in range(window):
            np.maximum(rows, met[:, k : k + (wide - 1) * stride + 1 : stride], out=rows)
        place = result[start : start + count]
        for k in range(window):
            np.maximum(place, rows[k : k + (count - 1) * stride + 1 : stride], out=place)
    return result
