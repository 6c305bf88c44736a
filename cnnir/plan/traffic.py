"""What the steps of a plan move: bytes that they read and write, by where these lie.

A step reads the values that it names once and writes those that it stores once; bytes that a result takes over are read
and written. A view moves nothing. A join reads the operands that do not lie in its result, and writes what none of its
operands holds in place. Workspace and weights are not counted, nor is what callers write into inputs and read from
outputs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod

from cnnir.plan.arrays import extents_of, itemsize_of, runs_in_memory, touch, without
from cnnir.plan.model import JOIN, VIEW, MemoryPlan, Step


def storage_traffic(plan: MemoryPlan) -> tuple[int, ...]:
    """Bytes that all steps together read and write in each storage."""
    moved = [0] * len(plan.storages)
    for step in plan.steps:
        for storage, size in _moved(plan, step):
            moved[storage] += size
    return tuple(moved)


def step_traffic(plan: MemoryPlan) -> tuple[int, ...]:
    """Bytes that each step reads and writes."""
    return tuple(sum(size for _, size in _moved(plan, step)) for step in plan.steps)


def moved_bytes(plan: MemoryPlan) -> Mapping[str, int]:
    """The same for each pool, by name."""
    moved = dict.fromkeys((pool.name for pool in plan.pools), 0)
    for storage, size in zip(plan.storages, storage_traffic(plan), strict=True):
        moved[storage.pool] += size
    return moved


def moving_cost(plan: MemoryPlan) -> int:
    """What all these bytes cost, each at its pool's."""
    moved = moved_bytes(plan)
    return sum(pool.cost * moved[pool.name] for pool in plan.pools)


def _moved(plan: MemoryPlan, step: Step) -> Iterator[tuple[int, int]]:
    if step.algorithm == VIEW:
        return
    if step.algorithm == JOIN:
        yield from _joined(plan, step)
        return
    for name in (*step.reads, *step.writes):
        yield from _whole(plan, name)


def _whole(plan: MemoryPlan, name: str) -> Iterator[tuple[int, int]]:
    value = plan.values[name]
    for piece in value.pieces or ():
        yield piece.storage, prod(piece.shape) * itemsize_of(value)


def _joined(plan: MemoryPlan, step: Step) -> Iterator[tuple[int, int]]:
    results = extents_of(run for name in step.writes for run in runs_in_memory(plan.values[name])[1])
    held = []
    for name in step.reads:
        extents = extents_of(runs_in_memory(plan.values[name])[1])
        held += extents
        if not touch(extents, results):
            yield from _whole(plan, name)
    taken = extents_of((*extent, 0) for extent in held)
    for name in step.writes:
        value = plan.values[name]
        for piece in value.pieces or ():
            _, runs = runs_in_memory(replace(value, pieces=(piece,)))
            yield piece.storage, sum(end - begin for _, begin, end, _ in without(runs, taken))


__all__ = ["moved_bytes", "moving_cost", "step_traffic", "storage_traffic"]
