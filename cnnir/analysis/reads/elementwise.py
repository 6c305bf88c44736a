"""Ops that read element by element, sums over axes, and ops of which nothing is known."""

from typing import Any

from cnnir.analysis.reach import IDENTITY, window
from cnnir.analysis.reads.base import Along, Nothing, Place, Read, Unknown, Whole, aligned, reads, shape_of
from cnnir.ops import (
    LRN,
    BatchNormalization,
    Cast,
    ConstantOfShape,
    Dropout,
    Gemm,
    Identity,
    MatMul,
    Op,
    Opaque,
    PRelu,
    TrainingBatchNormalization,
)
from cnnir.ops.activation import Distribution
from cnnir.ops.elementwise import Broadcasting
from cnnir.ops.function import Function
from cnnir.ops.reduction import Extreme, Reduction


@reads.rule(Opaque)
def _opaque(op: Opaque, place: Place) -> Read:
    return Unknown(f"{op.kind} is not defined here, so nothing is known of what it reads")


@reads.rule(ConstantOfShape)
def _constant(op: ConstantOfShape, place: Place) -> Read:
    return Unknown("the shape is computed from the input")


@reads.rule(Function, Identity, Dropout, Cast)
def _same(op: Any, place: Place) -> Read:
    return Along(place.axis)


@reads.rule(Distribution)
def _weighed(op: Distribution, place: Place) -> Read:
    return Whole() if place.axis in op.axes else Along(place.axis)


@reads.rule(BatchNormalization)
def _normalised(op: BatchNormalization, place: Place) -> Read:
    return Along(place.axis if place.operand == 0 else 1)


@reads.rule(TrainingBatchNormalization)
def _trained(op: TrainingBatchNormalization, place: Place) -> Read:
    """The statistics of a channel are those of the whole batch; the running ones go into none but themselves."""
    if place.operand in (3, 4):
        return Along(0) if place.output == place.operand - 2 else Nothing()
    if place.output:
        return Nothing() if place.operand else Along(0) if place.axis == 1 else Whole()
    return Along(1) if place.operand or place.axis == 1 else Whole()


@reads.rule(LRN)
def _neighbours(op: LRN, place: Place) -> Read:
    return Along(place.axis, window(-((op.size - 1) // 2), op.size, 1) if place.axis == 1 else IDENTITY)


@reads.rule(Broadcasting, PRelu)
def _broadcast(op: Op, place: Place) -> Read:
    return aligned(place, place.axis + len(place.result) - len(place.shape))


@reads.rule(Reduction, Extreme)
def _reduced(op: Reduction | Extreme, place: Place) -> Read:
    axes = (op.axis,) if isinstance(op, Extreme) else op.axes
    if place.axis in axes:
        return Whole()
    return Along(place.axis if op.keepdims else place.axis - sum(axis < place.axis for axis in axes))


@reads.rule(Gemm)
def _product(op: Gemm, place: Place) -> Read:
    if place.operand == 0:
        return Along(0) if place.axis == int(op.trans_a) else Whole()
    if place.operand == 1:
        return Along(1) if place.axis == int(not op.trans_b) else Whole()
    return aligned(place, place.axis + 2 - len(place.shape))


@reads.rule(MatMul)
def _matmul(op: MatMul, place: Place) -> Read:
    return product(place, left=place.operand == 0, other=1 - place.operand)


def product(place: Place, *, left: bool, other: int) -> Read:
    """A matrix in a product with another operand, which stands on its left or on its right."""
    from_end = len(place.shape) - place.axis
    others = len(shape_of(place.node.inputs[other]))
    summed = 1 if left or len(place.shape) == 1 else 2
    if from_end == summed:
        return Whole()
    rank = len(place.result)
    if left:
        # A vector on the right leaves no columns behind.
        lost = 1 if others == 1 else 0
        return aligned(place, rank - from_end + lost)
    return aligned(place, rank - from_end + (1 if others == 1 and from_end > summed else 0))
