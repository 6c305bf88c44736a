"""The memory plan as data: what lies where, and when. Planners make it, the executor obeys it, `check` proves it.

Everything is in bytes. Steps are numbered from 0; a storage lives from its `first` to its `last` step, both included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cnnir.errors import CnnirError

if TYPE_CHECKING:
    from cnnir.graph import Graph
    from cnnir.reports import Why

SCHEMA = "cnnir.plan/1"

Status: TypeAlias = Literal["optimal", "feasible", "unknown"]
"""optimal: proved least; feasible: valid, a gap to the bound is left; unknown: nothing has been proved."""

VIEW = "view"
"""The algorithm of a step that moves no byte: all that it writes lies in bytes of what it reads, under another shape.

A Reshape shows its operand, a Split or Slice parts of it, a Concat without copy the operands side by side.
"""

JOIN = "join"
"""The algorithm of a Concat of which some operands lie in their place: the step copies the others into theirs."""

KERNEL = "kernel"
"""The algorithm of a step that calls the op's NumPy kernel."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One memory.

    Attributes:
        name: Unique among the plan's pools.
        bytes: How much of it the plan uses.
        alignment: Every storage in it starts at a multiple of this.
        counted: Whether it counts towards the arena; inputs and outputs may live with the caller.
        capacity: How much there is, None when not limited.
        cost: Of a byte that a step reads or writes there, in a unit of the plan's own.
        weights: Bytes of the network's weights that lie there too, apart from what the plan places; they take capacity.
    """

    name: str
    bytes: int
    alignment: int = 1
    counted: bool = True
    capacity: int | None = None
    cost: int = 0
    weights: int = 0


@dataclass(frozen=True, slots=True)
class Storage:
    """A range of a pool that is taken for a span of steps; several values may share it one after the other.

    A value that is made part by part, as a concatenation without copy is, spans several storages: each part has a life
    of its own, and the distances between them are fixed.

    Attributes:
        pool: Where it lies.
        offset: Of its first byte in the pool.
        bytes: Its size.
        first, last: The steps from which and to which it is taken.
        aligned: Whether it starts at a multiple of its pool's alignment; False for a part that begins inside of what
            begins below it, for which the alignment of its elements has to do.
    """

    pool: str
    offset: int
    bytes: int
    first: int
    last: int
    aligned: bool = True

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a rectangular part of a value lies.

    Attributes:
        storage: Index into the plan's storages.
        pool: The storage's pool.
        offset: Of the part's first element, counted from the pool's beginning.
        origin: Index of the part's first element in the value.
        shape: Of the part.
        strides: Bytes from one element to the next along each axis; layout and padding are decided by them.
    """

    storage: int
    pool: str
    offset: int
    origin: tuple[int, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlannedValue:
    """A value of the graph in memory.

    Attributes:
        dtype: Element type, by name.
        shape: All dims known.
        pieces: Where its parts lie, one for each storage that it spans; None when it is never stored (fused away).
    """

    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...] | None


@dataclass(frozen=True, slots=True)
class Scratch:
    """Workspace of one step, free again after it.

    Attributes:
        pool: Where it lies.
        offset: Of its first byte in the pool.
        bytes: Its size.
        strips: How many of these hold strips of values that are never stored whole; the rest is the kernels' own.
    """

    pool: str
    offset: int
    bytes: int
    strips: int = 0

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the executor does.

    Attributes:
        nodes: Names of the nodes computed, in an executable order, several when they are fused. What lies between them
            and is read by no other step is not stored; a node of which nothing is stored may stand in several steps.
        reads: Values read; weights are not among them.
        writes: Values written.
        donations: (read, written): the written value takes over the read one's bytes.
        scratch: Workspace inside the pools, None when none was planned.
        algorithm: How the step is computed: `KERNEL`, `VIEW`, `JOIN`, or another way by name, what it leaves open in
            braces: ``im2col{rows=4}``. See `cnnir.algorithms`.
        tile: How the step is cut: (rows, channels) of the strips in which a convolution before a pooling is computed;
            None when it is done at once.
    """

    nodes: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    donations: tuple[tuple[str, str], ...] = ()
    scratch: Scratch | None = None
    algorithm: str = KERNEL
    tile: tuple[int, ...] | None = None

    @property
    def label(self) -> str:
        """Its nodes, for people: ``conv1 + relu1`` when they are fused."""
        return " + ".join(self.nodes)


@dataclass(frozen=True, slots=True)
class Bound:
    """How good a decision is.

    Attributes:
        bytes: No solution of the question needs less.
        reached: What the plan needs.
        status: `optimal` only where the two are equal.
        rule: What was bounded, and under which assumptions.
    """

    bytes: int
    reached: int
    status: Status
    rule: str

    @classmethod
    def of(cls, bound: int, reached: int, rule: str) -> "Bound":
        """The bound with the status that follows from the two figures."""
        return cls(bound, reached, "optimal" if bound == reached else "feasible", rule)


@dataclass(frozen=True)
class MemoryPlan:
    """A schedule and a place for every value.

    Attributes:
        graph: Name of the network.
        digest: Of the graph that was planned, `cnnir.text.digest`.
        bindings: Values of the symbolic dims.
        inputs, outputs: Names of the graph's interface values that are stored.
        pools, storages, values, steps: The plan itself.
        bounds: ``placement``: of this order and this sharing, over all placements; ``order``: of this sharing, over
            all orders; ``traffic``, when memories of several costs were asked for: what it costs to move the bytes
            that all steps read and write, over all ways to choose a pool for each storage, in this order. The first is
            one in the pools that were chosen.
        options: What the planner was asked for.
        accounting: The rule by which bytes were counted, for people.
    """

    graph: str
    digest: str
    bindings: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    pools: tuple[Pool, ...]
    storages: tuple[Storage, ...]
    values: Mapping[str, PlannedValue]
    steps: tuple[Step, ...]
    bounds: Mapping[str, Bound]
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    accounting: str = ""

    def pool(self, name: str) -> Pool:
        """The pool of that name.

        Raises:
            CnnirError: ``pool-unknown``.
        """
        for pool in self.pools:
            if pool.name == name:
                return pool
        raise CnnirError("pool-unknown", "the plan has no pool of this name", got=name)

    @property
    def arena_bytes(self) -> int:
        """The total: what the counted pools take, storages and scratch."""
        return sum(pool.bytes for pool in self.pools if pool.counted)

    @property
    def storage_bytes(self) -> int:
        """What the storages in the counted pools reach up to."""
        ends = {pool.name: 0 for pool in self.pools if pool.counted}
        for storage in self.storages:
            if storage.pool in ends:
                ends[storage.pool] = max(ends[storage.pool], storage.end)
        return sum(ends.values())

    @property
    def scratch_bytes(self) -> int:
        """The largest workspace that a step has inside the counted pools."""
        counted = {pool.name for pool in self.pools if pool.counted}
        return max(
            (s.scratch.bytes for s in self.steps if s.scratch is not None and s.scratch.pool in counted), default=0
        )

    @property
    def strip_bytes(self) -> int:
        """The most bytes that one step's strips take inside the counted pools."""
        counted = {pool.name for pool in self.pools if pool.counted}
        strips = (s.scratch.strips for s in self.steps if s.scratch is not None and s.scratch.pool in counted)
        return max(strips, default=0)

    @property
    def workspace_bytes(self) -> int:
        """The most bytes that one step's kernels take for themselves inside the counted pools: scratch less strips."""
        return max(self._workspaces(), default=0)

    @property
    def data_bytes(self) -> int:
        """The most bytes of data, storages and strips, that live at one step in the counted pools."""
        return max((live - own for live, own in zip(self.live_bytes(), self._workspaces(), strict=True)), default=0)

    def _workspaces(self) -> list[int]:
        """Of each step."""
        counted = {pool.name for pool in self.pools if pool.counted}
        scratches = (step.scratch for step in self.steps)
        return [s.bytes - s.strips if s is not None and s.pool in counted else 0 for s in scratches]

    @property
    def lower_bound(self) -> int:
        """No placement of these storages in this order needs less: the largest sum of bytes live at one step.

        Where there are several pools, the sum of what each of them needs.
        """
        return self.bounds["placement"].bytes

    @property
    def status(self) -> Status:
        """How good the placement is, for this order and this sharing."""
        return self.bounds["placement"].status

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the nodes in the order in which they run; one that is computed again stands there again."""
        return tuple(name for step in self.steps for name in step.nodes)

    def live_bytes(self, pool: str | None = None) -> tuple[int, ...]:
        """Bytes of the storages that live at each step, and of its scratch: in one pool, or in all that are counted."""
        counted = {item.name for item in self.pools if item.counted} if pool is None else {pool}
        change = [0] * (len(self.steps) + 1)
        for storage in self.storages:
            # A plan that has not been proved may have lives that lie outside of its steps.
            first, last = max(storage.first, 0), min(storage.last, len(self.steps) - 1)
            if storage.pool in counted and first <= last:
                change[first] += storage.bytes
                change[last + 1] -= storage.bytes
        for number, step in enumerate(self.steps):
            if step.scratch is not None and step.scratch.pool in counted:
                change[number] += step.scratch.bytes
                change[number + 1] -= step.scratch.bytes
        live, result = 0, []
        for delta in change[:-1]:
            live += delta
            result.append(live)
        return tuple(result)

    @property
    def peak_step(self) -> int | None:
        """The first step at which most bytes live, None for a plan without steps."""
        live = self.live_bytes()
        return max(range(len(live)), key=lambda step: (live[step], -step)) if live else None

    def live_storages(self, step: int) -> tuple[int, ...]:
        """Indices of the storages that live at the step."""
        return tuple(i for i, storage in enumerate(self.storages) if storage.first <= step <= storage.last)

    def holders(self, storage: int) -> tuple[str, ...]:
        """Names of the values that lie in the storage, wholly or in part, in the plan's order."""
        return self._holders.get(storage, ())

    @cached_property
    def _holders(self) -> Mapping[int, tuple[str, ...]]:
        found: dict[int, list[str]] = {}
        for name, value in self.values.items():
            for index in dict.fromkeys(piece.storage for piece in value.pieces or ()):
                found.setdefault(index, []).append(name)
        return {index: tuple(names) for index, names in found.items()}

    def check(self, graph: "Graph | None" = None) -> None:
        """Prove that the plan holds; with the graph, also that it is that graph's plan. See `cnnir.plan.check`.

        Raises:
            CnnirError: ``plan-…`` with the step and the values that conflict.
        """
        from cnnir.plan.check import check_plan  # noqa: PLC0415  the proof reads this model

        check_plan(self, graph)

    def why(self, graph: "Graph", **options: Any) -> "Why":
        """What lives at the peak, what bounds it, and which changes would lower it. See `cnnir.reports.why`."""
        from cnnir.reports import why  # noqa: PLC0415  a report reads this model

        return why(self, graph, **options)

    def to_json(self) -> str:
        """The plan as ``cnnir.plan/1`` JSON text. See `cnnir.plan.json`."""
        from cnnir.plan.serial import plan_to_json  # noqa: PLC0415  the writer reads this model

        return plan_to_json(self)

    @classmethod
    def from_json(cls, text: str) -> "MemoryPlan":
        """The plan from ``cnnir.plan/1`` JSON text.

        Raises:
            CnnirError: ``plan-syntax``.
        """
        from cnnir.plan.serial import plan_from_json  # noqa: PLC0415  the reader makes this model

        return plan_from_json(text)

    def __str__(self) -> str:
        from cnnir.plan.summary import summarize  # noqa: PLC0415

        return summarize(self)

    def _repr_html_(self) -> str:
        from cnnir.reports import plan_html  # noqa: PLC0415  a report reads this model

        return plan_html(self)


def row_major_strides(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Bytes from one element to the next along each axis of a contiguous array, the last axis running fastest."""
    strides: list[int] = []
    step = itemsize
    for dim in reversed(shape):
        strides.append(step)
        step *= dim
    return tuple(reversed(strides))


__all__ = [
    "JOIN",
    "KERNEL",
    "SCHEMA",
    "VIEW",
    "Bound",
    "MemoryPlan",
    "Piece",
    "PlannedValue",
    "Pool",
    "Scratch",
    "Status",
    "Step",
    "Storage",
    "row_major_strides",
]
