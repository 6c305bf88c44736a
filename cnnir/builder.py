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
from typing import TypeAlias

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import (
    LRN,
    Add,
    AveragePool,
    BatchNormalization,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Gemm,
    GlobalAveragePool,
    MaxPool,
    Op,
    Relu,
    Softmax,
)
from cnnir.types import DType, TensorType, known_shape, outside_dim, outside_int
from cnnir.weights import Fill, Seeded

Pair: TypeAlias = int | tuple[int, int]
"""One number for both spatial axes, or (height, width)."""


class GraphBuilder:
    """Builds a graph for NCHW images; every method takes and gives values of it.

    Args:
        name: Of the network.
        seed: Of its initial weights.
        dtype: Element type of inputs and weights.
    """

    def __init__(self, name: str, *, seed: int = 0, dtype: DType = DType.FLOAT32) -> None:
        self.graph = Graph(name)
        self.seed = seed
        self.dtype = dtype
        self._counts: dict[str, int] = {}

    def input(self, name: str, shape: Sequence[int | str]) -> Value:
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
        padding: Pair = 0,
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
        top_left = _pair(padding, "padding", name)
        op = Conv(
            strides=_pair(stride, "stride", name, least=1),
            pads=(*top_left, *top_left),
            dilations=_pair(dilation, "dilation", name, least=1),
            group=groups,
        )
        return self.op(op, *operands, name=name)

    def linear(self, x: Value, outputs: int, *, bias: bool = True, name: str | None = None) -> Value:
        """Fully connected layer ``[N, features] -> [N, outputs]``; its weight is ``[outputs, features]``."""
        name = name or self._name("fc")
        features = self._channels(x, name)
        outputs = outside_int(outputs, "outputs", least=1, node=name)
        operands = [x, *self._parameters(name, (outputs, features), features, outputs if bias else None)]
        return self.op(Gemm(trans_b=True), *operands, name=name)

    def batch_norm(self, x: Value, *, name: str | None = None) -> Value:
        """Batch normalisation in inference form; starts as the identity, up to its epsilon."""
        name = name or self._name("bn")
        channels = (self._channels(x, name),)
        parts = {"scale": 1.0, "bias": 0.0, "mean": 0.0, "var": 1.0}
        fills = [self.graph.add_weight(f"{name}.{part}", self._fill(channels, start)) for part, start in parts.items()]
        return self.op(BatchNormalization(), x, *fills, name=name)

    def max_pool(
        self, x: Value, kernel: Pair = 2, stride: Pair | None = None, padding: Pair = 0, *, name: str | None = None
    ) -> Value:
        """Max pooling; the stride is the kernel unless given."""
        name = name or self._name("pool")
        return self.op(MaxPool(*_window(kernel, stride, padding, name)), x, name=name)

    def average_pool(
        self, x: Value, kernel: Pair = 2, stride: Pair | None = None, padding: Pair = 0, *, name: str | None = None
    ) -> Value:
        """Average pooling; the stride is the kernel unless given, padding is not counted."""
        name = name or self._name("pool")
        return self.op(AveragePool(*_window(kernel, stride, padding, name)), x, name=name)

    def global_average_pool(self, x: Value, *, name: str | None = None) -> Value:
        """The mean of each map, ``[N, C, 1, 1]``."""
        return self.op(GlobalAveragePool(), x, name=name or self._name("gap"))

    def relu(self, x: Value, *, name: str | None = None) -> Value:
        """``max(x, 0)``."""
        return self.op(Relu(), x, name=name or self._name("relu"))

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

    def concat(self, *values: Value, axis: int = 1, name: str | None = None) -> Value:
        """The values side by side, along the channels unless another axis is given."""
        return self.op(Concat(axis=axis), *values, name=name or self._name("concat"))

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
    kernel: Pair, stride: Pair | None, padding: Pair, node: str
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Kernel, strides and pads of a pooling."""
    sizes = _pair(kernel, "kernel", node, least=1)
    top_left = _pair(padding, "padding", node)
    return sizes, sizes if stride is None else _pair(stride, "stride", node, least=1), (*top_left, *top_left)


def _pair(value: Pair, what: str, node: str, *, least: int = 0) -> tuple[int, int]:
    """One number for each spatial axis, checked."""
    parts = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(parts) != 2:
        raise CnnirError("dim-number", f"{what} is one number or two", node=node, got=list(parts))
    height, width = (outside_int(part, what, least=least, node=node) for part in parts)
    return height, width
