"""Pooling replaced by strided convolution.

Springenberg et al., "Striving for Simplicity: The All Convolutional Net" (2014).

Average pooling is a depthwise convolution with equal weights: exact. Where padding does not count in the divisor, the
windows at the border have fewer cells, and a product with a constant map makes up for it; that takes known sizes. In a
narrow type a ninth is not a ninth: where the weights' rounding is more than single precision's, the journal names it.
Max pooling has no convolution that is equal; for networks still to be trained it becomes, on demand, a convolution of
the same window and stride from all channels to as many, with seeded weights, and a ReLU.
"""

import math
import zlib
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import (
    AveragePool,
    Conv,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool,
    Mul,
    Opaque,
    ReduceMean,
    Relu,
)
from cnnir.ops.pooling import Pool
from cnnir.ops.window import Window
from cnnir.passes.base import Journal, Pass, Preserves
from cnnir.rewriter import Rewriter
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import AnyArray, Computed, Fill, Seeded


@dataclass(frozen=True)
class PoolToConv(Pass):
    """Replace pooling by strided convolution.

    Options:
        structural: Max pooling too, by a convolution with seeded weights and a ReLU: for networks to be trained.
        draw: Seed of those weights.
    """

    name: ClassVar[str] = "pool-to-conv"
    preserves: ClassVar[Preserves] = "values"

    structural: bool = False
    draw: int = 0

    def __post_init__(self) -> None:
        if self.structural:
            # The instance's own, in front of the class's: only with this option do the outputs change.
            object.__setattr__(self, "preserves", "interface")

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        if self.draw < 0:
            raise CnnirError(
                "option-value", "draw is a seed", node=self.name, expected="at least 0", got=self.draw,
                hint="another number draws other weights",
            )  # fmt: skip
        rewriter = Rewriter(graph)
        for node in graph.nodes:
            if _pools_all(node):
                journal.refuse("pooling over the whole map has no stride; fc-to-conv makes dense heads of it", [node])
            elif isinstance(node.op, Opaque) and "pool" in node.op.op_type.lower():
                journal.refuse(f"{node.op.kind} is carried as it is: no convolution is known to equal it", [node])
            elif isinstance(node.op, Pool):
                reason = self._replace(rewriter, journal, node, node.op)
                if reason is not None:
                    journal.refuse(reason, [node])

    def _replace(self, rewriter: Rewriter, journal: Journal, node: Node, op: Pool) -> str | None:
        """Replace one pooling node; the reason when that cannot be."""
        reason = _refusal(rewriter.graph, node, op, structural=self.structural)
        if reason is not None:
            return reason
        channels, sizes, window = _channels(node), _sizes(node.inputs[0]), op.window
        conv = Conv(window.strides, window.pads, window.dilations, auto_pad=window.auto_pad)
        if sizes is not None:
            conv = Conv(window.strides, _pads(node, window, sizes), window.dilations)
        if not isinstance(op, AveragePool):
            _strided(rewriter, journal, node, conv, channels, self.draw)
            return None
        factors = None if sizes is None else _factors(node, op, sizes)
        if factors is not None and not np.isfinite(factors).all():
            return "a window lies in the padding altogether, and its mean is that of nothing"
        _averaging(rewriter, journal, node, replace(conv, group=channels), channels, factors)
        return None


def _pools_all(node: Node) -> bool:
    """Whether a node pools whole maps, a mean over all axes behind the channels included."""
    if isinstance(node.op, ReduceMean):
        type_ = node.operands[0].type
        whole = tuple(range(2, type_.rank)) if isinstance(type_, TensorType) else ()
        return len(whole) > 1 and node.op.axes == whole
    return isinstance(node.op, GlobalAveragePool | GlobalMaxPool)


def _refusal(graph: Graph, node: Node, op: Pool, *, structural: bool) -> str | None:
    """Why no convolution can take the pooling's place."""
    data, window = node.inputs[0], op.window
    if data is None or not isinstance(data.type, TensorType) or not isinstance(node.outputs[0].type, TensorType):
        return "its type is not known"
    if not data.type.dtype.is_float or not isinstance(data.type.shape[1], int) or data.type.shape[1] < 1:
        return f"a convolution takes a known number of channels of floats, this is {data.type}"
    if isinstance(op, MaxPool) and not structural:
        return "no convolution equals max pooling; structural=true puts one there that is to be trained"
    if isinstance(op, MaxPool) and op.with_indices and (node.outputs[1].uses or graph.is_output(node.outputs[1])):
        return "somebody reads the indices of the maxima"
    if _sizes(data) is not None:
        return None
    if op.ceil_mode or window.auto_pad.startswith("SAME"):
        return "how far its windows reach into the padding depends on dims that are not known"
    if isinstance(op, AveragePool) and not op.count_include_pad and any(window.resolved_pads(())):
        return "padding does not count in the divisor, and which windows touch it depends on dims that are not known"
    return None


def _channels(node: Node) -> int:
    assert isinstance(node.outputs[0].type, TensorType)  # noqa: S101
    return known_shape((node.outputs[0].type.shape[1],), node.label)[0]


def _sizes(value: Value | None) -> tuple[int, ...] | None:
    """Spatial sizes, None when not all are known."""
    if value is None or not isinstance(value.type, TensorType):
        return None
    sizes = tuple(dim for dim in value.type.shape[2:] if isinstance(dim, int))
    return sizes if len(sizes) == value.type.rank - 2 else None


def _pads(node: Node, window: Window, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Explicit padding under which a window slides as often without `ceil_mode` as it did with it."""
    axes, pads, fits = len(sizes), list(window.resolved_pads(sizes)), _sizes(node.outputs[0])
    assert fits is not None  # noqa: S101  the output's sizes follow from the input's
    for axis, (fit, stride, extent) in enumerate(zip(fits, window.strides, window.extents(), strict=True)):
        reach = (fit - 1) * stride + extent
        pads[axis + axes] = max(pads[axis + axes], reach - sizes[axis] - pads[axis])
    return tuple(pads)


def _factors(node: Node, op: AveragePool, sizes: tuple[int, ...]) -> AnyArray | None:
    """``[1, 1, *sizes of the output]``: cells of the window over those that count; None where all count everywhere."""
    window, axes, fits = op.window, len(sizes), _sizes(node.outputs[0])
    assert fits is not None  # noqa: S101
    pads, result = window.resolved_pads(sizes), np.ones((1, 1, *fits))
    for axis, (fit, stride, step) in enumerate(zip(fits, window.strides, window.dilations, strict=True)):
        cells = np.arange(fit)[:, None] * stride - pads[axis] + np.arange(window.kernel[axis]) * step
        begin, end = (-pads[axis], sizes[axis] + pads[axis + axes]) if op.count_include_pad else (0, sizes[axis])
        count = ((cells >= begin) & (cells < end)).sum(axis=1)
        with np.errstate(divide="ignore"):
            along = window.kernel[axis] / count
        result = result * along.reshape([-1 if index == axis + 2 else 1 for index in range(axes + 2)])
    return None if (result == 1).all() else result


def _averaging(
    rewriter: Rewriter, journal: Journal, node: Node, conv: Conv, channels: int, factors: AnyArray | None
) -> None:
    data = node.inputs[0]
    assert data is not None  # noqa: S101
    assert isinstance(data.type, TensorType)  # noqa: S101
    assert isinstance(node.op, AveragePool)  # noqa: S101
    kernel, dtype, graph = node.op.kernel_shape, data.type.dtype, rewriter.graph
    share = np.asarray(1 / math.prod(kernel), dtype.numpy)[()]
    weight = graph.add_weight(graph.fresh_name(f"{node.name}.weight"), Fill(dtype, (channels, 1, *kernel), share))
    rounded = _rounding(dtype, 1 / math.prod(kernel), factors)
    if factors is None:
        rewriter.replace_node(node, conv, [data, weight])
        journal.change(f"average pooling is a depthwise convolution with equal weights{rounded}", [node])
    else:
        name = graph.fresh_name(f"{node.output.name}_sum")
        made = rewriter.insert(conv, [data, weight], before=node, name=f"{node.name}_conv", outputs=[name])
        border = graph.add_weight(graph.fresh_name(f"{node.name}.border"), _border(dtype, factors))
        rewriter.replace_node(node, Mul(), [made.output, border])
        what = "average pooling is a depthwise convolution, its border divided by fewer cells"
        journal.change(f"{what}{rounded}", [made, node])
    journal.count("pooling replaced")


def _rounding(dtype: DType, share: float, factors: AnyArray | None) -> str:
    """What a narrow type makes of the weights, in words; nothing where it is less than single precision's rounding."""
    exact = np.asarray(share) * (np.ones(1) if factors is None else factors)
    stored = np.asarray(share).astype(dtype.numpy).astype(np.float64)
    if factors is not None:
        stored = stored * factors.astype(dtype.numpy).astype(np.float64)
    off = float(np.abs(stored / exact - 1).max())
    return "" if off <= float(np.finfo(np.float32).eps) else f"; in {dtype.value} its weights are off by {off:.2g}"


def _border(dtype: DType, factors: AnyArray) -> Computed:
    return Computed(dtype, factors.shape, lambda: factors)


def _strided(rewriter: Rewriter, journal: Journal, node: Node, conv: Conv, channels: int, draw: int) -> None:
    data = node.inputs[0]
    assert data is not None  # noqa: S101
    assert isinstance(data.type, TensorType)  # noqa: S101
    assert isinstance(node.op, MaxPool)  # noqa: S101
    graph, dtype = rewriter.graph, data.type.dtype
    shape = (channels, channels, *node.op.kernel_shape)
    name = graph.fresh_name(f"{node.name}.weight")
    scale = math.sqrt(2 / math.prod(shape[1:]))  # He et al. 2015, eq. 10
    weight = graph.add_weight(name, Seeded(dtype, shape, draw, zlib.crc32(name.encode()), scale))
    zeros = Fill(dtype, (channels,), np.asarray(0, dtype.numpy)[()])
    bias = graph.add_weight(graph.fresh_name(f"{node.name}.bias"), zeros)
    output = graph.fresh_name(f"{node.outputs[0].name}_conv")
    made = rewriter.insert(conv, [data, weight, bias], before=node, name=f"{node.name}_conv", outputs=[output])
    rewriter.replace_node(node, Relu(), [made.output])
    journal.change("max pooling gives way to a strided convolution that is to be trained, and a ReLU", [made, node])
    journal.count("pooling replaced")
