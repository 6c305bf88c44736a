"""Random networks of the blocks that real ones are built of: what planners fuse, share and write side by side."""

import math
from collections.abc import Callable

import numpy as np

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
    Mul,
    Relu,
    Reshape,
    Sigmoid,
    Slice,
    Softmax,
    Split,
    Tanh,
    Transpose,
)
from cnnir.ops.base import Op
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import Fill, Seeded

MOST_CHANNELS = 24
"""Blocks behind so many channels begin with a narrow convolution, so that graphs stay small."""


def random_blocks(rng: np.random.Generator, blocks: int = 3) -> Graph:
    """A stem, blocks of random kinds one behind the other, and a head or none.

    Args:
        rng: Decides everything.
        blocks: How many; each has 2 to 20 nodes.

    Returns:
        A graph with one float32 input ``x`` of rank 4 and one to three outputs.
    """
    return _Draw(rng).graph(blocks)


class _Draw:
    """One graph in the making."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.result = Graph("blocks")

    def graph(self, blocks: int) -> Graph:
        shape = (1 if self.chance(0.8) else 2, self.number(1, 4), self.number(6, 10), self.number(6, 10))
        x = self.result.add_input("x", TensorType(DType.FLOAT32, shape))
        kinds: list[Callable[[Value], Value]] = [
            self.plain, self.residual, self.dense, self.inception, self.excited, self.shuffled, self.cropped,
        ]  # fmt: skip
        outputs = []
        for _ in range(blocks):
            if _shape(x)[1] > MOST_CHANNELS:
                x = self.conv(x, self.number(4, 8), 1)
            x = kinds[self.number(0, len(kinds) - 1)](x)
            if self.chance(0.15):
                outputs.append(x)
        self.result.set_outputs(list(dict.fromkeys([*outputs[:2], self.head(x)])))
        return self.result

    # Drawing

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def number(self, least: int, most: int) -> int:
        """Uniform, both ends included."""
        return int(self.rng.integers(least, most + 1))

    def op(self, op: Op, *inputs: Value) -> Value:
        return self.result.add_node(op, inputs).outputs[0]

    def weight(self, shape: tuple[int, ...], scale: float) -> Value:
        seeds = self.number(0, 1000), self.number(0, 1000)
        return self.result.add_weight(self.result.fresh_name("w"), Seeded(DType.FLOAT32, shape, *seeds, scale))

    # Layers

    def conv(self, x: Value, filters: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> Value:
        shape = (filters, _shape(x)[1] // groups, kernel, kernel)
        operands = [x, self.weight(shape, 1 / math.sqrt(math.prod(shape[1:])))]
        if self.chance(0.5):
            operands.append(self.weight((filters,), 0.1))
        return self.op(Conv((stride, stride), (kernel // 2,) * 4, (1, 1), groups), *operands)

    def normal(self, x: Value) -> Value:
        channels = (_shape(x)[1],)
        parts = [self.weight(channels, scale) for scale in (1.0, 0.1, 0.1)]
        variance = self.result.add_weight(
            self.result.fresh_name("var"), Fill(DType.FLOAT32, channels, np.float32(0.75))
        )
        return self.op(BatchNormalization(), x, *parts, variance)

    def activated(self, x: Value) -> Value:
        x = self.normal(x) if self.chance(0.5) else x
        return self.op((Relu(), Relu(), Sigmoid(), Tanh())[self.number(0, 3)], x)

    def pooled(self, x: Value) -> Value:
        if min(_shape(x)[2:]) < 4:
            return self.op(Relu(), x)
        make = MaxPool if self.chance(0.6) else AveragePool
        kernel = self.number(2, 3)
        return self.op(make((kernel, kernel), (2, 2), (0, 0, 0, 0)), x)

    # Blocks

    def plain(self, x: Value) -> Value:
        """Convolutions with activations, now and then a normalisation over channels, and a pooling."""
        for _ in range(self.number(1, 2)):
            x = self.activated(self.conv(x, self.number(2, 8)))
        x = self.op(LRN(3), x) if self.chance(0.3) else x
        return self.pooled(x)

    def residual(self, x: Value) -> Value:
        """He et al. 2016, with or without a projection; in the order of the first or of the second paper."""
        channels = _shape(x)[1] if self.chance(0.6) else self.number(2, 8)
        if self.chance(0.4):
            branch = self.conv(self.activated(x), channels)
            branch = self.conv(self.activated(branch), channels)
        else:
            branch = self.normal(self.conv(self.activated(self.conv(x, channels)), channels))
        shortcut = x if channels == _shape(x)[1] else self.conv(x, channels, 1)
        operands = (branch, shortcut) if self.chance(0.5) else (shortcut, branch)
        x = self.op(Add(), *operands)
        return self.op(Relu(), x) if self.chance(0.7) else x

    def dense(self, x: Value) -> Value:
        """Huang et al. 2017: every layer reads all before it, through a normalisation and an activation of its own."""
        parts = [x]
        for _ in range(self.number(2, 3)):
            if len(parts) > 1 and self.chance(0.5):
                parts = [self.op(Concat(1), *parts)]
            whole = parts[0] if len(parts) == 1 else self.op(Concat(1), *parts)
            parts.append(self.conv(self.op(Relu(), self.normal(whole)), self.number(1, 3)))
        return self.op(Concat(1), *parts)

    def inception(self, x: Value) -> Value:
        """Szegedy et al. 2015: branches side by side, one of them pooled."""
        branches = [self.op(Relu(), self.conv(x, self.number(1, 4), 1))]
        for _ in range(self.number(1, 2)):
            narrow = self.op(Relu(), self.conv(x, self.number(1, 3), 1))
            branches.append(self.op(Relu(), self.conv(narrow, self.number(1, 4))))
        branches.append(self.conv(self.op(MaxPool((3, 3), (1, 1), (1, 1, 1, 1)), x), self.number(1, 3), 1))
        if self.chance(0.3):
            branches.append(x)
        order = self.rng.permutation(len(branches))
        return self.op(Concat(1), *(branches[int(index)] for index in order))

    def excited(self, x: Value) -> Value:
        """Hu et al. 2018: channels scaled by what all their elements say; behind a depthwise convolution."""
        channels = _shape(x)[1]
        x = self.activated(self.conv(x, channels, groups=channels))
        scale = self.op(GlobalAveragePool(), x)
        scale = self.op(Sigmoid(), self.conv(self.op(Relu(), self.conv(scale, 2, 1)), channels, 1))
        return self.op(Mul(), *((x, scale) if self.chance(0.7) else (scale, x)))

    def shuffled(self, x: Value) -> Value:
        """Zhang et al. 2018: channels in two groups change places; half of them go past a convolution."""
        x = self.conv(x, 2 * self.number(1, 3))
        batch, channels, *sizes = _shape(x)
        half = channels // 2
        left, right = self.result.add_node(Split(1, (half, half)), [x]).outputs
        x = self.op(Concat(1), left, self.activated(self.conv(right, half)))
        x = self.op(Reshape((batch, 2, half, *sizes)), x)
        return self.op(Reshape((batch, channels, *sizes)), self.op(Transpose((0, 2, 1, 3, 4)), x))

    def cropped(self, x: Value) -> Value:
        """Parts of a map by channels, and by rows, added up or side by side."""
        x = self.conv(x, 2 * self.number(1, 3))
        channels, height = _shape(x)[1:3]
        low = self.op(Slice((0,), (channels // 2,), (1,), (1,)), x)
        high = self.op(Slice((-channels // 2,), (2**31,), (1,), (1,)), x)
        x = self.op(Add(), low, self.activated(high))
        if height < 4:
            return x
        upper = self.op(Slice((0,), (height // 2,), (2,), (1,)), x)
        lower = self.op(Slice((height // 2,), (height,), (2,), (1,)), x)
        return self.op(Concat(2), *((upper, lower) if self.chance(0.5) else (lower, upper)))

    def head(self, x: Value) -> Value:
        """A classifier, or none."""
        if self.chance(0.5):
            return self.op(Relu(), x)
        x = self.op(Flatten(1), self.op(GlobalAveragePool(), x))
        x = self.op(Dropout(), x) if self.chance(0.3) else x
        return self.op(Softmax((1,)), self.op(Gemm(trans_b=True), x, self.weight((3, _shape(x)[1]), 0.3)))


def _shape(value: Value) -> tuple[int, ...]:
    assert isinstance(value.type, TensorType)
    return known_shape(value.type.shape, value.name)
