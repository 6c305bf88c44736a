"""Pooling, channels innermost: along the height first, so many rows of results at a time, then along the width."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from cnnir.algorithms.channels_last import Axis, Pooling
from cnnir.interpreter.kernels.base import present
from cnnir.interpreter.kernels.pooling import divisors, lowest
from cnnir.interpreter.lowering.base import Call, Site, Step, copy, lowering
from cnnir.interpreter.lowering.maps import inner, strips
from cnnir.ops import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool
from cnnir.ops.pooling import Pool
from cnnir.weights import AnyArray


@lowering("separable").rule(MaxPool)
def max_pool(op: MaxPool, site: Site) -> Step:
    """The maximum; padding never wins."""
    return _Separable(op, site, np.maximum, lowest(site.results[0].dtype)).steps(None)


@lowering("separable").rule(AveragePool)
def average_pool(op: AveragePool, site: Site) -> Step:
    """The sum, times one over how many cells of the window count."""
    data, out = present(site.operands, 0), site.results[0]
    shares = site.form("shares", lambda: (1 / divisors(op, data.shape[2:], out.shape[2:])).astype(out.dtype))
    return _Separable(op, site, np.add, 0).steps(shares)


class _Separable:
    def __init__(self, op: Pool, site: Site, ufunc: Any, neutral: float) -> None:
        self.site, self.ufunc, self.neutral = site, ufunc, neutral
        data, self.out = present(site.operands, 0), site.results[0]
        self.data = inner(data)
        self.shapes = Pooling.of(op, data.shape, self.out.shape, site.setting("rows"), data.itemsize)
        self.half = site.workspace.take(self.shapes.half, data.dtype)

    def steps(self, shares: AnyArray | None) -> Step:
        """Both axes; then times the shares ``[H, W]``."""
        down, across = self.shapes.down, self.shapes.across
        for part in strips(self.out.shape[0], self.out.shape[2], self.shapes.rows):
            target = inner(self.site.target(part))[0]
            half = self.half[: part.end - part.begin]
            yield from self._along(down, self.data[part.image], half, range(part.begin, part.end))
            crossed, turned = half.transpose(1, 0, 2), target.transpose(1, 0, 2)
            yield from self._along(across, crossed, turned, range(across.windows))
            if shares is not None:
                yield partial(np.multiply, target, shares[part.begin : part.end, :, None], target)
            yield part

    def _along(self, axis: Axis, source: AnyArray, target: AnyArray, windows: range) -> Iterator[Call]:
        """Pool along the first axis for some of its windows."""
        cells = [(cell, _common(axis.met(cell), windows)) for cell in range(axis.cells)]
        whole = [cell for cell, met in cells if met == windows]
        first = whole[:2]
        if not first:
            yield partial(np.copyto, target, target.dtype.type(self.neutral))
        elif len(first) == 1:
            yield copy(target, _seen(axis, source, windows, first[0]))
        else:
            yield partial(self.ufunc, *(_seen(axis, source, windows, cell) for cell in first), out=target)
        for cell, met in cells:
            if cell not in first and met:
                place = target[met.start - windows.start : met.stop - windows.start]
                yield partial(self.ufunc, place, _seen(axis, source, met, cell), out=place)


def _common(left: range, right: range) -> range:
    begin = max(left.start, right.start)
    return range(begin, max(begin, min(left.stop, right.stop)))


def _seen(axis: Axis, source: AnyArray, windows: range, cell: int) -> AnyArray:
    """What the windows have in that cell of theirs."""
    first = windows.start * axis.stride + cell * axis.dilation - axis.before
    return source[first : first + (len(windows) - 1) * axis.stride + 1 : axis.stride]


@lowering("reduction").rule(GlobalAveragePool)
def global_average_pool(op: GlobalAveragePool, site: Site) -> Step:
    """The sum of all pixels, divided by their number."""
    yield from _global(site, np.add)
    data, out = present(site.operands, 0), site.target(None)
    yield partial(np.multiply, out, out.dtype.type(1 / (data.shape[2] * data.shape[3])), out)


@lowering("reduction").rule(GlobalMaxPool)
def global_max_pool(op: GlobalMaxPool, site: Site) -> Step:
    """The largest of all pixels."""
    yield from _global(site, np.maximum)


def _global(site: Site, ufunc: Any) -> Iterator[Call]:
    data, out = inner(present(site.operands, 0)), inner(site.target(None))
    pixels = data.reshape(data.shape[0], -1, data.shape[3])
    yield partial(ufunc.reduce, pixels, 1, None, out[:, 0, 0])


__all__ = ["average_pool", "global_average_pool", "global_max_pool", "max_pool"]
