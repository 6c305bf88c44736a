"""Moving elements: each from its place to another, with nothing computed."""

from collections.abc import Iterator, Sequence

import numpy as np

from cnnir.errors import CnnirError
from cnnir.interpreter.kernels.base import present
from cnnir.interpreter.lowering.base import Call, Site, Step, copy, lowering
from cnnir.ops import Concat, Flatten, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze
from cnnir.ops.base import Op
from cnnir.weights import AnyArray

_SHORT = 16
"""Elements along the axis that runs fastest in the result, for which it pays to go along another one."""


def moved(target: AnyArray, source: AnyArray) -> Iterator[Call]:
    """``target[...] = source``, along a long axis where NumPy would go along a short one."""
    wide = [axis for axis, size in enumerate(target.shape) if size > 1]
    if not wide:
        yield copy(target, source)
        return
    fastest = min(wide, key=lambda axis: abs(target.strides[axis]))
    own = min(wide, key=lambda axis: abs(source.strides[axis]))
    if fastest == own or target.shape[fastest] > _SHORT:
        yield copy(target, source)
        return
    for index in range(target.shape[fastest]):
        yield copy(np.moveaxis(target, fastest, 0)[index], np.moveaxis(source, fastest, 0)[index])


@lowering("copy").rule(Transpose)
def transpose(op: Transpose, site: Site) -> Step:
    """Axes exchanged."""
    yield from moved(site.target(None), present(site.operands, 0).transpose(op.permutation))


@lowering("copy").rule(Reshape, Flatten, Squeeze, Unsqueeze)
def reshape(op: Op, site: Site) -> Step:
    """The same elements in row-major order: one side lies so."""
    source, target = present(site.operands, 0), site.target(None)
    for one, other in ((source, target), (target, source)):
        view = one.reshape(other.shape)
        if view.size == 0 or view.__array_interface__["data"] == one.__array_interface__["data"]:
            yield from moved(target, view) if one is source else moved(view, source)
            return
    raise CnnirError("layout", "neither side lies in row-major order", got=(source.strides, target.strides))


@lowering("copy").rule(Concat)
def concat(op: Concat, site: Site) -> Step:
    """Each operand into its range."""
    parts = [present(site.operands, index) for index in range(len(site.operands))]
    for part, place in zip(parts, _ranges(site.target(None), op.axis, [p.shape[op.axis] for p in parts]), strict=True):
        yield from moved(place, part)


@lowering("copy").rule(Split)
def split(op: Split, site: Site) -> Step:
    """Each range to its result."""
    sizes = [result.shape[op.axis] for result in site.results]
    ranges = _ranges(present(site.operands, 0), op.axis, sizes)
    for result, part in zip(site.results, ranges, strict=True):
        yield from moved(result, part)


def _ranges(array: AnyArray, axis: int, sizes: Sequence[int]) -> Iterator[AnyArray]:
    begin = 0
    for size in sizes:
        yield array[(*(slice(None) for _ in range(axis)), slice(begin, begin + size))]
        begin += size


@lowering("copy").rule(Slice)
def slice_(op: Slice, site: Site) -> Step:
    """A part."""
    data = present(site.operands, 0)
    yield from moved(site.target(None), data[op.ranges(data.shape)])


__all__ = ["concat", "moved", "reshape", "slice_", "split", "transpose"]
