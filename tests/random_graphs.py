"""Random networks for property tests: valid by construction, the same for the same seed on every machine."""

import math
from collections.abc import Callable

import numpy as np

from cnnir.graph import Graph, Value
from cnnir.ops import (
    Add,
    AveragePool,
    BatchNormalization,
    Concat,
    Conv,
    GlobalAveragePool,
    Identity,
    MaxPool,
    Mul,
    Relu,
    Reshape,
    Sigmoid,
    Split,
    Sum,
    Tanh,
    Transpose,
)
from cnnir.ops.base import Op
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import Array, Fill, Seeded, Weight


def random_graph(rng: np.random.Generator, nodes: int = 12) -> Graph:
    """A random DAG of convolutional layers with branches, residual sums, concats, views and one or more outputs.

    Args:
        rng: Decides everything.
        nodes: At least so many nodes; some layers add one more to make shapes meet.

    Returns:
        A graph with one float32 input ``x`` of rank 4; every value that nobody reads is an output.
    """
    return _Draw(rng).graph(nodes)


class _Draw:
    """One graph in the making."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.result = Graph("random")
        self.pool: list[Value] = []

    def graph(self, nodes: int) -> Graph:
        size = self.number(4, 9)
        shape = (self.number(1, 2), self.number(1, 4), size, size + self.number(0, 2))
        self.pool.append(self.result.add_input("x", TensorType(DType.FLOAT32, shape)))
        layers: list[Callable[[Value], None]] = [
            *[self.activation] * 3,
            *[self.convolution] * 3,
            *[self.residual] * 2,
            *[self.concat] * 2,
            self.pooling,
            self.normalization,
            self.reshape,
            self.split,
            self.scale,
        ]
        while len(self.result) < nodes:
            # Mostly grow what nobody reads yet, so that few ends are left; reach back for long live ranges.
            unread = [value for value in self.pool if not value.uses]
            grown = unread if unread and self.rng.random() < 0.75 else self.pool
            layers[self.number(0, len(layers) - 1)](self.choose(grown))
        self.result.set_outputs(self.outputs())
        return self.result

    def outputs(self) -> list[Value]:
        """All that nobody reads, and now and then a value that is read as well."""
        ends = [value for value in self.pool if not value.uses and value.producer is not None]
        read = [value for value in self.pool if value.uses and value.producer is not None]
        if read and self.rng.random() < 0.3:
            ends.append(self.choose(read))
        return ends

    # Drawing

    def number(self, least: int, most: int) -> int:
        """Uniform, both ends included."""
        return int(self.rng.integers(least, most + 1))

    def choose(self, values: list[Value]) -> Value:
        return values[self.number(0, len(values) - 1)]

    def op(self, op: Op, *inputs: Value) -> tuple[Value, ...]:
        outputs = self.result.add_node(op, inputs).outputs
        self.pool += outputs
        return outputs

    def weight(self, name: str, shape: tuple[int, ...], scale: float) -> Value:
        """A weight of one of the three kinds that a network may hold."""
        contents: list[Weight] = [
            Seeded(DType.FLOAT32, shape, self.number(0, 1000), self.number(0, 1000), scale),
            Array.of(self.rng.normal(0.0, scale, shape).astype(np.float32)),
            Fill(DType.FLOAT32, shape, np.float32(scale)),
        ]
        return self.result.add_weight(self.result.fresh_name(name), contents[self.number(0, 2)])

    # Layers

    def activation(self, x: Value) -> None:
        ops: list[Op] = [Relu(), Relu(), Sigmoid(), Tanh(), Identity()]
        self.op(ops[self.number(0, len(ops) - 1)], x)

    def convolution(self, x: Value) -> None:
        _, channels, *sizes = _shape(x)
        kernel = self.number(1, min(3, *sizes))
        padding = self.number(0, 1)
        groups = channels if self.rng.random() < 0.25 else 1
        filters = groups * self.number(1, 2) if groups > 1 else self.number(1, 6)
        shape = (filters, channels // groups, kernel, kernel)
        operands = [x, self.weight("w", shape, 1 / math.sqrt(math.prod(shape[1:])))]
        if self.rng.random() < 0.5:
            operands.append(self.weight("b", (filters,), 0.1))
        stride = self.number(1, 2) if min(sizes) >= 4 else 1
        self.op(Conv((stride, stride), (padding, padding, padding, padding), (1, 1), groups), *operands)

    def pooling(self, x: Value) -> None:
        *_, height, width = _shape(x)
        if min(height, width) < 2:
            self.op(GlobalAveragePool(), x)
            return
        stride = self.number(1, 2) if min(height, width) >= 4 else 1
        make = MaxPool if self.rng.random() < 0.5 else AveragePool
        self.op(make((2, 2), (stride, stride), (0, 0, 0, 0)), x)

    def residual(self, x: Value) -> None:
        """A sum or product with a value of the same shape; where there is none, with a branch made for it."""
        partners = [value for value in self.pool if value is not x and value.type == x.type]
        unread = [value for value in partners if not value.uses]
        partner = self.choose(unread or partners) if partners else self.op(Relu(), x)[0]
        if self.rng.random() < 0.25:
            self.op(Sum(), x, partner, x)
        else:
            self.op(Add() if self.rng.random() < 0.7 else Mul(), x, partner)

    def concat(self, x: Value) -> None:
        """Along the channels, of values of one size; a value may stand in it twice."""
        batch, channels, *sizes = _shape(x)
        partners = [value for value in self.pool if (_shape(value)[0], *_shape(value)[2:]) == (batch, *sizes)]
        unread = [value for value in partners if not value.uses]
        parts = [x, *(self.choose(unread or partners) for _ in range(self.number(1, 2)))]
        # Concats of concats grow without end, and then every test is slow.
        if channels < 24:
            self.op(Concat(1), *parts)
        else:
            self.op(Tanh(), x)

    def normalization(self, x: Value) -> None:
        channels = (_shape(x)[1],)
        parts = [self.weight(name, channels, 0.5) for name in ("scale", "shift", "mean")]
        variance = self.result.add_weight(
            self.result.fresh_name("var"), Fill(DType.FLOAT32, channels, np.float32(0.75))
        )
        self.op(BatchNormalization(), x, *parts, variance)

    def reshape(self, x: Value) -> None:
        """There and back: flat and to maps again, or with height and width exchanged."""
        batch, channels, height, width = _shape(x)
        if self.rng.random() < 0.5:
            flat = self.result.add_node(Reshape((batch, -1)), [x]).output
            self.op(Reshape((batch, channels, width, height)), flat)
        else:
            self.op(Transpose((0, 1, 3, 2)), x)

    def split(self, x: Value) -> None:
        channels = _shape(x)[1]
        if channels < 2:
            self.op(Relu(), x)
            return
        first = self.number(1, channels - 1)
        self.op(Split(1, (first, channels - first)), x)

    def scale(self, x: Value) -> None:
        """A product with a weight that is broadcast."""
        self.op(Mul(), x, self.weight("factor", (1, _shape(x)[1], 1, 1), 1.0))


def _shape(value: Value) -> tuple[int, ...]:
    assert isinstance(value.type, TensorType)
    return known_shape(value.type.shape, value.name)
