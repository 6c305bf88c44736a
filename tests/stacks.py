"""Networks as large as one likes: random cells in a stack, each of which reads the two cells before it."""

import random
from collections.abc import Sequence

from cnnir.graph import Graph, Value
from cnnir.ops import Add, Concat, Conv, Relu, Sigmoid
from cnnir.ops.base import Op
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import Seeded
from cnnir.zoo.randwire import watts_strogatz

CELL = 24
"""Nodes of the random wiring of a cell; each becomes one to some nodes of the graph."""

WIDTH = 4
"""Channels of the input and of what a cell gives."""

CHANNELS = (2, 4, 8)
"""What is drawn from for convolutions and sums inside of a cell."""


def stack(nodes: int, seed: int) -> Graph:
    """Cells until there are so many nodes: Conv, Add, Concat, Relu and Sigmoid on maps of 8 by 8.

    Args:
        nodes: How many at least; the last cell is made to its end.
        seed: Decides everything; a larger network of the same seed begins like a smaller one.
    """
    maker = _Maker(seed)
    x = maker.graph.add_input("x", TensorType(DType.FLOAT32, (1, WIDTH, 8, 8)))
    before, last, number = x, x, 0
    while len(maker.graph) < nodes:
        before, last = last, maker.cell((before, last), (seed, number))
        number += 1
    maker.graph.set_outputs([last])
    return maker.graph


class _Maker:
    """One graph in the making."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.graph = Graph("stack")

    def cell(self, inputs: tuple[Value, Value], seed: Sequence[int]) -> Value:
        """A random wiring: its nodes without a source read the inputs in turn, the result joins all its ends."""
        wiring = watts_strogatz(CELL, 4, 0.75, seed)
        made: list[Value] = []
        for node, sources in enumerate(wiring.sources):
            made.append(self.node([made[source] for source in sources] or [inputs[node % 2]]))
        return self.joined([made[sink] for sink in wiring.sinks])

    def node(self, reads: Sequence[Value]) -> Value:
        """A convolution or an activation of one value; a sum or a concatenation of several."""
        if len(reads) > 1 and self.draw.random() < 0.5:
            channels = self.draw.choice(CHANNELS)
            total = self.fitted(reads[0], channels)
            for other in reads[1:]:
                total = self.op(Add(), total, self.fitted(other, channels))
            return self.op(Relu(), total)
        if len(reads) > 1:
            return self.joined(reads)
        kind = self.draw.choice(("wide", "narrow", "relu", "sigmoid"))
        if kind in {"wide", "narrow"}:
            return self.conv(reads[0], self.draw.choice(CHANNELS), 3 if kind == "wide" else 1)
        return self.op(Relu() if kind == "relu" else Sigmoid(), reads[0])

    def joined(self, parts: Sequence[Value]) -> Value:
        """All side by side, then as few channels as the input has."""
        whole = self.op(Concat(1), *parts) if len(parts) > 1 else parts[0]
        return self.op(Relu(), self.conv(whole, WIDTH, 1))

    def fitted(self, x: Value, channels: int) -> Value:
        """The value with so many channels."""
        return x if _channels(x) == channels else self.conv(x, channels, 1)

    def conv(self, x: Value, filters: int, kernel: int) -> Value:
        shape = (filters, _channels(x), kernel, kernel)
        weight = Seeded(DType.FLOAT32, shape, self.draw.randrange(1000), 0, 0.1)
        filled = self.graph.add_weight(self.graph.fresh_name("weight"), weight)
        return self.op(Conv((1, 1), (kernel // 2,) * 4, (1, 1), 1), x, filled)

    def op(self, op: Op, *inputs: Value) -> Value:
        return self.graph.add_node(op, inputs).output


def _channels(value: Value) -> int:
    assert isinstance(value.type, TensorType)
    return known_shape(value.type.shape, value.name)[1]
