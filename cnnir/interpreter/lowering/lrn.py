"""Local response normalisation, channels innermost: see `cnnir.algorithms.channels_last.Neighbours`."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from cnnir.algorithms.channels_last import Neighbours
from cnnir.interpreter.kernels.base import present
from cnnir.interpreter.lowering.base import Call, Site, Step, lowering
from cnnir.interpreter.lowering.maps import inner, strips
from cnnir.ops import LRN
from cnnir.weights import AnyArray


@lowering("strips").rule(LRN)
def lrn(op: LRN, site: Site) -> Step:
    """``x / (bias + alpha / size * sum) ** beta``, also in place."""
    data, out = inner(present(site.operands, 0)), site.results[0]
    shapes = Neighbours.of(op, out.shape, site.setting("rows"), out.itemsize)
    squares = site.workspace.take(shapes.squares, out.dtype)
    sums = site.workspace.take(shapes.sums, out.dtype)
    scale, bias = out.dtype.type(op.alpha / op.size), out.dtype.type(op.bias)
    for part in strips(out.shape[0], out.shape[2], shapes.rows):
        target, source = inner(site.target(part))[0], data[part.image, part.begin : part.end]
        grid = *source.shape[:2], shapes.pitch
        length = grid[0] * grid[1] * grid[2]
        spread, total = squares[: length + shapes.size - 1], sums[:length]
        pixels = spread[shapes.before : shapes.before + length].reshape(grid)[..., : shapes.channels]
        yield partial(spread.fill, 0)
        yield partial(np.multiply, source, source, pixels)
        # A sum begins with the lowest neighbour: it stands as far in front of its channel as that.
        yield from _sums(spread, total, shapes.size)
        yield partial(np.multiply, total, scale, total)
        yield partial(np.add, total, bias, total)
        yield from _power(total, spread[:length], op.beta)
        yield partial(np.divide, source, total.reshape(grid)[..., : shapes.channels], target)
        yield part


def _sums(numbers: AnyArray, total: AnyArray, size: int) -> Iterator[Call]:
    """Of so many neighbours, from each number on."""
    windows = [numbers[first : first + total.size] for first in range(size)]
    if size == 1:
        yield partial(np.copyto, total, numbers)
        return
    yield partial(np.add, windows[0], windows[1], total)
    for window in windows[2:]:
        yield partial(np.add, total, window, total)


def _power(base: AnyArray, spare: AnyArray, exponent: float) -> Iterator[Call]:
    """In place; three quarters, which networks have, by two roots in place of a logarithm and an exponential."""
    if exponent == 0.75:
        yield partial(np.sqrt, base, spare)
        yield partial(np.multiply, base, spare, base)
        yield partial(np.sqrt, base, base)
    else:
        yield partial(np.power, base, base.dtype.type(exponent), base)


__all__ = ["lrn"]
