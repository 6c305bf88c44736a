"""The proof of a plan, in independent walks that share nothing with any planner.

First the structure: everything lies where it says, inside of what holds it. Then overlap: two storages that live at
the same time share no byte. Then contents: the steps are executed symbolically over byte ranges, so that at every step
it is known what each byte holds, and a step that reads a byte which does not hold its value fails. Then the figures
that are claimed. With the graph at hand, also that the plan is a plan of this graph.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from cnnir.errors import CnnirError
from cnnir.plan.contents import check_contents
from cnnir.plan.model import VIEW, MemoryPlan, Piece, PlannedValue, Step
from cnnir.types import DType

if TYPE_CHECKING:
    from cnnir.graph import Graph, Node


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
    for name, value in plan.values.items():
        _check_value(plan, name, value)
    for number, step in enumerate(plan.steps):
        _check_step(plan, number, step)
    _check_lives(plan)
    _check_overlap(plan)
    check_contents(plan)
    _check_bounds(plan)
    if graph is not None:
        _check_graph(plan, graph)


def _fail(code: str, message: str, node: str | None = None, expected: object = None, got: object = None) -> NoReturn:
    raise CnnirError(code, message, node=node, expected=expected, got=got)


# Structure


def _check_pools(plan: MemoryPlan) -> None:
    names = [pool.name for pool in plan.pools]
    if len(set(names)) != len(names):
        _fail("plan-structure", "two pools bear one name", got=names)
    for pool in plan.pools:
        if pool.alignment < 1 or pool.bytes < 0 or (pool.capacity is not None and pool.bytes > pool.capacity):
            _fail("plan-structure", "a pool beyond its capacity, or without alignment", node=pool.name, got=pool)
    last = len(plan.steps) - 1
    pools = {pool.name: pool for pool in plan.pools}
    for index, storage in enumerate(plan.storages):
        if storage.pool not in pools:
            _fail("plan-structure", f"storage {index} is in no pool of the plan", expected=names, got=storage.pool)
        pool = pools[storage.pool]
        if storage.offset < 0 or storage.bytes < 0 or storage.end > pool.bytes or storage.offset % pool.alignment:
            _fail("plan-structure", f"storage {index} is outside its pool or not aligned", node=pool.name, got=storage)
        if not 0 <= storage.first <= storage.last <= last:
            _fail("plan-life", f"storage {index} lives outside the steps", expected=f"0 to {last}", got=storage)
    for number, step in enumerate(plan.steps):
        scratch = step.scratch
        if scratch is None:
            continue
        room = pools[scratch.pool].bytes if scratch.pool in pools else -1
        if scratch.offset < 0 or scratch.bytes < 0 or scratch.offset + scratch.bytes > room:
            _fail("plan-structure", "scratch outside its pool", node=_where(number, step), got=scratch)


def _check_value(plan: MemoryPlan, name: str, value: PlannedValue) -> None:
    dtypes = {dtype.value: dtype for dtype in DType}
    if value.dtype not in dtypes or min(value.shape, default=0) < 0:
        _fail("plan-structure", "no such type", node=name, got=f"{value.dtype}{list(value.shape)}")
    if value.pieces is None:
        return
    dtype = dtypes[value.dtype]
    if dtype.bits is None:
        _fail("plan-structure", "strings have no size that could be planned", node=name)
    itemsize = max(dtype.bits // 8, 1)
    for piece in value.pieces:
        if not 0 <= piece.storage < len(plan.storages) or plan.storages[piece.storage].pool != piece.pool:
            _fail("plan-structure", "a piece in no storage, or in another pool than its storage", node=name, got=piece)
        if not len(piece.origin) == len(piece.shape) == len(piece.strides) == len(value.shape):
            _fail("plan-structure", "a piece of another rank than its value", node=name, got=piece)
        if min(piece.shape, default=0) < 0:
            _fail("plan-structure", "a piece of negative size", node=name, got=piece)
        low, high = _reach(piece, itemsize)
        storage = plan.storages[piece.storage]
        if low < storage.offset or high > storage.end:
            _fail("plan-structure", "a piece reaches out of its storage", node=name, expected=storage, got=piece)
        if piece.offset % itemsize or any(stride % itemsize for stride in piece.strides):
            _fail("plan-structure", "a piece that is not aligned to its elements", node=name, got=piece)
        if not _injective(piece, itemsize):
            _fail("plan-structure", "two elements of a piece share bytes", node=name, got=piece)
    _check_cover(name, value, value.pieces)


def _reach(piece: Piece, itemsize: int) -> tuple[int, int]:
    """First byte, and first byte behind; both the offset for an empty piece."""
    if 0 in piece.shape:
        return piece.offset, piece.offset
    steps = [(size - 1) * stride for size, stride in zip(piece.shape, piece.strides, strict=True)]
    return piece.offset + sum(min(step, 0) for step in steps), piece.offset + sum(
        max(step, 0) for step in steps
    ) + itemsize


def _injective(piece: Piece, itemsize: int) -> bool:
    """No two elements overlap; sufficient, as nested axes are: each stride exceeds the reach of the smaller ones."""
    if 0 in piece.shape:
        return True
    reach = itemsize
    for stride, size in sorted((abs(s), n) for s, n in zip(piece.strides, piece.shape, strict=True) if n > 1):
        if stride < reach:
            return False
        reach = stride * (size - 1) + reach
    return True


def _check_cover(name: str, value: PlannedValue, pieces: tuple[Piece, ...]) -> None:
    """The pieces are boxes that fill the value: inside, disjoint, and of the right volume together."""
    for piece in pieces:
        inside = all(o >= 0 and o + s <= n for o, s, n in zip(piece.origin, piece.shape, value.shape, strict=True))
        if not inside:
            _fail("plan-structure", "a piece outside its value", node=name, got=piece)
    for index, piece in enumerate(pieces):
        for other in pieces[:index]:
            axes = zip(piece.origin, piece.shape, other.origin, other.shape, strict=True)
            if all(a < c + d and c < a + b for a, b, c, d in axes):
                _fail("plan-structure", "two pieces of a value hold the same elements", node=name, got=piece)
    volume = sum(_volume(piece.shape) for piece in pieces)
    if volume != _volume(value.shape):
        _fail(
            "plan-structure", "the pieces do not cover the value", node=name, expected=_volume(value.shape), got=volume
        )


def _volume(shape: tuple[int, ...]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result


def _check_step(plan: MemoryPlan, number: int, step: Step) -> None:
    where = _where(number, step)
    if not step.nodes:
        _fail("plan-structure", "a step without nodes", node=where)
    for names in (step.reads, step.writes):
        if len(set(names)) != len(names):
            _fail("plan-structure", "a step names a value twice", node=where, got=", ".join(names))
        for name in names:
            _check_stored(plan, name, where)
    for source, target in step.donations:
        if source not in step.reads or target not in step.writes:
            _fail(
                "plan-structure", "a donation of what the step does not read or write", node=where, got=(source, target)
            )
    if step.algorithm == VIEW and (len(step.reads) != 1 or step.donations or step.scratch is not None):
        _fail("plan-structure", "a view reads one value and needs nothing else", node=where, got=step.reads)


def _check_stored(plan: MemoryPlan, name: str, where: str) -> None:
    if name not in plan.values or plan.values[name].pieces is None:
        _fail("plan-structure", "a value is used that the plan does not place", node=where, got=name)


def _where(number: int, step: Step) -> str:
    return f"step {number} ({', '.join(step.nodes)})"


# Lives, bounds, overlap


def _check_lives(plan: MemoryPlan) -> None:
    """Every use of a value lies within the life of the storages that hold it."""
    last = len(plan.steps) - 1
    uses = [(name, 0, "an input is there from the first step") for name in plan.inputs]
    uses += [(name, last, "an output is there to the last step") for name in plan.outputs]
    for number, step in enumerate(plan.steps):
        uses += [(name, number, f"read by {_where(number, step)}") for name in step.reads]
        uses += [(name, number, f"written by {_where(number, step)}") for name in step.writes]
    for name, number, why in uses:
        _check_stored(plan, name, why)
        for piece in plan.values[name].pieces or ():
            storage = plan.storages[piece.storage]
            if not storage.first <= number <= storage.last:
                _fail("plan-life", f"{name} is {why}, outside its storage's life", expected=number, got=storage)


def _check_bounds(plan: MemoryPlan) -> None:
    if set(plan.bounds) != {"placement", "order"}:
        _fail("plan-bound", "two bounds are needed", expected="placement, order", got=", ".join(plan.bounds))
    for name, bound in plan.bounds.items():
        if not 0 <= bound.bytes <= bound.reached or (bound.status == "optimal") != (bound.bytes == bound.reached):
            _fail("plan-bound", f"the {name} bound does not fit its status", got=bound)
    peak = max(plan.live_bytes(), default=0)
    placement, order = plan.bounds["placement"], plan.bounds["order"]
    if placement.bytes != peak or order.reached != peak:
        _fail("plan-bound", "the bound is not the largest sum of live bytes", expected=peak, got=placement.bytes)
    if placement.reached != plan.arena_bytes:
        _fail(
            "plan-bound", "the placement does not reach what the pools take", expected=plan.arena_bytes, got=placement
        )
    for pool in plan.pools:
        ends = [storage.end for storage in plan.storages if storage.pool == pool.name]
        ends += [s.scratch.offset + s.scratch.bytes for s in plan.steps if s.scratch and s.scratch.pool == pool.name]
        if pool.bytes != max(ends, default=0):
            _fail(
                "plan-bound",
                "a pool is larger than what lies in it",
                node=pool.name,
                expected=max(ends, default=0),
                got=pool.bytes,
            )
    least = _order_bound(plan)
    if order.bytes > least:
        _fail(
            "plan-bound", "the bound over all orders is more than any one step needs", expected=least, got=order.bytes
        )


def _order_bound(plan: MemoryPlan) -> int:
    """The largest sum of storages that one step touches: no order of the same steps needs less."""
    counted = {pool.name for pool in plan.pools if pool.counted}
    largest = 0
    for step in plan.steps:
        touched = {piece.storage for name in (*step.reads, *step.writes) for piece in plan.values[name].pieces or ()}
        largest = max(largest, sum(plan.storages[i].bytes for i in touched if plan.storages[i].pool in counted))
    return largest


def _check_overlap(plan: MemoryPlan) -> None:
    """Two storages of one pool whose lives meet share no byte: a sweep over the steps."""
    numbered = [(index, storage) for index, storage in enumerate(plan.storages) if storage.bytes]
    active: list[tuple[int, int, int, str]] = []
    for index, storage in sorted(numbered, key=lambda pair: pair[1].first):
        active = [entry for entry in active if entry[0] >= storage.first]
        for _, begin, end, pool in active:
            if pool == storage.pool and begin < storage.end and storage.offset < end:
                _fail(
                    "plan-overlap",
                    f"storage {index} of {', '.join(plan.holders(index)[:2])} shares bytes with another",
                    node=_where(storage.first, plan.steps[storage.first]),
                    expected=f"nothing at {storage.offset} to {storage.end}", got=f"a storage at {begin} to {end}",
                )  # fmt: skip
        active.append((storage.last, storage.offset, storage.end, storage.pool))


# The graph


def _check_graph(plan: MemoryPlan, graph: "Graph") -> None:
    from cnnir.text import digest  # noqa: PLC0415  a plan can be checked without its graph

    if plan.digest != digest(graph):
        _fail("plan-graph", "the plan was made for another graph", expected=digest(graph)[:12], got=plan.digest[:12])
    counts = Counter(plan.order)
    if set(counts) != {node.name for node in graph.nodes} or max(counts.values(), default=1) > 1:
        _fail(
            "plan-graph", "the steps do not run each node of the graph once", expected=len(graph), got=len(plan.order)
        )
    if plan.inputs != tuple(value.name for value in graph.inputs):
        _fail("plan-graph", "other inputs than the graph's", got=plan.inputs)
    stored_outputs = {value.name for value in graph.outputs if value.weight is None}
    if set(plan.outputs) != stored_outputs:
        _fail("plan-graph", "other outputs than the graph's", expected=sorted(stored_outputs), got=plan.outputs)
    expected = {value.name: value for value in graph.values if value.weight is None}
    if plan.values.keys() != expected.keys():
        odd = sorted(plan.values.keys() ^ expected.keys())
        _fail("plan-graph", "the plan does not hold the values of the graph, weights apart", got=", ".join(odd[:4]))
    for name, placed in plan.values.items():
        value = expected[name]
        if str(value.type) != f"{placed.dtype}[{', '.join(map(str, placed.shape))}]":
            _fail("plan-graph", "the value has another type in the graph", node=name, expected=value.type, got=placed)
    for number, step in enumerate(plan.steps):
        _check_graph_step(plan, graph, number, step)


def _check_graph_step(plan: MemoryPlan, graph: "Graph", number: int, step: Step) -> None:
    nodes = [graph.node(name) for name in step.nodes]
    made = {value.name for node in nodes for value in node.outputs}
    read = {value.name for node in nodes for value in node.operands if value.weight is None} - made
    stored = {name for name in made if name in plan.values and plan.values[name].pieces is not None}
    if set(step.reads) != read or set(step.writes) != stored:
        _fail("plan-graph", "the step reads or writes other values than its nodes", node=_where(number, step))
    _check_order_within(nodes, _where(number, step))
    if step.algorithm == VIEW and not set(step.writes) <= _reached(step.reads[0], nodes, views_only=True):
        _fail("plan-graph", "a view of an op that computes, or of another operand", node=_where(number, step))
    for source, target in step.donations:
        if target not in _reached(source, nodes, views_only=False):
            _fail("plan-graph", "a donation to an op that does not work in place", node=_where(number, step))
        if graph.value(source).type != graph.value(target).type and len(nodes) == 1:
            _fail("plan-graph", "a donation to a value of another type", node=_where(number, step), got=target)


def _check_order_within(nodes: "Sequence[Node]", where: str) -> None:
    """A fused step names its nodes in an executable order."""
    for index, node in enumerate(nodes):
        later = {value for other in nodes[index:] for value in other.outputs}
        if any(value in later for value in node.operands):
            _fail("plan-graph", "the step runs a node before its operands are there", node=where, got=node.name)


def _reached(source: str, nodes: "Sequence[Node]", *, views_only: bool) -> set[str]:
    """Names of the values that may lie in the source's bytes; none when a node still needs them for something else."""
    found = {source}
    for node in nodes:
        if found.isdisjoint(value.name for value in node.operands):
            continue
        first = node.inputs[0]
        if node.op.view and first is not None and first.name in found:
            found.add(node.outputs[0].name)
        elif node.op.in_place and not views_only:
            found.update(value.name for value in node.outputs)
        else:
            return set()
    return found
