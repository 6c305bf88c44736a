"""From a graph to a memory plan: sharing, order, placement, each with its bound."""

from collections.abc import Sequence

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.passes.memory.bounds import order_bound
from cnnir.passes.memory.order import eager_order
from cnnir.passes.memory.placement import Buffer, live_peak, place
from cnnir.passes.memory.sharing import Sharing, known_bytes, share
from cnnir.plan import KERNEL, VIEW, Bound, MemoryPlan, Piece, PlannedValue, Pool, Step, Storage, row_major_strides
from cnnir.text import digest
from cnnir.types import TensorType, known_shape

ARENA = "arena"
"""The pool of everything that the network's own run needs."""

INTERFACE = "interface"
"""The pool of inputs and outputs that the caller keeps, when they are not counted."""

_ORDER_RULE = "in any order, what a step reads and what it can write only beside that live together"

DEFAULT_ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register."""


def plan(
    graph: Graph,
    *,
    order: str | Sequence[str] = "file",
    alignment: int = DEFAULT_ALIGNMENT,
    in_place: bool = True,
    count_inputs: bool = True,
    count_outputs: bool = True,
) -> MemoryPlan:
    """Plan the memory of a graph's activations.

    Args:
        graph: All dims known.
        order: ``file`` for the order in which the graph stands, ``eager`` to give memory back as early as that costs
            nothing (the file's own where that is better), or the names of all nodes in an executable order.
        alignment: Every storage starts at a multiple of this many bytes; a power of two.
        in_place: Whether elementwise results may be written over operands.
        count_inputs: Whether the graph's inputs lie in the arena, or with the caller.
        count_outputs: The same for its outputs.

    Returns:
        The plan, checked against the graph.

    Raises:
        CnnirError: ``dims-unbound`` or ``size-unknown`` naming the value that has no size, ``order``,
            ``order-nodes`` or ``order-dependency``, ``alignment``, ``plan-empty``.
    """
    _check_alignment(graph, alignment)
    sharing = _ordered(graph, order, in_place=in_place)
    if not sharing.order:
        raise CnnirError("plan-empty", "a graph without nodes has nothing to plan", got=graph.name)
    lives = _lives(sharing)
    pool_of = _pools_of_storages(graph, sharing, count_inputs=count_inputs, count_outputs=count_outputs)
    lives = [
        # What lies with the caller is his from beginning to end: nothing else can lie there before or after.
        life if pool == ARENA else Buffer(life.bytes, 0, len(sharing.order) - 1)
        for life, pool in zip(lives, pool_of, strict=True)
    ]
    pools, offsets, bound = _place(lives, pool_of, alignment)
    storages = tuple(
        Storage(pool, offset, life.bytes, life.first, life.last)
        for pool, offset, life in zip(pool_of, offsets, lives, strict=True)
    )
    counted = {"count_inputs": count_inputs, "count_outputs": count_outputs}
    least = order_bound(graph, sharing, in_place=in_place, **counted)
    peak = live_peak([life for life, pool in zip(lives, pool_of, strict=True) if pool == ARENA])
    result = MemoryPlan(
        graph=graph.name,
        digest=digest(graph),
        bindings=dict(graph.bindings),
        inputs=tuple(value.name for value in graph.inputs),
        outputs=tuple(dict.fromkeys(value.name for value in graph.outputs if value.weight is None)),
        pools=pools,
        storages=storages,
        values={value.name: _planned(value, index, storages[index]) for value, index in sharing.storage_of.items()},
        steps=tuple(_step(node, sharing) for node in sharing.order),
        bounds={"placement": bound, "order": Bound.of(least, peak, _ORDER_RULE)},
        options={
            "order": order if isinstance(order, str) else "given",
            "alignment": alignment,
            "in_place": in_place,
            "count_inputs": count_inputs,
            "count_outputs": count_outputs,
        },
        accounting=_accounting(count_inputs=count_inputs, count_outputs=count_outputs),
    )
    result.check(graph)
    return result


def _check_alignment(graph: Graph, alignment: int) -> None:
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise CnnirError("alignment", "an alignment is a power of two", got=alignment)
    for value in graph.values:
        if isinstance(value.type, TensorType) and value.weight is None:
            bits = value.type.dtype.bits
            if bits is not None and bits > 8 * alignment:
                raise CnnirError(
                    "alignment", f"{value.name} needs a coarser one", expected=f"at least {bits // 8}", got=alignment
                )


def _ordered(graph: Graph, order: str | Sequence[str], *, in_place: bool) -> Sharing:
    """What shares bytes in the order that was asked for."""
    if order == "file":
        return share(graph, in_place=in_place)
    if order == "eager":
        # What is eager for the file's own sharing may be a loss for the one that follows from it.
        both = (share(graph, in_place=in_place), share(graph, eager_order(graph), in_place=in_place))
        return min(both, key=lambda sharing: live_peak(_lives(sharing)))
    if isinstance(order, str):
        raise CnnirError("order", "no such order", expected="file, eager, or the names of all nodes", got=order)
    return share(graph, tuple(graph.node(name) for name in order), in_place=in_place)


def _lives(sharing: Sharing) -> list[Buffer]:
    """Size of each storage, and the steps at which it is needed."""
    position = {value: index for index, node in enumerate(sharing.order) for value in node.outputs}
    end = len(sharing.order) - 1
    lives = []
    for storage in sharing.storages:
        written = [position.get(value, 0) for value in storage.values]
        last = min(max([*written, storage.needed]), end)
        lives.append(Buffer(max(known_bytes(value) for value in storage.values), min(written), last))
    return lives


def _pools_of_storages(graph: Graph, sharing: Sharing, *, count_inputs: bool, count_outputs: bool) -> list[str]:
    outside: set[int] = set()
    if not count_inputs:
        outside.update(sharing.storage_of[value] for value in graph.inputs)
    if not count_outputs:
        outside.update(sharing.storage_of[value] for value in graph.outputs if value.weight is None)
    return [INTERFACE if index in outside else ARENA for index in range(len(sharing.storages))]


def _place(
    lives: Sequence[Buffer], pool_of: Sequence[str], alignment: int
) -> tuple[tuple[Pool, ...], list[int], Bound]:
    offsets = [0] * len(lives)
    pools = []
    bound = Bound.of(0, 0, "")
    for name in (ARENA, INTERFACE):
        members = [index for index, pool in enumerate(pool_of) if pool == name]
        if name == INTERFACE and not members:
            continue
        placement = place([lives[index] for index in members], alignment)
        for index, offset in zip(members, placement.offsets, strict=True):
            offsets[index] = offset
        pools.append(Pool(name, placement.height, alignment, counted=name == ARENA))
        if name == ARENA:
            rule = f"the largest sum of bytes live at one step of this order; placed greedily {placement.heuristic}"
            bound = Bound.of(placement.bound, placement.height, rule)
    return tuple(pools), offsets, bound


def _planned(value: Value, index: int, storage: Storage) -> PlannedValue:
    known_bytes(value)
    assert isinstance(value.type, TensorType)  # noqa: S101  known_bytes has refused all else
    shape = known_shape(value.type.shape, value.name)
    itemsize = value.type.dtype.numpy.itemsize
    piece = Piece(index, storage.pool, storage.offset, (0,) * len(shape), shape, row_major_strides(shape, itemsize))
    return PlannedValue(value.type.dtype.value, shape, (piece,))


def _step(node: Node, sharing: Sharing) -> Step:
    reads = dict.fromkeys(value.name for value in node.operands if value in sharing.storage_of)
    donations = [(sharing.donations[value].name, value.name) for value in node.outputs if value in sharing.donations]
    is_view = bool(node.outputs) and all(value in sharing.views for value in node.outputs)
    return Step(
        nodes=(node.name,),
        reads=tuple(reads),
        writes=tuple(value.name for value in node.outputs),
        donations=tuple(donations),
        algorithm=VIEW if is_view else KERNEL,
    )


def _accounting(*, count_inputs: bool, count_outputs: bool) -> str:
    counted = {
        (True, True): "graph inputs count until their last reader and outputs to the end",
        (True, False): "graph inputs count until their last reader, outputs lie with the caller",
        (False, True): "graph inputs lie with the caller, outputs count to the end",
        (False, False): "graph inputs and outputs lie with the caller",
    }[count_inputs, count_outputs]
    return f"activations only: weights and the kernels' own workspace are not counted; {counted}"
