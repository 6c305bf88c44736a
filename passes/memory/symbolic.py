"""A plan for a network whose sizes are open, good for a whole range of them.

The network is planned at the upper ends of its ranges. Of that plan these decisions are kept: the steps and their
order, what shares bytes, and for each two bodies that live together which of them lies below. Sizes and the places
within a body are formulas (`lifting.py`). At other sizes every body comes to lie on the highest of those below it, so
that offsets are longest paths through "lies on" (`stacking.py`), and the arena is the greatest of finitely many sums
of sizes. No two that live together can meet, whatever the sizes are.

Sizes have upper bounds over the range, by interval arithmetic (`cnnir.dims.bounds`). Stacked with those instead, the
bases of the bodies are fixed, and hold for every size in the range. What kernels take for themselves follows no
formula: it is worked out for the sizes that are asked for, and has an upper bound where all of them can be tried.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product as all_of
from math import prod
from typing import Any

from cnnir.algorithms import Unknown, step_workspace
from cnnir.dims import Dim, bind, decide_at_least
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.memory.formulas import arena_formula, block_formulas, blocks_of, most_of, scratched
from cnnir.passes.memory.lifting import Lifted, lift, workspace_of
from cnnir.passes.memory.stacking import Block, Stack, stacked
from cnnir.passes.memory.symbolic_text import Told
from cnnir.passes.memory.writing import boxes
from cnnir.passes.sizes.shape_inference import check_constraints, graph_symbols
from cnnir.plan import Bound, MemoryPlan, Piece, PlannedValue, Scratch, Step, Storage, row_major_strides
from cnnir.plan.arrays import itemsize_of
from cnnir.text import digest
from cnnir.types import TensorType, known_shape, outside_int

_PLACEMENT_RULE = "the largest sum of bytes live at one step of this order; stacked as at the upper end of the range"
_ORDER_RULE = "in any order, what a step reads and what it writes live together"

_MOST_SIZES = 100
"""Sizes of a range that are tried one by one, where nothing else tells what kernels take at most."""


@dataclass(frozen=True)
class _Sizes:
    """What lies in the pools at one binding, or at most: storages, and behind them the steps' scratch.

    Attributes:
        begins: Of each, in its body.
        bytes: Its size.
        tiles: For each step with strips its rows and channels.
        strips: Bytes of those.
    """

    begins: tuple[int, ...]
    bytes: tuple[int, ...]
    tiles: Mapping[int, tuple[int, int]]
    strips: Mapping[int, int]


@dataclass(frozen=True, eq=False)
class SymbolicPlan:
    """A plan for every size in a range.

    Attributes:
        graph: Of open sizes.
        ranges: Least and greatest value of each symbol.
        upper: The plan at the upper ends, whose decisions are kept.
        lifted: Where everything lies in its body, as formulas.
        stack: Which bodies rest on which; behind those of the storages, one for each step with scratch.
        formula: The arena is the greatest of these, to the byte; None where they are too many to be read, or where
            kernels' workspace counts, which follows no formula.
    """

    graph: Graph
    ranges: Mapping[str, tuple[int, int]]
    upper: MemoryPlan
    lifted: Lifted
    stack: Stack
    formula: tuple[Dim, ...] | None

    @property
    def sizes(self) -> tuple[Dim, ...]:
        """Bytes of each of the plan's storages, as formulas."""
        return self.lifted.sizes

    @property
    def arena_most(self) -> int:
        """Bytes that no size in the range exceeds: the arena with fixed offsets.

        Raises:
            CnnirError: ``plan-form`` where workspace counts, and the range has too many sizes to try them all.
        """
        return self._fixed[1]

    def arena_bytes(self, dims: Mapping[str, int]) -> int:
        """The arena at these sizes, one for each symbol.

        Raises:
            CnnirError: ``range`` for a size that is missing or outside of its range, ``symbol-unknown``,
                ``constraint`` for sizes that the network does not take.
        """
        self._require(dims)
        sizes = self._sizes_at(dims, self.graph.bind(**dims) if self._worked else None)
        ends = self._ends(self._bases(sizes), sizes)
        return sum(ends[pool.name] for pool in self.upper.pools if pool.counted)

    def at(self, dims: Mapping[str, int], *, fixed: bool = False) -> MemoryPlan:
        """The plan at these sizes, checked against the graph that is bound to them.

        Args:
            dims: A size for each symbol.
            fixed: With the bases that hold for the whole range, instead of those that these sizes need.

        Raises:
            CnnirError: as `arena_bytes` does, `arena_most` where `fixed`, and any of `cnnir.plan.check_plan`.
        """
        self._require(dims)
        graph = self.graph.bind(**dims)
        sizes = self._sizes_at(dims, graph)
        bases = self._fixed[0] if fixed else self._bases(sizes)
        ends = self._ends(bases, sizes)
        pools = tuple(replace(pool, bytes=ends[pool.name]) for pool in self.upper.pools)
        offsets = [bases[block.body] + begin for block, begin in zip(self._blocks, sizes.begins, strict=True)]
        storages = tuple(
            replace(storage, offset=offset, bytes=size, aligned=offset % self.upper.pool(storage.pool).alignment == 0)
            for storage, offset, size in zip(self.upper.storages, offsets, sizes.bytes, strict=False)
        )
        plan = replace(
            self.upper,
            digest=digest(graph),
            bindings=dict(graph.bindings),
            pools=pools,
            storages=storages,
            values={name: _placed(graph, name, value, storages) for name, value in self.upper.values.items()},
            steps=self._steps(offsets, sizes),
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

    @property
    def fixed_bases(self) -> Mapping[int, int]:
        """Where each body begins in its pool, for the whole range.

        Raises:
            CnnirError: as for `arena_most`.
        """
        return self._fixed[0]

    # Sizes

    @cached_property
    def _blocks(self) -> tuple[Block, ...]:
        return blocks_of(self.upper, self.lifted)

    @cached_property
    def _worked(self) -> tuple[int, ...]:
        """The steps whose kernels have workspace."""
        return workspace_of(self.upper)

    def _sizes_at(self, dims: Mapping[str, int], graph: Graph | None) -> _Sizes:
        """At one binding; the graph bound to it, where there is workspace."""

        def number(dim: Dim) -> int:
            return known_shape((bind(dim, dims),), "a storage")[0]

        own = self._workspace(graph) if graph is not None else {}
        return self._gathered(number, own)

    def _gathered(self, number: Callable[[Dim], int], own: Mapping[int, int]) -> _Sizes:
        lifted = self.lifted
        tiles = {step: (number(found.tile[0]), number(found.tile[1])) for step, found in lifted.strips.items()}
        strips = {step: number(found.bytes) for step, found in lifted.strips.items()}
        scratch = [strips.get(step, 0) + own.get(step, 0) for step in scratched(self.upper)]
        return _Sizes(
            (*map(number, lifted.begins), *(0 for _ in scratch)), (*map(number, lifted.sizes), *scratch), tiles, strips
        )

    def _workspace(self, graph: Graph) -> dict[int, int]:
        """What the kernels of steps take for themselves, where the plan counts it."""
        stored = {graph.value(name) for name, value in self.upper.values.items() if value.pieces is not None}
        found = {}
        for number in self._worked:
            figure = step_workspace([graph.node(name) for name in self.upper.steps[number].nodes], stored)
            assert not isinstance(figure, Unknown)  # noqa: S101  it was planned at the upper ends
            found[number] = figure
        return found

    def _most_workspace(self) -> dict[int, int]:
        """The same, for any size of the range that the network takes."""
        if not self._worked:
            return {}
        if prod(most - least + 1 for least, most in self.ranges.values()) > _MOST_SIZES:
            raise CnnirError(
                "plan-form", "what kernels take at most is known only where all sizes can be tried",
                expected=f"at most {_MOST_SIZES} of them", hint='a smaller range, or workspace="none"',
            )  # fmt: skip
        found = dict.fromkeys(self._worked, 0)
        for sizes in all_of(*(range(least, most + 1) for least, most in self.ranges.values())):
            dims = dict(zip(self.ranges, sizes, strict=True))
            try:
                figures = self._workspace(self.graph.bind(**dims))
            except CnnirError as error:
                if error.code != "constraint":
                    raise
                continue
            found = {number: max(most, figures[number]) for number, most in found.items()}
        return found

    # Offsets

    def _alignment(self, body: int) -> int:
        return self._alignments[body]

    @cached_property
    def _alignments(self) -> Mapping[int, int]:
        return {block.body: self.upper.pool(block.pool).alignment for block in self._blocks}

    def _bases(self, sizes: _Sizes) -> dict[int, int]:
        def gap(lower: int, upper: int) -> int:
            return sizes.begins[lower] + sizes.bytes[lower] - sizes.begins[upper]

        return self.stack.bases(gap, self._alignment)

    @cached_property
    def _fixed(self) -> tuple[Mapping[int, int], int]:
        """Bases that hold for the whole range, and the arena that they need."""
        own = self._most_workspace()
        begins, lengths = block_formulas(self.upper, self.lifted)
        extra = [0] * len(self.lifted.sizes) + [own.get(step, 0) for step in scratched(self.upper)]

        def gap(lower: int, upper: int) -> int:
            return extra[lower] + most_of(begins[lower] + lengths[lower] - begins[upper], self.ranges)

        bases = self.stack.bases(gap, self._alignment)
        ends = {pool.name: 0 for pool in self.upper.pools}
        for index, block in enumerate(self._blocks):
            end = bases[block.body] + extra[index] + most_of(begins[index] + lengths[index], self.ranges)
            ends[block.pool] = max(ends[block.pool], end)
        return bases, sum(ends[pool.name] for pool in self.upper.pools if pool.counted)

    def _ends(self, bases: Mapping[int, int], sizes: _Sizes) -> dict[str, int]:
        """How far each pool is filled."""
        ends = {pool.name: 0 for pool in self.upper.pools}
        for block, begin, size in zip(self._blocks, sizes.begins, sizes.bytes, strict=True):
            ends[block.pool] = max(ends[block.pool], bases[block.body] + begin + size)
        return ends

    def _steps(self, offsets: Sequence[int], sizes: _Sizes) -> tuple[Step, ...]:
        steps = list(self.upper.steps)
        count = len(self.upper.storages)
        for number, offset, size in zip(scratched(self.upper), offsets[count:], sizes.bytes[count:], strict=True):
            scratch = steps[number].scratch
            assert scratch is not None  # noqa: S101  it is one of those with scratch
            placed = Scratch(scratch.pool, offset, size, sizes.strips.get(number, 0))
            steps[number] = replace(steps[number], scratch=placed, tile=sizes.tiles.get(number, steps[number].tile))
        return tuple(steps)

    def to_json(self) -> str:
        """The plan as ``cnnir.symbolic-plan/1`` JSON text."""
        return self._told().to_json()

    def __str__(self) -> str:
        return self._told().summary()

    def _told(self) -> Told:
        try:
            bases, most, reason = *self._fixed, None
        except CnnirError as error:
            bases, most, reason = {}, None, error.message
        return Told(self.upper, self.ranges, self.formula, most, reason, bases, self.lifted)


def symbolic_plan(graph: Graph, ranges: Mapping[str, tuple[int, int]], **options: Any) -> SymbolicPlan:
    """Plan a network whose sizes are open.

    Args:
        graph: With symbolic dims.
        ranges: Least and greatest value of each of its symbols: ``{"H": (192, 512), "N": (1, 8)}``.
        options: Of the plan at the upper ends, see `cnnir.passes.memory.plan`.

    Raises:
        CnnirError: ``range`` for a symbol without one, one that is empty, or one with sizes that the network never
            takes; ``symbol-unknown``; ``plan-form`` where the plan does what holds at its own sizes alone, has values
            in strides, or ways of a cost profile; whatever planning the upper ends raises.
    """
    _check_ranges(graph, ranges)
    bound = _at_the_upper_ends(graph, ranges)
    ways = [options]
    if options.get("concat") is None and options.get("fuse", "none") != "none":
        # Slices of two concatenations that lie between each other at the planned sizes are stacked: copies may be less.
        ways.append({**options, "concat": False})
    found: list[SymbolicPlan] = []
    refused: list[CnnirError] = []
    for way in ways:
        try:
            found.append(_lifted(graph, ranges, bound.plan(**way)))
        except CnnirError as error:
            if error.code != "plan-form":
                raise
            refused.append(error)
    if not found:
        raise refused[0]
    most = {name: most for name, (_, most) in ranges.items()}
    return min(found, key=lambda plan: plan.arena_bytes(most))


def _lifted(graph: Graph, ranges: Mapping[str, tuple[int, int]], upper: MemoryPlan) -> SymbolicPlan:
    workspace = workspace_of(upper)
    lifted = lift(graph, upper, ranges)
    stack = stacked(blocks_of(upper, lifted))
    formula = None if workspace else arena_formula(upper, lifted, stack, ranges)
    return SymbolicPlan(graph, dict(ranges), upper, lifted, stack, formula)


def _check_ranges(graph: Graph, ranges: Mapping[str, tuple[int, int]]) -> None:
    known = graph_symbols(graph)
    for name in ranges:
        if name not in known:
            raise CnnirError("symbol-unknown", "no dim of this name", expected=", ".join(known) or "none", got=name)
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


# The plan at one binding


def _placed(graph: Graph, name: str, value: PlannedValue, storages: Sequence[Storage]) -> PlannedValue:
    """The value in rows, over the storages that it spans."""
    type_ = graph.value(name).type
    assert isinstance(type_, TensorType)  # noqa: S101  planned at the upper end as a tensor
    shape, itemsize = known_shape(type_.shape, name), itemsize_of(value)
    if value.pieces is None:
        return replace(value, shape=shape)
    indices = sorted({piece.storage for piece in value.pieces}, key=lambda index: storages[index].offset)
    strides = row_major_strides(shape, itemsize)
    pieces, at = [], 0
    for index in indices:
        storage = storages[index]
        size = storage.bytes // itemsize
        for origin, box in boxes(shape, at, at + size) if size else [((0,) * len(shape), shape)]:
            first = sum(o * s for o, s in zip(origin, strides, strict=True)) - at * itemsize
            pieces.append(Piece(index, storage.pool, storage.offset + first, origin, box, strides))
        at += size
    return replace(value, shape=shape, pieces=tuple(pieces))


def _bounds(plan: MemoryPlan) -> dict[str, Bound]:
    peak = max(plan.live_bytes(), default=0)
    counted = {pool.name for pool in plan.pools if pool.counted}
    touched = 0
    for step in plan.steps:
        found = {piece.storage for name in (*step.reads, *step.writes) for piece in plan.values[name].pieces or ()}
        own = step.scratch.bytes if step.scratch is not None and step.scratch.pool in counted else 0
        touched = max(touched, own + sum(plan.storages[i].bytes for i in found if plan.storages[i].pool in counted))
    return {
        "placement": Bound.of(
            sum(max(plan.live_bytes(name), default=0) for name in counted), plan.arena_bytes, _PLACEMENT_RULE
        ),
        "order": Bound.of(touched, peak, _ORDER_RULE),
    }


__all__ = ["SymbolicPlan", "symbolic_plan"]
