"""Random nodes for kernel tests: an op with attributes drawn from a seed, and operands that fit it."""

from dataclasses import dataclass

import numpy as np

from cnnir.ops import (
    LRN,
    Add,
    AveragePool,
    BatchNormalization,
    Cast,
    Clip,
    Concat,
    ConstantOfShape,
    Conv,
    ConvTranspose,
    Div,
    Dropout,
    Flatten,
    Gemm,
    GlobalAveragePool,
    GlobalLpPool,
    GlobalMaxPool,
    HardSigmoid,
    HardSwish,
    Identity,
    LeakyRelu,
    LpPool,
    MatMul,
    MaxPool,
    Mul,
    Op,
    Pad,
    ReduceMean,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Slice,
    Softmax,
    Split,
    Squeeze,
    Sub,
    Sum,
    Tanh,
    TrainingBatchNormalization,
    Transpose,
    Unsqueeze,
)
from cnnir.ops.assembly import PadMode
from cnnir.ops.resize import Coordinates, Rounding
from cnnir.ops.window import AutoPad
from cnnir.types import DType
from tests.interpreter import (
    indexing_nodes,
    layer_nodes,
    pointwise_nodes,
    recurrent_nodes,
    reducing_nodes,
    selecting_nodes,
)
from tests.interpreter.drawing import MAKERS, Case, Draw, Maker, broadcast_shapes, function, makes

__all__ = [
    "MAKERS",
    "Case",
    "Draw",
    "indexing_nodes",
    "layer_nodes",
    "pointwise_nodes",
    "random_case",
    "recurrent_nodes",
    "reducing_nodes",
    "selecting_nodes",
]


def random_case(op_class: type[Op], seed: int) -> Case:
    """A random node of the op."""
    return MAKERS[op_class](Draw(seed))


# Windows


@dataclass(frozen=True)
class Sliding:
    """Attributes of a window that fits its map."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    sizes: tuple[int, ...]
    auto_pad: AutoPad

    @property
    def same(self) -> bool:
        """True when the padding follows from the output's size."""
        return self.auto_pad in ("SAME_UPPER", "SAME_LOWER")

    @property
    def portable(self) -> bool:
        """With SAME, onnxruntime's pooling leaves dilations out, and crops where the stride exceeds the window."""
        wide = any(s > k for s, k in zip(self.strides, self.kernel, strict=True))
        return not (self.same and (wide or any(d > 1 for d in self.dilations)))


def _sliding(draw: Draw, axes: int) -> Sliding:
    auto_pad: AutoPad = draw.choose(["NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
    kernel = draw.numbers(axes, 1, 3)
    dilations = draw.numbers(axes, 1, 2) if auto_pad == "NOTSET" or draw.coin() else (1,) * axes
    pads = tuple(draw.number(0, size - 1) for size in kernel * 2) if auto_pad == "NOTSET" else (0,) * (2 * axes)
    sizes = tuple(d * (k - 1) + 1 + draw.number(0, 4) for k, d in zip(kernel, dilations, strict=True))
    return Sliding(kernel, draw.numbers(axes, 1, 3), pads, dilations, sizes, auto_pad)


@makes(Conv)
def conv(draw: Draw) -> Case:
    """One to three spatial axes, groups, depthwise with a multiplier, bias or none."""
    axes = draw.choose([1, 2, 2, 2, 3])
    window = _sliding(draw, axes)
    group = draw.choose([1, 1, 2, 3])
    channels, filters = group * draw.choose([1, 1, 2, 3]), group * draw.number(1, 3)
    op = Conv(window.strides, window.pads, window.dilations, group, window.auto_pad)
    operands = [draw.tensor(draw.number(1, 2), channels, *window.sizes)]
    operands.append(draw.tensor(filters, channels // group, *window.kernel))
    if draw.coin():
        operands.append(draw.tensor(filters))
    return Case(op, tuple(operands), frozenset(range(1, len(operands))) if draw.coin() else frozenset())


@makes(ConvTranspose)
def conv_transpose(draw: Draw) -> Case:
    """Explicit or automatic padding, output padding, or the output's sizes given."""
    axes = draw.choose([1, 2, 2, 3])
    window = _sliding(draw, axes)
    group = draw.choose([1, 1, 2])
    sizes = draw.numbers(axes, 1, 4)
    extents = [d * (k - 1) + 1 for k, d in zip(window.kernel, window.dilations, strict=True)]
    extra = tuple(draw.number(0, max(s, d) - 1) for s, d in zip(window.strides, window.dilations, strict=True))
    whole = [(n - 1) * s + e + x for n, s, e, x in zip(sizes, window.strides, extents, extra, strict=True)]
    pads = tuple(min(pad, (whole[i % axes] - 1) // 2) for i, pad in enumerate(window.pads))
    # Where less is spread than the stride, SAME leaves cells that nothing reaches; runtimes disagree on where they are.
    cells = zip(window.strides, extents, extra, strict=True)
    portable = not (window.same and any(s > e + x for s, e, x in cells))
    target = None
    if draw.coin(0.2) and window.auto_pad != "VALID":
        target, pads = tuple(max(1, size - draw.number(0, 2)) for size in whole), (0,) * (2 * axes)
    op = ConvTranspose(window.strides, pads, window.dilations, extra, group, window.auto_pad, target)
    channels, filters = group * draw.number(1, 2), draw.number(1, 3)
    operands = [draw.tensor(draw.number(1, 2), channels, *sizes), draw.tensor(channels, filters, *window.kernel)]
    if draw.coin():
        operands.append(draw.tensor(group * filters))
    return Case(op, tuple(operands), portable=portable)


@makes(MaxPool)
def max_pool(draw: Draw) -> Case:
    """With and without indices, which may count along the columns; with ties."""
    axes = draw.choose([1, 2, 2, 2, 3])
    window = _sliding(draw, axes)
    indices = draw.coin()
    op = MaxPool(
        window.kernel,
        window.strides,
        window.pads,
        window.dilations if draw.coin() else (),
        window.auto_pad,
        draw.coin(),
        indices,
        draw.number(0, 1) if indices and axes > 1 else 0,
    )
    data = draw.tensor(draw.number(1, 2), draw.number(1, 3), *window.sizes)
    return Case(op, (data.round() if draw.coin() else data,), portable=window.portable)


@makes(AveragePool)
def average_pool(draw: Draw) -> Case:
    """With padding counted or not."""
    window = _sliding(draw, draw.choose([1, 2, 2, 2, 3]))
    op = AveragePool(
        window.kernel,
        window.strides,
        window.pads,
        window.dilations if draw.coin() else (),
        window.auto_pad,
        draw.coin(),
        draw.coin(),
    )
    data = draw.tensor(draw.number(1, 2), draw.number(1, 3), *window.sizes)
    return Case(op, (data,), portable=window.portable)


@makes(GlobalAveragePool)
def global_average_pool(draw: Draw) -> Case:
    """Of one to three spatial axes; the means are far from zero."""
    return Case(GlobalAveragePool(), (draw.tensor(*draw.shape(3, 5)) + 3,))


@makes(LpPool)
def lp_pool(draw: Draw) -> Case:
    """Powers up to the third, over the whole range of windows."""
    axes = draw.number(1, 2)
    sliding = _sliding(draw, axes)
    op = LpPool(sliding.kernel, sliding.strides, sliding.pads, sliding.dilations, sliding.auto_pad, p=draw.number(1, 3))
    return Case(op, (draw.tensor(*draw.numbers(2, 1, 3), *sliding.sizes),), portable=sliding.portable)


@makes(GlobalLpPool)
def global_lp_pool(draw: Draw) -> Case:
    """Powers up to the third."""
    return Case(GlobalLpPool(draw.number(1, 3)), (draw.tensor(*draw.shape(3, 5)),))


@makes(GlobalMaxPool)
def global_max_pool(draw: Draw) -> Case:
    """Of one to three spatial axes."""
    return Case(GlobalMaxPool(), (draw.tensor(*draw.shape(3, 5)),))


# Products and normalisation


@makes(Gemm)
def gemm(draw: Draw) -> Case:
    """All transpositions, factors, and every shape of bias that broadcasts."""
    rows, inner, columns = draw.numbers(3, 1, 6)
    op = Gemm(draw.choose([1.0, 0.5, -2.0]), draw.choose([1.0, 0.25, -1.0, 0.0]), draw.coin(), draw.coin())
    a = draw.tensor(*((inner, rows) if op.trans_a else (rows, inner)))
    b = draw.tensor(*((columns, inner) if op.trans_b else (inner, columns)))
    biases = [(), (1,), (columns,), (1, columns), (rows, 1), (rows, columns)]
    bias = [] if draw.coin(0.3) else [draw.tensor(*draw.choose(biases))]
    return Case(op, (a, b, *bias))


@makes(MatMul)
def matmul(draw: Draw) -> Case:
    """Vectors, matrices, and stacks of them that broadcast."""
    rows, inner, columns = draw.numbers(3, 1, 5)
    stack = draw.shape(0, 2, 3)
    left = [(inner,), (rows, inner), (*stack, rows, inner)]
    right = [(inner,), (inner, columns), (*(1 if draw.coin() else n for n in stack), inner, columns)]
    return Case(MatMul(), (draw.tensor(*draw.choose(left)), draw.tensor(*draw.choose(right))))


@makes(BatchNormalization)
def batch_normalization(draw: Draw) -> Case:
    """Of two to five dims; epsilon is a number that the file format holds exactly."""
    shape = draw.shape(2, 5)
    parts = [draw.tensor(shape[1]) for _ in range(3)]
    variance = draw.rng.uniform(0.2, 2.0, shape[1]).astype(np.float32)
    return Case(BatchNormalization(draw.choose([2**-17, 2**-7])), (draw.tensor(*shape), *parts, variance))


@makes(TrainingBatchNormalization)
def training_batch_normalization(draw: Draw) -> Case:
    """Several elements a channel, or the result is what is left of a difference."""
    shape = (draw.number(2, 3), draw.number(1, 4), *draw.numbers(draw.number(0, 3), 1, 4))
    parts = [draw.tensor(shape[1]) for _ in range(3)]
    variance = draw.rng.uniform(0.2, 2.0, shape[1]).astype(np.float32)
    op = TrainingBatchNormalization(draw.choose([2**-10, 2**-7]), draw.choose([0.5, 0.75]))
    return Case(op, (draw.tensor(*shape), *parts, variance))


@makes(LRN)
def lrn(draw: Draw) -> Case:
    """Windows smaller and larger than the number of channels; an odd size, as onnxruntime has it."""
    op = LRN(draw.choose([1, 3, 5, 7]), draw.choose([1e-4, 0.5]), draw.choose([0.75, 0.5]), draw.choose([1.0, 2.0]))
    return Case(op, (draw.tensor(draw.number(1, 2), draw.number(1, 8), *draw.numbers(2, 1, 4)),))


# Pointwise


MAKERS[Relu] = function(lambda _: Relu())
MAKERS[Sigmoid] = function(lambda _: Sigmoid())
MAKERS[Tanh] = function(lambda _: Tanh())
MAKERS[HardSwish] = function(lambda _: HardSwish())
MAKERS[Identity] = function(lambda _: Identity())
MAKERS[LeakyRelu] = function(lambda draw: LeakyRelu(draw.choose([0.01, 0.5, -0.5, 3.0])))
MAKERS[HardSigmoid] = function(lambda draw: HardSigmoid(draw.choose([0.2, 1.0]), draw.choose([0.5, 0.1])))
MAKERS[Dropout] = function(lambda draw: Dropout(draw.choose([0.5, 0.0, 0.25]), with_mask=draw.coin()))


@makes(Clip)
def clip(draw: Draw) -> Case:
    """Either bound, both, none, or crossed; of floats or integers."""
    low, high = draw.choose([(None, None), (-1, None), (None, 1), (-1, 1), (0, 2), (2, -2)])
    data = draw.tensor(*draw.shape(), scale=3)
    if draw.coin(0.3):
        return Case(Clip(low, high), (data.astype(draw.choose([np.int32, np.int64, np.int8])),))
    return Case(Clip(None if low is None else low + 0.5, high), (data,))


@makes(Softmax)
def softmax(draw: Draw) -> Case:
    """Over one axis, or over all from one on, as before opset 13."""
    shape = draw.shape(1, 4)
    axis = draw.number(0, len(shape) - 1)
    axes = (axis,) if draw.coin() else tuple(range(axis, len(shape)))
    return Case(Softmax(axes), (draw.tensor(*shape, scale=draw.choose([1, 100])),))


def _arithmetic(op: Op) -> Maker:
    def make(draw: Draw) -> Case:
        """Broadcast both ways; floats or integers."""
        left, right = (draw.tensor(*shape, scale=10) for shape in broadcast_shapes(draw, 2))
        if isinstance(op, Div):
            right = np.asarray(np.where(right < 0, right - 1, right + 1))
        if draw.coin(0.3):
            dtype = draw.choose([np.int32, np.int64])
            return Case(op, (left.astype(dtype), right.astype(dtype)))
        return Case(op, (left, right))

    return make


for _op in (Add(), Sub(), Mul(), Div()):
    MAKERS[type(_op)] = _arithmetic(_op)


@makes(Sum)
def total(draw: Draw) -> Case:
    """One to four terms."""
    return Case(Sum(), tuple(draw.tensor(*shape) for shape in broadcast_shapes(draw, draw.number(1, 4))))


@makes(Cast)
def cast(draw: Draw) -> Case:
    """Between numbers and booleans, without overflow."""
    types = [DType.FLOAT32, DType.FLOAT64, DType.INT32, DType.INT64, DType.UINT8, DType.INT8, DType.BOOL]
    source, to = draw.choose(types), draw.choose(types)
    data = draw.tensor(*draw.shape(), scale=10)
    return Case(Cast(to), (np.asarray(np.abs(data) if DType.UINT8 in (source, to) else data, source.numpy),))


@makes(ReduceMean)
def reduce_mean(draw: Draw) -> Case:
    """Over any axes, also none; the means are far from zero."""
    shape = draw.shape(0, 4)
    return Case(ReduceMean(draw.some_axes(len(shape)), draw.coin()), (np.asarray(draw.tensor(*shape) + 3),))


# Shapes


@makes(Concat)
def concat(draw: Draw) -> Case:
    """One to four tensors, along any axis."""
    shape = list(draw.shape(1, 4))
    axis = draw.number(0, len(shape) - 1)
    parts = []
    for _ in range(draw.number(1, 4)):
        shape[axis] = draw.number(1, 4)
        parts.append(draw.tensor(*shape))
    return Case(Concat(axis), tuple(parts))


@makes(Split)
def split(draw: Draw) -> Case:
    """Uneven parts."""
    shape = list(draw.shape(1, 4))
    axis, sizes = draw.number(0, len(shape) - 1), draw.numbers(draw.number(1, 4), 1, 3)
    shape[axis] = sum(sizes)
    return Case(Split(axis, sizes), (draw.tensor(*shape),))


@makes(Slice)
def slice_(draw: Draw) -> Case:
    """Bounds inside and outside, from either side, steps of either sign."""
    shape = draw.shape(1, 4, 7)
    axes = tuple(int(axis) for axis in draw.rng.permutation(len(shape))[: draw.number(1, len(shape))])
    steps = tuple(draw.choose([1, 1, 2, 3, -1, -2]) for _ in axes)
    # An open end lies where the step leads; onnxruntime takes INT_MAX for an open end even when it leads down.
    open_ends = [draw.choose([2**31 - 1, 2**63 - 1] if step > 0 else [-(2**31) + 1, -(2**63)]) for step in steps]
    starts = tuple(draw.number(-9, 9) for _ in axes)
    ends = tuple(end if draw.coin(0.3) else draw.number(-9, 9) for end in open_ends)
    return Case(Slice(starts, ends, axes, steps), (draw.tensor(*shape),))


@makes(Pad)
def pad(draw: Draw) -> Case:
    """All modes, cropping, integers."""
    mode: PadMode = draw.choose(["constant", "constant", "reflect", "edge", "wrap"])
    shape = draw.numbers(draw.number(1, 4), 3, 5)
    least = -1 if mode == "constant" and draw.coin() else 0
    pads = draw.numbers(2 * len(shape), least, 2)
    value = draw.choose([0.0, 1.5]) if mode == "constant" else 0.0
    data = draw.tensor(*shape)
    if value == 0.0 and draw.coin(0.2):
        return Case(Pad(pads, mode), (data.astype(np.int64),))
    return Case(Pad(pads, mode, value), (data,))


@makes(Resize)
def resize(draw: Draw) -> Case:
    """Both modes, all coordinate rules, scales or sizes; the spatial axes alone where it interpolates."""
    sizes = draw.numbers(2, 2, 6)
    shape = (draw.number(1, 2), draw.number(1, 3), *sizes)
    coordinates: Coordinates = draw.choose(
        ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
    )
    rounding: Rounding = draw.choose(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    mode = draw.choose(["nearest", "linear"])
    if draw.coin():
        scales = (1.0, 1.0, *(draw.choose([0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0]) for _ in sizes))
        op = Resize(scales, None, mode, coordinates, rounding)
        # onnxruntime copies when the shape stays, also where the specification moves the positions.
        kept = all(int(size * scale) == size for size, scale in zip(shape, scales, strict=True))
        return Case(op, (draw.tensor(*shape),), portable=not kept)
    op = Resize(None, (*shape[:2], *draw.numbers(2, 1, 9)), mode, coordinates, rounding)
    # Where a whole number comes out, onnxruntime's float32 positions may fall just short of it.
    return Case(op, (draw.tensor(*shape),), portable=mode == "linear" or coordinates != "half_pixel_symmetric")


@makes(ConstantOfShape)
def constant_of_shape(draw: Draw) -> Case:
    """A shape that is fed."""
    op = draw.choose([ConstantOfShape(), ConstantOfShape(DType.INT64, 7), ConstantOfShape(DType.FLOAT32, -2.5)])
    return Case(op, (np.asarray(draw.shape(1, 4), np.int64),))


@makes(Reshape)
def reshape(draw: Draw) -> Case:
    """With a rest, with copied dims, or in full."""
    shape = draw.shape(2, 4)
    flat = int(np.prod(shape))
    targets = [(-1,), (0, -1), (flat,), (1, flat), (-1, shape[-1]), tuple(reversed(shape)), (*shape, 1)]
    return Case(Reshape(draw.choose(targets)), (draw.tensor(*shape),))


@makes(Flatten)
def flatten(draw: Draw) -> Case:
    """At any axis, counted from either side."""
    shape = draw.shape(1, 4)
    return Case(Flatten(draw.number(-len(shape), len(shape))), (draw.tensor(*shape),))


@makes(Squeeze)
def squeeze(draw: Draw) -> Case:
    """All dims of one, or those named from either side."""
    shape = tuple(1 if draw.coin() else size for size in draw.shape(1, 4))
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    named = tuple(axis - len(shape) * draw.coin() for axis in ones if draw.coin(0.7))
    return Case(Squeeze(named if named and draw.coin() else None), (draw.tensor(*shape),))


@makes(Unsqueeze)
def unsqueeze(draw: Draw) -> Case:
    """One or two new dims, counted from either side."""
    shape = draw.shape(0, 3)
    count = draw.number(1, 2)
    axes = draw.rng.permutation(len(shape) + count)[:count]
    return Case(Unsqueeze(tuple(int(a) - (len(shape) + count) * draw.coin() for a in axes)), (draw.tensor(*shape),))


@makes(Transpose)
def transpose(draw: Draw) -> Case:
    """Any permutation."""
    shape = draw.shape(0, 5)
    return Case(Transpose(tuple(int(axis) for axis in draw.rng.permutation(len(shape)))), (draw.tensor(*shape),))
