"""What ops compute, written down cell by cell from the ONNX operator specification.

It is slow, and in exact or double arithmetic. Nothing here is shared with the kernels: windows are found by walking
over the map, not by a formula.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnir.ops import LRN, AveragePool, Conv, ConvTranspose, MaxPool, Resize
from cnnir.ops.pooling import Pool

AnyArray: TypeAlias = NDArray[Any]
Index: TypeAlias = tuple[int, ...]


def _cells(sizes: Sequence[int]) -> Iterator[Index]:
    return itertools.product(*(range(size) for size in sizes))


def _starts(size: int, extent: int, stride: int, begin: int, end: int, *, ceil: bool = False) -> list[int]:
    """Where windows start along one axis, counted from the map's first cell."""
    starts: list[int] = []
    at = -begin
    while True:
        fits = at + extent <= size + end
        reaches_over = ceil and at < size and at + extent < size + end + stride
        if not (fits or reaches_over):
            return starts
        starts.append(at)
        at += stride


def _same_starts(size: int, extent: int, stride: int, *, upper: bool) -> list[int]:
    """The same where as many windows are wanted as there are strides begun: the least padding that gives so many."""
    wanted = len(range(0, size, stride))
    padding = 0
    while len(_starts(size, extent, stride, 0, padding)) < wanted:
        padding += 1
    begin = padding // 2 if upper else padding - padding // 2
    return [stride * number - begin for number in range(wanted)]


def _windows(
    sizes: Sequence[int], kernel: Sequence[int], op: Conv | Pool, dilations: Sequence[int], *, ceil: bool
) -> list[list[int]]:
    """Starts along each axis."""
    found = []
    for axis, (size, cells, stride, step) in enumerate(zip(sizes, kernel, op.strides, dilations, strict=True)):
        extent = step * (cells - 1) + 1
        if op.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            found.append(_same_starts(size, extent, stride, upper=op.auto_pad == "SAME_UPPER"))
        else:
            pads = (0, 0) if op.auto_pad == "VALID" else (op.pads[axis], op.pads[axis + len(sizes)])
            found.append(_starts(size, extent, stride, *pads, ceil=ceil))
    return found


def _inside(place: Sequence[int], sizes: Sequence[int]) -> bool:
    return all(0 <= at < size for at, size in zip(place, sizes, strict=True))


def conv(op: Conv, data: AnyArray, weight: AnyArray, bias: AnyArray | None = None) -> AnyArray:
    """Cross-correlation."""
    sizes, kernel = data.shape[2:], weight.shape[2:]
    starts = _windows(sizes, kernel, op, op.dilations, ceil=False)
    filters, channels = weight.shape[:2]
    out = np.zeros((data.shape[0], filters, *map(len, starts)))
    for image, number, *to in _cells(out.shape):
        first = number // (filters // op.group) * channels
        total = 0.0 if bias is None else float(bias[number])
        for channel, *cell in _cells((channels, *kernel)):
            place = [starts[a][to[a]] + cell[a] * op.dilations[a] for a in range(len(sizes))]
            if _inside(place, sizes):
                total += float(data[image, first + channel, *place]) * float(weight[number, channel, *cell])
        out[image, number, *to] = total
    return out


def conv_transpose(op: ConvTranspose, data: AnyArray, weight: AnyArray, bias: AnyArray | None = None) -> AnyArray:
    """Every cell spreads the filter over the cells around it."""
    sizes, kernel, axes = data.shape[2:], weight.shape[2:], range(data.ndim - 2)
    spread = [d * (k - 1) + 1 for k, d in zip(kernel, op.dilations, strict=True)]
    whole = [op.strides[a] * (sizes[a] - 1) + op.output_padding[a] + spread[a] for a in axes]
    same = op.auto_pad in ("SAME_UPPER", "SAME_LOWER")
    begins, targets = [], []
    for a in axes:
        target = op.output_shape[a] if op.output_shape is not None else sizes[a] * op.strides[a] if same else None
        if target is None:
            begin, end = (0, 0) if op.auto_pad == "VALID" else (op.pads[a], op.pads[a + len(sizes)])
            target = whole[a] - begin - end
        else:
            padding = max(whole[a] - target, 0)
            begin = padding // 2 if op.auto_pad == "SAME_UPPER" else padding - padding // 2
        begins.append(begin)
        targets.append(target)
    channels, per_group = weight.shape[:2]
    out = np.zeros((data.shape[0], per_group * op.group, *targets))
    if bias is not None:
        out += bias.reshape(-1, *(1 for _ in axes))
    for image, channel, *at in _cells(data.shape):
        group = channel // (channels // op.group)
        for number, *cell in _cells((per_group, *kernel)):
            place = [at[a] * op.strides[a] + cell[a] * op.dilations[a] - begins[a] for a in axes]
            if _inside(place, targets):
                value = float(data[image, channel, *at]) * float(weight[channel, number, *cell])
                out[image, group * per_group + number, *place] += value
    return out


def _pool_windows(op: Pool, sizes: Sequence[int]) -> Iterator[tuple[Index, list[Index]]]:
    """For each output cell the places that its window sees, those outside of the map included."""
    dilations = op.dilations or (1,) * len(sizes)
    starts = _windows(sizes, op.kernel_shape, op, dilations, ceil=op.ceil_mode)
    for to in _cells([len(axis) for axis in starts]):
        yield (
            to,
            [
                tuple(starts[a][to[a]] + cell[a] * dilations[a] for a in range(len(sizes)))
                for cell in _cells(op.kernel_shape)
            ],
        )


def max_pool(op: MaxPool, data: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Maxima, and where the first of each lies; -1 where a window sees nothing but padding."""
    sizes = data.shape[2:]
    windows = list(_pool_windows(op, sizes))
    targets = tuple(last + 1 for last in windows[-1][0])
    out = np.full((*data.shape[:2], *targets), -math.inf)
    indices = np.full(out.shape, -1, np.int64)
    for image, channel in _cells(data.shape[:2]):
        before = (image * data.shape[1] + channel) * math.prod(sizes)
        for to, places in windows:
            seen = [place for place in places if _inside(place, sizes)]
            if seen:
                best = max(seen, key=lambda place: float(data[image, channel, *place]))
                out[image, channel, *to] = data[image, channel, *best]
                indices[image, channel, *to] = before + _flat(best, sizes, columns=op.storage_order == 1)
    return out, indices


def _flat(place: Index, sizes: Sequence[int], *, columns: bool) -> int:
    flat = 0
    pairs = list(zip(place, sizes, strict=True))
    for at, size in reversed(pairs) if columns else pairs:
        flat = flat * size + at
    return flat


def average_pool(op: AveragePool, data: AnyArray) -> AnyArray:
    """Means over what counts: the map, and its padding where the op says so."""
    sizes, axes = data.shape[2:], range(data.ndim - 2)
    windows = list(_pool_windows(op, sizes))
    targets = tuple(last + 1 for last in windows[-1][0])
    if op.auto_pad == "NOTSET":
        low, high = [-op.pads[a] for a in axes], [sizes[a] + op.pads[a + len(sizes)] for a in axes]
    elif op.auto_pad == "VALID":
        low, high = [0 for _ in axes], list(sizes)
    else:
        # All that the windows see beside the map is padding here, for they reach no further.
        low = [min(place[a] for _, places in windows for place in places) for a in axes]
        high = [max(max(place[a] for _, places in windows for place in places) + 1, sizes[a]) for a in axes]
    out = np.zeros((*data.shape[:2], *targets))
    for image, channel in _cells(data.shape[:2]):
        for to, places in windows:
            seen = [float(data[image, channel, *place]) for place in places if _inside(place, sizes)]
            padded = sum(all(low[a] <= place[a] < high[a] for a in axes) for place in places)
            count = padded if op.count_include_pad else len(seen)
            out[image, channel, *to] = math.fsum(seen) / count if count else math.nan
    return out


def lrn(op: LRN, data: AnyArray) -> AnyArray:
    """Each element divided by a power of the squares around it."""
    channels = data.shape[1]
    out = np.zeros(data.shape)
    for image, channel, *place in _cells(data.shape):
        low = max(0, channel - math.floor((op.size - 1) / 2))
        high = min(channels - 1, channel + math.ceil((op.size - 1) / 2))
        squares = sum(float(data[image, other, *place]) ** 2 for other in range(low, high + 1))
        divisor = (op.bias + op.alpha / op.size * squares) ** op.beta
        out[image, channel, *place] = float(data[image, channel, *place]) / divisor
    return out


def resize(op: Resize, data: AnyArray) -> AnyArray:
    """One axis after the other, positions in exact arithmetic."""
    result = data.astype(np.float64)
    for axis, size in enumerate(data.shape):
        if op.scales is not None:
            scale = Fraction(op.scales[axis])
            target = math.floor(scale * size)
        else:
            assert op.sizes is not None
            target = int(str(op.sizes[axis]))
            scale = Fraction(target, size)
        parts = [_resampled(op, result, axis, _position(op, x, size, target, scale)) for x in range(target)]
        result = np.stack(parts, axis)
    return result


def _position(op: Resize, x: int, size: int, target: int, scale: Fraction) -> Fraction:
    half = Fraction(1, 2)
    if op.coordinates == "asymmetric":
        return x / scale
    if op.coordinates == "align_corners":
        return Fraction(x * (size - 1), target - 1) if target > 1 else Fraction(0)
    if op.coordinates == "pytorch_half_pixel" and target == 1:
        return Fraction(0)
    if op.coordinates == "half_pixel_symmetric":
        adjustment = target / (scale * size)
        return Fraction(size, 2) * (1 - adjustment) + (x + half) / scale - half
    return (x + half) / scale - half


def _resampled(op: Resize, data: AnyArray, axis: int, position: Fraction) -> AnyArray:
    last = data.shape[axis] - 1
    low = math.floor(position)
    share = position - low
    if op.mode == "linear":
        first, second = (np.take(data, min(max(at, 0), last), axis) for at in (low, low + 1))
        return np.asarray(first * float(1 - share) + second * float(share))
    up = {
        "floor": False,
        "ceil": share > 0,
        "round_prefer_floor": share > Fraction(1, 2),
        "round_prefer_ceil": share >= Fraction(1, 2),
    }[op.rounding]
    return np.asarray(np.take(data, min(max(low + up, 0), last), axis))
