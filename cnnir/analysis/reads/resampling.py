"""Resampling: each output position reads one position of the input, or its neighbours."""

import math
from fractions import Fraction
from functools import partial

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
    known = (size, target) if is_known(size) and is_known(target) else None
    same = op.scales[place.axis] == 1.0 if op.scales is not None else known is not None and known[0] == known[1]
    if op.coordinates == "tf_crop_and_resize" and not (same and op.cut(place.axis) == (0.0, 1.0)):
        return Unknown("it crops, and gives positions outside of the map a value of their own")
    if same and op.policy == "stretch":
        return Along(place.axis)
    scale = _scale(op, place, known)
    if isinstance(scale, Unknown):
        return scale
    line = _line(op, scale, known)
    if isinstance(line, Unknown):
        return line
    slope, offset = line
    read = _nearest if op.mode == "nearest" else partial(_neighbouring, scale=scale)
    if slope == 0 or slope.denominator > LIMIT:
        if known is None or known[1] > LIMIT:
            return Unknown("positions that never repeat, in a map of open size")
        return Along(place.axis, Reach(tuple(read(op, slope * at + offset) for at in range(known[1])), None))
    phases = tuple(read(op, slope * phase + offset) for phase in range(slope.denominator))
    return Along(place.axis, Reach(phases, slope.numerator))


def _scale(op: Resize, place: Place, known: tuple[int, int] | None) -> Fraction | Unknown:
    """What an output element is of an input element."""
    if op.scales is not None:
        exact = Fraction(op.scales[place.axis])
        meant = exact.limit_denominator(_SMALL)
        return meant if abs(meant - exact) * 2**20 <= exact else exact
    found = op.policy_scale(place.shape)
    if known is None or (op.policy != "stretch" and found is None):
        return Unknown("positions depend on the size of the map, which is open")
    return found or (Fraction(known[1], known[0]) if known[0] else Fraction(1))


def _line(op: Resize, scale: Fraction, known: tuple[int, int] | None) -> tuple[Fraction, Fraction] | Unknown:
    """Slope and offset of the input position over the output position (ONNX: ``coordinate_transformation_mode``)."""
    half = Fraction(1, 2)
    if known is None and op.coordinates in ("align_corners", "half_pixel_symmetric"):
        return Unknown("positions depend on the size of the map, which is open")
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


def _neighbouring(op: Resize, position: Fraction, *, scale: Fraction) -> Interval:
    """All that the kernel reaches around a position; at a whole one a cubic kernel weighs nothing else."""
    shrunk = min(scale, Fraction(1)) if op.antialias else Fraction(1)
    if shrunk == 1 and position.denominator == 1:
        return int(position), int(position)
    reach = (1 if op.mode == "linear" else 2) / shrunk
    return math.floor(position - reach) + 1, math.ceil(position + reach) - 1
