"""Channels laid out as blocks of pixels, and back."""

from cnnir.analysis.reach import Reach, window
from cnnir.analysis.reads.base import Along, Place, Read, Whole, reads
from cnnir.ops import DepthToSpace, SpaceToDepth


@reads.rule(DepthToSpace)
def _to_space(op: DepthToSpace, place: Place) -> Read:
    if place.axis == 1:
        return Whole()
    return Along(place.axis, Reach(((0, 0),) * op.blocksize, 1)) if place.axis > 1 else Along(place.axis)


@reads.rule(SpaceToDepth)
def _to_depth(op: SpaceToDepth, place: Place) -> Read:
    if place.axis == 1:
        return Whole()
    return Along(place.axis, window(0, op.blocksize, op.blocksize)) if place.axis > 1 else Along(place.axis)
