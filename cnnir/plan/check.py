"""The proof of a plan, in independent walks that share nothing with any planner.

First the structure: everything lies where it says, inside of what holds it. Then occupancy: what is used lives, two
storages that live at the same time share no byte, and the figures that are claimed are those of the plan. Then
contents: the steps are executed symbolically over byte ranges, so that at every step it is known what each byte holds,
and a step that reads a byte which does not hold its value fails. With the graph at hand, also that the plan is a plan
of this graph, and that views show what their ops say.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cnnir.plan.arrays import itemsize_of, reach
from cnnir.plan.contents import check_contents
from cnnir.plan.faithful import check_faithful
from cnnir.plan.model import JOIN, VIEW, MemoryPlan, Piece, PlannedValue, Scratch, Step
from cnnir.plan.occupancy import check_lives, check_overlap, check_totals
from cnnir.plan.refusal import refuse, where
from cnnir.types import DType

if TYPE_CHECKING:
    from cnnir.graph import Graph

_DTYPES = {dtype.value: dtype for dtype in DType}


def check_plan(plan: MemoryPlan, graph: "Graph | None" = None) -> None:
    """Prove that the plan holds.

    Args:
        plan: To be proved.
        graph: When given, the plan must be one of this graph.

    Raises:
        CnnirError: ``plan-structure``, ``plan-bound``, ``plan-overlap``, ``plan-life``, ``plan-contents`` or
            ``plan-graph``, naming the step and the values that conflict.
    """
    _check_pools(plan)
    _check_storages(plan)
    for name, value in plan.values.items():
        _check_value(plan, name, value)
    _check_unaligned(plan)
    for number, step in enumerate(plan.steps):
        _check_step(plan, number, step)
    check_lives(plan)
    check_overlap(plan)
    check_contents(plan)
    check_totals(plan)
    if graph is not None:
        check_faithful(plan, graph)


# Pools and storages


def _check_pools(plan: MemoryPlan) -> None:
    names = [pool.name for pool in plan.pools]
    if len(set(names)) != len(names):
        refuse("plan-structure", "two pools bear one name", got=names)
    for pool in plan.pools:
        if pool.alignment < 1 or min(pool.bytes, pool.cost, pool.weights) < 0:
            refuse("plan-structure", "a pool without alignment, or with less than nothing", node=pool.name, got=pool)
        if pool.capacity is not None and pool.bytes + pool.weights > pool.capacity:
            refuse("plan-structure", "a pool beyond its capacity", node=pool.name, got=pool)


def _check_storages(plan: MemoryPlan) -> None:
    last = len(plan.steps) - 1
    pools = {pool.name: pool for pool in plan.pools}
    for index, storage in enumerate(plan.storages):
        if storage.pool not in pools:
            refuse("plan-structure", f"storage {index} is in no pool of the plan", expected=[*pools], got=storage.pool)
        pool = pools[storage.pool]
        alignment = pool.alignment if storage.aligned else 1
        if storage.offset < 0 or storage.bytes < 0 or storage.end > pool.bytes or storage.offset % alignment:
            refuse("plan-structure", f"storage {index} is outside its pool or not aligned", node=pool.name, got=storage)
        if not 0 <= storage.first <= storage.last <= last:
            refuse("plan-life", f"storage {index} lives outside the steps", expected=f"0 to {last}", got=storage)


def _check_unaligned(plan: MemoryPlan) -> None:
    """Only what begins inside of a value that begins below it may lie out of line."""
    inner: set[int] = set()
    for value in plan.values.values():
        begins: dict[str, int] = {}
        parts = [(piece.storage, plan.storages[piece.storage]) for piece in value.pieces or () if 0 not in piece.shape]
        for _, storage in parts:
            begins[storage.pool] = min(storage.offset, begins.get(storage.pool, storage.offset))
        inner |= {index for index, storage in parts if storage.offset > begins[storage.pool]}
    for index, storage in enumerate(plan.storages):
        if not storage.aligned and storage.bytes and index not in inner:
            refuse("plan-structure", f"storage {index} is not aligned, nor a part of what begins below it", got=storage)


# Values


def _check_value(plan: MemoryPlan, name: str, value: PlannedValue) -> None:
    if value.dtype not in _DTYPES or min(value.shape, default=0) < 0:
        refuse("plan-structure", "no such type", node=name, got=f"{value.dtype}{list(value.shape)}")
    if value.pieces is None:
        return
    if _DTYPES[value.dtype].bits is None:
        refuse("plan-structure", "strings have no size that could be planned", node=name)
    itemsize = itemsize_of(value)
    for piece in value.pieces:
        _check_piece(plan, name, value, piece, itemsize)
    _check_cover(name, value, value.pieces)


def _check_piece(plan: MemoryPlan, name: str, value: PlannedValue, piece: Piece, itemsize: int) -> None:
    if not 0 <= piece.storage < len(plan.storages) or plan.storages[piece.storage].pool != piece.pool:
        refuse("plan-structure", "a piece in no storage, or in another pool than its storage", node=name, got=piece)
    if not len(piece.origin) == len(piece.shape) == len(piece.strides) == len(value.shape):
        refuse("plan-structure", "a piece of another rank than its value", node=name, got=piece)
    if min(piece.shape, default=0) < 0:
        refuse("plan-structure", "a piece of negative size", node=name, got=piece)
    low, high = reach(piece, itemsize)
    storage = plan.storages[piece.storage]
    if low < storage.offset or high > storage.end:
        refuse("plan-structure", "a piece reaches out of its storage", node=name, expected=storage, got=piece)
    if piece.offset % itemsize or any(stride % itemsize for stride in piece.strides):
        refuse("plan-structure", "a piece that is not aligned to its elements", node=name, got=piece)
    if not _injective(piece, itemsize):
        refuse("plan-structure", "two elements of a piece share bytes", node=name, got=piece)


def _injective(piece: Piece, itemsize: int) -> bool:
    """No two elements overlap; sufficient, as nested axes are: each stride exceeds the reach of the smaller ones."""
    if 0 in piece.shape:
        return True
    taken = itemsize
    for stride, size in sorted((abs(s), n) for s, n in zip(piece.strides, piece.shape, strict=True) if n > 1):
        if stride < taken:
            return False
        taken = stride * (size - 1) + taken
    return True


def _check_cover(name: str, value: PlannedValue, pieces: tuple[Piece, ...]) -> None:
    """The pieces are boxes that fill the value: inside, disjoint, and of the right volume together."""
    for piece in pieces:
        inside = all(o >= 0 and o + s <= n for o, s, n in zip(piece.origin, piece.shape, value.shape, strict=True))
        if not inside:
            refuse("plan-structure", "a piece outside its value", node=name, got=piece)
    for piece, other in _close(pieces):
        axes = zip(piece.origin, piece.shape, other.origin, other.shape, strict=True)
        if all(a < c + d and c < a + b for a, b, c, d in axes):
            refuse("plan-structure", "two pieces of a value hold the same elements", node=name, got=piece)
    found, volume = sum(_volume(piece.shape) for piece in pieces), _volume(value.shape)
    if found != volume:
        refuse("plan-structure", "the pieces do not cover the value", node=name, expected=volume, got=found)


def _close(pieces: tuple[Piece, ...]) -> Iterable[tuple[Piece, Piece]]:
    """Pairs that meet along the axis on which the pieces differ first; few, where they stand side by side on it."""
    axes = range(len(pieces[0].origin)) if pieces else range(0)
    axis = next((axis for axis in axes if len({piece.origin[axis] for piece in pieces}) > 1), 0)
    if not axes:
        return [(piece, other) for i, piece in enumerate(pieces) for other in pieces[:i]]
    found, active = [], list[Piece]()
    for piece in sorted(pieces, key=lambda piece: piece.origin[axis]):
        active = [other for other in active if other.origin[axis] + other.shape[axis] > piece.origin[axis]]
        found += [(piece, other) for other in active]
        active.append(piece)
    return found


def _volume(shape: tuple[int, ...]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result


# Steps


def _check_step(plan: MemoryPlan, number: int, step: Step) -> None:
    at = where(number, step)
    if not step.nodes or len(set(step.nodes)) != len(step.nodes):
        refuse("plan-structure", "a step without nodes, or with one twice", node=at)
    for names in (step.reads, step.writes):
        if len(set(names)) != len(names):
            refuse("plan-structure", "a step names a value twice", node=at, got=", ".join(names))
        for name in names:
            if name not in plan.values or plan.values[name].pieces is None:
                refuse("plan-structure", "a value is used that the plan does not place", node=at, got=name)
    for source, target in step.donations:
        if source not in step.reads or target not in step.writes:
            refuse("plan-structure", "a donation of what the step does not read or write", node=at, got=source)
    if step.algorithm in {VIEW, JOIN} and (
        len(step.nodes) != 1 or not step.reads or step.donations or step.scratch is not None
    ):
        refuse("plan-structure", "a view or join of one node reads values and needs nothing else", node=at)
    if step.scratch is not None:
        _check_scratch(plan, step, step.scratch, at)


def _check_scratch(plan: MemoryPlan, step: Step, scratch: Scratch, at: str) -> None:
    pool = next((pool for pool in plan.pools if pool.name == scratch.pool), None)
    if pool is None or scratch.offset < 0 or scratch.bytes < 0 or scratch.end > pool.bytes:
        refuse("plan-structure", "scratch outside its pool", node=at, got=scratch)
    if scratch.offset % pool.alignment:
        refuse("plan-structure", "scratch that is not aligned", node=at, expected=pool.alignment, got=scratch)
    if not 0 <= scratch.strips <= scratch.bytes:
        refuse("plan-structure", "the strips take more than the scratch", node=at, got=scratch)
    if scratch.strips and (step.tile is None or len(step.tile) != 2 or min(step.tile) < 1):
        refuse("plan-structure", "strips without their rows and channels", node=at, got=step.tile)


__all__ = ["check_plan"]
