"""What a node does to each channel: a factor and a summand, in float64."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, BatchNormalization, Div, Mul, Sub
from cnnir.types import DType, TensorType
from cnnir.weights import AnyArray, Weight

Vector = Callable[[], AnyArray]
"""Makes one float64 number a channel."""

AFFINE = (BatchNormalization, Mul, Add, Sub, Div)
"""Ops that scale and shift each channel where all but one of their operands are constants."""


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


class Refused(Exception):  # noqa: N818  no error: the node stays as it is
    """Why a node is not folded."""


def scaled_value(node: Node) -> Value | None:
    """What the node scales, None where it is not of that kind."""
    if not isinstance(node.op, AFFINE):
        return None
    data = [value for value in node.operands if value.weight is None]
    if isinstance(node.op, BatchNormalization):
        data = data[:1]  # computed statistics are refused with their reason
    return data[0] if len(data) == 1 and len(node.operands) > 1 else None


def affine(graph: Graph, node: Node, axis: int, channels: int) -> Affine:
    """The factors and summands of a node for channels that lie along an axis.

    Raises:
        Refused: where it has none, or they may not go into a weight.
    """
    found = _normalization(node, node.op, axis) if isinstance(node.op, BatchNormalization) else None
    found = found or _arithmetic(node, axis, channels)
    for value in node.operands:
        if graph.may_be_given(value):
            raise Refused(f"callers may give {value.name} as an input")
    if not isinstance(found.source.type, TensorType) or not found.source.type.dtype.is_float:
        raise Refused("integers would be rounded elsewhere")
    if node.output.type != found.source.type:
        raise Refused(f"it makes {node.output.type} of {found.source.type}")
    _check_range(found, found.source.type)
    return found


def _arithmetic(node: Node, axis: int, channels: int) -> Affine:
    left, right = node.operands
    source, constant = (left, right) if right.weight is not None else (right, left)
    assert constant.weight is not None  # noqa: S101  one of the two is constant
    vector = _per_channel(constant.weight, source, axis, channels)
    if isinstance(node.op, Mul):
        return Affine(source, vector, None)
    if isinstance(node.op, Add):
        return Affine(source, None, vector)
    if constant is left:
        if isinstance(node.op, Div):
            raise Refused("it divides a constant by what it reads, which is not linear")
        return Affine(source, lambda: np.full(channels, -1.0), vector)
    if isinstance(node.op, Sub):
        return Affine(source, None, lambda: -vector())
    return Affine(source, lambda: 1 / vector(), None)


def _normalization(node: Node, op: BatchNormalization, axis: int) -> Affine:
    """``scale * (x - mean) / sqrt(var + epsilon) + B`` (Ioffe and Szegedy, 2015, section 3.1)."""
    source, *rest = node.operands
    weights = [value.weight for value in rest]
    if any(weight is None for weight in weights):
        raise Refused("its statistics are computed")
    if axis != 1:
        raise Refused(f"it normalises along axis 1, the layer's channels lie along axis {axis}")
    gamma, beta, mean, variance = (weight for weight in weights if weight is not None)

    def factor() -> AnyArray:
        return wide(gamma) / np.sqrt(wide(variance) + op.epsilon)

    return Affine(source, factor, lambda: wide(beta) - wide(mean) * factor())


def _per_channel(weight: Weight, source: Value, axis: int, channels: int) -> Vector:
    """The constant as one number a channel, when it broadcasts along all other axes and enlarges nothing."""
    assert isinstance(source.type, TensorType)  # noqa: S101  `scaled_value` has seen to it
    rank = source.type.rank
    shape = (1,) * (rank - len(weight.shape)) + weight.shape
    if (
        len(shape) > rank
        or any(size != 1 for place, size in enumerate(shape) if place != axis)
        or shape[axis] not in (1, channels)
    ):
        raise Refused(f"its constant of shape {list(weight.shape)} is not one number a channel")
    return lambda: np.broadcast_to(wide(weight).reshape(-1), (channels,))


def _check_range(found: Affine, type_: TensorType) -> None:
    """Factors and summands are numbers that a weight of this type can take in.

    Raises:
        Refused: where they are not.
    """
    largest = _largest(type_.dtype)
    with np.errstate(all="ignore"):
        for vector in (found.scale, found.shift):
            if vector is not None and not np.isfinite(vector()).all():
                raise Refused("its factors are not all finite")
        if found.shift is not None and np.abs(found.shift()).max(initial=0.0) > largest:
            raise Refused(f"its summands are more than {type_.dtype.value} holds")
        if found.scale is not None:
            factors = np.abs(found.scale())
            factors = factors[factors != 0]
            # Between the root of the largest number and its inverse: a weight of the same range neither overflows nor
            # loses its bits, wherever the factor is applied.
            if factors.size and (factors.max() > largest**0.5 or factors.min() < largest**-0.5):
                raise Refused(
                    f"its factors, {factors.min():.3g} to {factors.max():.3g}, would take weights out of the range of "
                    f"{type_.dtype.value}"
                )


def _largest(dtype: DType) -> float:
    """The largest number; bfloat16 has the range of float32, and nobody computes in narrower ones."""
    if dtype is DType.FLOAT16:
        return float(np.finfo(np.float16).max)
    return float(np.finfo(np.float64 if dtype is DType.FLOAT64 else np.float32).max)


def wide(weight: Weight) -> AnyArray:
    """The contents in float64."""
    return weight.array().astype(np.float64)
