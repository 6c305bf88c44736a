"""Cells of searched networks: blocks that combine two values each, and the search space's operations.

Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition" (2017), section 3.1 and appendix A,
and Liu et al., "Progressive Neural Architecture Search" (2017), section 3.1, describe one kind of cell: it reads the
outputs of the two cells before it, each of its blocks adds what two operations make of two values, and its output is
the concatenation of the blocks. All windows at stride 2 are padded by the size of the map, as in the authors' code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cnnir.builder import GraphBuilder
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import channels, classify, conv_norm

EPSILON = 1e-3
"""Of the batch normalisation."""


@dataclass(frozen=True)
class Block:
    """Two operations whose results are added.

    An operation is ``sep3``, ``sep5``, ``sep7`` (two separable convolutions), ``max3``, ``avg3`` (pooling) or ``none``.
    What it reads is ``previous`` (the output of the cell before last), ``current`` (that of the last), or the number of
    an earlier block.
    """

    left: tuple[str, str | int]
    right: tuple[str, str | int]


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        blocks: In an order in which they can be computed.
        outputs: What is put side by side: inputs and blocks that nothing else reads, as the paper has it.
    """

    blocks: tuple[Block, ...]
    outputs: tuple[str | int, ...]


@dataclass(frozen=True)
class Grown:
    """The output of a cell, and how often its map has been halved."""

    value: Value
    halvings: int


@dataclass(frozen=True)
class Stack:
    """Cells one after the other.

    Attributes:
        builder: Of the graph.
    """

    builder: GraphBuilder

    def stem(self, x: Value, filters: int) -> Grown:
        """The first convolution, 3x3 at stride 2 without padding."""
        names = "conv0.conv", "conv0.bn"
        x = conv_norm(self.builder, x, filters, kernel=3, stride=2, padding=0, epsilon=EPSILON, names=names)
        return Grown(x, 0)

    def cell(self, cell: Cell, past: Sequence[Grown], filters: int, stride: int, name: str) -> Grown:
        """One more cell.

        Args:
            cell: Its blocks.
            past: The outputs of the cells before it; the last two are read, or the only one.
            filters: Channels of each block.
            stride: Of what the operations do to the cell's inputs, not to other blocks.
            name: Of the cell.
        """
        last = past[-1]
        known: dict[str | int, Value] = {"current": self.calibrated(last.value, filters, f"{name}.conv_1x1")}
        known["previous"] = self._previous(past, filters, f"{name}.conv_prev_1x1")
        for number, block in enumerate(cell.blocks):
            path = f"{name}.comb_iter_{number}"
            left, right = (
                self._operation(op, known[source], filters, stride if isinstance(source, str) else 1, f"{path}_{side}")
                for side, (op, source) in (("left", block.left), ("right", block.right))
            )
            known[number] = self.builder.add(left, right, name=path)
        joined = self.builder.concat(*(known[source] for source in cell.outputs), name=f"{name}.concat")
        return Grown(joined, last.halvings + (stride == 2))

    def calibrated(self, x: Value, filters: int, name: str, stride: int = 1) -> Value:
        """ReLU, 1x1 convolution and normalisation: the channels that a cell counts with."""
        x = self.builder.relu(x, name=f"{name}.relu")
        names = f"{name}.conv", f"{name}.bn"
        return conv_norm(self.builder, x, filters, stride=stride, epsilon=EPSILON, names=names)

    def classified(self, last: Grown, classes: int) -> Graph:
        """The graph: the classifier behind the last cell."""
        x = self.builder.relu(last.value, name="relu")
        return classify(self.builder, x, classes, dropout=0.5, name="last_linear")

    def _previous(self, past: Sequence[Grown], filters: int, name: str) -> Value:
        """What the cell before last gave, as large as what the last gave; the first cell takes one input twice."""
        if len(past) == 1:
            return past[-1].value
        previous, last = past[-2:]
        if previous.halvings < last.halvings:
            return self._reduced(previous.value, filters, name)
        return self.calibrated(previous.value, filters, name)

    def _reduced(self, x: Value, filters: int, name: str) -> Value:
        """Factorised reduction: every second cell, and beside it every second cell one further down and right."""
        x = self.builder.relu(x, name=f"{name}.relu")
        moved = self.builder.pad(x, (0, 0, 1, 1), name=f"{name}.path_2.pad")
        moved = self.builder.crop(moved, (1, 1, 0, 0), name=f"{name}.path_2.crop")
        halves = filters // 2, filters - filters // 2
        paths = [
            self.builder.conv(
                self.builder.average_pool(source, 1, 2, name=f"{name}.{path}.avgpool"),
                half,
                kernel=1,
                bias=False,
                name=f"{name}.{path}.conv",
            )
            for path, source, half in zip(("path_1", "path_2"), (x, moved), halves, strict=True)
        ]
        joined = self.builder.concat(*paths, name=f"{name}.concat")
        return self.builder.batch_norm(joined, epsilon=EPSILON, name=f"{name}.final_path_bn")

    def _operation(self, op: str, x: Value, filters: int, stride: int, name: str) -> Value:
        kind, kernel = op.rstrip("357"), int(op[-1]) if op[-1].isdigit() else 1
        if kind == "sep":
            return self._separable(x, filters, kernel, stride, name)
        if kind == "none":
            return x if stride == 1 and channels(x) == filters else self.calibrated(x, filters, name, stride)
        pool = self.builder.max_pool if kind == "max" else self.builder.average_pool
        x = pool(x, kernel, stride, _border(kernel, stride), name=f"{name}.pool")
        if channels(x) == filters:
            return x
        return conv_norm(self.builder, x, filters, epsilon=EPSILON, names=(f"{name}.conv", f"{name}.bn"))

    def _separable(self, x: Value, filters: int, kernel: int, stride: int, name: str) -> Value:
        """Twice ReLU, depthwise convolution, 1x1 convolution, normalisation; the stride lies in the first."""
        for number, step in ((1, stride), (2, 1)):
            path = f"{name}.separable_{number}"
            x = self.builder.relu(x, name=f"{name}.relu_{number}")
            x = self.builder.conv(
                x,
                channels(x),
                kernel=kernel,
                stride=step,
                padding=_border(kernel, step),
                groups=channels(x),
                bias=False,
                name=f"{path}.depthwise_conv2d",
            )
            names = f"{path}.pointwise_conv2d", f"{name}.bn_sep_{number}"
            x = conv_norm(self.builder, x, filters, epsilon=EPSILON, names=names)
        return x


def _border(kernel: int, stride: int) -> int | Literal["same"]:
    """Padding that gives ceil(size / stride): a fixed one where the size does not matter."""
    return kernel // 2 if stride == 1 else "same"
