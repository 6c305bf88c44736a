"""What rounding to float16 does to a weight, and whether its readers can do with that.

Rounding to nearest keeps 11 significant bits: a relative error of at most 2**-11 for numbers that float16 holds as
normal ones (IEEE 754-2019, 3.6). Smaller ones than 2**-14 lose more, down to all; larger ones than 65504 overflow. An
element that is lost beside larger ones of its weight is lost in the rounding of a sum all the same, and so is a bias
beside what it is added to. Where elements act one by one (a factor, a divisor, the variance under a root) each of them
counts.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from cnnir.graph import Graph, Node, Value
from cnnir.ops import BatchNormalization, Div, Mul, Role
from cnnir.passes.base import Journal
from cnnir.types import DType
from cnnir.units import format_bytes
from cnnir.weights import AnyArray, Computed, Fill, Weight

WIDE = (DType.FLOAT32, DType.FLOAT64)
"""What float16 can stand for."""

LARGEST = float(np.finfo(np.float16).max)

_PRECISION = 2.0**-11
"""Relative error that rounding a normal number makes at most."""

_CHUNK = 1 << 18
"""Elements looked at together: what a cache holds."""

_SCALE, _VARIANCE = 1, 4
"""Operands of a BatchNormalization."""

Use: TypeAlias = Literal["bias", "term", "factor", "divisor", "variance"]
"""What a weight is to its reader; a term is one of a sum of products."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """What rounding a weight to float16 does.

    Attributes:
        reason: Why that is too much; empty when it is not.
        largest: Largest relative error of an element.
        error: Largest error relative to the weight's largest element.
        zeros: How many elements become 0.
    """

    reason: str
    largest: float
    error: float
    zeros: int

    def __str__(self) -> str:
        told = f"largest relative rounding error {self.largest:.3g}"
        return f"{told}, {self.zeros} elements become 0" if self.zeros else told


def fixed(graph: Graph, value: Value) -> str:
    """Why a weight has to stay what it is; empty when it has not."""
    if graph.is_output(value):
        return "it is an output of the network"
    if graph.may_be_given(value):
        return "callers may give it as an input"
    for node, index in value.uses:
        if node.op.operand(index).role is Role.SETTING:
            return f"{node.label} is steered by it"
    return ""


def rounding(value: Value, uses: Iterable[tuple[Node, int]], *, computed: bool = False) -> Rounding:
    """What rounding a weight does to the nodes that use it.

    Args:
        value: A weight of real numbers wider than float16.
        uses: The nodes that read it, and as which operand.
        computed: Whether those compute in float16 as well.
    """
    assert value.weight is not None  # noqa: S101  it is a weight
    weight = value.weight
    array, times = weight.array(), 1
    if isinstance(weight, Fill):  # one number, however often
        array, times = np.asarray([weight.value])[: array.size], array.size
    judges = [_Judge(node, index, computed=computed) for node, index in uses]
    overflown, worst, largest, error, zeros = 0, 0.0, 0.0, 0.0, 0
    sizes_largest, flat = 0.0, np.reshape(array, -1)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        wide, half = part.astype(np.float64), rounded(part).astype(np.float64)
        lost = np.isfinite(wide) & ~np.isfinite(half)
        overflown += int(np.count_nonzero(lost))
        worst = max(worst, float(np.abs(wide[lost]).max(initial=0.0)))
        usual = np.isfinite(half) & np.isfinite(wide) & (wide != 0)
        wide, half = wide[usual], half[usual]
        sizes, gaps = np.abs(wide), np.abs(wide - half)
        zeros += int(np.count_nonzero(half == 0))
        largest = max(largest, float((gaps / sizes).max(initial=0.0)))
        error, sizes_largest = (
            max(error, float(gaps.max(initial=0.0))),
            max(sizes_largest, float(sizes.max(initial=0.0))),
        )
        for judge in judges:
            judge.look(wide, half)
    if overflown:
        return Rounding(f"{overflown * times} elements overflow, up to {worst:.6g}", np.inf, np.inf, 0)
    error = error / sizes_largest if sizes_largest else 0.0
    reason = next((judge.reason for judge in judges if judge.reason), "")
    if error > _PRECISION and any(judge.use == "term" for judge in judges):
        reason = f"even its largest element, {sizes_largest:.3g}, is too small for float16 to hold"
    return Rounding(reason, largest, error, zeros * times)


class _Judge:
    """What one reader says to rounded elements."""

    def __init__(self, node: Node, index: int, *, computed: bool) -> None:
        self.label, self.use, self.computed = node.label, _use(node, index), computed
        self.epsilon = node.op.epsilon if isinstance(node.op, BatchNormalization) else 0.0
        self.smallest = np.inf

    def look(self, wide: AnyArray, half: AnyArray) -> None:
        """At some elements, and what they are rounded to."""
        if self.use in ("bias", "term"):
            return
        limit, true, found = _PRECISION, wide, half
        if self.use == "variance":
            true = wide + self.epsilon
            found = half + self.epsilon
            if self.computed:  # then the sum is rounded too, and what is added
                limit, found = 2 * limit, rounded(half + float(rounded(self.epsilon))).astype(np.float64)
        with np.errstate(all="ignore"):
            relative = np.abs(true - found) / np.abs(true)
        self.smallest = min(self.smallest, float(np.abs(wide[~(relative <= limit)]).min(initial=np.inf)))

    @property
    def reason(self) -> str:
        """Why it cannot do with them; empty when it can."""
        if self.smallest == np.inf:
            return ""
        what = f"a variance beside an epsilon of {self.epsilon:.3g}" if self.use == "variance" else f"a {self.use}"
        return f"as {what} of {self.label} its element {self.smallest:.3g} is too small for float16 to hold"


def rounded(array: AnyArray | float) -> AnyArray:
    """The nearest numbers of float16, infinities where there is none."""
    with np.errstate(all="ignore"):
        return np.asarray(array).astype(np.float16)


def _use(node: Node, index: int) -> Use:
    if isinstance(node.op, BatchNormalization) and index == _VARIANCE:
        return "variance"
    if isinstance(node.op, BatchNormalization) and index == _SCALE:
        return "factor"
    if isinstance(node.op, Div):
        return "divisor" if index == 1 else "factor"
    if isinstance(node.op, Mul):
        return "factor"
    return "bias" if node.op.operand(index).role in (Role.BIAS, Role.STATISTIC) else "term"


def half_weight(weight: Weight) -> Weight:
    """The weight as float16, as lazy as it is."""
    if isinstance(weight, Fill):
        return Fill(DType.FLOAT16, weight.shape, rounded(weight.value)[()])
    return Computed(DType.FLOAT16, weight.shape, lambda: rounded(weight.array()))


@dataclass
class Tally:
    """What rounding has done to all weights together."""

    weights: int = 0
    saved: int = 0
    """Bytes."""
    error: float = 0.0
    """Largest relative to the largest element of a weight..."""
    worst: str = ""
    """...and of which."""

    def add(self, name: str, weight: Weight, found: Rounding) -> None:
        """One weight that is float16 now."""
        self.weights += 1
        self.saved += math.prod(weight.shape) * (weight.dtype.numpy.itemsize - np.dtype(np.float16).itemsize)
        if found.error >= self.error:
            self.error, self.worst = found.error, name

    def tell(self, journal: Journal) -> None:
        """Note the sums."""
        if not self.weights:
            return
        journal.change(
            f"{format_bytes(self.saved)} saved in {self.weights} weights; the largest error, {self.error:.3g} of its "
            f"weight's largest element, is in {self.worst}"
        )
        journal.count("weights halved", self.weights)
        journal.count("bytes saved", self.saved)
