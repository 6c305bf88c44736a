"""Which bytes of a node's result are bytes of its operands: reshapes, slices, splits, concatenations.

A part says that a stretch of one output is a stretch of one operand, both contiguous in the row-major order of their
tensors. A cut or a concatenation along an axis is contiguous when all axes before it have size 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from cnnir.graph import Node, Value
from cnnir.ops import Concat, Dropout, Slice, Split, Transpose
from cnnir.ops.base import Op
from cnnir.passes.memory.sizes import itemsize_of, known_bytes, shape_of


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of an output that are bytes of an operand.

    Attributes:
        output, operand: The two values.
        at: Where the stretch begins in the output.
        source: Where it begins in the operand.
        bytes: Its length.
    """

    output: Value
    operand: Value
    at: int
    source: int
    bytes: int


def view_parts(node: Node, *, concat: bool, cuts: bool) -> tuple[Part, ...]:
    """The parts of which the outputs consist; none for a node that computes something, or moves bytes.

    Args:
        node: All its types known.
        concat: Whether a concatenation may consist of its operands. Operands that are weights have no part.
        cuts: Whether a Split or Slice may show parts of its operand.
    """
    op, operand = node.op, node.inputs[0] if node.inputs else None
    if isinstance(op, Concat):
        return _concat_parts(node, op.axis) if concat else ()
    if operand is None or operand.weight is not None:
        return ()
    if isinstance(op, Split):
        return _split_parts(node, operand, op.axis) if cuts else ()
    if isinstance(op, Slice):
        return () if not cuts else _slice_parts(node, operand, op.ranges(shape_of(operand)))
    if len(node.outputs) == 1 and (op.view or _keeps_order(op, operand)):
        return (Part(node.output, operand, 0, 0, known_bytes(operand)),)
    return ()


def is_identity(op: Op) -> bool:
    """True for ops whose only output is their operand, shape and all."""
    return op.kind == "Identity" or (isinstance(op, Dropout) and op.num_outputs == 1)


def _keeps_order(op: Op, operand: Value) -> bool:
    """A transposition that moves dims of size 1 alone leaves every element where it is."""
    if not isinstance(op, Transpose):
        return False
    shape = shape_of(operand)
    wide = [axis for axis in op.permutation if shape[axis] != 1]
    return wide == sorted(wide)


def _is_contiguous(shape: Sequence[int], axis: int) -> bool:
    return prod(shape[:axis]) == 1


def _concat_parts(node: Node, axis: int) -> tuple[Part, ...]:
    if not _is_contiguous(shape_of(node.output), axis):
        return ()
    parts, at = [], 0
    for operand in node.operands:
        size = known_bytes(operand)
        if operand.weight is None:
            parts.append(Part(node.output, operand, at, 0, size))
        at += size
    return tuple(parts)


def _split_parts(node: Node, operand: Value, axis: int) -> tuple[Part, ...]:
    if not _is_contiguous(shape_of(operand), axis):
        return ()
    parts, at = [], 0
    for output in node.outputs:
        size = known_bytes(output)
        parts.append(Part(output, operand, 0, at, size))
        at += size
    return tuple(parts)


def _slice_parts(node: Node, operand: Value, ranges: Sequence[slice]) -> tuple[Part, ...]:
    """One range along one axis, in steps of one; whatever stands before that axis has size 1."""
    shape = shape_of(operand)
    bounds = [part.indices(size) for part, size in zip(ranges, shape, strict=True)]
    cut = [axis for axis, (size, bound) in enumerate(zip(shape, bounds, strict=True)) if bound != (0, size, 1)]
    if not cut:
        return (Part(node.output, operand, 0, 0, known_bytes(operand)),)
    begin, _, step = bounds[cut[0]]
    if len(cut) > 1 or step != 1 or not _is_contiguous(shape, cut[0]):
        return ()
    row = prod(shape[cut[0] + 1 :]) * itemsize_of(operand)
    return (Part(node.output, operand, 0, begin * row, known_bytes(node.output)),)


__all__ = ["Part", "is_identity", "view_parts"]
