"""Building networks in Python, layer by layer.

    builder = GraphBuilder("tiny")
    x = builder.input("image", (1, 3, 32, 32))
    x = builder.relu(builder.conv(x, 16, kernel=3, padding=1))
    x = builder.linear(builder.flatten(builder.max_pool(x)), 10)
    graph = builder.build(x)

Weights are drawn from a seed by He's rule (He et al., "Delving Deep into Rectifiers", 2015, eq. 10): normal, standard
deviation ``sqrt(2 / fan_in)``, lazily, so that building a network allocates nothing. Biases start at zero.
"""

import math
import zlib
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import (
    LRN,
    Add,
    AveragePool,
    BatchNormalization,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Dropout,
    Flatten,
    Gemm,
    GlobalAveragePool,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    MaxPool,
    Mul,
    Op,
    Pad,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Slice,
    Softmax,
    Split,
    Tanh,
    Transpose,
)
from cnnir.ops.window import AutoPad
from cnnir.types import DType, TensorType, known_shape, outside_dim, outside_int
from cnnir.weights import Fill, Seeded

Pair: TypeAlias = int | tuple[int, int]
"""One number for both spatial axes, or (height, width)."""

Margins: TypeAlias = Pair | tuple[int, int, int, int]
"""Cells along the borders of a map: one number, (height, width), or (top, left, bottom, right)."""

Padding: TypeAlias = Margins | Literal["same"]
"""Cells around the map; "same" gives ceil(size / stride) outputs, whatever the size; an odd cell goes behind."""

Extent: TypeAlias = int | str
"""A size; a text is a symbol (``"N"``) or an expression."""

Size: TypeAlias = Extent | tuple[Extent, Extent]
"""Height and width of an image; one extent stands for both."""


class GraphBuilder:
    """Builds a graph for NCHW images; every method takes and gives values of it.

    Args:
        name: Of the network.
        seed: Of its initial weights.
        dtype: Element type of inputs and weights.

    Raises:
        CnnirError: ``dim-number`` or ``dim-negative`` for a seed that is none.
    """

    def __init__(self, name: str, *, seed: int = 0, dtype: DType = DType.FLOAT32) -> None:
        self.graph = Graph(name)
        self.seed = outside_int(seed, "seed")
        self.dtype = dtype
        self._counts: dict[str, int] = {}

    def image(self, channels: int, size: Size, *, batch: Extent = 1, name: str = "data") -> Value:
        """The graph input ``[batch, channels, height, width]``.

        Raises:
            CnnirError: As `input`; ``dim-number`` for a size of other than one or two extents.
        """
        sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
        if len(sides) != 2:
            raise CnnirError("dim-number", "a size is one extent or two", node=name, got=list(sides))
        return self.input(name, (batch, channels, *sides))

    def input(self, name: str, shape: Sequence[Extent]) -> Value:
        """A graph input; a text dim is a symbol (``"N"``) or an expression.

        Raises:
            CnnirError: ``dim-number`` or ``dim-negative`` for what is no size, ``dim-syntax``, ``name-taken``.
        """
        dims = tuple(outside_dim(dim, node=name) for dim in shape)
        return self.graph.add_input(name, TensorType(self.dtype, dims))

    def op(self, op: Op, *inputs: Value | None, name: str | None = None) -> Value:
        """The only output of a node with any op."""
        return self.graph.add_node(op, inputs, name=name or self._name(op.kind)).output

    def conv(
        self,
        x: Value,
        filters: int,
        *,
        kernel: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        name: str | None = None,
    ) -> Value:
        """Convolution ``[N, C, H, W] -> [N, filters, H', W']``.

        Raises:
            CnnirError: ``conv-group`` when the channels do not divide into groups; ``dim-number`` or ``dim-negative``
                for counts that are none; from inference.
        """
        name = name or self._name("conv")
        channels = self._channels(x, name)
        filters = outside_int(filters, "filters", least=1, node=name)
        groups = outside_int(groups, "groups", least=1, node=name)
        if channels % groups:
            raise CnnirError(
                "conv-group", "channels do not divide into groups", node=name, got=f"{channels} / {groups}"
            )
        shape = (filters, channels // groups, *_pair(kernel, "kernel", name, least=1))
        operands = [x, *self._parameters(name, shape, math.prod(shape[1:]), filters if bias else None)]
        op = Conv(
            strides=_pair(stride, "stride", name, least=1),
            pads=_pads(padding, name),
            dilations=_pair(dilation, "dilation", name, least=1),
            group=groups,
            auto_pad=_auto_pad(padding),
        )
        return self.op(op, *operands, name=name)

    def conv_transpose(
        self, x: Value, filters: int, *, kernel: Pair, stride: Pair = 1, bias: bool = True, name: str | None = None
    ) -> Value:
        """Transposed convolution ``[N, C, H, W] -> [N, filters, stride * (H - 1) + kernel, ...]``; no padding."""
        name = name or self._name("conv_transpose")
        channels = self._channels(x, name)
        filters = outside_int(filters, "filters", least=1, node=name)
        window, steps = _pair(kernel, "kernel", name, least=1), _pair(stride, "stride", name, least=1)
        operands = [x, *self._parameters(name, (channels, filters, *window), channels, filters if bias else None)]
        op = ConvTranspose(strides=steps, pads=(0, 0, 0, 0), dilations=(1, 1), output_padding=(0, 0))
        return self.op(op, *operands, name=name)

    def linear(self, x: Value, outputs: int, *, bias: bool = True, name: str | None = None) -> Value:
        """Fully connected layer ``[N, features] -> [N, outputs]``; its weight is ``[outputs, features]``."""
        name = name or self._name("fc")
        features = self._channels(x, name)
        outputs = outside_int(outputs, "outputs", least=1, node=name)
        operands = [x, *self._parameters(name, (outputs, features), features, outputs if bias else None)]
        return self.op(Gemm(trans_b=True), *operands, name=name)

    def batch_norm(self, x: Value, *, epsilon: float = 1e-5, name: str | None = None) -> Value:
        """Batch normalisation in inference form; starts as the identity, up to its epsilon."""
        name = name or self._name("bn")
        channels = (self._channels(x, name),)
        parts = {"scale": 1.0, "bias": 0.0, "mean": 0.0, "var": 1.0}
        fills = [self.graph.add_weight(f"{name}.{part}", self._fill(channels, start)) for part, start in parts.items()]
        return self.op(BatchNormalization(epsilon=epsilon), x, *fills, name=name)

    def max_pool(
        self,
        x: Value,
        kernel: Pair = 2,
        stride: Pair | None = None,
        padding: Padding = 0,
        *,
        ceil_mode: bool = False,
        name: str | None = None,
    ) -> Value:
        """Max pooling; the stride is the kernel unless given, `ceil_mode` keeps a last window that is cut off."""
        name = name or self._name("pool")
        window = _window(kernel, stride, padding, name)
        return self.op(MaxPool(*window, auto_pad=_auto_pad(padding), ceil_mode=ceil_mode), x, name=name)

    def average_pool(
        self,
        x: Value,
        kernel: Pair = 2,
        stride: Pair | None = None,
        padding: Padding = 0,
        *,
        ceil_mode: bool = False,
        count_padding: bool = False,
        name: str | None = None,
    ) -> Value:
        """Average pooling; the stride is the kernel unless given, padding counts in the divisor only if asked."""
        name = name or self._name("pool")
        window = _window(kernel, stride, padding, name)
        op = AveragePool(*window, auto_pad=_auto_pad(padding), ceil_mode=ceil_mode, count_include_pad=count_padding)
        return self.op(op, x, name=name)

    def global_average_pool(self, x: Value, *, name: str | None = None) -> Value:
        """The mean of each map, ``[N, C, 1, 1]``."""
        return self.op(GlobalAveragePool(), x, name=name or self._name("gap"))

    def relu(self, x: Value, *, name: str | None = None) -> Value:
        """``max(x, 0)``."""
        return self.op(Relu(), x, name=name or self._name("relu"))

    def leaky_relu(self, x: Value, slope: float = 0.01, *, name: str | None = None) -> Value:
        """``x`` where it is positive, ``slope * x`` elsewhere."""
        return self.op(LeakyRelu(alpha=slope), x, name=name or self._name("relu"))

    def relu6(self, x: Value, *, name: str | None = None) -> Value:
        """``min(max(x, 0), 6)``."""
        return self.op(Clip(0.0, 6.0), x, name=name or self._name("relu"))

    def sigmoid(self, x: Value, *, name: str | None = None) -> Value:
        """``1 / (1 + exp(-x))``."""
        return self.op(Sigmoid(), x, name=name or self._name("sigmoid"))

    def tanh(self, x: Value, *, name: str | None = None) -> Value:
        """Hyperbolic tangent."""
        return self.op(Tanh(), x, name=name or self._name("tanh"))

    def swish(self, x: Value, *, name: str | None = None) -> Value:
        """``x * sigmoid(x)`` (SiLU), as the two nodes that exporters write."""
        name = name or self._name("swish")
        return self.mul(x, self.sigmoid(x, name=f"{name}.gate"), name=name)

    def hard_swish(self, x: Value, *, name: str | None = None) -> Value:
        """``x * max(0, min(1, x / 6 + 1 / 2))``."""
        return self.op(HardSwish(), x, name=name or self._name("swish"))

    def hard_sigmoid(self, x: Value, *, name: str | None = None) -> Value:
        """``max(0, min(1, x / 6 + 1 / 2))``, the gate of `hard_swish`."""
        return self.op(HardSigmoid(alpha=1 / 6), x, name=name or self._name("sigmoid"))

    def lrn(
        self,
        x: Value,
        size: int = 5,
        *,
        alpha: float = 1e-4,
        beta: float = 0.75,
        bias: float = 1.0,
        name: str | None = None,
    ) -> Value:
        """Local response normalisation over `size` channels."""
        return self.op(LRN(size=size, alpha=alpha, beta=beta, bias=bias), x, name=name or self._name("lrn"))

    def softmax(self, x: Value, axis: int = 1, *, name: str | None = None) -> Value:
        """Softmax over one axis."""
        return self.op(Softmax(axes=(axis,)), x, name=name or self._name("softmax"))

    def dropout(self, x: Value, ratio: float = 0.5, *, name: str | None = None) -> Value:
        """Dropout: the identity, outside of training."""
        return self.op(Dropout(ratio=ratio), x, name=name or self._name("dropout"))

    def flatten(self, x: Value, *, name: str | None = None) -> Value:
        """``[N, C, H, W] -> [N, C * H * W]``."""
        return self.op(Flatten(axis=1), x, name=name or self._name("flatten"))

    def add(self, *values: Value, name: str | None = None) -> Value:
        """Elementwise sum of two values (a residual connection)."""
        return self.op(Add(), *values, name=name or self._name("add"))

    def mul(self, a: Value, b: Value, *, name: str | None = None) -> Value:
        """Elementwise product, broadcast (a gate, say)."""
        return self.op(Mul(), a, b, name=name or self._name("mul"))

    def concat(self, *values: Value, axis: int = 1, name: str | None = None) -> Value:
        """The values side by side, along the channels unless another axis is given."""
        return self.op(Concat(axis=axis), *values, name=name or self._name("concat"))

    def split(self, x: Value, sizes: Sequence[int], *, axis: int = 1, name: str | None = None) -> tuple[Value, ...]:
        """The value cut into parts of these sizes, along the channels unless another axis is given."""
        op = Split(axis=axis, sizes=tuple(sizes))
        return self.graph.add_node(op, (x,), name=name or self._name("split")).outputs

    def reshape(self, x: Value, shape: Sequence[Extent], *, name: str | None = None) -> Value:
        """The same elements in another shape; one extent may be -1."""
        name = name or self._name("reshape")
        dims = tuple(-1 if dim == -1 else outside_dim(dim, node=name) for dim in shape)
        return self.op(Reshape(dims), x, name=name)

    def transpose(self, x: Value, permutation: Sequence[int], *, name: str | None = None) -> Value:
        """The axes in another order."""
        return self.op(Transpose(tuple(permutation)), x, name=name or self._name("transpose"))

    def channel_shuffle(self, x: Value, groups: int, *, name: str | None = None) -> Value:
        """Channels interleaved across groups: ``[N, groups * k, H, W]`` read as groups by k, and transposed.

        Zhang et al., "ShuffleNet", 2017, section 3.1.

        Raises:
            CnnirError: ``conv-group`` when the channels do not divide into groups.
        """
        name = name or self._name("shuffle")
        channels = self._channels(x, name)
        if channels % outside_int(groups, "groups", least=1, node=name):
            raise CnnirError(
                "conv-group", "channels do not divide into groups", node=name, got=f"{channels} / {groups}"
            )
        sizes = x.type.shape[2:] if isinstance(x.type, TensorType) else ()
        grouped = self.op(Reshape((0, groups, channels // groups, *sizes)), x, name=f"{name}.groups")
        turned = self.transpose(grouped, (0, 2, 1, 3, 4), name=f"{name}.turn")
        return self.op(Reshape((0, channels, *sizes)), turned, name=name)

    def upsample(self, x: Value, scale: int = 2, *, name: str | None = None) -> Value:
        """Each cell repeated `scale` times along both axes (nearest neighbour)."""
        scales = (1.0, 1.0, float(scale), float(scale))
        op = Resize(scales=scales, mode="nearest", coordinates="asymmetric", rounding="floor")
        return self.op(op, x, name=name or self._name("upsample"))

    def pad(self, x: Value, padding: Margins, *, name: str | None = None) -> Value:
        """Zeros around each map."""
        name = name or self._name("pad")
        top, left, bottom, right = _margins(padding, "padding", name)
        return self.op(Pad(pads=(0, 0, top, left, 0, 0, bottom, right)), x, name=name)

    def crop(self, x: Value, margins: Margins, *, name: str | None = None) -> Value:
        """Each map without its margins, the counterpart of `pad`."""
        name = name or self._name("crop")
        top, left, bottom, right = _margins(margins, "margins", name)
        ends = tuple(-cells or _TO_THE_END for cells in (bottom, right))
        return self.op(Slice(starts=(top, left), ends=ends, axes=(2, 3), steps=(1, 1)), x, name=name)

    def build(self, *outputs: Value) -> Graph:
        """The graph, with these outputs."""
        self.graph.set_outputs(outputs)
        return self.graph

    def _name(self, stem: str) -> str:
        self._counts[stem] = self._counts.get(stem, 0) + 1
        return f"{stem.lower()}{self._counts[stem]}"

    def _channels(self, x: Value, name: str) -> int:
        """Size of axis 1, which decides the shape of a weight."""
        if not isinstance(x.type, TensorType) or x.type.rank < 2:
            raise CnnirError(
                "rank", "a layer with weights needs channels", node=name, expected="rank 2 or more", got=x.type
            )
        (channels,) = known_shape((x.type.shape[1],), name)
        return channels

    def _parameters(self, name: str, shape: tuple[int, ...], fan_in: int, biases: int | None) -> list[Value]:
        key = zlib.crc32(name.encode())
        weight = Seeded(self.dtype, shape, self.seed, key, math.sqrt(2.0 / max(fan_in, 1)))
        made = [self.graph.add_weight(f"{name}.weight", weight)]
        if biases is not None:
            made.append(self.graph.add_weight(f"{name}.bias", self._fill((biases,), 0.0)))
        return made

    def _fill(self, shape: tuple[int, ...], value: float) -> Fill:
        return Fill(self.dtype, shape, np.asarray(value, self.dtype.numpy)[()])


def _window(
    kernel: Pair, stride: Pair | None, padding: Padding, node: str
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Kernel, strides and pads of a pooling."""
    sizes = _pair(kernel, "kernel", node, least=1)
    return sizes, sizes if stride is None else _pair(stride, "stride", node, least=1), _pads(padding, node)


_TO_THE_END = 2**31 - 1
"""The end of a slice that cuts nothing off."""


def _auto_pad(padding: Padding) -> AutoPad:
    return "SAME_UPPER" if padding == "same" else "NOTSET"


def _pads(padding: Padding, node: str) -> tuple[int, int, int, int]:
    """Padding in ONNX's layout: the beginnings, then the ends; none where the size decides."""
    if padding == "same":
        return 0, 0, 0, 0
    return _margins(padding, "padding", node)


def _margins(margins: Margins, what: str, node: str) -> tuple[int, int, int, int]:
    """Cells at the top, the left, the bottom and the right."""
    if isinstance(margins, Sequence) and len(margins) == 4:
        top, left, bottom, right = (outside_int(part, what, least=0, node=node) for part in margins)
        return top, left, bottom, right
    height, width = _pair(margins, what, node)
    return height, width, height, width


def _pair(value: Pair | Margins, what: str, node: str, *, least: int = 0) -> tuple[int, int]:
    """One number for each spatial axis, checked."""
    parts = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(parts) != 2:
        raise CnnirError("dim-number", f"{what} is one number or two", node=node, got=list(parts))
    height, width = (outside_int(part, what, least=least, node=node) for part in parts)
    return height, width
