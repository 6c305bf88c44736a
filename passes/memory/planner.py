"""From a graph to a memory plan: what is asked for, the lowest attempt at it, and that written down with its bounds."""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

from cnnir.algorithms import SERVER, Profile
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.memory.attempts import EFFORT, Attempt, best_attempt, in_less_time
from cnnir.passes.memory.emission import Layout
from cnnir.passes.memory.forming import Choices, Fuse
from cnnir.passes.memory.layouts import Arrangement, check_arrangement
from cnnir.passes.memory.order import Schedule
from cnnir.passes.memory.placement import Body, Slice, place
from cnnir.passes.memory.pools import Memory, plan_in_pools
from cnnir.passes.memory.spending import kept_weights
from cnnir.passes.memory.workspace import NONE, Counting
from cnnir.passes.memory.writing import write_steps, write_storages, write_values
from cnnir.plan import Bound, MemoryPlan, Pool, Scratch
from cnnir.text import digest
from cnnir.types import TensorType

Goal: TypeAlias = Literal["memory", "time"] | int
"""What a plan is best at; see `plan`."""

ARENA = "arena"
"""The pool of everything that the network's own run needs."""

INTERFACE = "interface"
"""The pool of inputs and outputs that the caller keeps, when they are not counted."""

DEFAULT_ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register."""


def plan(
    graph: Graph,
    *,
    order: str | Sequence[str] = "auto",
    fuse: Fuse = "none",
    concat: bool | None = None,
    views: bool = True,
    strided: bool = False,
    alignment: int = DEFAULT_ALIGNMENT,
    in_place: bool | Collection[str] = True,
    count_inputs: bool = True,
    count_outputs: bool = True,
    pools: Sequence[Memory] | None = None,
    weights: str | None = None,
    workspace: str | Profile = NONE,
    tolerance: float = 0.0,
    layout: Arrangement = "rows",
    goal: Goal = "memory",
) -> MemoryPlan:
    """Plan the memory of a graph's activations.

    Args:
        graph: All dims known.
        order: ``file`` for the order in which the graph stands; ``auto`` for the least peak that a limited search
            finds, the file's own order where that needs no more; ``optimal`` for a hundred times the effort; or the
            names of all nodes in an executable order.
        fuse: ``none`` for a step a node, as most runtimes execute them; ``epilogues`` for what is applied to results
            before they are written, and for accumulating sums; ``steps`` for fused steps: epilogues, prologues,
            accumulating sums, pooling in strips; ``aggressive`` for chains of convolutions as well.
        concat: Whether producers write into their slice of a concatenation; when None, if steps are fused.
        views: Whether what is cut out of a value (Split, Slice) or put together of several (Concat) may be bytes of
            theirs; else it is copied, for runtimes that cannot take it. A whole value may be another one all the same.
        strided: Whether slices that are not contiguous, as along channels where there are several images, may be parts
            as well: they lie in strides, of at most 256 stretches each. Some kernels read them slowly.
        alignment: Every storage starts at a multiple of this many bytes, slices of larger values apart; a power of two.
        in_place: Whether elementwise results may be written over operands; or the names of the nodes whose results may.
        count_inputs: Whether the graph's inputs lie in the arena, or with the caller.
        count_outputs: The same for its outputs.
        pools: Memories to lie in, with capacities and costs of moving bytes, instead of one arena without a limit.
        weights: Name of the memory that holds the weights as well; they count for its capacity alone.
        workspace: What the kernels take for themselves: ``none`` of it is in the arena; ``today`` all that the
            interpreter's kernels take; a cost profile, or the name of one: each step is computed in the fastest way
            that the smallest arena has room for, whether the interpreter has that way or not.
        tolerance: The largest error, relative to the largest result, that such a way may add to that of plain sums.
        layout: How maps lie: ``rows``, as ONNX has them, or ``channels-last``.
        goal: ``memory`` for the least arena, in which time is bought with what is free; by a cost profile alone,
            ``time`` for the fastest ways whatever they take, or the most bytes that the arena may have for them.

    Returns:
        The plan, checked against the graph.

    Raises:
        CnnirError: ``dims-unbound`` or ``size-unknown`` naming the value that has no size, ``order``, ``fuse``,
            ``layout``, ``goal``, ``order-nodes`` or ``order-dependency``, ``alignment``, ``plan-empty``; ``pools``,
            ``pools-full`` when it is proved that the memories cannot hold this order, ``pools-unknown`` when nothing
            was found or proved; ``views-option`` for a concatenation without a copy where nothing may be part of
            another value; ``workspace-option``, or ``workspace-unknown`` naming the node whose workspace is not known.
    """
    asked = _Asked(
        order, fuse, concat, views, strided, alignment, in_place, count_inputs, count_outputs, workspace, tolerance,
        layout, goal,
    )  # fmt: skip
    if pools is not None or weights is not None:
        if asked.counting.profile is not None:
            name = asked.counting.name
            raise CnnirError("workspace-option", "the ways of a profile are chosen for one arena", got=name)
        orders = (order, "file") if isinstance(order, str) and order != "file" else (order,)
        plans = (_found(_planned(graph, replace(asked, order=each))) for each in orders)
        return plan_in_pools(graph, plans, pools or (), weights)
    return _found(_planned(graph, asked))


def plan_below(graph: Graph, below: int, **options: Any) -> MemoryPlan | None:
    """A plan of a smaller arena, if there is one; less is tried than for a plan where it cannot be smaller.

    Args:
        graph: All dims known.
        below: Bytes.
        options: What `plan` takes.

    Raises:
        CnnirError: as `plan` does.
    """
    if options.get("pools") is not None or options.get("weights") is not None:
        found: MemoryPlan | None = plan(graph, **options)
    else:
        own = {name: value for name, value in options.items() if name not in ("pools", "weights")}
        found = _planned(graph, _Asked(**own), below)
    return found if found is not None and found.arena_bytes < below else None


def most_shared(graph: Graph, **options: Any) -> Choices:
    """What may share bytes at most, of all the ways to share that a plan tries.

    Args:
        graph: What is planned.
        options: What `plan` takes.

    Raises:
        CnnirError: As `plan` does.
    """
    asked = _Asked(**{name: value for name, value in options.items() if name not in ("pools", "weights")})
    return asked.ways(asked.over(graph))[0]


def _found(plan: MemoryPlan | None) -> MemoryPlan:
    """There is always one, where nothing is known that it has to be lower than."""
    assert plan is not None  # noqa: S101
    return plan


@dataclass(frozen=True)
class _Asked:
    """What `plan` was asked for, memories apart."""

    order: str | Sequence[str] = "auto"
    fuse: Fuse = "none"
    concat: bool | None = None
    views: bool = True
    strided: bool = False
    alignment: int = DEFAULT_ALIGNMENT
    in_place: bool | Collection[str] = True
    count_inputs: bool = True
    count_outputs: bool = True
    workspace: str | Profile = NONE
    tolerance: float = 0.0
    layout: Arrangement = "rows"
    goal: Goal = "memory"

    @cached_property
    def counting(self) -> Counting:
        """How the kernels' own workspace counts."""
        check_arrangement(self.layout)
        counting = Counting.of(self.workspace, self.tolerance)
        return replace(counting, channels_last=self.layout == "channels-last")

    @cached_property
    def room(self) -> int | None:
        """The largest arena that the goal allows, None for the least.

        Raises:
            CnnirError: ``goal``.
        """
        if self.goal == "memory":
            return None
        expected = "memory, time, or bytes of an arena"
        if self.goal != "time" and (not isinstance(self.goal, int) or isinstance(self.goal, bool) or self.goal < 0):
            raise CnnirError("goal", "no such goal", expected=expected, got=self.goal)
        if self.counting.profile is None:
            hint = f'give a profile, as workspace="{SERVER.name}" does'
            raise CnnirError("goal", "time is bought with the ways of a cost profile", got=self.goal, hint=hint)
        return sys.maxsize if self.goal == "time" else self.goal

    def over(self, graph: Graph) -> bool | frozenset[str]:
        """Whether results are written over operands, or the names of the nodes whose results are.

        Raises:
            CnnirError: ``node-unknown``, or ``in-place`` for one text instead of several.
        """
        if isinstance(self.in_place, bool):
            return self.in_place
        if isinstance(self.in_place, str):
            raise CnnirError("in-place", "the nodes that work in place are a list of names", got=self.in_place)
        return frozenset(graph.node(name).name for name in self.in_place)

    def ways(self, over: bool | frozenset[str]) -> list[Choices]:
        """What may share bytes."""
        concats = [bool(self.concat)]
        if self.concat is None and self.views and self.fuse != "none":
            concats = [True] if self.goal == "time" else [True, False]  # a copy may save bytes, never time
        sides = self.count_inputs, self.count_outputs
        return [
            Choices(self.fuse, concat, self.views, loose, over, *sides, layout=self.layout, counting=self.counting)
            for loose in ((True, False) if self.strided and self.views else (False,))
            for concat in concats
        ]


def _planned(graph: Graph, asked: _Asked, below: int | None = None) -> MemoryPlan | None:
    """The plan in one arena; None when none was found of less than so many bytes."""
    counting, room = asked.counting, asked.room
    _check_alignment(graph, asked.alignment)
    if asked.fuse not in get_args(Fuse):
        raise CnnirError("fuse", "no such level of fusing", expected=", ".join(get_args(Fuse)), got=asked.fuse)
    if not graph.nodes:
        raise CnnirError("plan-empty", "a graph without nodes has nothing to plan", got=graph.name)
    if asked.concat and not asked.views:
        raise CnnirError("views-option", "a concatenation without a copy consists of views", expected="views=True")
    over = asked.over(graph)
    best = best_attempt(graph, asked.ways(over), asked.order, asked.alignment, below)
    if best is None:
        return None
    best = in_less_time(best, asked.alignment, room)
    result = _write(graph, best, asked.alignment, {
        "order": asked.order if isinstance(asked.order, str) else "given",
        "fuse": asked.fuse,
        "concat": best.formation.choices.concat,
        "views": asked.views,
        "strided": asked.strided,
        "alignment": asked.alignment,
        "in_place": over if isinstance(over, bool) else json.dumps(sorted(over)),
        "count_inputs": asked.count_inputs,
        "count_outputs": asked.count_outputs,
        "layout": asked.layout,
        "goal": asked.goal,
        **counting.options,
    })  # fmt: skip
    result.check(graph)
    return result


def _write(graph: Graph, attempt: Attempt, alignment: int, options: dict[str, str | int | bool]) -> MemoryPlan:
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


__all__ = ["ARENA", "DEFAULT_ALIGNMENT", "EFFORT", "INTERFACE", "most_shared", "plan", "plan_below"]
