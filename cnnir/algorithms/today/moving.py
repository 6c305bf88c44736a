"""What the kernels allocate that move elements: lay out, choose, repeat, sort, make."""

import itertools
import math

from cnnir.algorithms.base import Call, in_float32, workspaces
from cnnir.ops import (
    Concat,
    ConstantOfShape,
    DepthToSpace,
    Dropout,
    Expand,
    EyeLike,
    Flatten,
    Gather,
    GatherElements,
    GatherND,
    Identity,
    OneHot,
    Pad,
    Range,
    Reshape,
    Resize,
    ScatterElements,
    ScatterND,
    Shape,
    Size,
    Slice,
    SpaceToDepth,
    Split,
    Squeeze,
    Tile,
    TopK,
    Transpose,
    Trilu,
    Unsqueeze,
)
from cnnir.ops.base import Op
from cnnir.ops.running import Running


@workspaces.rule(
    Concat, ConstantOfShape, Dropout, Expand, Flatten, Identity, Reshape, Shape, Size, Slice, Split, Squeeze, Transpose,
    Unsqueeze,
)  # fmt: skip
def copied(op: Op, call: Call) -> int:
    """NumPy copies from where elements are to where they shall be."""
    return 0


@workspaces.rule(DepthToSpace, SpaceToDepth)
def blocks(op: Op, call: Call) -> int:
    """The permuted elements in row-major order."""
    return call.output.bytes


@workspaces.rule(Pad)
def pad(op: Pad, call: Call) -> int:
    """A constant is written around what stays; other modes make the result aside, and copy each side once more."""
    if op.mode == "constant":
        return 0
    out = call.output
    begins, ends = op.pads[: len(out.shape)], op.pads[len(out.shape) :]
    sides = zip(out.shape, begins, ends, strict=True)
    return out.bytes + max((out.bytes * max(b, e, 0) // max(size, 1) for size, b, e in sides), default=0)


@workspaces.rule(Gather)
def gather(op: Gather, call: Call) -> int:
    """The result, and the indices in 64 bits; before that, where they lie outside."""
    count = call.input(1).elements
    return max(3 * count, call.output.bytes + 8 * count)


@workspaces.rule(GatherElements)
def gather_elements(op: GatherElements, call: Call) -> int:
    """The result, and the indices in 64 bits, once as they are and once for each axis of the data."""
    count = call.input(1).elements
    return call.output.bytes + 8 * count * (1 + len(call.input(0).shape))


@workspaces.rule(GatherND)
def gather_nd(op: GatherND, call: Call) -> int:
    """The result, and the indices of each axis."""
    places = math.prod(call.input(1).shape[:-1])
    return call.output.bytes + 8 * places * (op.batch_dims + call.input(1).shape[-1] + 2)


@workspaces.rule(ScatterElements)
@in_float32
def scatter_elements(op: ScatterElements, call: Call) -> int:
    """A copy of the data, and the indices for each axis of it."""
    data, indices = call.input(0), call.input(1)
    return data.bytes + 8 * indices.elements * (1 + len(data.shape)) + call.input(2).bytes


@workspaces.rule(ScatterND)
@in_float32
def scatter_nd(op: ScatterND, call: Call) -> int:
    """A copy of the data, and the indices of each axis."""
    indices = call.input(1)
    return call.input(0).bytes + 8 * (indices.elements + math.prod(indices.shape[:-1])) + call.input(2).bytes


@workspaces.rule(Tile)
def tile(op: Tile, call: Call) -> int:
    """One axis after the other: what the axes up to it make, beside what those before it made."""
    data, sizes = call.input(0), call.output.shape
    counts = [out // size if size else 0 for out, size in zip(sizes, data.shape, strict=True)]
    made = list(itertools.accumulate(counts, lambda so_far, count: so_far * count, initial=1))
    if all(count == 1 for count in counts):
        return data.bytes
    return max(data.bytes * (before * (before != 1) + after) for before, after in itertools.pairwise(made))


@workspaces.rule(TopK)
@in_float32
def top_k(op: TopK, call: Call) -> int:
    """The order of all elements, counted from behind for the largest; of it what is kept, and the elements there."""
    data, kept = call.input(0), call.output
    return 16 * data.elements + data.bytes + kept.elements * (8 * (2 + len(kept.shape)) + kept.itemsize)


@workspaces.rule(Running)
@in_float32
def running(op: Running, call: Call) -> int:
    """The sums, and without the element itself moved by one."""
    data = call.input(0)
    moved = data.bytes + data.bytes // max(data.shape[op.axis], 1) if op.exclusive else 0
    return data.bytes + moved


@workspaces.rule(Range)
@in_float32
def range_(op: Range, call: Call) -> int:
    """The counts, in 64 bits and in the result's type, and what is made of them."""
    return (8 + 2 * max(call.output.itemsize, 8)) * call.output.elements


@workspaces.rule(EyeLike)
def eye_like(op: EyeLike, call: Call) -> int:
    """How far each element is from the diagonal, in 64 bits."""
    return 9 * call.output.elements + 16 * max(call.output.shape)


@workspaces.rule(Trilu)
def triangle(op: Trilu, call: Call) -> int:
    """Likewise for one matrix, and the choice for all of them."""
    rows, columns = call.input(0).shape[-2:]
    distances = 9 * rows * columns + 16 * max(rows, columns) + call.cast_buffers(rows * columns)
    return distances + call.output.bytes + call.buffers(3)


@workspaces.rule(OneHot)
def one_hot(op: OneHot, call: Call) -> int:
    """The indices in 64 bits, counted from the front; a truth for each place, and the choice."""
    depth = call.output.shape[op.axis]
    return 26 * call.input(0).elements + 8 * depth + call.output.elements + call.output.bytes + call.buffers(3)


@workspaces.rule(Resize)
@in_float32
def resize(op: Resize, call: Call) -> int:
    """One axis after the other: what it makes of what the axes before it made, and the parts of a weighted sum."""
    data, sizes = call.input(0), call.output.shape
    itemsize = data.itemsize if data.dtype.is_float else 8
    arrays = 1 if op.mode == "nearest" else 3
    before, most, shape = 0, 0, list(data.shape)
    for axis, target in enumerate(sizes):
        if shape[axis] == target and op.cut(axis) == (0.0, 1.0):
            continue
        taps = _taps(op, shape[axis], target)
        shape[axis] = target
        made = math.prod(shape)
        most = max(most, before + itemsize * arrays * made + 8 * target * (8 + 5 * taps))
        before = data.itemsize * made
    if op.coordinates == "tf_crop_and_resize":
        most = max(most, before + call.output.bytes)
        most += 2 * call.output.elements + 40 * max(sizes, default=0)
    return most + call.buffers(3)


def _taps(op: Resize, size: int, target: int) -> int:
    """How many input positions an output position is made of, at most."""
    shrunk = min(target / size, 1.0) if op.antialias and size else 1.0
    return 0 if op.mode == "nearest" else 2 * math.ceil((1 if op.mode == "linear" else 2) / max(shrunk, 1e-9)) + 2
