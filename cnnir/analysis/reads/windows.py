"""Sliding windows: convolution, its transpose, pooling."""

from cnnir.analysis.reach import Reach, hull, window
from cnnir.analysis.reads.base import Along, Place, Read, Unknown, Whole, reads, shape_of
from cnnir.dims import is_known
from cnnir.ops import Conv, ConvTranspose
from cnnir.ops.pooling import GlobalPool, Pool
from cnnir.ops.window import Window


@reads.rule(Conv)
def _convolution(op: Conv, place: Place) -> Read:
    return convolution(op, place, 1)


def convolution(op: Conv, place: Place, weight: int) -> Read:
    """Of a node whose weight is a given operand."""
    if place.operand != 0 or place.axis < 2:
        return _channels(op.group, place, filters=0, weight=weight)
    kernel = shape_of(place.node.inputs[weight])[2:]
    if not all(is_known(size) for size in kernel):
        return Unknown("the size of the kernel is not known")
    return _window(op.window((0, 0, *(size for size in kernel if is_known(size)))), place)


def _channels(group: int, place: Place, filters: int, weight: int = 1) -> Read:
    """Batch and channels of a convolution, and weights that are computed, with their filters along an axis."""
    if place.operand == 0:
        return Along(0) if place.axis == 0 else Whole() if group == 1 else Unknown("the channels are in groups")
    own = place.operand != weight or (place.axis == filters and group == 1)
    return Along(1) if own else Whole()


@reads.rule(Pool)
def _pool(op: Pool, place: Place) -> Read:
    return Along(place.axis) if place.axis < 2 else _window(op.window, place)


def _window(sliding: Window, place: Place) -> Read:
    axis = place.axis - 2
    extent, stride = sliding.extents()[axis], sliding.strides[axis]
    size = place.size
    if not is_known(size) and sliding.auto_pad in ("SAME_UPPER", "SAME_LOWER") and stride > 1:
        return Unknown("how SAME pads depends on the size of the map, which is open")
    sizes = [size if is_known(size) and index == axis else extent for index in range(len(sliding.kernel))]
    return Along(place.axis, window(-sliding.resolved_pads(sizes)[axis], extent, stride))


@reads.rule(GlobalPool)
def _global(op: GlobalPool, place: Place) -> Read:
    return Whole() if place.axis >= 2 else Along(place.axis)


@reads.rule(ConvTranspose)
def _transposed(op: ConvTranspose, place: Place) -> Read:
    """Input cell i is spread over the outputs ``i * S - P + k * D``; turned round, and repeated after S outputs."""
    if place.operand != 0 or place.axis < 2:
        return _channels(op.group, place, filters=1)
    axis = place.axis - 2
    kernel = shape_of(place.node.inputs[1])
    explicit = op.auto_pad in ("NOTSET", "VALID") and op.output_shape is None
    if not all(is_known(size) for size in kernel) or not (explicit or all(is_known(size) for size in place.shape)):
        return Unknown("the padding depends on sizes that are open")
    known = tuple(size for size in kernel if is_known(size))
    sizes = [size if is_known(size) else 1 for size in place.shape[2:]]
    pad, stride, step = op.resolved_pads(sizes, known)[axis], op.strides[axis], op.dilations[axis]
    phases = []
    for phase in range(stride):
        spread = [phase + pad - step * cell for cell in range(known[place.axis])]
        phases.append(hull((at // stride, at // stride) for at in spread if at % stride == 0))
    return Along(place.axis, Reach(tuple(phases), 1))
