"""Random networks with what rewrites look for: heads of every make, shared and overridable weights, open batches."""

import math
from dataclasses import dataclass

import numpy as np

from cnnir.dims import Dim, symbol
from cnnir.graph import Graph, Value
from cnnir.ops import (
    Add,
    AveragePool,
    BatchNormalization,
    Concat,
    Conv,
    Div,
    Dropout,
    Flatten,
    Gemm,
    GlobalAveragePool,
    Identity,
    MatMul,
    MaxPool,
    Mul,
    Relu,
    Reshape,
    Sigmoid,
    Softmax,
    Squeeze,
    Sub,
    Tanh,
    Transpose,
)
from cnnir.ops.base import Op
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import Array


@dataclass(frozen=True)
class Network:
    """A random network.

    Attributes:
        graph: One input ``x`` of rank 4, one to three outputs.
        shape: Of the input; the batch is a number even where the graph leaves it open.
        overridable: Names of the weights that callers may give as inputs.
    """

    graph: Graph
    shape: tuple[int, ...]
    overridable: tuple[str, ...]


def random_network(rng: np.random.Generator) -> Network:
    """A body of convolutions, normalisations, sums and concats, and one or two heads."""
    return _Draw(rng).network()


class _Draw:
    """One network in the making. Shapes are those for batch 1, or more; the first dim is never looked at."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.graph = Graph("network")
        self.shared: dict[tuple[str, tuple[int, ...]], Value] = {}

    def network(self) -> Network:
        size = self.number(5, 9)
        channels, batch = self.number(1, 4), self.number(1, 3)
        sizes = (channels, size, size + self.number(0, 2))
        last = self.chance(0.2)
        shape = (batch, *sizes[1:], channels) if last else (batch, *sizes)
        open_batch = self.chance(0.3)
        from_outside = ("N", *shape[1:]) if open_batch else shape
        x = self.graph.add_input("x", TensorType(DType.FLOAT32, _dims(from_outside)))
        if last:  # as tf2onnx writes it: the image comes channels-last, and is turned at once
            x = self.op(Transpose((0, 3, 1, 2)), x)
        for _ in range(self.number(1, 5)):
            x = self.block(x)
        outputs = [self.head(x)]
        if self.chance(0.35):
            outputs.append(self.head(self.block(x)))
        if self.chance(0.25):
            outputs.append(self.op(Identity(), x) if x in self.graph.inputs else x)
        self.graph.set_outputs(list(dict.fromkeys(outputs)))
        weights = [value.name for value in self.graph.weights if value.uses]
        chosen = tuple(name for name in weights if self.chance(0.3)) if self.chance(0.3) else ()
        self.graph.provenance.listed = chosen
        return Network(self.graph, shape, chosen)

    # Drawing

    def number(self, least: int, most: int) -> int:
        """Uniform, both ends included."""
        return int(self.rng.integers(least, most + 1))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def op(self, op: Op, *inputs: Value | None) -> Value:
        return self.graph.add_node(op, inputs).output

    def weight(self, name: str, shape: tuple[int, ...], low: float, high: float) -> Value:
        """A weight; now and then one that another layer has already."""
        if (name, shape) in self.shared and self.chance(0.3):
            return self.shared[name, shape]
        contents = Array.of(self.rng.uniform(low, high, shape).astype(np.float32))
        value = self.graph.add_weight(self.graph.fresh_name(name), contents)
        self.shared[name, shape] = value
        return value

    def matrix(self, shape: tuple[int, ...], inputs: int) -> Value:
        scale = math.sqrt(3 / inputs)
        return self.weight("w", shape, -scale, scale)

    # Bodies

    def block(self, x: Value) -> Value:
        layers = (self.convolution, self.convolution, self.convolution, self.residual, self.concat, self.pooling)
        return layers[self.number(0, len(layers) - 1)](x)

    def convolution(self, x: Value) -> Value:
        """With what may stand behind it: a normalisation in one of its forms, an activation."""
        channels, *sizes = _sizes(x)
        kernel = 3 if min(sizes) >= 3 and self.chance(0.6) else 1
        groups = channels if self.chance(0.2) else 1
        filters = groups * self.number(1, 2) if groups > 1 else self.number(1, 5)
        pads = (kernel // 2,) * 4 if self.chance(0.7) else (0,) * 4
        operands = [x, self.matrix((filters, channels // groups, kernel, kernel), channels // groups * kernel**2)]
        if self.chance(0.5):
            operands.append(self.weight("b", (filters,), -0.3, 0.3))
        strides = (2, 2) if min(sizes) >= 6 and self.chance(0.2) else (1, 1)
        y = self.op(Conv(strides, pads, (1, 1), groups), *operands)
        y = self.normalised(y) if self.chance(0.6) else y
        return self.activated(y) if self.chance(0.7) else y

    def normalised(self, x: Value) -> Value:
        channels = _sizes(x)[0]
        if self.chance(0.5):
            parts = [self.weight(f"bn{index}", (channels,), -0.5, 1.0) for index in range(3)]
            return self.op(BatchNormalization(), x, *parts, self.weight("var", (channels,), 0.5, 1.5))
        shape = ((1, channels, 1, 1), (channels, 1, 1), (1,), ())[self.number(0, 3)]
        ops: tuple[Op, ...] = (Mul(), Add(), Sub(), Div())
        op = ops[self.number(0, 3)]
        factor = self.weight("factor", shape, 0.5, 1.5)
        swapped = isinstance(op, (Mul, Add, Sub)) and self.chance(0.4)
        return self.op(op, factor, x) if swapped else self.op(op, x, factor)

    def activated(self, x: Value) -> Value:
        ops: tuple[Op, ...] = (Relu(), Relu(), Sigmoid(), Tanh(), Identity(), Dropout())
        return self.op(ops[self.number(0, len(ops) - 1)], x)

    def residual(self, x: Value) -> Value:
        """A sum of a value and what is made of it."""
        channels = _sizes(x)[0]
        y = self.op(Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), x, self.matrix((channels, channels, 1, 1), channels))
        y = self.normalised(y) if self.chance(0.5) else y
        return self.op(Add(), x, y) if self.chance(0.5) else self.op(Add(), y, x)

    def concat(self, x: Value) -> Value:
        parts = [self.convolution(x) if _sizes(x)[1] < 3 else self.branch(x) for _ in range(2)]
        shapes = {_sizes(part)[1:] for part in parts}
        return self.op(Concat(1), *parts) if len(shapes) == 1 else parts[0]

    def branch(self, x: Value) -> Value:
        channels = _sizes(x)[0]
        filters, kernel = self.number(1, 3), 1 + 2 * self.number(0, 1)
        y = self.op(
            Conv((1, 1), (kernel // 2,) * 4, (1, 1), 1), x,
            self.matrix((filters, channels, kernel, kernel), channels * kernel**2),
        )  # fmt: skip
        return self.normalised(y) if self.chance(0.4) else y

    def pooling(self, x: Value) -> Value:
        _, *sizes = _sizes(x)
        if min(sizes) < 2:
            return self.op(Relu(), x)
        make = MaxPool if self.chance(0.5) else AveragePool
        return self.op(make((2, 2), (self.number(1, 2),) * 2, (0, 0, 0, 0)), x)

    # Heads

    def head(self, x: Value) -> Value:
        x = self.flat(x)
        for _ in range(self.number(1, 3)):
            x = self.linear(x, self.number(2, 6))
            x = self.activated(x) if self.chance(0.6) else x
        return self.op(Softmax((1,)), x) if self.chance(0.5) else x

    def flat(self, x: Value) -> Value:
        """The map as a vector, in one of the ways of exporters."""
        channels, *sizes = _sizes(x)
        elements = channels * math.prod(sizes)
        if self.chance(0.3):
            x = self.op(GlobalAveragePool(), x)
            elements = channels
            if self.chance(0.3):
                return self.op(Squeeze((2, 3)), x)
        elif self.chance(0.25):  # flattened channels-last
            x = self.op(Transpose((0, 2, 3, 1)), x)
        ways: tuple[Op, ...] = (Flatten(1), Reshape((-1, elements)), Reshape((0, -1)), Reshape((0, elements)))
        return self.op(ways[self.number(0, 3)], x)

    def linear(self, x: Value, outputs: int) -> Value:
        (inputs,) = _sizes(x)
        if self.chance(0.5):
            turned = self.chance(0.5)
            matrix = self.matrix((outputs, inputs) if turned else (inputs, outputs), inputs)
            scales = (0.5, 2.0) if self.chance(0.2) else (1.0, 1.0)
            bias = self.weight("b", (outputs,), -0.3, 0.3) if self.chance(0.7) else None
            operands = [x, matrix, *([bias] if bias is not None else [])]
            y = self.op(Gemm(*scales, trans_b=turned), *operands)
        else:
            y = self.op(MatMul(), x, self.turned(inputs, outputs))
            if self.chance(0.7):
                bias = self.weight("b", ((outputs,), (1, outputs))[self.number(0, 1)], -0.3, 0.3)
                y = self.op(Add(), y, bias) if self.chance(0.6) else self.op(Add(), bias, y)
        if self.chance(0.2):
            parts = [self.weight(f"bn{index}", (outputs,), -0.5, 1.0) for index in range(3)]
            y = self.op(BatchNormalization(), y, *parts, self.weight("var", (outputs,), 0.5, 1.5))
        return y

    def turned(self, inputs: int, outputs: int) -> Value:
        """A matrix; now and then the transpose of one, worked out in the graph."""
        if self.chance(0.75):
            return self.matrix((inputs, outputs), inputs)
        return self.op(Transpose((1, 0)), self.matrix((outputs, inputs), inputs))


def _dims(shape: tuple[int | str, ...]) -> tuple[Dim, ...]:
    return tuple(symbol(dim) if isinstance(dim, str) else dim for dim in shape)


def _sizes(value: Value) -> tuple[int, ...]:
    """The shape without the batch."""
    assert isinstance(value.type, TensorType)
    return known_shape(value.type.shape[1:], value.name)
