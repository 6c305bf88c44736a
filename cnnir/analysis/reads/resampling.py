"""Resampling: each output position reads one or two positions of the input."""

import math
from fractions import Fraction

from cnnir.analysis.reach import LIMIT, Interval, Reach
from cnnir.analysis.reads.base import Along, Place, Read, Unknown, reads
from cnnir.dims import is_known
from cnnir.ops import Resize

_SMALL = 256
"""Largest denominator that a scale, rounded to float32 in a file, is taken to have meant."""


@reads.rule(Resize)
def _resize(op: Resize, place: Place) -> Read:
    size, target = place.size, place.result[place.axis]
    if op.sizes is not None and op.sizes[place.axis] is None:
        return Along(place.axis)
    if op.scales is not None and op.scales[place.axis] == 1.0:
        return Along(place.axis)
    known = (size, target) if is_known(size) and is_known(target) else None
    if known is not None and known[0] == known[1] and op.scales is None:
        return Along(place.axis)
    line = _line(op, place.axis, known)
    if isinstance(line, Unknown):
        return line
    slope, offset = line
    read = _nearest if op.mode == "nearest" else _neighbouring
    if slope == 0 or slope.denominator > LIMIT:
        if known is None or known[1] > LIMIT:
            return Unknown("positions that never repeat, in a map of open size")
        return Along(place.axis, Reach(tuple(read(op, slope * at + offset) for at in range(known[1])), None))
    phases = tuple(read(op, slope * phase + offset) for phase in range(slope.denominator))
    return Along(place.axis, Reach(phases, slope.numerator))


def _line(op: Resize, axis: int, known: tuple[int, int] | None) -> tuple[Fraction, Fraction] | Unknown:
    """Slope and offset of the input position over the output position (ONNX: ``coordinate_transformation_mode``)."""
    half = Fraction(1, 2)
    if known is None and (op.scales is None or op.coordinates in ("align_corners", "half_pixel_symmetric")):
        return Unknown("positions depend on the size of the map, which is open")
    if op.scales is not None:
        exact = Fraction(op.scales[axis])
        meant = exact.limit_denominator(_SMALL)
        scale = meant if abs(meant - exact) * 2**20 <= exact else exact
    else:
        scale = Fraction(known[1], known[0]) if known and known[0] else Fraction(1)
    if op.coordinates == "align_corners" and known:
        return (Fraction(known[0] - 1, known[1] - 1) if known[1] > 1 else Fraction(0)), Fraction(0)
    if op.coordinates == "pytorch_half_pixel" and known and known[1] <= 1:
        return Fraction(0), Fraction(0)
    if op.coordinates == "half_pixel_symmetric" and known:
        return 1 / scale, (known[0] - 1) * half - (known[1] - 1) * half / scale
    if op.coordinates == "asymmetric":
        return 1 / scale, Fraction(0)
    return 1 / scale, half / scale - half


def _nearest(op: Resize, position: Fraction) -> Interval:
    half = Fraction(1, 2)
    cell = {
        "floor": math.floor(position),
        "ceil": math.ceil(position),
        "round_prefer_floor": math.ceil(position - half),
        "round_prefer_ceil": math.floor(position + half),
    }[op.rounding]
    return cell, cell


def _neighbouring(op: Resize, position: Fraction) -> Interval:
    return math.floor(position), math.ceil(position)
