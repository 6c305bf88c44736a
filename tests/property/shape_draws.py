"""Random nodes of reductions, and of what moves, cuts, joins and resizes tensors."""

from typing import Any

import numpy as np
from onnx import numpy_helper

from tests.interpreter.drawing import AnyArray
from tests.property.catalogue import draws
from tests.property.sketch import EVERY, FLOATS, INTEGERS, NUMBERS, Operand, Sketch, Step


def steered(
    s: Sketch, op_type: str, x: Operand, name: str, values: object, since: int, *, outputs: int = 1, **attributes: Any
) -> Step:
    """A node whose setting is an attribute before an opset, and an operand from then on."""
    if values is None:
        return s.step(op_type, x, outputs=outputs, **attributes)
    if s.opset < since:
        return s.step(op_type, x, outputs=outputs, **{name: values}, **attributes)
    return s.step(op_type, x, s.setting(values), outputs=outputs, **attributes)


# Reductions


@draws(7, "ReduceMean", weight=3)
@draws(7, "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd")
@draws(7, "ReduceLogSum", "ReduceLogSumExp")
def reduction(s: Sketch, op_type: str) -> Step:
    """Over all axes, some or none, counted from either side."""
    whole = (np.int32, np.int64) if op_type not in ("ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean") else ()
    x = s.some((*FLOATS, *whole), where=lambda x: op_type != "ReduceLogSum" or bool((x > 0).all()))
    axes = s.axes(x.array.ndim, 0) or None
    since = 13 if op_type == "ReduceSum" else 18
    nothing = s.draw.choose([None, 0, 1]) if s.opset >= since else None
    if s.opset >= since and axes is None and s.draw.coin(0.3):
        axes = ()
    keepdims = s.draw.choose([None, 0, 1])
    return steered(s, op_type, x, "axes", axes, since, keepdims=keepdims, noop_with_empty_axes=nothing)


@draws(7, "ArgMax", "ArgMin")
def extreme(s: Sketch, op_type: str) -> Step:
    """Of several that are equal the first or the last."""
    x = s.some((*FLOATS, np.int32), (1, 5), lambda x: min(x.shape) > 0)
    last = s.draw.choose([None, 0, 1]) if s.opset >= 12 else None
    axis = s.draw.choose([None, s.axis(x.array.ndim)])
    return s.step(op_type, x, axis=axis, keepdims=s.draw.choose([None, 0, 1]), select_last_index=last)


# Sizes and indices


@draws(7, "Shape", "Size")
def sizes(s: Sketch, op_type: str) -> Step:
    """All dims, or since opset 15 a range of them, beyond either end."""
    new = s.opset >= 15 and op_type == "Shape"
    bounds = {name: s.draw.number(-6, 6) for name in ("start", "end") if new and s.draw.coin()}
    return s.step(op_type, s.some(EVERY), **bounds)


@draws(7, "Gather", weight=2)
def gather(s: Sketch, op_type: str) -> Step:
    """By constant or fed indices of any rank, from either side since opset 11."""
    x = s.some(EVERY, (1, 4), lambda x: min(x.shape) > 0)
    axis = s.axis(x.array.ndim)
    size = x.array.shape[axis]
    low = -size if s.opset >= 11 else 0
    indices = np.asarray(s.draw.rng.integers(low, size, s.shape(0, 2)), s.draw.choose([np.int64, np.int32]))
    return s.step(op_type, x, Operand(indices, kind="weight"), axis=axis if axis or s.draw.coin() else None)


@draws(8, "Expand")
def expand(s: Sketch, op_type: str) -> Step:
    """Either side may have the longer shape, and ones."""
    x = s.some(EVERY, (0, 4))
    shape = [s.draw.number(1, 3) if size == 1 else s.draw.choose([1, size]) for size in x.array.shape]
    shape = shape[s.draw.number(0, len(shape)) :] if s.draw.coin(0.3) else [2] * s.draw.number(0, 1) + shape
    return s.step(op_type, x, s.setting(shape))


@draws(7, "Tile")
def tile(s: Sketch, op_type: str) -> Step:
    """Once, several times, or not at all."""
    x = s.some(EVERY, (1, 4))
    return s.step(op_type, x, s.setting([s.draw.choose([1, 1, 2, 3, 0]) for _ in x.array.shape]))


@draws(9, "ConstantOfShape")
def constant_of_shape(s: Sketch, op_type: str) -> Step:
    """Of a shape that is fed, or was worked out."""
    x = s.some([np.int64], (1, 1), lambda x: x.size < 5 and bool(((x >= 0) & (x < 6)).all()),
               lambda _: np.asarray(s.shape(1, 4), np.int64))  # fmt: skip
    value = s.array((1,), s.draw.choose(NUMBERS))
    from_numpy = {} if s.draw.coin(0.3) else {"value": _tensor(value)}
    return s.step(op_type, x, **from_numpy)


def _tensor(array: AnyArray) -> Any:
    return numpy_helper.from_array(array, "value")


# Views


@draws(7, "Reshape", weight=4)
def reshape(s: Sketch, op_type: str) -> Step:
    """With a rest, with copied dims, in full; with zeros meant since opset 14."""
    x = s.some(EVERY)
    shape = x.array.shape
    ways: list[tuple[int, ...]] = [shape, (*shape, 1), shape[::-1], (x.array.size,)]
    if x.array.size:
        ways += [(-1,), (1, -1), *([(0, -1)] * 2 if shape else []), *([(-1, shape[-1])] if shape else [])]
    target = s.draw.choose(ways)
    literal = 1 if s.opset >= 14 and 0 in shape and -1 not in target else None
    return s.step(op_type, x, s.setting(target), allowzero=literal)


@draws(7, "Flatten", weight=2)
def flatten(s: Sketch, op_type: str) -> Step:
    """At any axis, also behind the last one."""
    x = s.some(EVERY if s.opset >= 9 else FLOATS, (1, 5))
    rank = x.array.ndim
    return s.step(op_type, x, axis=s.draw.choose([None, s.draw.number(-rank if s.opset >= 11 else 0, rank)]))


@draws(7, "Squeeze")
def squeeze(s: Sketch, op_type: str) -> Step:
    """All dims of one, or some of them."""
    x = s.some(EVERY, (1, 5), lambda x: 1 in x.shape)
    rank = x.array.ndim
    ones = [axis - rank * (s.opset >= 11 and s.draw.coin(0.3)) for axis in range(rank) if x.array.shape[axis] == 1]
    chosen = [axis for axis in ones if s.draw.coin(0.7)]
    return steered(s, op_type, x, "axes", chosen or None, 13)


@draws(7, "Unsqueeze", weight=2)
def unsqueeze(s: Sketch, op_type: str) -> Step:
    """One or two new dims, in any order."""
    x = s.some(EVERY, (0, 3))
    rank = x.array.ndim + s.draw.number(1, 2)
    axes = [int(axis) for axis in s.draw.rng.permutation(rank)[: rank - x.array.ndim]]
    if s.opset >= 11:
        axes = [axis - rank * s.draw.coin(0.3) for axis in axes]
    return steered(s, op_type, x, "axes", axes, 13)


@draws(7, "Transpose", weight=3)
def transpose(s: Sketch, op_type: str) -> Step:
    """Any permutation, or back to front."""
    x = s.some(EVERY)
    permutation = [int(axis) for axis in s.draw.rng.permutation(x.array.ndim)]
    return s.step(op_type, x, perm=permutation if permutation and s.draw.coin(0.8) else None)


@draws(7, "DepthToSpace", "SpaceToDepth", weight=2)
def blocks(s: Sketch, op_type: str) -> Step:
    """Blocks of one to three pixels a side, in both orders."""
    block = s.draw.number(1, 3)

    def fits(x: AnyArray) -> bool:
        sizes = [x.shape[1]] if op_type == "DepthToSpace" else list(x.shape[2:])
        return min(x.shape[1:]) > 0 and all(size % (block**2 if len(sizes) == 1 else block) == 0 for size in sizes)

    def make(dtype: Any) -> AnyArray:
        maps = (s.draw.number(1, 2), s.draw.number(1, 2), *s.draw.numbers(2, 1, 3))
        deep = (maps[0], maps[1] * block**2, *maps[2:])
        wide = (*maps[:2], maps[2] * block, maps[3] * block)
        return s.array(deep if op_type == "DepthToSpace" else wide, dtype)

    x = s.some((*FLOATS * 2, np.int32), (4, 4), fits, make)
    mode = s.draw.choose([None, "DCR", "CRD"]) if op_type == "DepthToSpace" and s.opset >= 11 else None
    return s.step(op_type, x, blocksize=block, mode=mode)


# Cutting and joining


@draws(7, "Concat", weight=4)
def concat(s: Sketch, op_type: str) -> Step:
    """One to four tensors, along any axis; a value may stand in it twice, and one may be empty."""
    x = s.some(EVERY, (1, 5))
    axis, shape = s.axis(x.array.ndim), x.array.shape

    def fits(y: AnyArray) -> bool:
        return y.ndim == x.array.ndim and _without(y.shape, axis) == _without(shape, axis)

    def make(_: Any) -> AnyArray:
        sizes = list(shape)
        sizes[axis] = s.draw.choose([1, 2, 3, 0])
        return s.array(sizes, x.array.dtype)

    parts = [x, *(s.some([x.array.dtype], where=fits, make=make) for _ in range(s.draw.number(0, 3)))]
    return s.step(op_type, *parts, axis=axis)


def _without(shape: tuple[int, ...], axis: int) -> list[int]:
    rest = list(shape)
    del rest[axis]
    return rest


@draws(7, "Split", weight=2)
def split(s: Sketch, op_type: str) -> Step:
    """Uneven parts, equal parts, parts of nothing; since opset 18 by their number alone."""
    x = s.some(EVERY, (1, 5), lambda x: min(x.shape) > 0)
    axis = s.axis(x.array.ndim)
    size = x.array.shape[axis]
    if s.draw.coin(0.3) or size == 1:
        count = (
            s.draw.number(1, size) if s.opset >= 18 else s.draw.choose([n for n in range(1, size + 1) if not size % n])
        )
        number = count if s.opset >= 18 else None
        return s.step(op_type, x, outputs=count, axis=axis, num_outputs=number)
    cuts = sorted(s.draw.numbers(s.draw.number(1, 3), 0, size))
    parts = [end - begin for begin, end in zip([0, *cuts], [*cuts, size], strict=True)]
    return steered(s, op_type, x, "split", parts, 13, outputs=len(parts), axis=axis)


@draws(7, "Slice", weight=3)
def slice_(s: Sketch, op_type: str) -> Step:
    """Bounds inside and outside, from either side; steps of either sign since opset 10; axes said or not."""
    x = s.some(EVERY, (1, 5))
    rank = x.array.ndim
    axes: list[int] | None = [int(axis) for axis in s.draw.rng.permutation(rank)[: s.draw.number(1, rank)]]
    count = len(axes or ())
    steps = [s.draw.choose([1, 1, 1, 2, 3, -1, -2]) if s.opset >= 10 else 1 for _ in range(count)]
    starts = [s.draw.number(-7, 7) if step < 0 or s.draw.coin() else 0 for step in steps]
    far = {True: [2**31 - 1, 2**63 - 1, 9], False: [-(2**31), -(2**63), -9]}
    ends = [s.draw.choose([s.draw.number(-7, 7), s.draw.choose(far[step > 0])]) for step in steps]
    if s.opset < 10:
        return s.step(op_type, x, starts=starts, ends=ends, axes=axes)
    if count == rank and s.draw.coin(0.3):
        axes = None
    if axes is not None and s.opset >= 11:
        axes = [axis - rank * s.draw.coin(0.3) for axis in axes]
    dtype = np.int64 if max(map(abs, ends)) > 2**31 - 1 else s.draw.choose([np.int64, np.int32])
    operands = [starts, ends, axes, steps if any(step != 1 for step in steps) or s.draw.coin() else None]
    return s.step(op_type, x, *(None if given is None else s.setting(given, dtype) for given in operands))


@draws(7, "Pad", weight=3)
def pad(s: Sketch, op_type: str) -> Step:
    """All modes of the opset, cropping in some dims, other numbers than zero; for some axes alone since opset 18."""
    modes = ["constant", "constant", "reflect", "edge", *(["wrap"] if s.opset >= 19 else [])]
    mode = s.draw.choose(modes)
    dtypes = (*FLOATS * 2, *INTEGERS) if s.opset >= 13 else FLOATS
    x = s.some(dtypes, (1, 5), lambda x: min(x.shape) > (1 if mode == "reflect" else 0))
    rank = x.array.ndim
    axes = list(s.axes(rank)) if s.opset >= 18 and s.draw.coin(0.3) else None
    sizes = [x.array.shape[axis] for axis in axes or range(rank)] * 2
    most = [min(2, size - 1) if mode == "reflect" else min(3, size) if mode == "wrap" else 3 for size in sizes]
    least = -1 if s.draw.coin(0.3) else 0
    pads = [0 if s.draw.coin(0.3) else s.draw.number(least, large) for large in most]
    value = s.draw.choose([None, 0, 1.5, -2]) if mode == "constant" else None
    said = mode if mode != "constant" or s.draw.coin(0.3) else None
    if s.opset < 11:
        return s.step(op_type, x, pads=pads, mode=said, value=None if value is None else float(value))
    if value is not None and x.array.dtype.kind in "iu":
        value = abs(int(value))
    filling = None if value is None else s.setting(value, x.array.dtype)
    return s.step(op_type, x, s.setting(pads), filling, None if axes is None else s.setting(axes), mode=said)


# Resizing


@draws(7, "Upsample")
def upsample(s: Sketch, op_type: str) -> Step | None:
    """The older name of Resize, up to opset 9."""
    if s.opset > 9:
        return None
    x = s.image((2,), (np.float32,), empty=False)
    scales = [1.0, 1.0, *(s.draw.choose([1.0, 1.5, 2.0, 3.0]) for _ in x.array.shape[2:])]
    mode = s.draw.choose([None, "nearest", "linear"])
    if s.opset < 9:
        return s.step(op_type, x, scales=scales, mode=mode)
    return s.step(op_type, x, s.setting(scales, np.float32), mode=mode)


@draws(10, "Resize", weight=3)
def resize(s: Sketch, op_type: str) -> Step:
    """By scales or to sizes, all rules of coordinates and rounding; for the spatial axes alone since opset 18."""
    x = s.image((1, 2, 2, 2), (np.float32,), empty=False)
    spatial = x.array.shape[2:]
    mode = s.draw.choose([None, "nearest", "linear"])
    scales = [s.draw.choose([0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0]) for _ in spatial]
    if s.opset == 10:
        return s.step(op_type, x, s.setting([1.0, 1.0, *scales], np.float32), mode=mode)
    rules = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    rules += ["half_pixel_symmetric"] if s.opset >= 19 else []
    given = {
        "mode": mode, "coordinate_transformation_mode": s.draw.choose([None, *rules]),
        "nearest_mode": s.draw.choose([None, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
    }  # fmt: skip
    alone = s.opset >= 18 and s.draw.coin(0.4)
    kept = () if alone else x.array.shape[:2]
    axes = s.draw.choose([tuple(range(2, x.array.ndim)), tuple(range(-len(spatial), 0))]) if alone else None
    nothing = s.setting(np.zeros(0), np.float32) if s.opset < 13 else None
    if s.draw.coin():
        return s.step(op_type, x, nothing, s.setting([*(1.0 for _ in kept), *scales], np.float32), axes=axes, **given)
    sizes = [*kept, *(s.draw.number(1, 9) for _ in spatial)]
    empty = nothing if nothing is None else s.setting(np.zeros(0), np.float32)
    return s.step(op_type, x, nothing, empty, s.setting(sizes), axes=axes, **given)
