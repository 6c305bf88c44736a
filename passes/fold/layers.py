"""The layers that take factors and summands in: where their channels lie, and what their weights become."""

from typing import TypeAlias

import numpy as np

from cnnir.dims import decide_equal, product
from cnnir.graph import Graph, Node
from cnnir.ops import Conv, ConvTranspose, Gemm, MatMul, Op
from cnnir.passes.fold.affine import Affine, Refused, Vector, wide
from cnnir.types import TensorType
from cnnir.weights import AnyArray, Computed, Weight

Linear: TypeAlias = Conv | ConvTranspose | Gemm | MatMul


def linear(node: Node | None) -> Linear | None:
    """The op of a layer that is linear in its first operand; a product with a matrix behind counts, no other one."""
    if node is None or not isinstance(node.op, (Conv, ConvTranspose, Gemm, MatMul)):
        return None
    second = node.operands[1].type
    if isinstance(node.op, MatMul) and not (
        node.operands[1].weight is not None and isinstance(second, TensorType) and second.rank == 2
    ):
        return None
    return node.op


def channel_axis(op: Linear, type_: TensorType) -> int:
    """The axis of the layer's input or output along which its channels lie."""
    return type_.rank - 1 if isinstance(op, MatMul) else 1


def moved_axis(before: TensorType, axis: int, after: TensorType) -> int | None:
    """Where an axis lies when the same elements are seen through another shape, None where it is broken up."""
    front, size = product(before.shape[:axis]), before.shape[axis]
    for place, dim in enumerate(after.shape):
        if decide_equal(dim, size) and decide_equal(product(after.shape[:place]), front):
            return place
    return None


def filters(op: Linear, weight: Weight) -> int:
    """Number of output channels."""
    if isinstance(op, ConvTranspose):
        return weight.shape[1] * op.group
    if isinstance(op, Conv):
        return weight.shape[0]
    return weight.shape[0 if isinstance(op, Gemm) and op.trans_b else 1]


def channels(op: Linear, weight: Weight) -> int:
    """Number of input channels."""
    if isinstance(op, Conv):
        return weight.shape[1] * op.group
    return weight.shape[1 if isinstance(op, Gemm) and op.trans_b else 0]


def check_layer(graph: Graph, layer: Node, op: Linear, *, needs_bias: bool) -> Weight:
    """The layer's weight, when it may be replaced.

    Raises:
        Refused: with what is in the way.
    """
    weight = layer.operands[1].weight
    if weight is None or any(value.weight is None for value in layer.operands[1:]):
        raise Refused("the layer's weights are computed")
    for value in layer.operands[1:]:
        if graph.may_be_given(value):
            raise Refused(f"callers may give {value.name} as an input")
    if isinstance(op, Gemm) and op.beta == 0:
        raise Refused("the layer leaves its bias out (beta is 0)")
    data = layer.operands[0].type
    if isinstance(op, MatMul) and needs_bias and not (isinstance(data, TensorType) and data.rank == 2):
        raise Refused(f"a product of {data} has no bias to take its summands")
    bias = layer.operands[2].weight if len(layer.operands) > 2 else None
    if bias is not None and any(size != 1 for size in bias.shape[:-1]):
        raise Refused("the layer's bias is not one number a channel")
    return weight


def with_bias(op: Linear) -> Op:
    """The op that adds a bias too: a product of matrices becomes a Gemm."""
    return Gemm() if isinstance(op, MatMul) else op


# Behind the layer


def scaled_filters(op: Linear, weight: Weight, scale: Vector) -> Weight:
    """The weight, each filter times its channel's factor."""
    shape = weight.shape
    if isinstance(op, ConvTranspose):
        # [C, K / group, *kernel]: the filters of one group stand in the rows of its input channels.
        grouped = (op.group, shape[0] // op.group, *shape[1:])
        spread = (op.group, 1, shape[1], *(1 for _ in shape[2:]))
        return _times(weight, scale, grouped, spread)
    if isinstance(op, Conv) or (isinstance(op, Gemm) and op.trans_b):
        return _times(weight, scale, shape, (-1, *(1 for _ in shape[1:])))
    return _times(weight, scale, shape, (1, -1))


def shifted_bias(op: Linear, weight: Weight, bias: Weight | None, found: Affine) -> Weight:
    """The bias, scaled and shifted, for a layer that adds it as it is (or beta times, a Gemm)."""
    count, beta = filters(op, weight), op.beta if isinstance(op, Gemm) else 1.0

    def make() -> AnyArray:
        total = _vector(bias, count)
        if found.scale is not None:
            total = total * found.scale()
        return total if found.shift is None else total + found.shift() / beta

    return Computed(weight.dtype, (count,), make)


# In front of it


def scaled_inputs(op: Linear, weight: Weight, scale: Vector) -> Weight:
    """The weight, what it does with an input channel times that channel's factor."""
    shape = weight.shape
    if isinstance(op, Conv):
        grouped = (op.group, shape[0] // op.group, *shape[1:])
        return _times(weight, scale, grouped, (op.group, 1, shape[1], *(1 for _ in shape[2:])))
    if isinstance(op, Gemm) and op.trans_b:
        return _times(weight, scale, shape, (1, -1))
    return _times(weight, scale, shape, (-1, *(1 for _ in shape[1:])))


def raised_bias(op: Linear, weight: Weight, bias: Weight | None, shift: Vector) -> Weight:
    """The bias, with what the layer makes of a summand of each input channel.

    Raises:
        Refused: where that is not the same at every position.
    """
    count, beta = filters(op, weight), op.beta if isinstance(op, Gemm) else 1.0
    if isinstance(op, ConvTranspose):
        raise Refused("at its borders fewer summands arrive than inside")
    if isinstance(op, Conv) and (op.auto_pad.startswith("SAME") or (op.auto_pad == "NOTSET" and any(op.pads))):
        raise Refused("the zeros that it pads with would have to be shifted too")

    def make() -> AnyArray:
        array = wide(weight)
        if isinstance(op, Conv):
            rows = array.reshape(op.group, count // op.group, weight.shape[1], -1).sum(axis=-1)
            sums: AnyArray = (rows * shift().reshape(op.group, 1, -1)).sum(axis=-1)
            return _vector(bias, count) + sums.reshape(-1)
        matrix = array.T if isinstance(op, Gemm) and op.trans_b else array
        raised: AnyArray = shift() @ matrix * (op.alpha if isinstance(op, Gemm) else 1.0)
        return _vector(bias, count) + raised / beta

    return Computed(weight.dtype, (count,), make)


def _times(weight: Weight, scale: Vector, grouped: tuple[int, ...], spread: tuple[int, ...]) -> Weight:
    return Computed(
        weight.dtype,
        weight.shape,
        lambda: (wide(weight).reshape(grouped) * scale().reshape(spread)).reshape(weight.shape),
    )


def _vector(bias: Weight | None, count: int) -> AnyArray:
    return np.zeros(count) if bias is None else np.broadcast_to(wide(bias).reshape(-1), (count,))
