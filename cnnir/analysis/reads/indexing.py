"""Ops that give sizes as values, elements by index, and elements repeated."""

from cnnir.analysis.reach import LIMIT, Reach
from cnnir.analysis.reads.base import Along, Nothing, Place, Read, Unknown, Whole, aligned, reads
from cnnir.dims import is_known
from cnnir.ops import Expand, Gather, Shape, Size, Tile


@reads.rule(Shape, Size)
def _sizes(op: Shape | Size, place: Place) -> Read:
    return Nothing()


@reads.rule(Gather)
def _gather(op: Gather, place: Place) -> Read:
    if place.operand == 1:
        return Along(op.axis + place.axis)
    if place.axis != op.axis:
        return Along(place.axis if place.axis < op.axis else place.axis + len(place.result) - len(place.shape))
    indices = place.node.operands[1].weight
    if indices is None or len(indices.shape) != 1 or indices.shape[0] > LIMIT or not is_known(place.size):
        return Whole()  # any cell may be asked for
    cells = [index % place.size for index in indices.array().tolist()]
    return Along(op.axis, Reach(tuple((cell, cell) for cell in cells), None))


@reads.rule(Expand)
def _expand(op: Expand, place: Place) -> Read:
    return aligned(place, place.axis + len(place.result) - len(place.shape))


@reads.rule(Tile)
def _tile(op: Tile, place: Place) -> Read:
    count, size = op.repeats[place.axis], place.size
    if count == 1 or size == 1:
        return aligned(place, place.axis)
    if not is_known(count) or not is_known(size) or count * size > LIMIT:
        return Unknown("maps of open size stand side by side along the axis")
    return Along(place.axis, Reach(tuple((cell, cell) for cell in range(size)) * count, None))
