"""Graphs whose plans are worth proving, and ways to spoil a plan."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from cnnir.builder import GraphBuilder
from cnnir.graph import Graph, Value
from cnnir.ops import Relu, Reshape, Sigmoid, Sum, Tanh
from cnnir.plan import Bound, MemoryPlan, Piece, PlannedValue, Pool, Step, Storage
from cnnir.types import DType, TensorType
from tests.random_graphs import random_graph


def residual_network() -> Graph:
    """Two residual blocks, the second one with a projection, and a classifier behind them."""
    builder = GraphBuilder("residual")
    x = builder.input("image", (1, 3, 12, 12))
    x = builder.relu(builder.conv(x, 8, kernel=3, padding=1))
    branch = builder.relu(builder.conv(x, 8, kernel=3, padding=1))
    x = builder.relu(builder.add(builder.conv(branch, 8, kernel=3, padding=1), x))
    branch = builder.relu(builder.conv(x, 16, kernel=3, stride=2, padding=1))
    shortcut = builder.conv(x, 16, kernel=1, stride=2)
    x = builder.relu(builder.add(builder.conv(branch, 16, kernel=3, padding=1), shortcut))
    x = builder.linear(builder.flatten(builder.global_average_pool(x)), 5)
    return builder.build(builder.softmax(x))


def views_and_chains() -> Graph:
    """Views of views, views of the input, chains of elementwise layers, and a result read far behind."""
    graph = Graph("views")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2, 6)))
    y = graph.add_input("y", TensorType(DType.FLOAT32, (3, 4)))

    def reshape(value: Value, *shape: int) -> Value:
        return graph.add_node(Reshape(shape), [value]).output

    seen = reshape(x, 3, 4)
    first = graph.add_node(Relu(), [seen]).output
    chain = graph.add_node(Sigmoid(), [first]).output
    folded = reshape(chain, 2, 6)
    twice = reshape(folded, 12)
    moved = graph.add_node(Tanh(), [twice]).output
    back = reshape(moved, 3, 4)
    total = graph.add_node(Sum(), [back, y, back]).output
    last = graph.add_node(Relu(), [total]).output
    # Read far behind its maker, so that it has to be kept clear of all that is written in between.
    graph.set_outputs([graph.add_node(Sum(), [last, seen, y]).output, total])
    return graph


def graphs() -> dict[str, Graph]:
    """The graphs under test, by name."""
    found = {"residual": residual_network(), "views": views_and_chains()}
    found |= {f"random{seed}": random_graph(np.random.default_rng(seed), 14) for seed in (1, 2, 4, 6)}
    return found


def plain(graph: Graph, **options: Any) -> MemoryPlan:
    """A plan of one node a step, every value in one piece: what is spoilt here is easily named."""
    return graph.plan(**options)


# Spoiling


def with_storage(plan: MemoryPlan, index: int, **changes: Any) -> MemoryPlan:
    """The plan with fields of one storage changed; what lies in it moves along with its offset."""
    old = plan.storages[index]
    new = dataclasses.replace(old, **changes)
    storages = (*plan.storages[:index], new, *plan.storages[index + 1 :])
    values = {name: _moved(value, index, new.offset - old.offset, new.pool) for name, value in plan.values.items()}
    return dataclasses.replace(plan, storages=storages, values=values)


def _moved(value: PlannedValue, index: int, distance: int, pool: str) -> PlannedValue:
    pieces = tuple(
        dataclasses.replace(piece, offset=piece.offset + distance, pool=pool) if piece.storage == index else piece
        for piece in value.pieces or ()
    )
    return value if value.pieces is None else dataclasses.replace(value, pieces=pieces)


def with_value(plan: MemoryPlan, name: str, **changes: Any) -> MemoryPlan:
    """The plan with fields of one value changed."""
    return dataclasses.replace(plan, values={**plan.values, name: dataclasses.replace(plan.values[name], **changes)})


def with_piece(plan: MemoryPlan, name: str, **changes: Any) -> MemoryPlan:
    """The plan with fields of a value's piece changed."""
    return with_value(plan, name, pieces=(dataclasses.replace(first_piece(plan.values[name]), **changes),))


def with_step(plan: MemoryPlan, number: int, **changes: Any) -> MemoryPlan:
    """The plan with fields of one step changed."""
    step = dataclasses.replace(plan.steps[number], **changes)
    return with_steps(plan, (*plan.steps[:number], step, *plan.steps[number + 1 :]))


def with_steps(plan: MemoryPlan, steps: tuple[Step, ...]) -> MemoryPlan:
    """The plan with other steps."""
    return dataclasses.replace(plan, steps=steps)


def with_bound(plan: MemoryPlan, name: str, **changes: Any) -> MemoryPlan:
    """The plan with fields of one bound changed."""
    return dataclasses.replace(plan, bounds={**plan.bounds, name: dataclasses.replace(plan.bounds[name], **changes)})


def with_pool(plan: MemoryPlan, index: int, **changes: Any) -> MemoryPlan:
    """The plan with fields of one pool changed."""
    pool = dataclasses.replace(plan.pools[index], **changes)
    return dataclasses.replace(plan, pools=(*plan.pools[:index], pool, *plan.pools[index + 1 :]))


def figures_mended(plan: MemoryPlan) -> MemoryPlan:
    """The plan with sizes of pools and bounds as they follow from the rest, so that only the spoilt part is wrong."""
    pools = tuple(dataclasses.replace(pool, bytes=_end(plan, pool)) for pool in plan.pools)
    plan = dataclasses.replace(plan, pools=pools)
    peak = max(plan.live_bytes(), default=0)
    # Zero bounds every order, whatever shares bytes with what.
    needed = sum(max(plan.live_bytes(pool.name), default=0) for pool in pools if pool.counted)
    bounds = {"placement": Bound.of(needed, max(plan.arena_bytes, needed), ""), "order": Bound.of(0, peak, "")}
    return dataclasses.replace(plan, bounds=bounds)


def lives_mended(plan: MemoryPlan) -> MemoryPlan:
    """The plan with each storage living exactly while it is used, whatever else is wrong."""
    used: dict[int, list[int]] = {index: [] for index in range(len(plan.storages))}
    for name, number in _uses(plan):
        for piece in plan.values[name].pieces or () if name in plan.values else ():
            used.setdefault(piece.storage, []).append(number)
    storages = tuple(
        dataclasses.replace(
            storage, first=min(used[index], default=storage.first), last=max(used[index], default=storage.last)
        )
        for index, storage in enumerate(plan.storages)
    )
    return dataclasses.replace(plan, storages=storages)


def _uses(plan: MemoryPlan) -> Iterator[tuple[str, int]]:
    yield from ((name, 0) for name in plan.inputs)
    yield from ((name, len(plan.steps) - 1) for name in plan.outputs)
    for number, step in enumerate(plan.steps):
        yield from ((name, number) for name in (*step.reads, *step.writes))


def _end(plan: MemoryPlan, pool: Pool) -> int:
    ends = [storage.end for storage in plan.storages if storage.pool == pool.name]
    ends += [s.scratch.offset + s.scratch.bytes for s in plan.steps if s.scratch and s.scratch.pool == pool.name]
    return max(ends, default=0)


def alive_together(left: Storage, right: Storage) -> bool:
    """Do the two take bytes of one pool at some common step?"""
    together = left.pool == right.pool and left.first <= right.last and right.first <= left.last
    return together and left.bytes > 0 and right.bytes > 0


def first_piece(value: PlannedValue) -> Piece:
    """The only piece of a value, as all present planners store it."""
    assert value.pieces is not None
    (piece,) = value.pieces
    return piece
