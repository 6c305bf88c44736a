"""Chains of convolutions and poolings carried out in strips, with buffers as small as a plan says.

Shares no code with the product. Rows are made on demand, the first time that a window needs them, and dropped as soon
as no window to come does; channels that are not there are NaN. What is held is counted, and which rows are made.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnir.graph import Graph, Node
from cnnir.plan import Step
from cnnir.types import TensorType, known_shape
from cnnir.weights import AnyArray

Floats = NDArray[np.float64]
Channels = NDArray[np.int64]

ITEM = 4
"""Bytes of an element: all is float32 in a plan."""


@dataclass
class Layer:
    """A convolution or pooling, from which channel each of its operand's comes, and what is applied to its rows."""

    node: Node
    order: Channels
    behind: list[Node] = field(default_factory=list)

    @property
    def op(self) -> Any:
        return self.node.op

    @property
    def depth(self) -> int:
        return len(self.order)

    @property
    def mixes(self) -> bool:
        return self.node.op.kind == "Conv" and (self.op.group != self.depth or self.depth == 1)


@dataclass
class Streamed:
    """What came of it.

    Attributes:
        result: Of the last node.
        held: The most bytes of one image that all buffers held together.
        made: How often each channel of each row was made.
    """

    result: Floats
    held: int
    made: Counter[tuple[str, int, int]]


def streamed(graph: Graph, step: Step, source: AnyArray) -> Streamed:
    """Carry out a step of convolutions, poolings, ReLU, LRN and channel shuffles on what it reads."""
    assert step.tile is not None
    layers = _layers([graph.node(name) for name in step.nodes])
    # Channels that stand in groups on an axis of their own are so many maps all the same.
    maps = source.astype(np.float64).reshape(len(source), -1, *source.shape[-2:])
    run = _Run(layers, maps[:, layers[0].order])
    last = run.layers[-1]
    # Where all channels of the first strip are held, all of all are: that is how rows and blocks are told apart.
    rows = step.tile[1] >= run.layers[1].depth
    blocks = [np.arange(last.depth)] if rows else np.split(
        np.arange(last.depth), range(step.tile[1], last.depth, step.tile[1])
    )  # fmt: skip
    output = np.zeros(_sizes(last.node.output.type))
    for block in blocks:
        run.begin(block)
        found = np.stack([run.row(len(run.layers) - 1, y) for y in range(output.shape[2])], 2)
        part = np.arange(output.shape[1]) if last.mixes else block
        output[:, part] += found[:, part]
    for node in last.behind:
        output = _applied(node, output)
    return Streamed(output, run.held, run.made)


def _layers(nodes: list[Node]) -> list[Layer]:
    layers: list[Layer] = []
    order: Channels | None = None
    for node in nodes:
        shape = _sizes(node.output.type)
        if node.op.kind in {"Reshape", "Transpose"}:
            order = np.arange(shape[1] * shape[2]) if order is None else order
            swapped = node.op.kind == "Transpose"
            order = order.reshape(shape[2], shape[1]).T.reshape(-1) if swapped else order
        elif node.op.kind in {"Relu", "LRN"}:
            layers[-1].behind.append(node)
        else:
            layers.append(Layer(node, np.arange(_sizes(node.operands[0].type)[1]) if order is None else order))
            order = None
    return layers


class _Run:
    def __init__(self, layers: list[Layer], source: Floats) -> None:
        self.layers = layers
        self.source = source
        self.held = 0
        self.made: Counter[tuple[str, int, int]] = Counter()
        self.begin(np.arange(layers[-1].depth))

    def begin(self, block: Channels) -> None:
        """From the first row on, for those channels of the last operand; from which others follow."""
        self.first = 0 in block
        self.there = [block]
        for layer, reader in zip(self.layers[-2::-1], self.layers[:0:-1], strict=True):
            result = reader.order[self.there[0]]
            self.there.insert(0, np.arange(layer.depth) if layer.mixes else result)
        self.buffers: list[dict[int, Floats]] = [{} for _ in self.layers]
        self.next = [0 for _ in self.layers]

    def row(self, number: int, y: int) -> Floats:
        """One row of a layer's result, (N, C, W), NaN in channels that are not wanted."""
        layer, last = self.layers[number], number == len(self.layers) - 1
        rows, dilation = _window(layer)[0], _dilations(layer)[0]
        begin = y * layer.op.strides[0] - layer.op.pads[0]
        low, high = max(begin, 0), min(begin + dilation * (rows - 1) + 1, _sizes(layer.node.operands[0].type)[2])
        found = self._rows(number, low, high) if number else {at: self.source[:, :, at] for at in range(low, high)}
        cells = self._cells(layer, [found.get(begin + dilation * index) for index in range(rows)])
        if last:
            return self._computed(layer, cells, np.arange(_sizes(layer.node.output.type)[1]), number)
        reader = self.layers[number + 1]
        wanted = reader.order[self.there[number + 1]]
        self.made.update((layer.node.name, y, int(channel)) for channel in wanted)
        result = self._computed(layer, cells, wanted, number)
        for node in layer.behind:
            result = _applied(node, result)
        return result[:, reader.order]

    def _rows(self, number: int, low: int, high: int) -> dict[int, Floats]:
        buffer = self.buffers[number]
        for y in [y for y in buffer if y < low]:
            del buffer[y]
        for y in range(max(self.next[number], low), high):
            buffer[y] = self.row(number - 1, y)
            sizes = zip(self.buffers, self.there, strict=True)
            taken = sum(len(there) * row.shape[2] for rows, there in sizes for row in rows.values())
            self.held = max(self.held, taken * ITEM)
        self.next[number] = max(self.next[number], high)
        return buffer

    def _cells(self, layer: Layer, rows: list[Floats | None]) -> Floats:
        """(N, C, rows of a window, W of the result, columns of a window); None is a row of padding."""
        fill = -np.inf if layer.op.kind == "MaxPool" else 0.0
        width = _sizes(layer.node.operands[0].type)[3]
        empty = np.full((len(self.source), layer.depth, width), fill)
        block = np.stack([empty if row is None else row for row in rows], 2)
        sides = (layer.op.pads[1], layer.op.pads[3])
        block = np.pad(block, ((0, 0), (0, 0), (0, 0), sides), constant_values=fill)
        steps = np.arange(_window(layer)[1]) * _dilations(layer)[1]
        starts = np.arange(_sizes(layer.node.output.type)[3]) * layer.op.strides[1]
        return np.asarray(block[..., starts[:, None] + steps])

    def _computed(self, layer: Layer, cells: Floats, wanted: Channels, number: int) -> Floats:
        if layer.op.kind == "MaxPool":
            return np.asarray(cells.max((2, 4)))
        if layer.op.kind == "AveragePool":
            return np.asarray(cells.mean((2, 4)))
        weight, *bias = (v.weight.array().astype(np.float64) for v in layer.node.operands[1:] if v.weight is not None)
        result = np.full((len(cells), len(weight), cells.shape[3]), np.nan)
        # What adds up blocks adds its bias with the first.
        once = self.first or layer is not self.layers[-1] or not layer.mixes
        there = self.there[number] if number else np.arange(layer.depth)
        for channel in wanted:
            begin = channel // (len(weight) // layer.op.group) * weight.shape[1]
            over = there[(there >= begin) & (there < begin + weight.shape[1])]
            taps = weight[channel, over - begin]
            result[:, channel] = np.einsum("ncfxg,cfg->nx", cells[:, over], taps)
            result[:, channel] += bias[0][channel] if bias and once else 0.0
        return result


def _applied(node: Node, array: Floats) -> Floats:
    if node.op.kind == "Relu":
        return np.maximum(array, 0)
    op: Any = node.op
    squares, channels = array**2, array.shape[1]
    low, high = (op.size - 1) // 2, op.size // 2
    sums = np.stack([squares[:, max(c - low, 0) : c + high + 1].sum(1) for c in range(channels)], 1)
    return np.asarray(array / (op.bias + op.alpha / op.size * sums) ** op.beta)


def _window(layer: Layer) -> tuple[int, ...]:
    if layer.op.kind == "Conv":
        return _sizes(layer.node.operands[1].type)[2:]
    return tuple(layer.op.kernel_shape)


def _dilations(layer: Layer) -> tuple[int, ...]:
    return tuple(layer.op.dilations) or (1, 1)


def _sizes(found: object) -> tuple[int, ...]:
    assert isinstance(found, TensorType)
    return known_shape(found.shape)
