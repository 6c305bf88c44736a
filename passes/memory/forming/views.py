"""Which bytes of a node's result are bytes of its operands: reshapes, slices, splits, concatenations.

A part says that stretches of one output are stretches of one operand, each contiguous in the row-major order of their
tensors. A cut or a concatenation along an axis is one stretch when all axes before it have size 1; else there is one
for each index along those axes, and the smaller tensor lies in strides, inside of the larger one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from cnnir.graph import Node, Value
from cnnir.ops import Concat, Dropout, Slice, Split, Transpose
from cnnir.ops.base import Op
from cnnir.passes.memory.forming.frames import Run
from cnnir.passes.memory.layouts import CHANNELS_LAST, Arrangement, is_split, pixels_of
from cnnir.passes.memory.sizes import known_bytes, shape_of

STRETCHES = 256
"""Of which a part consists at most: each is a storage of its own."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of an output that are bytes of an operand.

    Attributes:
        output, operand: The two values.
        stretches: Where they lie in the output.
        sources: Where they lie in the operand.
    """

    output: Value
    operand: Value
    stretches: tuple[Run, ...]
    sources: tuple[Run, ...]


def view_parts(
    node: Node, *, concat: bool, cuts: bool, strided: bool = False, layout: Arrangement = "rows"
) -> tuple[Part, ...]:
    """The parts of which the outputs consist; none for a node that computes something, or moves bytes.

    Args:
        node: All its types known.
        concat: Whether a concatenation may consist of its operands. Operands that are weights have no part.
        cuts: Whether a Split or Slice may show parts of its operand.
        strided: Whether a part may be several stretches.
        layout: How maps lie. With their channels last, parts of channels are counted as if all elements of a channel
            lay behind one another: that says as well which bytes are whose.
    """
    op, operand = node.op, node.inputs[0] if node.inputs else None
    if layout == "channels-last" and not _keeps_pixels(node):
        return ()
    if isinstance(op, Concat):
        return _concat_parts(node, _rows(node.output, op.axis, strided, layout)) if concat else ()
    if operand is None or operand.weight is not None:
        return ()
    if isinstance(op, Split):
        return _split_parts(node, operand, _rows(operand, op.axis, strided, layout)) if cuts else ()
    if isinstance(op, Slice):
        return _slice_parts(node, operand, op.ranges(shape_of(operand)), strided, layout) if cuts else ()
    if len(node.outputs) == 1 and (op.view or _keeps_order(op, operand)):
        return (_whole(node.output, operand),)
    return ()


def _keeps_pixels(node: Node) -> bool:
    """Whether what a view shows of a map with its channels last are channels of all of its pixels."""
    sides = [*node.outputs, *(value for value in node.operands if value.weight is None)]
    pixels = {pixels_of(value) for value in sides}
    if pixels <= {1}:
        return True
    if len(pixels) > 1 or not all(len(shape_of(value)) == len(CHANNELS_LAST) or is_split(value) for value in sides):
        return False
    if isinstance(node.op, Concat | Split):
        return node.op.axis == 1 and not any(map(is_split, sides))
    if len(sides) != 2 or isinstance(node.op, Transpose):
        return False
    if isinstance(node.op, Slice):
        return shape_of(sides[0])[2:] == shape_of(sides[1])[2:] and not any(map(is_split, sides))
    # Channels spelled as two axes are the same bytes; so is what keeps its shape.
    one, other = map(shape_of, sides)
    spelled = is_split(sides[0]) != is_split(sides[1]) and (one[0], *one[-2:]) == (other[0], *other[-2:])
    return one == other or spelled


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


def _whole(output: Value, operand: Value) -> Part:
    every = ((0, known_bytes(operand)),)
    return Part(output, operand, every, every)


def _rows(whole: Value, axis: int, strided: bool, layout: Arrangement) -> int:
    """How many stretches parts along the axis consist of; 0 where that is too many."""
    if layout == "channels-last" and pixels_of(whole) > 1:
        return 1  # whatever the batch: a channel's elements are counted as one stretch
    rows = prod(shape_of(whole)[:axis])
    return rows if rows == 1 or (strided and rows <= STRETCHES) else 0


def concat_places(node: Node, rows: int) -> list[tuple[Value, tuple[Run, ...]]]:
    """Each operand of a concatenation, weights too, and where it belongs in the result."""
    found, at, row = [], 0, known_bytes(node.output) // rows
    for operand in node.operands:
        size = known_bytes(operand) // rows
        found.append((operand, _comb(at, size, row, rows)))
        at += size
    return found


def _comb(at: int, size: int, step: int, count: int) -> tuple[Run, ...]:
    return tuple((at + index * step, at + index * step + size) for index in range(count))


def _concat_parts(node: Node, rows: int) -> tuple[Part, ...]:
    return tuple(
        Part(node.output, operand, stretches, ((0, known_bytes(operand)),))
        for operand, stretches in (concat_places(node, rows) if rows else ())
        if operand.weight is None
    )


def _split_parts(node: Node, operand: Value, rows: int) -> tuple[Part, ...]:
    if not rows:
        return ()
    parts, at, row = [], 0, known_bytes(operand) // rows
    for output in node.outputs:
        size = known_bytes(output) // rows
        parts.append(Part(output, operand, ((0, known_bytes(output)),), _comb(at, size, row, rows)))
        at += size
    return tuple(parts)


def _slice_parts(
    node: Node, operand: Value, ranges: Sequence[slice], strided: bool, layout: Arrangement
) -> tuple[Part, ...]:
    """One range along one axis, in steps of one."""
    shape = shape_of(operand)
    bounds = [part.indices(size) for part, size in zip(ranges, shape, strict=True)]
    cut = [axis for axis, (size, bound) in enumerate(zip(shape, bounds, strict=True)) if bound != (0, size, 1)]
    if not cut:
        return (_whole(node.output, operand),)
    begin, _, step = bounds[cut[0]]
    rows = _rows(operand, cut[0], strided, layout)
    if len(cut) > 1 or step != 1 or not rows:
        return ()
    row, size = known_bytes(operand) // rows, known_bytes(node.output)
    at = row // shape[cut[0]] * begin
    return (Part(node.output, operand, ((0, size),), _comb(at, size // rows, row, rows)),)


__all__ = ["STRETCHES", "Part", "concat_places", "is_identity", "view_parts"]
