"""Resampling, one axis after the other: each output position is a weighted mean of at most two input positions."""

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
    """Separable in both modes, so axes that keep their size cost nothing."""
    data, out = present(inputs, 0), outputs[0]
    scales = op.axis_scales(data.shape, out.shape)
    for axis, (scale, target) in enumerate(zip(scales, out.shape, strict=True)):
        size = data.shape[axis]
        if scale == 1.0 and size == target:
            continue
        positions = source_positions(op, size, target, scale)
        data = _nearest(op, data, axis, positions) if op.mode == "nearest" else _linear(data, axis, positions)
    np.copyto(out, data)


def source_positions(op: Resize, size: int, target: int, scale: float) -> AnyArray:
    """For each output position the position in the input, a fraction (ONNX: ``coordinate_transformation_mode``)."""
    places = np.arange(target, dtype=np.float64)
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
