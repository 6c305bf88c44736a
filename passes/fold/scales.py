"""A factor and a summand for each channel, folded into the weight and bias of the layer before.

With float64 in between: a chain of several such nodes rounds once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnnir.dims import is_known
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, BatchNormalization, Conv, ConvTranspose, Div, Gemm, Mul, Sub
from cnnir.passes.base import Journal
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType
from cnnir.weights import AnyArray, Computed, Weight

Vector = Callable[[], AnyArray]
"""Makes one float64 number a channel."""


@dataclass(frozen=True, slots=True)
class Affine:
    """``scale * x + shift`` for each channel.

    Attributes:
        source: What is scaled.
        scale: Factors, None for ones.
        shift: Summands, None for zeros.
    """

    source: Value
    scale: Vector | None
    shift: Vector | None


class _Refused(Exception):  # noqa: N818  no error: the node stays as it is
    """Why a node is not folded."""


def fold_scales(rewriter: Rewriter, journal: Journal) -> None:
    """Fold every BatchNormalization, Mul, Add, Sub or Div by constants that stands behind a linear layer."""
    for node in rewriter.graph.nodes:
        layer, channels = _layer_before(node)
        if layer is None or channels is None:
            if isinstance(node.op, BatchNormalization):
                journal.refuse("not folded: no convolution or fully connected layer stands before it", [node])
            continue
        try:
            affine = _affine(node, channels)
            _check_layer(rewriter.graph, layer, affine)
        except _Refused as refused:
            journal.refuse(f"not folded into {layer.label}: {refused}", [node])
            continue
        journal.change(f"folded into {layer.label}", [node])
        journal.count("scales folded")
        _merge(rewriter, layer, node, affine, channels)


def _layer_before(node: Node) -> tuple[Node | None, int | None]:
    """The linear layer whose output the node scales, and its number of channels."""
    if not isinstance(node.op, (BatchNormalization, Mul, Add, Sub, Div)):
        return None, None
    data = [value for value in node.operands if value.weight is None]
    constants = [value for value in node.operands if value.weight is not None]
    if isinstance(node.op, BatchNormalization):
        data = data[:1]  # computed statistics are refused with their reason
    if len(data) != 1 or not constants or data[0].producer is None:
        return None, None
    layer = data[0].producer
    type_ = data[0].type
    if not isinstance(layer.op, (Conv, ConvTranspose, Gemm)) or not isinstance(type_, TensorType):
        return None, None
    channels = type_.shape[1]
    return layer, channels if is_known(channels) else None


# What the node does to each channel


def _affine(node: Node, channels: int) -> Affine:
    if isinstance(node.op, BatchNormalization):
        return _normalization(node, node.op)
    left, right = node.operands
    source, constant = (left, right) if right.weight is not None else (right, left)
    assert constant.weight is not None  # noqa: S101  one of the two is constant
    vector = _per_channel(constant.weight, source, channels)
    if isinstance(node.op, Mul):
        return Affine(source, vector, None)
    if isinstance(node.op, Add):
        return Affine(source, None, vector)
    if constant is left:
        if isinstance(node.op, Div):
            raise _Refused("it divides a constant by the layer's output, which is not linear")
        return Affine(source, lambda: np.full(channels, -1.0), vector)
    if isinstance(node.op, Sub):
        return Affine(source, None, lambda: -vector())
    return Affine(source, lambda: 1 / vector(), None)


def _normalization(node: Node, op: BatchNormalization) -> Affine:
    """``scale * (x - mean) / sqrt(var + epsilon) + B`` (Ioffe and Szegedy, 2015, section 3.1)."""
    source, *rest = node.operands
    weights = [value.weight for value in rest]
    if any(weight is None for weight in weights):
        raise _Refused("its statistics are computed")
    gamma, beta, mean, variance = (weight for weight in weights if weight is not None)

    def factor() -> AnyArray:
        return _wide(gamma) / np.sqrt(_wide(variance) + op.epsilon)

    return Affine(source, factor, lambda: _wide(beta) - _wide(mean) * factor())


def _per_channel(weight: Weight, source: Value, channels: int) -> Vector:
    """The constant as one number a channel, when it broadcasts along all other axes and enlarges nothing."""
    assert isinstance(source.type, TensorType)  # noqa: S101  `_layer_before` has seen to it
    rank = source.type.rank
    shape = (1,) * (rank - len(weight.shape)) + weight.shape
    if (
        len(shape) > rank
        or any(size != 1 for axis, size in enumerate(shape) if axis != 1)
        or shape[1] not in (1, channels)
    ):
        raise _Refused(f"its constant of shape {list(weight.shape)} is not one number a channel")
    return lambda: np.broadcast_to(_wide(weight).reshape(-1), (channels,))


def _wide(weight: Weight) -> AnyArray:
    return weight.array().astype(np.float64)


# The layer that takes it in


def _check_layer(graph: Graph, layer: Node, affine: Affine) -> None:
    if len(affine.source.uses) > 1 or graph.is_output(affine.source):
        raise _Refused("the layer's output is read elsewhere too")
    if any(value.weight is None for value in layer.operands[1:]):
        raise _Refused("the layer's weights are computed")
    for value in layer.operands[1:]:
        if value.name in graph.provenance.listed:
            raise _Refused(f"callers may give {value.name} as an input")
    if not isinstance(affine.source.type, TensorType) or not affine.source.type.dtype.is_float:
        raise _Refused("integers would be rounded elsewhere")
    for vector in (affine.scale, affine.shift):
        with np.errstate(all="ignore"):
            if vector is not None and not np.isfinite(vector()).all():
                raise _Refused("its factors are not all finite")
    if isinstance(layer.op, Gemm) and layer.op.beta == 0:
        raise _Refused("the layer leaves its bias out (beta is 0)")
    bias = layer.operands[2].weight if len(layer.operands) > 2 else None
    if bias is not None and any(size != 1 for size in bias.shape[:-1]):
        raise _Refused("the layer's bias is not one number a channel")


def _merge(rewriter: Rewriter, layer: Node, node: Node, affine: Affine, channels: int) -> None:
    """Let the node compute the layer with new weights: its output keeps its name, the layer's node its own."""
    graph, name = rewriter.graph, layer.name
    weight = layer.operands[1]
    bias = layer.operands[2] if len(layer.operands) > 2 else None
    new_weight, new_bias = weight, bias
    if affine.scale is not None:
        new_weight = graph.add_weight(graph.fresh_name(f"{weight.name}.scaled"), _scaled(layer, weight, affine.scale))
    if affine.shift is not None or (bias is not None and affine.scale is not None):
        wish = f"{bias.name if bias is not None else f'{name}.bias'}.folded"
        new_bias = graph.add_weight(graph.fresh_name(wish), _shifted(layer, weight, bias, affine, channels))
    operands = [layer.operands[0], new_weight] + ([new_bias] if new_bias is not None else [])
    op, metadata = layer.op, layer.metadata
    rewriter.replace_node(node, op, operands)
    node.metadata = dict(metadata)
    rewriter.erase(layer)
    rewriter.rename(node, name)


def _scaled(layer: Node, value: Value, scale: Vector) -> Weight:
    """The layer's weight, each filter times its channel's factor."""
    weight = value.weight
    assert weight is not None  # noqa: S101  `_check_layer` has seen to it
    shape, op = weight.shape, layer.op
    if isinstance(op, Gemm):
        axis = (-1, 1) if op.trans_b else (1, -1)
        return Computed(weight.dtype, shape, lambda: _wide(weight) * scale().reshape(axis))
    if isinstance(op, ConvTranspose):
        # [C, K / group, *kernel]: the filters of one group stand in the rows of its input channels.
        groups = op.group
        rows = shape[0] // groups
        spread = (groups, 1, shape[1], *(1 for _ in shape[2:]))
        return Computed(
            weight.dtype,
            shape,
            lambda: (_wide(weight).reshape(groups, rows, *shape[1:]) * scale().reshape(spread)).reshape(shape),
        )
    along = (-1, *(1 for _ in shape[1:]))
    return Computed(weight.dtype, shape, lambda: _wide(weight) * scale().reshape(along))


def _shifted(layer: Node, weight: Value, bias: Value | None, affine: Affine, channels: int) -> Weight:
    """The layer's bias, scaled and shifted, for a layer that adds it as it is (or beta times, a Gemm)."""
    old = bias.weight if bias is not None else None
    beta = layer.op.beta if isinstance(layer.op, Gemm) else 1.0

    def make() -> AnyArray:
        total = np.zeros(channels) if old is None else np.broadcast_to(_wide(old).reshape(-1), (channels,))
        if affine.scale is not None:
            total = total * affine.scale()
        return total if affine.shift is None else total + affine.shift() / beta

    assert weight.weight is not None  # noqa: S101  `_check_layer` has seen to it
    return Computed(weight.weight.dtype, (channels,), make)
