"""How far two arrays are apart, dims of 1 left out of account."""

import numpy as np

from cnnir.graph import Graph
from cnnir.types import DType, TensorType
from cnnir.weights import AnyArray

TOLERANCE = 1e-4
"""Relative to the largest element of what is compared: rewrites reorder sums of single precision."""

_ROUNDINGS = 8
"""How many roundings of a half-precision network may add up: fewer than single precision is allowed, for they show."""


def tolerance(graph: Graph) -> float:
    """By how much, relative to the largest, what a rewrite of the network computes may differ from what it did.

    Where the network itself rounds to half precision, a factor that moves into a weight is rounded in another place.
    """
    types = [value.type for value in graph.values if value.weight is None]
    halves = {type_.dtype for type_ in types if isinstance(type_, TensorType)} & {DType.FLOAT16, DType.BFLOAT16}
    return max((_ROUNDINGS * float(np.spacing(np.ones((), half.numpy))) for half in halves), default=TOLERANCE)


def without_ones(array: AnyArray) -> tuple[int, ...]:
    """The shape without its dims of 1: ``[1, 4, 1, 1]`` and ``[1, 4]`` lay out the same elements."""
    return tuple(size for size in np.shape(array) if size != 1)


def difference(left: AnyArray, right: AnyArray) -> tuple[float, float]:
    """Largest difference of two elements, and the same over the largest element of the first.

    Infinite where the shapes differ by more than dims of 1, where infinities or the places of NaN differ, and for
    elements that are no numbers and differ.
    """
    if without_ones(left) != without_ones(right):
        return float("inf"), float("inf")
    left, right = np.reshape(left, -1), np.reshape(right, -1)
    if left.size == 0:
        return 0.0, 0.0
    if left.dtype.kind not in "fiub" and not np.issubdtype(left.dtype, np.number):
        return (0.0, 0.0) if np.array_equal(left, right) else (float("inf"), float("inf"))
    wide, other = left.astype(np.float64), right.astype(np.float64)
    same = (wide == other) | (np.isnan(wide) & np.isnan(other))
    if same.all():
        return 0.0, 0.0
    with np.errstate(invalid="ignore"):  # infinities that differ have no number for a difference
        gaps = np.abs(wide - other)[~same]
    if not np.isfinite(gaps).all():
        return float("inf"), float("inf")
    largest = float(np.abs(wide[np.isfinite(wide)]).max(initial=0.0))
    worst = float(gaps.max())
    return worst, worst / largest if largest else float("inf")
