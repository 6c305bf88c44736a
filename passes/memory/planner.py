"""From a graph to a memory plan: sharing, order, placement, each with its bound."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

from cnnir.algorithms import Profile
from cnnir.analysis import live_ranges
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.passes.memory.emission import Entry, Layout, entries, in_turn, lay_out
from cnnir.passes.memory.forming import Choices, Formation, Fuse, form
from cnnir.passes.memory.order import Schedule, alternatives, schedule
from cnnir.passes.memory.placement import Body, Placement, Slice, place
from cnnir.passes.memory.pools import Memory, plan_in_pools
from cnnir.passes.memory.sizes import known_bytes
from cnnir.passes.memory.spending import hurried, kept_weights, sparing
from cnnir.passes.memory.workspace import NONE, Counting
from cnnir.passes.memory.writing import write_steps, write_storages, write_values
from cnnir.plan import Bound, MemoryPlan, Pool, Scratch
from cnnir.text import digest
from cnnir.types import TensorType

ARENA = "arena"
"""The pool of everything that the network's own run needs."""

INTERFACE = "interface"
"""The pool of inputs and outputs that the caller keeps, when they are not counted."""

DEFAULT_ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register."""

EFFORT = {"file": 20_000, "auto": 20_000, "optimal": 2_000_000}
"""States that the search for an order may look at, for each way to ask for one."""

NODES = {"file": 500, "auto": 500, "optimal": 50_000}
"""Nodes that the search for a placement may take, likewise."""

ROUNDS = 20
"""How often the problem is posed anew because bytes that were to be shared lie fixed to others."""

TRIES = 40
"""Orders of the least peak whose placement is looked at, should the first one not reach it."""

LOOKS = 4
"""The same, for each slice that is copied after all."""


def plan(
    graph: Graph,
    *,
    order: str | Sequence[str] = "auto",
    fuse: Fuse = "none",
    concat: bool | None = None,
    alignment: int = DEFAULT_ALIGNMENT,
    in_place: bool = True,
    count_inputs: bool = True,
    count_outputs: bool = True,
    pools: Sequence[Memory] | None = None,
    weights: str | None = None,
    workspace: str | Profile = NONE,
    tolerance: float = 0.0,
) -> MemoryPlan:
    """Plan the memory of a graph's activations.

    Args:
        graph: All dims known.
        order: ``file`` for the order in which the graph stands; ``auto`` for the least peak that a limited search
            finds, the file's own order where that needs no more; ``optimal`` for a hundred times the effort; or the
            names of all nodes in an executable order.
        fuse: ``none`` for a step a node, as most runtimes execute them; ``steps`` for fused steps: epilogues,
            prologues, accumulating sums, pooling in strips; ``aggressive`` for chains of convolutions as well.
        concat: Whether producers write into their slice of a concatenation; when None, if steps are fused.
        alignment: Every storage starts at a multiple of this many bytes, slices of larger values apart; a power of two.
        in_place: Whether elementwise results may be written over operands.
        count_inputs: Whether the graph's inputs lie in the arena, or with the caller.
        count_outputs: The same for its outputs.
        pools: Memories to lie in, with capacities and costs of moving bytes, instead of one arena without a limit.
        weights: Name of the memory that holds the weights as well; they count for its capacity alone.
        workspace: What the kernels take for themselves: ``none`` of it is in the arena; ``today`` all that the
            interpreter's kernels take; a cost profile, or the name of one: each step is computed in the fastest way
            that the smallest arena has room for, whether the interpreter has that way or not.
        tolerance: The largest error, relative to the largest result, that such a way may add to that of plain sums.

    Returns:
        The plan, checked against the graph.

    Raises:
        CnnirError: ``dims-unbound`` or ``size-unknown`` naming the value that has no size, ``order``, ``fuse``,
            ``order-nodes`` or ``order-dependency``, ``alignment``, ``plan-empty``; ``pools``, ``pools-full`` when it is
            proved that the memories cannot hold this order, ``pools-unknown`` when nothing was found or proved;
            ``workspace-option``, or ``workspace-unknown`` naming the node whose workspace is not known.
    """
    counting = Counting.of(workspace, tolerance)
    if pools is not None or weights is not None:
        if counting.profile is not None:
            raise CnnirError("workspace-option", "the ways of a profile are chosen for one arena", got=counting.name)
        asked = partial(
            plan, graph, fuse=fuse, concat=concat, alignment=alignment, in_place=in_place, count_inputs=count_inputs,
            count_outputs=count_outputs, workspace=workspace,
        )  # fmt: skip
        orders = (order, "file") if isinstance(order, str) and order != "file" else (order,)
        return plan_in_pools(graph, (asked(order=each) for each in orders), pools or (), weights)
    _check_alignment(graph, alignment)
    if fuse not in ("none", "steps", "aggressive"):
        raise CnnirError("fuse", "no such level of fusing", expected="none, steps or aggressive", got=fuse)
    if not graph.nodes:
        raise CnnirError("plan-empty", "a graph without nodes has nothing to plan", got=graph.name)
    concats = [True, False] if concat is None and fuse != "none" else [bool(concat)]
    ways = [Choices(fuse, each, in_place, count_inputs, count_outputs, counting=counting) for each in concats]
    best = _hurried(_best(graph, ways, order, alignment), alignment)
    result = _write(graph, best, alignment, {
        "order": order if isinstance(order, str) else "given",
        "fuse": fuse,
        "concat": best.formation.choices.concat,
        "alignment": alignment,
        "in_place": in_place,
        "count_inputs": count_inputs,
        "count_outputs": count_outputs,
        **counting.options,
    })  # fmt: skip
    result.check(graph)
    return result


@dataclass(frozen=True)
class _Attempt:
    """One order, with everything that follows from it."""

    formation: Formation
    schedule: Schedule
    steps: tuple[Entry, ...]
    layout: Layout
    peak: int
    placement: Placement
    scratch: tuple[int, ...]
    """Steps that have scratch, in the order of their bodies behind the layout's own."""

    @property
    def arena(self) -> int:
        return self.placement.height


def _best(graph: Graph, ways: Sequence[Choices], order: str | Sequence[str], alignment: int) -> _Attempt:
    """The lowest plan of all ways to share; a later one is tried only where it may be lower."""
    best: _Attempt | None = None
    for choices in ways:
        for attempt in _attempts(graph, choices, order, alignment, best.arena if best is not None else None):
            if best is None or attempt.arena < best.arena:
                best = attempt
    assert best is not None  # noqa: S101  the first way gives one at least
    if isinstance(order, str) and order != "file" and best.arena > best.schedule.bound:
        best = min([best, *_with_copies(graph, best, order, alignment)], key=lambda attempt: attempt.arena)
    return best


def _with_copies(graph: Graph, best: _Attempt, order: str, alignment: int) -> Iterator[_Attempt]:
    """The plan with one slice at its peak that is written elsewhere and copied to its place later.

    A slice holds the room of its whole concatenation open long before that is needed: where the slices of two of them
    live together, they may not pack.
    """
    least, chosen = best.arena, None
    for pair in islice(_slices_at_peak(best), TRIES):
        choices = replace(best.formation.choices, copied=frozenset([pair]))
        for attempt in _attempts(graph, choices, order, alignment, best.arena, tries=LOOKS):
            yield attempt
            if attempt.arena < least:
                least, chosen = attempt.arena, choices
        if least <= best.schedule.peak:
            return
    if chosen is not None:
        yield from _attempts(graph, chosen, order, alignment, least)


def _slices_at_peak(best: _Attempt) -> Iterator[tuple[str, int]]:
    """Slices of concatenations that live where most bytes do, the smallest first."""
    layout, formation = best.layout, best.formation
    needs = layout.needs(best.steps)
    peak = needs.index(max(needs))
    living = {index for index, room in enumerate(layout.rooms) if room.first <= peak <= room.last}
    found = []
    for node, parts in formation.parts.items():
        if node.op.kind != "Concat":
            continue
        sliced = {part.operand for part in parts}
        for number, operand in enumerate(node.operands):
            rooms = {layout.room_of[atom] for atom in formation.atoms.get(operand, ()) if atom in layout.room_of}
            if operand in sliced and rooms & living:
                found.append((known_bytes(operand), node.name, number))
    yield from ((name, number) for _, name, number in sorted(found))


def _attempts(
    graph: Graph, choices: Choices, order: str | Sequence[str], alignment: int, reached: int | None, tries: int = TRIES
) -> Iterator[_Attempt]:
    """Plans in the making, until one is as low as its order needs; none where that is no lower than was reached."""
    nodes = _given_order(graph, order)
    formation, found = _scheduled(
        graph, choices, nodes, alignment, EFFORT.get(order, 0) if isinstance(order, str) else 0
    )
    file_order = tuple(range(len(formation.works)))
    if not isinstance(order, str) or order == "file":
        yield _attempt(formation, found, file_order, alignment, as_asked=nodes, effort=NODES["file"])
        return
    if reached is not None and found.peak >= reached:
        return
    # The first order of the least peak may not pack where another one does: a greedy look at some of them is cheap.
    low, best = None, found.order
    for other in chain([found.order], islice(alternatives(formation.problem, found.order), tries)):
        attempt = _attempt(formation, found, other, alignment, effort=0)
        yield attempt
        if attempt.arena <= found.peak:
            return
        if low is None or attempt.arena < low:
            low, best = attempt.arena, other
    if tries < TRIES:
        return
    yield _attempt(formation, found, best, alignment, effort=NODES[order])
    if found.order != file_order:
        yield _attempt(formation, found, file_order, alignment, effort=0)


def _scheduled(
    graph: Graph, choices: Choices, nodes: Sequence[Node], alignment: int, effort: int
) -> tuple[Formation, Schedule]:
    """The problem and its order; posed anew as long as results cannot be written over what they were to be."""
    formation = form(graph, choices, nodes)
    found = schedule(formation.problem, effort=effort)
    for _ in range(ROUNDS):
        refused = lay_out(formation, entries(formation, found.order), alignment).refused
        if not refused:
            break
        choices = replace(choices, apart=choices.apart | refused)
        formation = form(graph, choices, nodes)
        found = schedule(formation.problem, effort=effort)
    return formation, found


def _attempt(
    formation: Formation,
    found: Schedule,
    order: Sequence[int],
    alignment: int,
    *,
    as_asked: Sequence[Node] | None = None,
    effort: int,
) -> _Attempt:
    steps = entries(formation, order)
    if as_asked is not None and formation.choices.fuse == "none":
        steps = in_turn(steps, as_asked)
    layout = lay_out(formation, steps, alignment)
    steps = sparing(steps, formation.choices.counting)
    bodies, scratch = _bodies(layout, steps)
    placement = place(bodies, alignment, effort=effort)
    return _Attempt(formation, found, steps, layout, layout.peak(steps), placement, scratch)


def _hurried(attempt: _Attempt, alignment: int) -> _Attempt:
    """The attempt in the same arena and in less time, where what is free can be placed as workspace."""
    steps = hurried(attempt.steps, attempt.layout, attempt.formation.choices.counting)
    if steps is None:
        return attempt
    bodies, scratch = _bodies(attempt.layout, steps)
    placement = place(bodies, alignment, capacity=attempt.arena)
    if placement.height > attempt.arena:
        return attempt
    return replace(attempt, steps=steps, placement=placement, scratch=scratch)


def _bodies(layout: Layout, steps: Sequence[Entry]) -> tuple[list[Body], tuple[int, ...]]:
    """What is placed in the arena: bodies of storages, and scratch behind them."""
    count = 1 + max((room.body for room in layout.rooms), default=-1)
    slices: list[list[Slice]] = [[] for _ in range(count)]
    for room in layout.rooms:
        slices[room.body].append(Slice(room.at, room.bytes, room.first, room.last))
    bodies = [Body(tuple(slices[body])) for body in range(count) if body not in layout.outside]
    scratch = tuple(number for number, step in enumerate(steps) if step.scratch)
    bodies += [Body((Slice(0, steps[number].scratch, number, number),)) for number in scratch]
    return bodies, scratch


def _write(graph: Graph, attempt: _Attempt, alignment: int, options: dict[str, str | int | bool]) -> MemoryPlan:
    layout, steps, counting = attempt.layout, attempt.steps, attempt.formation.choices.counting
    placement = attempt.placement
    count = 1 + max((room.body for room in layout.rooms), default=-1)
    inside = [body for body in range(count) if body not in layout.outside]
    bases = dict(zip(inside, placement.offsets, strict=False))
    outer = _place_outside(layout, len(steps), alignment)
    bases.update(outer[0])
    pools = [INTERFACE if body in layout.outside else ARENA for body in range(count)]
    storages = write_storages(layout, [bases[body] for body in range(count)], pools, alignment)
    scratch = {}
    for number, offset in zip(attempt.scratch, placement.offsets[len(inside) :], strict=True):
        scratch[number] = Scratch(ARENA, offset, steps[number].scratch, steps[number].strips)
    counted = [Pool(ARENA, attempt.arena, alignment)]
    if layout.outside:
        counted.append(Pool(INTERFACE, outer[1], alignment, counted=False))
    found = attempt.schedule
    return MemoryPlan(
        graph=graph.name,
        digest=digest(graph),
        bindings=dict(graph.bindings),
        inputs=tuple(value.name for value in graph.inputs),
        outputs=tuple(dict.fromkeys(value.name for value in graph.outputs if value.weight is None)),
        pools=tuple(counted),
        storages=storages,
        values=write_values(attempt.formation, steps, layout, storages),
        steps=write_steps(steps, layout, scratch),
        bounds={
            "placement": Bound.of(
                attempt.peak,
                attempt.arena,
                f"the largest sum of bytes live at one step of this order; placed {placement.heuristic}",
            ),
            "order": Bound.of(found.bound, attempt.peak, _order_rule(found)),
        },
        options=options,
        accounting=f"{counting.rule(kept_weights(steps))}; {_interface_rule(options)}",
    )


def _place_outside(layout: Layout, steps: int, alignment: int) -> tuple[dict[int, int], int]:
    """Bases of the bodies that lie with the caller, each his from beginning to end."""
    outside = sorted(layout.outside)
    bodies = []
    for body in outside:
        rooms = [room for room in layout.rooms if room.body == body]
        bodies.append(Body(tuple(Slice(room.at, room.bytes, 0, steps - 1) for room in rooms)))
    placement = place(bodies, alignment)
    return dict(zip(outside, placement.offsets, strict=True)), placement.height


def _order_rule(found: Schedule) -> str:
    """What was bounded, and how."""
    if found.bound == found.peak:
        return f"no order of these steps needs less: {found.states} sets of executed steps were looked at"
    return f"no order of these steps needs less, as far as {found.states} sets of executed steps tell"


def _given_order(graph: Graph, order: str | Sequence[str]) -> tuple[Node, ...]:
    """The nodes in the order that was asked for, the graph's own for the ways to search one.

    Raises:
        CnnirError: ``order``, ``order-nodes``, ``order-dependency``.
    """
    if isinstance(order, str):
        if order not in EFFORT:
            expected = f"{', '.join(EFFORT)}, or the names of all nodes"
            raise CnnirError("order", "no such order", expected=expected, got=order)
        return graph.nodes
    nodes = tuple(graph.node(name) for name in order)
    live_ranges(graph, nodes)
    return nodes


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


def _interface_rule(options: Mapping[str, str | int | bool]) -> str:
    return {
        (True, True): "graph inputs count until their last reader and outputs to the end",
        (True, False): "graph inputs count until their last reader, outputs lie with the caller",
        (False, True): "graph inputs lie with the caller, outputs count to the end",
        (False, False): "graph inputs and outputs lie with the caller",
    }[bool(options["count_inputs"]), bool(options["count_outputs"])]


__all__ = ["ARENA", "DEFAULT_ALIGNMENT", "EFFORT", "INTERFACE", "plan"]
