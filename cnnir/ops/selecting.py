"""Elements chosen by their size or by index, and elements written to places that indices name."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from cnnir.dims import Dim, Shape, is_known
from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, require_front_axes, require_same_dtype
from cnnir.ops.elements import NUMBERS
from cnnir.ops.indexing import MOST_INDICES, extremes, require_indices
from cnnir.types import DType, TensorType, Type, UnknownType

Combination: TypeAlias = Literal["none", "add", "mul", "max", "min"]
"""What becomes of an element that something is written to: it is replaced, or taken together with that."""

COMBINATIONS: tuple[Combination, ...] = ("none", "add", "mul", "max", "min")


@dataclass(frozen=True)
class TopK(Op):
    """The k largest or least elements along an axis, and their places; of equal ones those in front.

    ONNX operator specification: TopK.
    """

    k: int
    axis: int
    """Counted from the front."""
    largest: bool = True
    sorted: bool = True
    """The first one is the most extreme; else the order is nobody's business."""

    results: ClassVar[tuple[str, ...]] = ("Values", "Indices")

    def check(self, inputs: Inputs) -> None:
        NUMBERS.require(inputs)
        require_front_axes((self.axis,), inputs.tensor(0).rank)
        if self.k < 0:
            raise CnnirError("topk-size", "a number of elements cannot be negative", got=self.k)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        message = f"axis {self.axis} has fewer elements than are wanted"
        facts.require_at_least(data.shape[self.axis], self.k, "topk-size", message)
        kept = (*data.shape[: self.axis], self.k, *data.shape[self.axis + 1 :])
        return data.with_shape(kept), TensorType(DType.INT64, kept)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return UnknownType(inputs.dtype(0)), UnknownType(DType.INT64)


def _require_inside(inputs: Inputs, operand: int, size: Dim, axis: int, facts: Facts) -> None:
    """Constant indices lie inside an axis of that size."""
    low, high = extremes(inputs, operand)
    for least, index in ((high + 1, high), (-low, low)):
        facts.require_at_least(size, least, "gather-index", f"index {index} is outside axis {axis}")


def _require_within(inner: Shape, outer: Shape, axis: int, what: str, facts: Facts) -> None:
    """No dim is larger than that of the other shape, but along the axis."""
    for place, (dim, most) in enumerate(zip(inner, outer, strict=True)):
        if place != axis:
            message = f"axis {place} of the data is shorter than that of the {what}"
            facts.require_at_least(most, dim, "gather-shape", message)


@dataclass(frozen=True)
class GatherElements(Op):
    """One element for each index, at the index's own position but for one axis, where the index says which.

    ONNX operator specification: GatherElements.
    """

    axis: int = 0
    """Counted from the front."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("data"), Operand("indices"))

    def check(self, inputs: Inputs) -> None:
        rank = inputs.rank(0, 1).rank
        require_front_axes((self.axis,), rank)
        inputs.rank(1, rank, rank)
        require_indices(inputs, 1)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, indices = inputs.tensors()
        _require_within(indices.shape, data.shape, self.axis, "indices", facts)
        _require_inside(inputs, 1, data.shape[self.axis], self.axis, facts)
        return (data.with_shape(indices.shape),)


@dataclass(frozen=True)
class GatherND(Op):
    """For each row of indices the slice of the data that they name, one index an axis.

    ONNX operator specification: GatherND.
    """

    batch_dims: int = 0
    """So many axes in front belong together: their indices name slices of the same place alone."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("data"), Operand("indices"))

    def check(self, inputs: Inputs) -> None:
        data, indices = inputs.rank(0, 1), inputs.rank(1, 1)
        _require_int64(inputs, 1)
        if not 0 <= self.batch_dims < min(data.rank, indices.rank):
            wanted = f"0 to {min(data.rank, indices.rank) - 1}"
            raise CnnirError("gather-batch", "batch_dims out of range", expected=wanted, got=self.batch_dims)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, indices = inputs.tensors()
        named = _named(indices.shape, data.rank - self.batch_dims)
        for axis in range(self.batch_dims):
            message = f"data and indices differ on axis {axis} of the batch"
            facts.require_equal(indices.shape[axis], data.shape[axis], "gather-batch", message)
        _require_rows_inside(inputs, data.shape[self.batch_dims :], self.batch_dims, facts)
        return (data.with_shape((*indices.shape[:-1], *data.shape[self.batch_dims + named :])),)


def _require_int64(inputs: Inputs, index: int) -> None:
    if inputs.tensor(index).dtype is not DType.INT64:
        message, got = f"{inputs.name(index)} are no indices", inputs.tensor(index).dtype.value
        raise CnnirError("operand-dtype", message, expected="int64", got=got)


def _require_rows_inside(inputs: Inputs, sizes: Shape, first: int, facts: Facts) -> None:
    """Constant rows of indices name places inside the axes from `first` on, which have these sizes."""
    weight = inputs.weight(1)
    if weight is None or not 0 < math.prod(weight.shape) <= MOST_INDICES:
        return
    rows = weight.array().reshape(-1, weight.shape[-1])
    for place, (low, high) in enumerate(zip(rows.min(axis=0).tolist(), rows.max(axis=0).tolist(), strict=True)):
        for least, index in ((high + 1, high), (-low, low)):
            message = f"index {index} is outside axis {first + place}"
            facts.require_at_least(sizes[place], least, "gather-index", message)


def _named(indices: Shape, most: int) -> int:
    """How many axes each row of indices names."""
    named = indices[-1]
    if not is_known(named):
        raise CnnirError("gather-depth", "how many indices a row has decides the rank", got=named, hint="bind it")
    if not 1 <= named <= most:
        raise CnnirError("gather-depth", "a row of indices has the wrong length", expected=f"1 to {most}", got=named)
    return named


@dataclass(frozen=True)
class Scattering(Op):
    """Base of what writes elements to places that indices name.

    Where a place is named more than once, the last one stays, unless they are taken together.
    """

    operands: ClassVar[tuple[Operand, ...]] = (Operand("data"), Operand("indices"), Operand("updates"))
    in_place: ClassVar[bool] = True

    def _check_operands(self, inputs: Inputs, reduction: str) -> None:
        dtype = require_same_dtype(inputs, 0, 2)
        if reduction not in COMBINATIONS:
            raise CnnirError("scatter-mode", f"reduction {reduction} is not defined here")
        if reduction != "none" and not NUMBERS.holds(dtype):
            raise CnnirError("scatter-mode", f"reduction {reduction} of {dtype.value} is not defined here")

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(0, 2)),)


@dataclass(frozen=True)
class ScatterElements(Scattering):
    """Each update is written to its own position but for one axis, where its index says the place.

    ONNX operator specification: ScatterElements, which was called Scatter at first.
    """

    axis: int = 0
    """Counted from the front."""
    reduction: Combination = "none"

    def check(self, inputs: Inputs) -> None:
        self._check_operands(inputs, self.reduction)
        rank = inputs.rank(0, 1).rank
        require_front_axes((self.axis,), rank)
        inputs.rank(1, rank, rank)
        inputs.rank(2, rank, rank)
        require_indices(inputs, 1)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, indices, updates = inputs.tensors()
        for axis, (dim, wanted) in enumerate(zip(updates.shape, indices.shape, strict=True)):
            facts.require_equal(dim, wanted, "scatter-shape", f"updates and indices differ on axis {axis}")
        _require_within(indices.shape, data.shape, self.axis, "indices", facts)
        _require_inside(inputs, 1, data.shape[self.axis], self.axis, facts)
        return (data,)


@dataclass(frozen=True)
class ScatterND(Scattering):
    """For each row of indices, which name one axis each, a slice that is written there.

    ONNX operator specification: ScatterND.
    """

    reduction: Combination = "none"

    def check(self, inputs: Inputs) -> None:
        self._check_operands(inputs, self.reduction)
        inputs.rank(0, 1)
        inputs.rank(1, 1)
        _require_int64(inputs, 1)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, indices, updates = inputs.tensors()
        named = _named(indices.shape, data.rank)
        wanted = (*indices.shape[:-1], *data.shape[named:])
        inputs.rank(2, len(wanted), len(wanted))
        for axis, (dim, expected) in enumerate(zip(updates.shape, wanted, strict=True)):
            facts.require_equal(dim, expected, "scatter-shape", f"the updates do not fit on axis {axis}")
        _require_rows_inside(inputs, data.shape, 0, facts)
        return (data,)
