"""A layout with its offsets as a memory plan."""

from collections.abc import Mapping, Sequence
from math import prod

from cnnir.graph import Value
from cnnir.passes.memory.emission import Entry, Layout
from cnnir.passes.memory.forming import Formation
from cnnir.passes.memory.layouts import axes_in_memory
from cnnir.passes.memory.sizes import itemsize_of, shape_of
from cnnir.plan import Piece, PlannedValue, Scratch, Step, Storage, row_major_strides
from cnnir.types import TensorType


def write_storages(layout: Layout, bases: Sequence[int], pools: Sequence[str], alignment: int) -> tuple[Storage, ...]:
    """The storages at their offsets."""
    found = []
    for room in layout.rooms:
        pool = pools[room.body]
        offset = bases[room.body] + room.at
        aligned = offset % alignment == 0
        found.append(Storage(pool, offset, room.bytes, room.first, room.last, aligned))
    return tuple(found)


def write_values(
    formation: Formation, steps: Sequence[Entry], layout: Layout, storages: Sequence[Storage]
) -> dict[str, PlannedValue]:
    """Every value of the graph that is no weight, in the graph's order; without pieces what no step writes."""
    stored = {*formation.graph.inputs, *(value for step in steps for value in step.writes)}
    found = {}
    for value in formation.graph.values:
        if isinstance(value.type, TensorType) and value.weight is None:
            shape = shape_of(value)
            pieces = _pieces(value, shape, formation, layout, storages) if value in stored else None
            found[value.name] = PlannedValue(value.type.dtype.value, shape, pieces)
    return found


def _pieces(
    value: Value,
    shape: tuple[int, ...],
    formation: Formation,
    layout: Layout,
    storages: Sequence[Storage],
) -> tuple[Piece, ...]:
    itemsize, arrangement = itemsize_of(value), formation.choices.layout
    if value in formation.interleaved:
        return _interleaved(value, shape, formation, layout, storages)
    axes = axes_in_memory(value, arrangement)
    back = [axes.index(axis) for axis in range(len(shape))]
    lying = tuple(shape[axis] for axis in axes)
    dense = row_major_strides(lying, itemsize)
    strides = formation.strides.get(value, tuple(dense[place] for place in back))
    pieces, at = [], 0
    for atom in formation.atoms[value]:
        index = layout.room_of[atom]
        storage, part = storages[index], formation.slices[atom]
        size = (part.end - part.begin) // itemsize
        for begin, box in boxes(lying, at, at + size) if size else [((0,) * len(shape), lying)]:
            first = sum(o * s for o, s in zip(begin, dense, strict=True)) - at * itemsize
            origin, extent = (tuple(of[place] for place in back) for of in (begin, box))
            pieces.append(Piece(index, storage.pool, storage.offset + first, origin, extent, strides))
        at += size
    return tuple(pieces)


def _interleaved(
    value: Value, shape: tuple[int, ...], formation: Formation, layout: Layout, storages: Sequence[Storage]
) -> tuple[Piece, ...]:
    """Some channels of every pixel."""
    (atom,) = formation.atoms[value]
    storage, (begin, pitch) = storages[layout.room_of[atom]], formation.interleaved[value]
    itemsize, width = itemsize_of(value), shape[-1]
    # Channels may be spelled as several axes.
    channels = row_major_strides(shape[1:-2], itemsize)
    strides = shape[-2] * width * pitch, *channels, width * pitch, pitch
    index = layout.room_of[atom]
    return (Piece(index, storage.pool, storage.offset + begin, (0,) * len(shape), shape, strides),)


def boxes(shape: Sequence[int], begin: int, end: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """A stretch of consecutive elements as boxes: (origin, shape) of each, at most two an axis and one more.

    Args:
        shape: Of the tensor, row-major.
        begin: The first element.
        end: The one behind the last.
    """
    if begin >= end:
        return []
    if not shape:
        return [((), ())]
    row = prod(shape[1:])
    first, last = -(-begin // row), end // row
    if first > last:
        # All inside of one row.
        index = begin // row
        return _below(index, boxes(shape[1:], begin - index * row, end - index * row))
    found = _below(first - 1, boxes(shape[1:], begin - (first - 1) * row, row)) if begin < first * row else []
    if first < last:
        found.append(((first, *(0 for _ in shape[1:])), (last - first, *shape[1:])))
    if last * row < end:
        found += _below(last, boxes(shape[1:], 0, end - last * row))
    return found


def _below(
    index: int, found: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [((index, *origin), (1, *box)) for origin, box in found]


def write_steps(steps: Sequence[Entry], layout: Layout, scratch: Mapping[int, Scratch]) -> tuple[Step, ...]:
    """The steps, with what they write over and their workspace."""
    return tuple(
        Step(
            nodes=tuple(node.name for node in step.nodes),
            reads=tuple(value.name for value in step.reads),
            writes=tuple(value.name for value in step.writes),
            donations=tuple((source.name, target.name) for source, target in layout.donations[number]),
            scratch=scratch.get(number),
            algorithm=step.algorithm,
            tile=(step.strip.rows, step.strip.channels) if step.strip is not None else None,
        )
        for number, step in enumerate(steps)
    )


__all__ = ["boxes", "write_steps", "write_storages", "write_values"]
