"""Quantisation element by element, and layers on integers, which read as their kin on real numbers do."""

from cnnir.analysis.reach import Reach
from cnnir.analysis.reads.base import Along, Place, Read, Whole, aligned, reads, shape_of
from cnnir.analysis.reads.elementwise import product
from cnnir.analysis.reads.windows import convolution
from cnnir.dims import is_known
from cnnir.ops import DynamicQuantizeLinear
from cnnir.ops.integers import IntegerConvolution, IntegerProduct
from cnnir.ops.quantization import Granular


@reads.rule(Granular)
def _granular(op: Granular, place: Place) -> Read:
    """A scale for a block is read by all of the block."""
    if place.operand == 0:
        return Along(place.axis)
    if len(place.shape) == 1:
        return aligned(place, op.axis) if place.size != 1 else Whole()
    size = place.result[place.axis]
    if place.axis != op.axis or not is_known(size):
        return Along(place.axis) if place.axis != op.axis else Whole()
    return Along(place.axis, Reach(tuple((at // op.block_size, at // op.block_size) for at in range(size)), None))


@reads.rule(DynamicQuantizeLinear)
def _dynamic(op: DynamicQuantizeLinear, place: Place) -> Read:
    """The range is that of the whole tensor."""
    return Whole()


@reads.rule(IntegerConvolution)
def _convolution(op: IntegerConvolution, place: Place) -> Read:
    if place.operand in (0, op.weight, op.bias):
        return convolution(op.conv, place, op.weight)
    return Along(1) if place.size != 1 else Whole()


@reads.rule(IntegerProduct)
def _product(op: IntegerProduct, place: Place) -> Read:
    """Scales and zero points belong to rows of the left and to columns of the right matrix."""
    if place.operand in (0, op.right):
        return product(place, left=place.operand == 0, other=op.right if place.operand == 0 else 0)
    if place.size == 1:
        return Whole()
    rank, given = len(place.result), len(place.shape)
    if given > 1:
        return aligned(place, place.axis + rank - given)
    rows = place.operand < op.right or (op.right == 1 and place.operand == 2)
    vector = len(shape_of(place.node.inputs[op.right])) == 1
    return Along(rank - (1 if vector or not rows else 2))
