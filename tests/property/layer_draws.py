"""Random nodes of layers: windows at their edges, products, normalisations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.interpreter.drawing import AnyArray
from tests.property.catalogue import draws
from tests.property.sketch import Operand, Sketch, Step

_WIDE = (*(np.float32,) * 8, np.float64, np.float16)
AUTO_PADS = ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET")


def sliding(s: Sketch, sizes: Sequence[int], dilated: bool = True, edge: int = 3) -> dict[str, Any]:
    """Attributes of a window over maps of these sizes, each given or left out.

    Args:
        s: Draws.
        sizes: Of the maps.
        dilated: Whether the opset has dilations.
        edge: So much padding a side at the most.
    """
    axes, draw = len(sizes), s.draw
    kernel = tuple(draw.number(1, draw.choose([1, 3, 3, 5])) for _ in sizes)
    dilations = draw.numbers(axes, 1, 3) if dilated and draw.coin(0.3) else (1,) * axes
    found: dict[str, Any] = {"kernel_shape": kernel}
    if dilated and (any(d > 1 for d in dilations) or draw.coin(0.3)):
        found["dilations"] = dilations
    if draw.coin(0.7):
        found["strides"] = draw.numbers(axes, 1, draw.choose([1, 2, 2, 5]))
    auto_pad = draw.choose([*[None] * 5, *AUTO_PADS])
    if auto_pad is not None:
        found["auto_pad"] = auto_pad
    if auto_pad in (None, "NOTSET"):
        extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
        pads = list(draw.numbers(2 * axes, 0, edge)) if draw.coin(0.7) else [0] * (2 * axes)
        for index, (extent, size) in enumerate(zip(extents, sizes, strict=True)):
            # Mostly the window fits; where it does not, all have to say so.
            missing = extent - size - pads[index] - pads[index + axes]
            if missing > 0 and draw.coin(0.97):
                pads[index] += missing
        if any(pads) or draw.coin(0.2):
            found["pads"] = pads
    return found


def _grouped(s: Sketch, channels: int) -> int:
    divisors = [group for group in range(1, channels + 1) if channels % group == 0]
    group: int = s.draw.choose([1, 1, channels, *divisors])
    return group


def _scaled(s: Sketch, shape: Sequence[int], dtype: Any, terms: int) -> AnyArray:
    return s.array(shape, dtype, 1 / max(terms, 1) ** 0.5)


@draws(7, "Conv", weight=10)
def conv(s: Sketch, op_type: str) -> Step:
    """One to three spatial axes, groups up to one a channel, bias or none, kernel_shape said or not."""
    x = s.image(dtypes=_WIDE)
    channels = x.array.shape[1]
    window, group = sliding(s, x.array.shape[2:]), _grouped(s, channels)
    filters, kernel = group * s.draw.number(1, 3), window["kernel_shape"]
    shape = (filters, channels // group, *kernel)
    weight = s.weight(_scaled(s, shape, x.array.dtype, int(np.prod(shape[1:]))))
    bias = s.draw.choose([None, s.weight(s.array((filters,), x.array.dtype, 0.3))])
    if s.draw.coin(0.3):
        del window["kernel_shape"]
    return s.step(op_type, x, weight, bias, **window, group=s.draw.choose([None, 1]) if group == 1 else group)


@draws(7, "ConvTranspose", weight=4)
def conv_transpose(s: Sketch, op_type: str) -> Step:
    """With output_padding, with output_shape, or with neither."""
    x = s.image(dtypes=_WIDE)
    sizes, channels = x.array.shape[2:], x.array.shape[1]
    axes, draw = len(sizes), s.draw
    window, group = sliding(s, sizes, edge=1), _grouped(s, channels)
    kernel, strides = window["kernel_shape"], window.get("strides", (1,) * axes)
    dilations = window.get("dilations", (1,) * axes)
    window.pop("pads", None)
    extra = tuple(draw.number(0, max(a, b) - 1) for a, b in zip(strides, dilations, strict=True))
    if draw.coin(0.3) and any(extra):
        window["output_padding"] = extra
    else:
        extra = (0,) * axes
    whole = [(n - 1) * a + d * (k - 1) + 1 + e
             for n, a, k, d, e in zip(sizes, strides, kernel, dilations, extra, strict=True)]  # fmt: skip
    if draw.coin(0.25):
        window["output_shape"] = tuple(max(1, size - draw.number(0, 3)) for size in whole)
    elif draw.coin(0.5) and window.get("auto_pad") in (None, "NOTSET"):
        window["pads"] = tuple(draw.number(0, min(3, (size - 1) // 2)) for size in whole * 2)
    filters = draw.number(1, 3)
    weight = s.weight(_scaled(s, (channels, filters, *kernel), x.array.dtype, channels // group))
    bias = draw.choose([None, s.weight(s.array((group * filters,), x.array.dtype, 0.3))])
    if draw.coin(0.3):
        del window["kernel_shape"]
    return s.step(op_type, x, weight, bias, **window, group=None if group == 1 else group)


@draws(7, "MaxPool", weight=4)
def max_pool(s: Sketch, op_type: str) -> Step:
    """With and without indices; of bytes since opset 12; rounded up since 10."""
    x = s.image(dtypes=(*_WIDE * 2, np.uint8, np.int8) if s.opset >= 12 else _WIDE)
    new = s.opset >= 10
    window = sliding(s, x.array.shape[2:], dilated=new, edge=2)
    outputs = 2 if s.opset >= 8 and s.draw.coin(0.25) else 1
    order = s.draw.choose([0, 1]) if outputs == 2 and x.array.ndim > 3 else None
    ceil = s.draw.choose([None, 0, 1]) if new else None
    return s.step(op_type, x, outputs=outputs, **window, ceil_mode=ceil, storage_order=order)


@draws(7, "AveragePool", weight=4)
def average_pool(s: Sketch, op_type: str) -> Step:
    """Padding counted or not; dilated since opset 19."""
    x = s.image(dtypes=_WIDE)
    window = sliding(s, x.array.shape[2:], dilated=s.opset >= 19, edge=2)
    ceil = s.draw.choose([None, 0, 1]) if s.opset >= 10 else None
    return s.step(op_type, x, **window, ceil_mode=ceil, count_include_pad=s.draw.choose([None, 0, 1]))


@draws(7, "LpPool", weight=2)
def lp_pool(s: Sketch, op_type: str) -> Step:
    """Powers up to the third; dilated and rounded up since opset 18."""
    x = s.image(dtypes=_WIDE)
    new = s.opset >= 18
    window = sliding(s, x.array.shape[2:], dilated=new, edge=2)
    return s.step(
        op_type, x, **window, p=s.draw.choose([None, 1, 2, 3]), ceil_mode=s.draw.choose([None, 1]) if new else None
    )


@draws(7, "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", weight=2)
def global_pool(s: Sketch, op_type: str) -> Step:
    """Of one to three spatial axes."""
    x = s.image(dtypes=_WIDE)
    return s.step(op_type, x, p=s.draw.choose([None, 1, 2, 3]) if op_type == "GlobalLpPool" else None)


# Products


@draws(7, "Gemm", weight=4)
def gemm(s: Sketch, op_type: str) -> Step:
    """All transpositions and factors, every shape of bias that broadcasts; without one since opset 11."""
    a = s.some(_WIDE, (2, 2))
    turned, other = s.draw.coin(0.3), s.draw.coin()
    rows, inner = reversed(a.array.shape) if turned else a.array.shape
    columns = s.draw.number(1, 6)
    b = s.weight(_scaled(s, (columns, inner) if other else (inner, columns), a.array.dtype, inner))
    biases = [(), (1,), (columns,), (1, columns), (rows, 1), (rows, columns)]
    bias = s.weight(s.array(s.draw.choose(biases), a.array.dtype))
    factors = {name: value for name in ("alpha", "beta") if (value := s.draw.choose([None, None, 0.5, -2.0, 0.0]))}
    return s.step(
        op_type, a, b, None if s.opset >= 11 and s.draw.coin(0.3) else bias, **factors,
        transA=1 if turned else s.draw.choose([None, 0]), transB=1 if other else s.draw.choose([None, 0]),
    )  # fmt: skip


@draws(7, "MatMul", weight=4)
def matmul(s: Sketch, op_type: str) -> Step:
    """Vectors, matrices, and stacks of them that broadcast; a matrix with its own transpose."""
    whole = (np.int64, np.int32) if s.opset >= 9 else ()
    a = s.some((*_WIDE, *whole), (1, 5))
    inner, dtype, columns = a.array.shape[-1], a.array.dtype, s.draw.number(1, 5)
    stack = tuple(1 if s.draw.coin(0.3) else size for size in a.array.shape[:-2])
    shapes = [(inner,), (inner, columns), (inner, columns), (*stack, inner, columns), (2, *stack, inner, columns)]
    shape = s.draw.choose(shapes)
    array = s.array(shape, dtype) if dtype.kind == "i" else _scaled(s, shape, dtype, inner)
    if s.draw.coin(0.6):
        return s.step(op_type, a, s.weight(array))
    return s.step(op_type, a, s.some([dtype], (1, 5), lambda b: b.shape == shape, lambda _: array))


# Normalisations


def _positive(s: Sketch, shape: Sequence[int], dtype: Any) -> Operand:
    return Operand(np.asarray(s.draw.rng.uniform(0.3, 2.0, tuple(shape)), dtype), kind="weight")


@draws(7, "BatchNormalization", weight=5)
def batch_normalization(s: Sketch, op_type: str) -> Step:
    """Of two dims and more; the attributes of old opsets, where they say what is done anyway."""
    x = s.some(_WIDE, (2, 5), where=lambda x: x.shape[1] > 0)
    channels = (x.array.shape[1],)
    parts = [s.weight(s.array(channels, x.array.dtype)) for _ in range(3)]
    return s.step(
        op_type, x, *parts, _positive(s, channels, x.array.dtype), epsilon=s.draw.choose([None, 1e-3, 0.1]),
        momentum=s.draw.choose([None, 0.5]), spatial=1 if s.opset < 9 and s.draw.coin() else None,
        training_mode=0 if s.opset >= 14 and s.draw.coin() else None,
    )  # fmt: skip


@draws(7, "InstanceNormalization", weight=2)
def instance_normalization(s: Sketch, op_type: str) -> Step:
    """Of several pixels: of one the deviation is rounding alone."""
    x = s.image(dtypes=_WIDE, least=2)
    parts = [s.weight(s.array(x.array.shape[1:2], x.array.dtype)) for _ in range(2)]
    return s.step(op_type, x, *parts, epsilon=s.draw.choose([None, 1e-3, 0.1]))


@draws(18, "GroupNormalization", weight=2)
def group_normalization(s: Sketch, op_type: str) -> Step:
    """One scale a group, or since opset 21 one a channel."""
    x = s.image(dtypes=_WIDE, least=2)
    groups = _grouped(s, x.array.shape[1])
    length = x.array.shape[1] if s.opset >= 21 else groups
    parts = [s.weight(s.array((length,), x.array.dtype)) for _ in range(2)]
    return s.step(op_type, x, *parts, num_groups=groups, epsilon=s.draw.choose([None, 1e-3, 0.1]))


@draws(17, "LayerNormalization", weight=2)
@draws(23, "RMSNormalization")
def layer_normalization(s: Sketch, op_type: str) -> Step:
    """From any axis on, counted from either side; with and without bias and statistics."""
    x = s.some((*(np.float32,) * 8, np.float64, np.float16), (1, 5), lambda x: min(x.shape) > 0)
    axis = s.axis(x.array.ndim)
    shape = s.draw.choose([*[x.array.shape[axis:]] * 3, x.array.shape[-1:], (1,)])
    scale = s.weight(s.array(shape, x.array.dtype))
    given = {"axis": axis if axis != -1 or s.draw.coin() else None, "epsilon": s.draw.choose([1e-3, 0.1])}
    if op_type == "RMSNormalization":
        return s.step(op_type, x, scale, **given)
    bias = s.draw.choose([None, s.weight(s.array(shape, x.array.dtype))])
    return s.step(op_type, x, scale, bias, outputs=s.draw.choose([1, 1, 2, 3]), **given)


@draws(7, "LpNormalization")
def lp_normalization(s: Sketch, op_type: str) -> Step:
    """By the sum of absolute values or of squares."""
    x = s.some(_WIDE, (1, 4), lambda x: x.size > 0 and bool((np.abs(x) > 1e-3).all()))
    return s.step(op_type, x, axis=s.axis(x.array.ndim), p=s.draw.choose([None, 1, 2]))


@draws(9, "MeanVarianceNormalization")
def mean_variance(s: Sketch, op_type: str) -> Step:
    """Over images, and over channels as well."""
    x = s.image((2,), _WIDE, least=2, empty=False)
    return s.step(op_type, x, axes=s.draw.choose([None, (0, 2, 3), (0, 1, 2, 3), (2, 3), (0, -1, -2)]))


@draws(7, "LRN", weight=2)
def lrn(s: Sketch, op_type: str) -> Step:
    """Windows smaller and larger than the channels."""
    x = s.image((1, 2, 2, 2), (np.float32,))
    given = {
        "alpha": s.draw.choose([None, 0.5]),
        "beta": s.draw.choose([None, 0.5]),
        "bias": s.draw.choose([None, 2.0]),
    }
    return s.step(op_type, x, size=s.draw.choose([1, 3, 5, 7, 2, 4]), **given)


@draws(7, "Softmax", weight=2)
@draws(7, "LogSoftmax", "Hardmax")
def distribution(s: Sketch, op_type: str) -> Step:
    """Over all axes from one on, or since opset 13 over one; the axis said or not."""
    x = s.some(_WIDE, (1, 5))
    axis = s.axis(x.array.ndim)
    return s.step(op_type, x, axis=None if x.array.ndim > 1 and s.draw.coin(0.2) else axis)
