"""Ops that put maps together, take them apart, and move axes."""

from collections.abc import Mapping
from typing import Any

from cnnir.analysis.reach import LIMIT, Interval, Reach
from cnnir.analysis.reads.base import Along, Merged, Place, Read, Unknown, Whole, read_from, reads, shape_of
from cnnir.dims import UNKNOWN, Dim, Shape, is_known
from cnnir.ops import Concat, Flatten, Pad, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze
from cnnir.ops.base import normalize_axis


@reads.rule(Concat)
def _concat(op: Concat, place: Place) -> Read:
    if place.axis != op.axis:
        return Along(place.axis)
    sizes = [shape_of(value)[op.axis] for value in place.node.operands]
    known = [size for size in sizes if is_known(size)]
    if len(known) < len(sizes) or sum(known) > LIMIT:
        return Unknown("maps of open size stand side by side along the axis")
    before, size = sum(known[: place.operand]), known[place.operand]
    reached: list[Interval | None] = [None] * sum(known)
    reached[before : before + size] = [(cell, cell) for cell in range(size)]
    return Along(place.axis, Reach(tuple(reached), None))


@reads.rule(Split)
def _split(op: Split, place: Place) -> Read:
    if place.axis != op.axis:
        return Along(place.axis)
    sizes = [shape_of(value)[op.axis] for value in place.node.outputs[: place.output]]
    known = [size for size in sizes if is_known(size)]
    return read_from(place, sum(known)) if len(known) == len(sizes) else Unknown("where the part begins is open")


@reads.rule(Slice)
def _slice(op: Slice, place: Place) -> Read:
    if place.axis not in op.axes:
        return Along(place.axis)
    index = op.axes.index(place.axis)
    start, step = op.starts[index], op.steps[index]
    if is_known(place.size):
        sizes = [size if is_known(size) else 1 for size in place.shape]
        first, _, step = op.ranges(sizes)[place.axis].indices(place.size)
        return read_from(place, first, step)
    return read_from(place, start, step) if start >= 0 and step > 0 else Unknown("where the slice begins is open")


@reads.rule(Pad)
def _pad(op: Pad, place: Place) -> Read:
    begin, end = op.pads[place.axis], op.pads[place.axis + len(place.shape)]
    if op.mode == "wrap" and (begin, end) != (0, 0):
        return Unknown("a padding that wraps around reads the opposite border")
    return read_from(place, -begin)


@reads.rule(Transpose)
def _transpose(op: Transpose, place: Place) -> Read:
    return Along(op.permutation.index(place.axis))


@reads.rule(Unsqueeze)
def _unsqueeze(op: Unsqueeze, place: Place) -> Read:
    rank = len(place.result)
    new = {normalize_axis(axis, rank) for axis in op.axes}
    return Along([axis for axis in range(rank) if axis not in new][place.axis])


@reads.rule(Squeeze)
def _squeeze(op: Squeeze, place: Place) -> Read:
    rank = len(place.shape)
    if op.axes is None:
        dropped = {axis for axis, dim in enumerate(place.shape) if dim == 1}
    else:
        dropped = {normalize_axis(axis, rank) for axis in op.axes}
    return Whole() if place.axis in dropped else Along(place.axis - sum(axis < place.axis for axis in dropped))


@reads.rule(Reshape, Flatten)
def _reshape(op: Any, place: Place) -> Read:
    """Axes whose products agree from the front belong together; an axis alone with one stays what it is."""
    if place.size == 1:
        stays = len(place.result) == len(place.shape) and place.result[place.axis] == 1
        return Along(place.axis) if stays else Whole()
    return _regrouped(place, _prefixes(place.shape), _prefixes(place.result))


def _prefixes(shape: Shape) -> Mapping[int, Dim]:
    """For each axis longer than 1, the product of the sizes up to it."""
    found: dict[int, Dim] = {}
    product: Dim = 1
    for axis, size in enumerate(shape):
        if size != 1:
            product = product * size
            found[axis] = product
    return found


def _regrouped(place: Place, old: Mapping[int, Dim], new: Mapping[int, Dim]) -> Read:
    ends = [product for product in old.values() if product != UNKNOWN and product in new.values()]
    block = next((index for index, end in enumerate(ends) if place.axis <= _axis_of(old, end)), None)
    if block is None:
        return Unknown("which elements come where is open")
    before = ends[block - 1] if block else None
    sources = _between(old, before, ends[block])
    targets = _between(new, before, ends[block])
    if len(targets) != 1:
        return Unknown("the axis is cut into parts")
    return Along(targets[0]) if len(sources) == 1 else Merged(targets[0])


def _axis_of(prefixes: Mapping[int, Dim], product: Dim) -> int:
    return next(axis for axis, found in prefixes.items() if found == product)


def _between(prefixes: Mapping[int, Dim], before: Dim | None, end: Dim) -> list[int]:
    """The axes behind the one that ends with `before`, up to the one that ends with `end`."""
    first = -1 if before is None else _axis_of(prefixes, before)
    return [axis for axis in prefixes if first < axis <= _axis_of(prefixes, end)]
