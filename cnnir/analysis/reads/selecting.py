"""Ops that choose elements or places, make codes and triangles, and sum along axes."""

from cnnir.analysis.reach import LIMIT, Interval, Reach
from cnnir.analysis.reads.base import Along, Nothing, Place, Read, Unknown, Whole, aligned, reads, shape_of
from cnnir.dims import is_known
from cnnir.ops import Einsum, EyeLike, GatherElements, GatherND, OneHot, Range, ScatterElements, ScatterND, TopK, Trilu
from cnnir.ops.running import Running


@reads.rule(Range)
def _range(op: Range, place: Place) -> Read:
    return Unknown("the limits are computed from the input")


@reads.rule(EyeLike)
def _eye(op: EyeLike, place: Place) -> Read:
    return Nothing()


@reads.rule(OneHot)
def _code(op: OneHot, place: Place) -> Read:
    if place.operand == 0:
        return Along(place.axis if place.axis < op.axis else place.axis + 1)
    return Whole()


@reads.rule(Trilu)
def _triangle(op: Trilu, place: Place) -> Read:
    return Along(place.axis)


@reads.rule(TopK)
def _extremes(op: TopK, place: Place) -> Read:
    return Whole() if place.axis == op.axis else Along(place.axis)


@reads.rule(Running)
def _running(op: Running, place: Place) -> Read:
    if place.axis != op.axis:
        return Along(place.axis)
    size = place.size
    if not is_known(size) or size > LIMIT:
        return Whole()
    return Along(place.axis, Reach(tuple(_before(op, position, size) for position in range(size)), None))


def _before(op: Running, position: int, size: int) -> Interval | None:
    """The cells that a position is made of."""
    left_out = int(op.exclusive)
    first, last = (position + left_out, size - 1) if op.reverse else (0, position - left_out)
    return (first, last) if first <= last else None


@reads.rule(GatherElements)
def _gather_elements(op: GatherElements, place: Place) -> Read:
    return Whole() if place.operand == 0 and place.axis == op.axis else Along(place.axis)


@reads.rule(GatherND)
def _gather_nd(op: GatherND, place: Place) -> Read:
    indices = shape_of(place.node.operands[1])
    if place.operand == 1:
        return Along(place.axis) if place.axis < len(indices) - 1 else Whole()
    behind = len(place.shape) - len(place.result) + len(indices) - 1  # the first axis that no index names
    if place.axis < op.batch_dims:
        return Along(place.axis)
    return Whole() if place.axis < behind else Along(place.axis - behind + len(indices) - 1)


@reads.rule(ScatterElements)
def _scatter_elements(op: ScatterElements, place: Place) -> Read:
    return Whole() if place.operand > 0 and place.axis == op.axis else Along(place.axis)


@reads.rule(ScatterND)
def _scatter_nd(op: ScatterND, place: Place) -> Read:
    if place.operand == 0:
        return Along(place.axis)
    rows = len(shape_of(place.node.operands[1])) - 1
    if place.operand == 1 or place.axis < rows:
        return Whole()
    return Along(place.axis + len(place.result) - len(place.shape))


@reads.rule(Einsum)
def _summed(op: Einsum, place: Place) -> Read:
    read, result = op.labels([len(shape_of(value)) for value in place.node.inputs])
    label = read[place.operand][place.axis]
    return aligned(place, result.index(label)) if label in result else Whole()
