"""Sizes as values, elements by index, and elements repeated."""

from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import (
    Read,
    Source,
    Target,
    int64,
    known_dims,
    reads,
    require_opset,
    write_plain,
    write_with_settings,
    writers,
)
from cnnir.exporters.onnx.mapping.computed import dims_operand
from cnnir.graph import Node
from cnnir.ops import Expand, Gather, Shape, Size, Tile
from cnnir.ops.base import normalize_axis


@reads("Shape")
def read_shape(source: Source) -> Read:
    """A range of the dims since opset 15."""
    start, end = source.attributes.integer("start", 0), source.attributes.optional_integer("end")
    return Shape(start, end), source.inputs


@writers.rule(Shape)
def write_shape(target: Target, node: Node, op: Shape) -> None:
    """All dims in every opset, a range of them since 15."""
    if op.start != 0 or op.end is not None:
        require_opset(target, node, 15)
    write_plain(target, node, "Shape", start=op.start or None, end=op.end)


@reads("Size")
def read_size(source: Source) -> Read:
    """Since opset 1."""
    return Size(), source.inputs


@writers.rule(Size)
def write_size(target: Target, node: Node, op: Size) -> None:
    """Since opset 1."""
    write_plain(target, node, "Size")


@reads("Gather")
def read_gather(source: Source) -> Read:
    """Since opset 1."""
    return Gather(normalize_axis(source.attributes.integer("axis", 0), source.tensor(0).rank)), source.inputs


@writers.rule(Gather)
def write_gather(target: Target, node: Node, op: Gather) -> None:
    """Counted from the front, which every opset takes."""
    write_plain(target, node, "Gather", axis=op.axis)


@reads("Expand")
def read_expand(source: Source) -> Read:
    """Since opset 8; the shape is an operand."""
    return Expand(_setting(source, "shape")), source.inputs[:1]


@reads("Tile")
def read_tile(source: Source) -> Read:
    """Since opset 6; the repeats are an operand."""
    return Tile(_setting(source, "repeats")), source.inputs[:1]


def _setting(source: Source, name: str) -> tuple[int, ...]:
    found = source.int_setting(1, name)
    if found is None:
        raise Unmapped(f"its {name} is missing")
    return found


@writers.rule(Expand)
def write_expand(target: Target, node: Node, op: Expand) -> None:
    """Since opset 8."""
    require_opset(target, node, 8)
    write_with_settings(target, node, "Expand", [dims_operand(target, node, "shape", op.shape)])


@writers.rule(Tile)
def write_tile(target: Target, node: Node, op: Tile) -> None:
    """Since opset 6."""
    repeats = target.constant(node, "repeats", int64(known_dims(op.repeats, "a Tile")))
    write_with_settings(target, node, "Tile", [repeats])
