"""The weights of fully connected layers as those of convolutions: lazy views, so that shared ones stay shared."""

from collections.abc import Sequence

import numpy as np

from cnnir.graph import Node, Value
from cnnir.ops import Identity
from cnnir.passes.fc_to_conv.unfit import Unfit
from cnnir.weights import Computed, Fill, Weight

_AXES = "CHW"


def constant(value: Value | None) -> Weight | None:
    """The contents of a weight, also of one behind nodes that only rename it; None when it is no constant."""
    return named_first(value).weight if value is not None else None


def named_first(value: Value) -> Value:
    """The value that nodes which only rename it have begun with."""
    while value.producer is not None and isinstance(value.producer.op, Identity):
        value = value.producer.operands[0]
    return value


def filters(weight: Weight, order: str, sizes: Sequence[int], *, rows: bool, alpha: float = 1.0) -> Weight:
    """The filters ``[K, C, H, W]`` that a matrix amounts to.

    Args:
        weight: ``[K, features]`` when `rows`, else ``[features, K]``.
        order: The letters C, H and W in the order of the features, the slowest first.
        sizes: Of each letter in `order`; their product is the number of features.
        rows: Whether a filter is a row of the matrix.
        alpha: A factor.

    Returns:
        A view of `weight`: a reshape in NCHW order, a reshape and a transpose in any other.
    """
    scaled_weight = scaled(weight, alpha)
    places = tuple(order.index(letter) for letter in _AXES)
    if rows:
        return scaled_weight.reshaped((weight.shape[0], *sizes)).transposed((0, *(place + 1 for place in places)))
    return scaled_weight.reshaped((*sizes, weight.shape[1])).transposed((len(sizes), *places))


def bias(node: Node, weight: Weight, count: int, beta: float = 1.0) -> Weight:
    """A bias ``[K]`` from what broadcasts to ``[N, K]``.

    Raises:
        Unfit: when it differs from image to image.
    """
    if len(weight.shape) > 1 and any(size != 1 for size in weight.shape[:-1]):
        raise Unfit(f"its bias {weight.type} differs from image to image", node)
    factor = scaled(weight, beta)
    if weight.shape and weight.shape[-1] == count:
        return factor.reshaped((count,))
    if isinstance(factor, Fill):
        return Fill(factor.dtype, (count,), factor.value)
    return Computed(weight.dtype, (count,), lambda: np.broadcast_to(factor.array().reshape(-1), (count,)))


def scaled(weight: Weight, factor: float) -> Weight:
    """The weight times a factor, made when it is asked for."""
    if factor == 1.0:
        return weight
    number = weight.dtype.numpy.type(factor)
    if isinstance(weight, Fill):
        return Fill(weight.dtype, weight.shape, np.multiply(weight.value, number))
    return Computed(weight.dtype, weight.shape, lambda: np.multiply(weight.array(), number))
