"""Resampling, one axis after the other: each output position is a weighted mean of some input positions."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import Resize
from cnnir.weights import AnyArray

ROUNDINGS: Mapping[str, Callable[[AnyArray], AnyArray]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda positions: np.ceil(positions - 0.5),
    "round_prefer_ceil": lambda positions: np.floor(positions + 0.5),
}
"""How a fractional position becomes that of its nearest neighbour (ONNX: ``nearest_mode``)."""


@kernels.rule(Resize)
@in_float32
def resize(op: Resize, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Separable in all modes, so axes that keep their size cost nothing."""
    data, out = present(inputs, 0), outputs[0]
    scales, whole = op.axis_scales(data.shape, out.shape), data.shape
    outside = np.zeros((), np.bool_)
    for axis, (scale, target) in enumerate(zip(scales, out.shape, strict=True)):
        size = whole[axis]
        if scale == 1.0 and size == target and op.cut(axis) == (0.0, 1.0):
            continue
        positions = source_positions(op, size, target, scale, op.cut(axis))
        if op.coordinates == "tf_crop_and_resize":
            missed = (positions < 0) | (positions > size - 1)
            outside = outside | missed.reshape([-1 if other == axis else 1 for other in range(len(whole))])
            positions = np.clip(positions, 0, size - 1)
        if op.mode == "nearest":
            data = _nearest(op, data, axis, positions)
        elif op.mode == "linear" and not op.antialias:
            data = _linear(data, axis, positions)
        else:
            data = _weighted(op, data, axis, positions, scale)
    np.copyto(out, np.where(outside, out.dtype.type(op.extrapolation), data) if outside.any() else data)


def source_positions(op: Resize, size: int, target: int, scale: float, cut: tuple[float, float]) -> AnyArray:
    """For each output position the position in the input, a fraction (ONNX: ``coordinate_transformation_mode``)."""
    places = np.arange(target, dtype=np.float64)
    if op.coordinates == "tf_crop_and_resize":
        start, end = cut
        if target <= 1:
            return np.full(target, 0.5 * (start + end) * (size - 1))
        return start * (size - 1) + places * (end - start) * (size - 1) / (target - 1)
    if op.coordinates == "asymmetric":
        return places / scale
    if op.coordinates == "align_corners":
        return places * ((size - 1) / (target - 1)) if target > 1 else np.zeros(target)
    if op.coordinates == "pytorch_half_pixel" and target <= 1:
        return np.zeros(target)
    if op.coordinates == "half_pixel_symmetric":
        # The resized image is centred over the original when the size was rounded down: the specification's
        # expression, brought into a form in which nothing cancels.
        return (size - 1) / 2 + (places - (target - 1) / 2) / scale
    return (places + 0.5) / scale - 0.5


def _nearest(op: Resize, data: AnyArray, axis: int, positions: AnyArray) -> AnyArray:
    # Scales are float32 in ONNX: a position that is a whole number but for their rounding is meant to be one.
    rounded = ROUNDINGS[op.rounding](positions.astype(np.float32))
    return data.take(np.clip(rounded, 0, data.shape[axis] - 1).astype(np.intp), axis=axis)


def _linear(data: AnyArray, axis: int, positions: AnyArray) -> AnyArray:
    inside = np.clip(positions, 0, data.shape[axis] - 1)
    low = np.floor(inside).astype(np.intp)
    high = np.minimum(low + 1, data.shape[axis] - 1)
    along = [1] * data.ndim
    along[axis] = math.prod(positions.shape)
    share = (inside - low).astype(data.dtype if np.issubdtype(data.dtype, np.floating) else np.float64).reshape(along)
    mixed: AnyArray = data.take(low, axis=axis) * (1 - share) + data.take(high, axis=axis) * share
    return mixed.astype(data.dtype)


def _weighted(op: Resize, data: AnyArray, axis: int, positions: AnyArray, scale: float) -> AnyArray:
    """By the mode's kernel around each position; antialiased it is as wide as an output element is on the input."""
    shrunk = min(scale, 1.0) if op.antialias else 1.0
    reach = math.ceil((1 if op.mode == "linear" else 2) / shrunk)
    last = data.shape[axis] - 1
    taps = np.floor(positions)[:, None] + np.arange(1 - reach, reach + 1)
    weights = _KERNELS[op.mode]((taps - positions[:, None]) * shrunk, op.cubic_coeff_a)
    if op.exclude_outside:
        weights = np.where((taps < 0) | (taps > last), 0.0, weights)
    if op.exclude_outside or op.antialias:
        weights = weights / weights.sum(axis=1, keepdims=True)
    places = np.clip(taps, 0, last).astype(np.intp)
    along = [1] * data.ndim
    along[axis] = len(positions)
    wide = data.dtype if np.issubdtype(data.dtype, np.floating) else np.dtype(np.float64)
    total = np.zeros((*data.shape[:axis], len(positions), *data.shape[axis + 1 :]), wide)
    for tap in range(taps.shape[1]):
        total += data.take(places[:, tap], axis=axis) * weights[:, tap].astype(wide).reshape(along)
    return total.astype(data.dtype)


def _triangle(distance: AnyArray, _: float) -> AnyArray:
    result: AnyArray = np.clip(1 - np.abs(distance), 0, 1)
    return result


def _cubic(distance: AnyArray, a: float) -> AnyArray:
    """Keys (1981), with his ``a`` as it is given."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


_KERNELS: Mapping[str, Callable[[AnyArray, float], AnyArray]] = {"linear": _triangle, "cubic": _cubic}
