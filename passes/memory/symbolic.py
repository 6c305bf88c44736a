"""A plan for a network whose sizes are open, good for a whole range of them.

The network is planned at the upper ends of its ranges. Of that plan three decisions are kept: the order of the steps,
the values of each storage, and for each two storages that live together which of them lies below. Sizes are formulas.
At other sizes every storage comes to lie on the highest of those below it, so that offsets are longest paths through
"lies on", and the arena is the greatest of finitely many sums of sizes. No two storages that live together can meet,
whatever the sizes are; the relation is that of a placement, so it has no cycles.

Sizes have upper bounds over the range, by interval arithmetic (`cnnir.dims.bounds`). Stacked with those instead, the
offsets are fixed, and hold for every size in the range.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnnir.dims import Dim, UnknownDim, bind, bounds, ceil_div, decide_at_least, product
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.sizes.shape_inference import check_constraints, graph_symbols
from cnnir.plan import Bound, MemoryPlan, Piece, PlannedValue, Storage, row_major_strides
from cnnir.plan.arrays import itemsize_of
from cnnir.text import digest
from cnnir.types import TensorType, known_shape, outside_int
from cnnir.units import format_bytes

_PLACEMENT_RULE = "the largest sum of bytes live at one step of this order; stacked as at the upper end of the range"
_ORDER_RULE = "in any order, what a step reads and what it writes live together"

_MOST_PATHS = 64
"""Sums of sizes beyond which no formula is worked out: nobody reads so many."""


@dataclass(frozen=True, eq=False)
class SymbolicPlan:
    """A plan for every size in a range.

    Attributes:
        graph: Of open sizes.
        ranges: Least and greatest value of each symbol.
        upper: The plan at the upper ends, whose decisions are kept.
        sizes: Bytes of each of its storages, as formulas.
        below: For each storage those under it that live together with it.
        arena_most: Bytes that no size in the range exceeds: the arena with fixed offsets.
        formula: The arena is the greatest of these, to the byte; None where they are too many to be read.
    """

    graph: Graph
    ranges: Mapping[str, tuple[int, int]]
    upper: MemoryPlan
    sizes: tuple[Dim, ...]
    below: tuple[tuple[int, ...], ...]
    arena_most: int
    formula: tuple[Dim, ...] | None

    def arena_bytes(self, dims: Mapping[str, int]) -> int:
        """The arena at these sizes, one for each symbol.

        Raises:
            CnnirError: ``range`` for a size that is missing or outside of its range, ``symbol-unknown``,
                ``constraint`` for sizes that the network does not take.
        """
        self._require(dims)
        sizes = self._sizes_at(dims)
        ends = _ends(self.upper, self._offsets(sizes), sizes)
        return sum(ends[pool.name] for pool in self.upper.pools if pool.counted)

    def at(self, dims: Mapping[str, int], *, fixed: bool = False) -> MemoryPlan:
        """The plan at these sizes, checked against the graph that is bound to them.

        Args:
            dims: A size for each symbol.
            fixed: With the offsets that hold for the whole range, instead of those that these sizes need.

        Raises:
            CnnirError: as `arena_bytes` does, and any of `cnnir.plan.check_plan`.
        """
        self._require(dims)
        graph = self.graph.bind(**dims)
        sizes = self._sizes_at(dims)
        offsets = self._offsets(self._most() if fixed else sizes)
        ends = _ends(self.upper, offsets, sizes)
        storages = tuple(
            Storage(storage.pool, offset, size, storage.first, storage.last)
            for storage, offset, size in zip(self.upper.storages, offsets, sizes, strict=True)
        )
        plan = replace(
            self.upper,
            digest=digest(graph),
            bindings=dict(graph.bindings),
            pools=tuple(replace(pool, bytes=ends[pool.name]) for pool in self.upper.pools),
            storages=storages,
            values={name: _placed(graph, name, value, storages) for name, value in self.upper.values.items()},
        )
        plan = replace(plan, bounds=_bounds(plan))
        plan.check(graph)
        return plan

    def _require(self, dims: Mapping[str, int]) -> None:
        for name in dims:
            if name not in self.ranges:
                raise CnnirError("symbol-unknown", "no dim of this name", expected=", ".join(self.ranges), got=name)
        for name, (least, most) in self.ranges.items():
            if name not in dims or not least <= outside_int(dims[name], "a size", least=None, node=name) <= most:
                raise CnnirError(
                    "range", f"the plan is for a range of {name}", expected=f"{least} to {most}", got=dims.get(name)
                )
        check_constraints(self.graph.constraints, dims)

    def _sizes_at(self, dims: Mapping[str, int]) -> list[int]:
        return list(known_shape(tuple(bind(size, dims) for size in self.sizes), "a storage"))

    def _most(self) -> list[int]:
        return _most(self.sizes, self.ranges)

    def _offsets(self, sizes: Sequence[int]) -> list[int]:
        return _stacked(self.upper, self.below, sizes)

    def __str__(self) -> str:
        ranges = ", ".join(f"{name} {least} to {most}" for name, (least, most) in self.ranges.items())
        arena = "the longest of many paths: arena_bytes(...) works it out"
        if self.formula is not None:
            text = ", ".join(str(dim) for dim in self.formula)
            arena = f"{text if len(self.formula) == 1 else f'max({text})'} B"
        most = f"{format_bytes(self.arena_most)} at offsets that hold for the whole range"
        return f"memory plan of {self.graph.name} for {ranges}\n  arena    {arena}\n  at most  {most}"


def symbolic_plan(graph: Graph, ranges: Mapping[str, tuple[int, int]], **options: Any) -> SymbolicPlan:
    """Plan a network whose sizes are open.

    Args:
        graph: With symbolic dims.
        ranges: Least and greatest value of each of its symbols: ``{"H": (192, 512), "N": (1, 8)}``.
        options: Of the plan at the upper ends, see `cnnir.passes.memory.plan`.

    Raises:
        CnnirError: ``range`` for a symbol without one, one that is empty, or one with sizes that the network never
            takes; ``symbol-unknown``; ``plan-form`` where a value lies over several storages, in strides, or beside
            workspace, whose sizes at other dims are not known here; whatever planning the upper ends raises.
    """
    _check_ranges(graph, ranges)
    upper = _at_the_upper_ends(graph, ranges).plan(**options)
    sizes = tuple(_size(graph, upper, index, ranges) for index in range(len(upper.storages)))
    _require_simple(upper)
    below = _below(upper)
    most = _most(sizes, ranges)
    ends = _ends(upper, _stacked(upper, below, most), most)
    arena_most = sum(ends[pool.name] for pool in upper.pools if pool.counted)
    return SymbolicPlan(graph, dict(ranges), upper, sizes, below, arena_most, _formula(upper, below, sizes, ranges))


def _check_ranges(graph: Graph, ranges: Mapping[str, tuple[int, int]]) -> None:
    known = graph_symbols(graph)
    for name in ranges:
        if name not in known:
            raise CnnirError("symbol-unknown", "no dim of this name", expected=", ".join(known), got=name)
    for name in known:
        if name not in ranges or not 1 <= ranges[name][0] <= ranges[name][1]:
            raise CnnirError("range", f"{name} needs a range of sizes", expected="(least, most)", got=ranges.get(name))
    for constraint in graph.constraints:
        # An equation (H is a multiple of 32) picks sizes out of the range; an inequality has to hold for all of it.
        if constraint.kind == ">=" and decide_at_least(constraint.dim, 0, ranges) is not True:
            raise CnnirError(
                "range", f"the network does not take all of these sizes: {constraint.reason}", node=constraint.node,
                expected=str(constraint), got=", ".join(f"{name} {a} to {b}" for name, (a, b) in ranges.items()),
            )  # fmt: skip


def _at_the_upper_ends(graph: Graph, ranges: Mapping[str, tuple[int, int]]) -> Graph:
    try:
        return graph.bind(**{name: most for name, (_, most) in ranges.items()})
    except CnnirError as error:
        if error.code == "constraint":
            error.hint = "the upper ends of the ranges have to be sizes that the network takes"
        raise


# What the plan at the upper end says of all


def _require_simple(plan: MemoryPlan) -> None:
    """Refuse what has sizes that do not follow from a value's own shape."""
    for step in plan.steps:
        if step.scratch is not None or step.tile is not None:
            raise CnnirError("plan-form", "the workspace of a step at other sizes is not known", node=step.nodes[0])


def _size(graph: Graph, plan: MemoryPlan, index: int, ranges: Mapping[str, tuple[int, int]]) -> Dim:
    """The size of a storage, which is that of each value in it."""
    storage, found = plan.storages[index], dict[Dim, str]()
    for name in plan.holders(index):
        value = plan.values[name]
        pieces = value.pieces or ()
        dense = row_major_strides(value.shape, itemsize_of(value))
        if len(pieces) != 1 or pieces[0].offset != storage.offset or pieces[0].strides != dense:
            raise CnnirError("plan-form", "the value does not fill a storage of its own at other sizes", node=name)
        type_ = graph.value(name).type
        size = product(type_.shape) * itemsize_of(value) if isinstance(type_, TensorType) else UnknownDim()
        if isinstance(size, UnknownDim) or None in bounds(size, ranges):
            raise CnnirError("size-unknown", "the value has no size that follows from the symbols", node=name)
        found[size] = name
    if len(found) > 1:
        names = " and ".join(list(found.values())[:2])
        raise CnnirError(
            "plan-form", f"{names} are equally large at the upper end of the range alone", node=plan.graph,
            hint="another upper end, or in_place=False",
        )  # fmt: skip
    return next(iter(found), storage.bytes)


def _below(plan: MemoryPlan) -> tuple[tuple[int, ...], ...]:
    rank = {index: place for place, index in enumerate(_upwards(plan))}
    below: list[list[int]] = [[] for _ in plan.storages]
    living: list[int] = []
    for index in sorted(rank, key=lambda index: plan.storages[index].first):
        storage = plan.storages[index]
        living = [other for other in living if plan.storages[other].last >= storage.first]
        for other in living:
            if plan.storages[other].pool == storage.pool:
                upper, lower = (index, other) if rank[other] < rank[index] else (other, index)
                below[upper].append(lower)
        living.append(index)
    return tuple(map(tuple, below))


def _upwards(plan: MemoryPlan) -> list[int]:
    """The storages by their places: each behind those that it may lie on."""
    numbered = enumerate(plan.storages)
    return [index for _, _, index in sorted((storage.offset, storage.end, index) for index, storage in numbered)]


# Sizes to offsets


def _stacked(plan: MemoryPlan, below: Sequence[Sequence[int]], sizes: Sequence[int]) -> list[int]:
    offsets = [0] * len(sizes)
    for index in _upwards(plan):
        alignment = plan.pool(plan.storages[index].pool).alignment
        ends = (offsets[other] + sizes[other] for other in below[index])
        offsets[index] = -(-max(ends, default=0) // alignment) * alignment
    return offsets


def _ends(plan: MemoryPlan, offsets: Sequence[int], sizes: Sequence[int]) -> dict[str, int]:
    """How far each pool is filled."""
    ends = {pool.name: 0 for pool in plan.pools}
    for storage, offset, size in zip(plan.storages, offsets, sizes, strict=True):
        ends[storage.pool] = max(ends[storage.pool], offset + size)
    return ends


def _most(sizes: Sequence[Dim], ranges: Mapping[str, tuple[int, int]]) -> list[int]:
    return [bounds(size, ranges)[1] or 0 for size in sizes]


def _formula(
    plan: MemoryPlan, below: Sequence[Sequence[int]], sizes: Sequence[Dim], ranges: Mapping[str, tuple[int, int]]
) -> tuple[Dim, ...] | None:
    """The ends of all storages as sums of sizes, without those that others exceed; None for too many, or two arenas."""
    counted = [pool for pool in plan.pools if pool.counted]
    if len(counted) != 1:
        return None
    alignment = counted[0].alignment
    offsets: dict[int, list[Dim]] = {}
    ends: list[Dim] = []
    for index in _upwards(plan):
        if plan.storages[index].pool != counted[0].name:
            continue
        under = [
            ceil_div(offset + sizes[other], alignment) * alignment
            for other in below[index]
            for offset in offsets[other]
        ]
        offsets[index] = _greatest(under or [0], ranges)
        ends = _greatest([*ends, *(offset + sizes[index] for offset in offsets[index])], ranges)
        if max(len(offsets[index]), len(ends)) > _MOST_PATHS:
            return None
    return tuple(ends) or (0,)


def _greatest(dims: Sequence[Dim], ranges: Mapping[str, tuple[int, int]]) -> list[Dim]:
    """The dims without those that another one is proved to reach everywhere in the range."""
    kept: list[Dim] = []
    for dim in dict.fromkeys(dims):
        if any(decide_at_least(other, dim, ranges) for other in kept):
            continue
        kept = [other for other in kept if not decide_at_least(dim, other, ranges)]
        kept.append(dim)
    return kept


# The plan at one binding


def _placed(graph: Graph, name: str, value: PlannedValue, storages: Sequence[Storage]) -> PlannedValue:
    type_ = graph.value(name).type
    assert isinstance(type_, TensorType)  # noqa: S101  planned at the upper end as a tensor
    shape = known_shape(type_.shape, name)
    if value.pieces is None:
        return replace(value, shape=shape)
    (piece,) = value.pieces
    storage = storages[piece.storage]
    strides = row_major_strides(shape, itemsize_of(value))
    placed = Piece(piece.storage, storage.pool, storage.offset, (0,) * len(shape), shape, strides)
    return replace(value, shape=shape, pieces=(placed,))


def _bounds(plan: MemoryPlan) -> dict[str, Bound]:
    peak = max(plan.live_bytes(), default=0)
    counted = {pool.name for pool in plan.pools if pool.counted}
    touched = 0
    for step in plan.steps:
        found = {piece.storage for name in (*step.reads, *step.writes) for piece in plan.values[name].pieces or ()}
        touched = max(touched, sum(plan.storages[i].bytes for i in found if plan.storages[i].pool in counted))
    return {
        "placement": Bound.of(peak, plan.arena_bytes, _PLACEMENT_RULE),
        "order": Bound.of(touched, peak, _ORDER_RULE),
    }
