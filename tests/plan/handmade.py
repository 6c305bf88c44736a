"""Plans made by hand: what a test says of steps, storages and places, and the rest as it follows from the graph."""

import dataclasses
from collections.abc import Mapping, Sequence
from math import prod
from typing import TypeAlias

from cnnir.graph import Graph
from cnnir.plan import (
    KERNEL,
    Bound,
    MemoryPlan,
    Piece,
    PlannedValue,
    Pool,
    Scratch,
    Step,
    Storage,
    row_major_strides,
)
from cnnir.text import digest
from cnnir.types import TensorType, known_shape
from tests.plan import plans

Places: TypeAlias = Mapping[str, Sequence[int] | int]
"""Storages in which each stored value lies."""


@dataclasses.dataclass(frozen=True)
class Do:
    """A step: what it reads and writes follows from its nodes."""

    nodes: str
    algorithm: str = KERNEL
    donations: tuple[tuple[str, str], ...] = ()
    scratch: Scratch | None = None
    tile: tuple[int, ...] | None = None


def plan_of(
    graph: Graph,
    steps: Sequence[Do | str],
    storages: Sequence[tuple[int, int]],
    places: Places,
    *,
    alignment: int = 64,
) -> MemoryPlan:
    """A plan in one pool.

    Args:
        graph: All dims known.
        steps: Names of nodes, separated by spaces, or more about a step.
        storages: (offset, bytes) of each; those off the alignment are slices.
        places: For each stored value the storage in which it lies, at its beginning; several for a value that spans
            them along its axis 1, in the order of its channels.
        alignment: Of the pool.
    """
    taken = tuple(Storage("arena", offset, size, 0, 0, aligned=offset % alignment == 0) for offset, size in storages)
    values = {
        value.name: _placed(value.type, places.get(value.name), taken) for value in graph.values if value.weight is None
    }
    made = [_step(graph, Do(step) if isinstance(step, str) else step, places) for step in steps]
    plan = MemoryPlan(
        graph=graph.name,
        digest=digest(graph),
        bindings={},
        inputs=tuple(value.name for value in graph.inputs),
        outputs=tuple(value.name for value in graph.outputs),
        pools=(Pool("arena", 0, alignment),),
        storages=taken,
        values=values,
        steps=tuple(made),
        bounds={"placement": Bound.of(0, 0, ""), "order": Bound.of(0, 0, "")},
    )
    return plans.figures_mended(plans.lives_mended(plan))


def _step(graph: Graph, do: Do, places: Places) -> Step:
    nodes = [graph.node(name) for name in do.nodes.split()]
    made = [value.name for node in nodes for value in node.outputs]
    read = dict.fromkeys(value.name for node in nodes for value in node.operands if value.weight is None)
    return Step(
        tuple(node.name for node in nodes),
        tuple(name for name in read if name not in made),
        tuple(name for name in made if name in places),
        do.donations,
        do.scratch,
        do.algorithm,
        do.tile,
    )


def _placed(type_: object, place: Sequence[int] | int | None, storages: Sequence[Storage]) -> PlannedValue:
    assert isinstance(type_, TensorType)
    shape, itemsize = known_shape(type_.shape), type_.dtype.numpy.itemsize
    if place is None:
        return PlannedValue(type_.dtype.value, shape, None)
    strides = row_major_strides(shape, itemsize)
    if isinstance(place, int):
        piece = Piece(place, "arena", storages[place].offset, (0,) * len(shape), shape, strides)
        return PlannedValue(type_.dtype.value, shape, (piece,))
    pieces, begin = [], 0
    for index in place:
        storage = storages[index]
        channels = storage.bytes // (prod(shape) // shape[1] * itemsize)
        origin = (0, begin, *(0 for _ in shape[2:]))
        pieces.append(Piece(index, "arena", storage.offset, origin, (shape[0], channels, *shape[2:]), strides))
        begin += channels
    return PlannedValue(type_.dtype.value, shape, tuple(pieces))
