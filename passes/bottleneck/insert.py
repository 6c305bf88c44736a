"""The structural side: 1x1 convolutions around chosen ones, with seeded weights, for networks still to be trained.

- **googlenet**: 1x1 to k channels and ReLU in front of the window (Szegedy et al., "Going Deeper with Convolutions",
  2014, fig. 2b).
- **resnet**: 1x1 to k channels, ReLU, the window on k channels, ReLU, 1x1 back to K (He et al., "Deep Residual Learning
  for Image Recognition", 2015, fig. 5).
- **single**: one 1x1 to k channels without activation: fewer than there are reduce, more raise, one is a weighted
  fusion of all maps (Lin et al., "Network in Network", 2013).

A residual sum of the input may close each, where input and output have one type. New weights are drawn by He's rule,
new biases are zero; the layer's own bias stays where the number of filters does.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnnir.analysis import costs
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, Conv, Gemm, MatMul, Op, Relu
from cnnir.passes.base import Journal
from cnnir.passes.bottleneck.select import matching, unlisted
from cnnir.rewriter import Rewriter
from cnnir.types import DType
from cnnir.weights import Fill, Seeded

STYLES = ("googlenet", "resnet", "single")

MOST_CHANNELS = 2**31 - 1
"""Runtimes count along one axis in 32 bits."""


@dataclass(frozen=True)
class Insertion:
    """What is put around a convolution.

    Attributes:
        style: One of `STYLES`.
        channels: Channels of the narrow map; 0 where `ratio` decides.
        ratio: Them as a share of the convolution's input channels.
        multiple: They are rounded up to a multiple of this.
        residual: Whether the input is added to the output.
        seed: Of the new weights.
    """

    style: str = "googlenet"
    channels: int = 0
    ratio: float = 0.0
    multiple: int = 1
    residual: bool = False
    seed: int = 0

    def check(self) -> None:
        """Check the numbers.

        Raises:
            CnnirError: ``option-value``.
        """
        if self.style not in STYLES:
            raise CnnirError(
                "option-value", "no such style", node="bottleneck", expected=" or ".join(STYLES), got=self.style,
                hint="style=googlenet is the one without this option",
            )  # fmt: skip
        if (
            (self.channels > 0) == (self.ratio > 0)
            or min(self.channels, self.ratio) < 0
            or not math.isfinite(self.ratio)
            or self.multiple < 1
        ):
            raise CnnirError(
                "option-value",
                "the narrow map's channels are decided by either channels or ratio, rounded up to a multiple",
                node="bottleneck",
                expected="one of channels and ratio above zero, finite; multiple at least 1",
                got=f"channels={self.channels}, ratio={self.ratio}, multiple={self.multiple}",
                hint="channels=64, or ratio=0.25 of the channels that there are",
            )
        if self.seed < 0:
            raise CnnirError(
                "option-value", "draw is a seed", node="bottleneck", expected="at least 0", got=self.seed,
                hint="another number draws other weights",
            )  # fmt: skip

    def width(self, channels: int) -> int:
        """Channels of the narrow map behind a map with so many.

        Raises:
            CnnirError: ``option-value`` for more than a tensor can have.
        """
        wanted = self.channels or self.ratio * channels
        if max(wanted, self.multiple) > MOST_CHANNELS:
            raise CnnirError(
                "option-value", "no map has so many channels", node="bottleneck", expected=f"at most {MOST_CHANNELS:,}",
                got=f"channels={self.channels}, ratio={self.ratio:g}, multiple={self.multiple}",
                hint="ratio is a share of the channels that there are",
            )  # fmt: skip
        return -(-math.ceil(wanted) // self.multiple) * self.multiple


def insert(graph: Graph, journal: Journal, patterns: str, insertion: Insertion) -> None:
    """Put 1x1 convolutions around chosen convolutions.

    Args:
        graph: Changed in place.
        journal: Told of each convolution, what became of it or why nothing did.
        patterns: Of the convolutions' names; all for the empty text.
        insertion: What is put there.

    Raises:
        CnnirError: ``option-value``, ``node-unknown``.
    """
    insertion.check()
    rewriter = Rewriter(graph)
    named = bool(patterns)
    before = costs(graph)
    for node in matching(graph, patterns):
        if not isinstance(node.op, Conv):
            expected = named or isinstance(node.op, Gemm | MatMul)
            said = unlisted(node, "1x1 convolutions are put around convolutions alone", named=expected)
            if said is not None:
                journal.refuse(said, [node])
            continue
        reason = _refusal(graph, node, node.op, insertion, named=named)
        if reason is not None:
            journal.refuse(reason, [node])
            continue
        _wrap(rewriter, journal, node, node.op, insertion)
    after = costs(graph)
    for name in ("params", "macs"):
        was, now = getattr(before, name), getattr(after, name)
        if isinstance(was, int) and isinstance(now, int):
            journal.count(f"{name} saved", was - now)


def _refusal(graph: Graph, node: Node, op: Conv, insertion: Insertion, *, named: bool) -> str | None:
    """Why the convolution stays as it is."""
    operand, data = node.inputs[1], node.inputs[0]
    if operand is None or operand.weight is None:
        return "the weight is not a constant"
    if graph.may_be_given(operand):
        return f"callers may give {operand.name} as an input"
    if not operand.weight.dtype.is_float:
        return f"no weights of type {operand.weight.dtype.value} can be drawn"
    if op.group > 1:
        return f"it has {op.group} groups; a map of another width does not fall into them"
    channels, kernel = operand.weight.shape[1], operand.weight.shape[2:]
    if insertion.style != "single" and math.prod(kernel) == 1:
        return "a 1x1 convolution has no window that a narrow map would make cheaper"
    if not named and insertion.width(channels) >= channels:
        return f"its {channels} input channels would not become fewer; name the layer to raise them"
    if insertion.residual and data is not None and data.type != node.output.type:
        return f"input and output cannot be added: {data.type} and {node.output.type}"
    return None


def _wrap(rewriter: Rewriter, journal: Journal, node: Node, op: Conv, insertion: Insertion) -> None:
    data, weight = node.inputs[0], node.inputs[1]
    assert data is not None  # noqa: S101
    assert weight is not None  # noqa: S101
    assert weight.weight is not None  # noqa: S101
    filters, channels, *kernel = weight.weight.shape
    width = insertion.width(channels)
    make = _Maker(rewriter, node, weight.weight.dtype, insertion.seed)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    ones = (1,) * len(kernel)
    pointwise = Conv(ones, (0,) * (2 * len(kernel)), ones)
    steps: list[Callable[[Value], tuple[Op, list[Value | None], str]]] = [
        lambda x: (pointwise, [x, *make.weights("reduce", (width, channels, *ones))], "reduce")
    ]
    if insertion.style != "single":
        steps.append(lambda x: (Relu(), [x], "reduce_relu"))
    if insertion.style == "resnet":
        steps.append(lambda x: (op, [x, *make.weights("window", (width, width, *kernel))], "window"))
        steps.append(lambda x: (Relu(), [x], "window_relu"))
        steps.append(lambda x: (pointwise, [x, make.weight("expand", (filters, width, *ones)), bias], "expand"))
    else:
        steps.append(lambda x: (op, [x, make.weight("window", (filters, width, *kernel)), bias], "window"))
    if insertion.residual:
        steps.append(lambda x: (Add(), [x, data], "sum"))
    nodes, value = [], data
    for step in steps[:-1]:
        made, operands, name = step(value)
        nodes.append(make.insert(made, operands, name))
        value = nodes[-1].output
    made, operands, _ = steps[-1](value)
    rewriter.replace_node(node, made, operands)
    for old in (weight, bias):
        if old is not None and old.weight is not None and not old.uses and not rewriter.graph.is_output(old):
            rewriter.erase_weight(old)
    added = ", a residual sum" if insertion.residual else ""
    journal.change(f"{insertion.style} bottleneck of {width} channels for {channels}{added}", [*nodes, node])
    journal.count("bottlenecks inserted")


class _Maker:
    """Makes the new nodes and weights around one convolution."""

    def __init__(self, rewriter: Rewriter, node: Node, dtype: DType, seed: int) -> None:
        self.rewriter, self.node, self.dtype, self.seed = rewriter, node, dtype, seed

    def insert(self, op: Op, operands: list[Value | None], name: str) -> Node:
        """A node in front of the convolution's place."""
        output = self.rewriter.graph.fresh_name(f"{self.node.output.name}_{name}")
        return self.rewriter.insert(op, operands, before=self.node, name=f"{self.node.name}_{name}", outputs=[output])

    def weight(self, name: str, shape: tuple[int, ...]) -> Value:
        """A weight ``[filters, channels, *kernel]`` by He's rule."""
        full = self.rewriter.graph.fresh_name(f"{self.node.name}_{name}.weight")
        scale = math.sqrt(2.0 / math.prod(shape[1:]))
        return self.rewriter.graph.add_weight(
            full, Seeded(self.dtype, shape, self.seed, zlib.crc32(full.encode()), scale)
        )

    def weights(self, name: str, shape: tuple[int, ...]) -> list[Value]:
        """A weight and a bias of zeros."""
        full = self.rewriter.graph.fresh_name(f"{self.node.name}_{name}.bias")
        zero = np.asarray(0, self.dtype.numpy)[()]
        return [
            self.weight(name, shape),
            self.rewriter.graph.add_weight(full, Fill(self.dtype, shape[:1], zero)),
        ]
