"""Where a judge departs from the text of ONNX's operator specification, or leaves it open: each place, with its reason.

Nothing is skipped: a node is judged by both, and a departure counts only while the other judge agrees with us. The long
run prints how often each was met. docs/ops.md tells users of those of ONNX Runtime.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import helper

from tests.property.sketch import Step

ORT = "ONNX Runtime"
REFERENCE = "the reference"
CHECKER = "onnx's checker"
REFUSED = "refused here"


@dataclass(frozen=True)
class Departure:
    """A place where a judge is not to be followed.

    Attributes:
        ops: ONNX's names.
        judge: Who departs; `REFUSED` where we take less than ONNX Runtime does.
        holds: Whether a node is of the kind.
        reason: What the judge does, and what the specification says.
    """

    ops: tuple[str, ...]
    judge: str
    holds: Callable[[Step], bool]
    reason: str


def departure(step: Step, judge: str) -> str | None:
    """The reason why this judge is not followed on this node, or None."""
    for known in DEPARTURES:
        if step.node.op_type in known.ops and known.judge == judge and known.holds(step):
            return known.reason
    return None


# Kinds of nodes


def _given(step: Step, name: str, default: Any = None) -> Any:
    for attribute in step.node.attribute:
        if attribute.name == name:
            value = helper.get_attribute_value(attribute)
            return value.decode() if isinstance(value, bytes) else value
    return default


def _always(_: Step) -> bool:
    return True


def _same(step: Step) -> bool:
    return str(_given(step, "auto_pad", "")).startswith("SAME")


def _dilated(step: Step) -> bool:
    return any(dilation > 1 for dilation in _given(step, "dilations", ()))


def _strides_exceed(step: Step) -> bool:
    weight = step.operands[1].array if len(step.operands) > 1 and step.operands[1] is not None else None
    kernel = _given(step, "kernel_shape") or (weight.shape[2:] if weight is not None else ())
    dilations = _given(step, "dilations") or (1,) * len(kernel)
    strides = _given(step, "strides") or (1,) * len(kernel)
    return any(s > d * (k - 1) + 1 for s, k, d in zip(strides, kernel, dilations, strict=True))


def _padded(step: Step) -> bool:
    """Padding that is said, comes about by itself, or is added by rounding up."""
    return any(_given(step, "pads", ())) or _same(step) or bool(_given(step, "ceil_mode", 0))


def _strided(step: Step) -> bool:
    return any(stride > 1 for stride in _given(step, "strides", ()))


def _before(opset: int) -> Callable[[Step], bool]:
    return lambda step: step.opset < opset


def _data(step: Step) -> Any:
    operand = step.operands[0]
    assert operand is not None
    return operand.array


def _downwards(step: Step) -> bool:
    """A negative step of a Slice."""
    steps = step.operands[4] if len(step.operands) > 4 else None
    return steps is not None and bool((steps.array < 0).any())


def _sorted_axes(step: Step) -> bool:
    axes = list(_given(step, "axes", ()))
    return axes == sorted(axes) and all(axis >= 0 for axis in axes)


def _constant_over(step: Step) -> bool:
    """A channel that is the same all over: its variance is rounding alone."""
    axes = tuple(_given(step, "axes", (0, 2, 3)))
    return bool((np.ptp(_data(step), axis=axes) < 1e-3).any())


def _coordinates(*rules: str) -> Callable[[Step], bool]:
    return lambda step: _given(step, "coordinate_transformation_mode", "half_pixel") in rules


def _is_overflowing(array: Any) -> bool:
    """Whether the product of all may be larger than the type holds."""
    sizes = np.maximum(np.abs(array.astype(np.float64)), 1)
    return bool(np.log2(sizes).sum() >= np.iinfo(array.dtype).bits - 1)


def _is_off_centre(array: Any) -> bool:
    """Whether somewhere neighbours along the last axis are farther from zero than from each other."""
    if not array.size:
        return False
    rows = array.reshape(array.shape[0], -1) if array.ndim < 3 else array.reshape(*array.shape[:2], -1)
    return bool((np.abs(rows.mean(-1)) > rows.std(-1)).any())


def _nearest(step: Step) -> bool:
    return bool(_given(step, "mode", "nearest") == "nearest")


def _copied(step: Step) -> bool:
    """A Resize by scales which keeps the shape."""
    scales = step.operands[-1]
    assert scales is not None
    data, axes = _data(step), _given(step, "axes")
    sizes = [data.shape[axis] for axis in (range(data.ndim) if axes is None else axes)]
    floating = scales.array.dtype.kind == "f"
    return floating and all(int(n * s) == n for n, s in zip(sizes, scales.array, strict=True))


_POOLS = ("MaxPool", "AveragePool", "LpPool")
_FLOAT_POSITIONS = "positions in float32 fall beside the whole numbers and halves that are meant"

DEPARTURES: tuple[Departure, ...] = (
    # ONNX Runtime
    Departure(
        _POOLS, ORT, lambda s: _same(s) and _dilated(s),
        "with SAME the gaps of the dilation do not count; the output is to have ceil(size / stride) cells",
    ),
    Departure(
        ("Conv", *_POOLS), ORT, lambda s: _same(s) and _strides_exceed(s),
        "with SAME and a stride larger than the window the map is cropped; padding is not negative",
    ),
    Departure(
        ("ConvTranspose",), ORT, lambda s: _same(s) and _strides_exceed(s),
        "the output ends with the last cell that is reached; it is to have size * stride cells",
    ),
    Departure(
        ("MaxPool",), ORT, lambda s: any(_given(s, "pads", ())) and _dilated(s),
        "the maximum of padding alone is the least finite number, not minus infinity",
    ),
    Departure(
        ("AveragePool",), ORT, lambda s: any(_given(s, "pads", ())) and _dilated(s),
        "the mean of padding alone, which does not count, is 0, not that of nothing",
    ),
    Departure(
        ("Dropout",), ORT, lambda s: s.opset < 12 and len(s.node.output) == 2,
        "the mask of a ratio of 0 says that all is dropped",
    ),
    Departure(
        ("MeanVarianceNormalization",), ORT, _constant_over,
        "the variance is a difference of means, negative where a channel is constant",
    ),
    Departure(
        ("Resize",), ORT, lambda s: s.opset == 10 and _nearest(s),
        "nearest pixels are rounded up where the size shrinks; the specification says nothing, Upsample rounds down",
    ),
    Departure(("Resize",), ORT, _nearest, _FLOAT_POSITIONS),
    Departure(("Resize",), ORT, _copied, "the input is copied where the shape stays; positions move by the scale"),
    Departure(
        ("Sigmoid", "Softplus", "Mish", "Swish", "Gelu"), ORT, lambda s: float(_data(s).min(initial=0.0)) < -2,
        "small results have an absolute error of 1e-7, and no digit is right",
    ),
    Departure(
        ("BatchNormalization",), ORT, lambda s: bool(_given(s, "training_mode", 0)),
        "running statistics are written over the operands, whoever else reads those",
    ),
    Departure(
        ("GroupNormalization", "LayerNormalization", "InstanceNormalization", "MeanVarianceNormalization"), ORT,
        lambda s: _data(s).dtype == np.float64 or _is_off_centre(_data(s)),
        "in float32; the variance is the mean of squares less the square of the mean: digits go with the mean",
    ),
    Departure(
        ("GRU", "LSTM", "RNN"), ORT, lambda s: b"Softplus" in _given(s, "activations", ()),
        "log(1 + exp(x)) overflows where x is large",
    ),
    Departure(
        ("LRN",), ORT, lambda s: float(np.abs(_data(s)).max(initial=0.0)) > 2,
        "the sum of squares is carried from channel to channel: a large one that has left leaves its rounding behind",
    ),
    Departure(
        ("ReduceProd",), ORT, lambda s: _data(s).dtype.kind == "i" and _is_overflowing(_data(s)),
        "integers that overflow are the largest or the least; they wrap around as in NumPy",
    ),
    Departure(
        ("LSTM",), ORT, lambda s: _given(s, "clip") is not None,
        "the cell is not clipped where it goes through its activation",
    ),
    Departure(
        ("TopK",), ORT, lambda s: _given(s, "sorted", 1) == 0, "the largest come in another order, which is left open"
    ),
    # ONNX's reference implementation
    Departure(
        _POOLS, REFERENCE, lambda s: _padded(s) or _dilated(s) or (s.node.op_type == "MaxPool" and _strided(s)),
        "padding is split anew or holds zeros, SAME_LOWER and dilations are taken otherwise, windows that start in the "
        "padding are left in",
    ),
    Departure(
        ("MaxPool",), REFERENCE, lambda s: len(s.node.output) > 1,
        "indices count anew in each map; they are places in the whole tensor",
    ),
    Departure(("GlobalMaxPool",), REFERENCE, lambda s: _data(s).ndim != 4, "four dims are taken for granted"),
    Departure(
        ("BatchNormalization",), REFERENCE, _before(14), "it normalises by the statistics of the batch, as in training"
    ),
    Departure(
        ("ConvTranspose",), REFERENCE, lambda s: _given(s, "group", 1) > 1, "weights of groups are cut by wrong sizes"
    ),
    Departure(
        ("ConvTranspose",), REFERENCE, lambda s: _same(s) and _strides_exceed(s),
        "negative padding is spread over both sides",
    ),
    Departure(
        ("ConvTranspose",), REFERENCE, lambda s: _given(s, "output_shape") is not None,
        "output_shape does not change the padding",
    ),
    Departure(
        ("Softmax", "LogSoftmax", "Hardmax"), REFERENCE, _before(13), "one axis is taken where all from it on are meant"
    ),
    Departure(
        ("LogSoftmax",), REFERENCE, lambda s: float(np.ptp(_data(s))) > 50, "the logarithm is of a Softmax that is 0"
    ),
    Departure(
        ("GroupNormalization",), REFERENCE, lambda s: _data(s).dtype == np.float64 or _is_off_centre(_data(s)),
        "in float32; the variance is the mean of squares less the square of the mean: digits go with the mean",
    ),
    Departure(("LRN",), REFERENCE, _always, "it runs over so many channels as there are images"),
    Departure(
        ("LayerNormalization",), REFERENCE, lambda s: len(s.node.output) > 1,
        "statistics have the type of the data; they are float32 by stash_type",
    ),
    Departure(
        ("LpNormalization",), REFERENCE, lambda s: _given(s, "p", 2) == 1, "the sum is of numbers, not of their sizes"
    ),
    Departure(
        ("MeanVarianceNormalization",), REFERENCE, _always,
        "the variance is a difference of means, as in its text: digits go with the mean",
    ),
    Departure(
        ("ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"),
        REFERENCE, lambda s: _data(s).dtype == np.float16, "sums of half precision are kept in half precision",
    ),
    Departure(
        ("DynamicQuantizeLinear",), REFERENCE, lambda s: not _data(s).any(),
        "the scale of nothing but zeros, whose range is 0, is left open: 1 / 255 there, 1 here and in ONNX Runtime",
    ),
    Departure(("ReduceSumSquare",), REFERENCE, lambda s: _data(s).dtype == np.int32, "int32 becomes int64"),
    Departure(
        ("QLinearConv",), REFERENCE, lambda s: s.operands[0] is not None and _data(s).ndim != 4,
        "scales of filters are laid out for images of two axes",
    ),
    Departure(
        ("MatMulInteger",), REFERENCE, lambda s: len(s.operands) > 2,
        "a vector of zero points is taken along the columns",
    ),
    Departure(
        ("GRU", "LSTM", "RNN"), REFERENCE, _always,
        "it runs forward with the standard activations, whatever direction, clip, lengths and activations say",
    ),
    Departure(("Slice",), REFERENCE, _downwards, "bounds before the first element are those of Python"),
    Departure(("Shape",), REFERENCE, _always, "bounds beyond the rank are not clamped"),
    Departure(
        ("Unsqueeze",), REFERENCE, lambda s: s.opset < 13 and not _sorted_axes(s),
        "axes are inserted one after the other; they are places in the result, in any order",
    ),
    Departure(("Resize",), REFERENCE, _coordinates("align_corners", "pytorch_half_pixel", "half_pixel_symmetric"),
              "sizes that were rounded are not taken for the corners"),
    Departure(("Resize",), REFERENCE, _nearest, _FLOAT_POSITIONS),
    # ONNX's checker and shape inference
    Departure(
        ("ConvTranspose",), CHECKER, lambda s: _same(s) or _given(s, "output_shape") is not None,
        "the output's size is worked out without auto_pad, output_shape has two dims more",
    ),
    Departure(
        ("MeanVarianceNormalization",), CHECKER, lambda s: _data(s).dtype != np.float32,
        "its function body is of float32",
    ),
    Departure(("GroupNormalization",), CHECKER, _before(21), "its first version was withdrawn"),
    Departure(
        _POOLS, CHECKER, lambda s: _same(s) or bool(_given(s, "ceil_mode", 0)),
        "gaps of the dilation do not count with SAME, windows that start in the padding are left in",
    ),
    # What we refuse
    Departure(
        ("Conv", *_POOLS), REFUSED, _always, "a window that fits nowhere is an error, not an output without elements"
    ),
    Departure(
        ("ReduceMean",), REFUSED, lambda s: _data(s).size == 0,
        "the mean of nothing is undefined, and an error, not a NaN",
    ),
)  # fmt: skip
