"""Changes that might lower a plan's arena: each is tried by planning anew, and told with what it gives."""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeAlias, get_args

from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node
from cnnir.passes.memory import Fuse, known_bytes
from cnnir.passes.memory import plan as make_plan
from cnnir.plan import JOIN, VIEW, MemoryPlan, Status
from cnnir.plan.arrays import itemsize_of
from cnnir.reports.commands import command_lines, python_call
from cnnir.reports.residents import Place
from cnnir.types import TensorType
from cnnir.units import format_bytes

Touches: TypeAlias = Literal["memory", "caller", "interface", "values"]
"""What a change touches: the plan alone; where inputs and outputs lie; their shapes; what the network computes."""

_GENTLEST: tuple[Touches, ...] = ("memory", "caller", "interface", "values")

_LEVELS = get_args(Fuse)

_FUSED = {"steps": "fuse nodes into steps", "aggressive": "fuse chains of convolutions too"}
"""The levels that are tried: epilogues alone save no memory that steps do not."""

_POOLED = "pool-through-concat"

_NAMED = 4
"""Nodes that are tried one by one."""

_UNSAID = ("pools", "weights")
"""Options that a plan tells of in words alone."""


@dataclass(frozen=True)
class Suggestion:
    """A change, and the arena that it was found to give.

    Attributes:
        what: What is to be changed, for people.
        detail: What comes of it near the peak; empty when there is nothing to tell.
        touches: ``memory``: the plan alone; ``caller``: inputs or outputs lie with the caller; ``interface``: their
            shapes change; ``values``: what the network computes changes.
        passes: The pipeline that the graph goes through first, None for the graph as it is.
        options: All that `graph.plan` is asked for.
        python: The call that gives this plan of ``graph``.
        commands: Command lines that give it, one after the other; none where the command line cannot say it.
        arena_bytes: Of the plan that was made.
        saved: How much less that is.
        status: How good its placement is.
        peak: The step at its peak.
    """

    what: str
    detail: str
    touches: Touches
    passes: str | None
    options: Mapping[str, Any]
    python: str
    commands: tuple[str, ...]
    arena_bytes: int
    saved: int
    status: Status
    peak: Place


@dataclass(frozen=True)
class Refused:
    """A change that the network does not take.

    Attributes:
        what: What was to be changed.
        reason: Why it cannot be, with the node.
    """

    what: str
    reason: str


@dataclass(frozen=True)
class _Change:
    """Something to try: options that replace those of the plan, on the graph behind some passes."""

    what: str
    touches: Touches
    options: Mapping[str, Any] = field(default_factory=dict)
    passes: str | None = None


@dataclass
class Trials:
    """What has been tried for a plan.

    Attributes:
        graph: The plan's graph.
        plan: The plan to be lowered.
        model: How command lines name the graph.
        limit: How many plans may be made.
        plans: How many have been made.
        untried: Changes that would have been tried if more might be made.
        suggestions: What helps, in the order in which it was tried.
        refused: What the network does not take.
    """

    graph: Graph
    plan: MemoryPlan
    model: str
    limit: int
    plans: int = 0
    untried: int = 0
    suggestions: list[Suggestion] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def run(self) -> None:
        """Try every change by itself, then the best that touches the plan alone together with each other one."""
        unsaid = [name for name in self.plan.options if name in _UNSAID or name not in _defaults()]
        if unsaid:
            # What would come out is no answer to what was asked then, so nothing is promised.
            reason = f"the plan was made with {', '.join(unsaid)}, which cannot be asked for again from the plan"
            self.refused.append(Refused("planning anew", reason))
            return
        options = asked_for(self.plan)
        alone = [self._try(change, options) for change in _plan_changes(self.plan, self.graph, options)]
        for change in _graph_changes(self.graph, options):
            self._try(change, options)
        helped = [pair for pair in alone if pair is not None and pair[1].arena_bytes < self.plan.arena_bytes]
        if helped:
            first, better = min(helped, key=lambda pair: (pair[1].arena_bytes, _GENTLEST.index(pair[0].touches)))
            options = {**options, **first.options}
            for change in (*_plan_changes(better, self.graph, options), *_rewritings(self.graph, options)):
                if set(change.options) & set(first.options):
                    continue
                touches = _GENTLEST[max(map(_GENTLEST.index, (first.touches, change.touches)))]
                wanted = {**first.options, **change.options}
                both = _Change(f"{first.what}; {change.what}", touches, wanted, change.passes)
                self._try(both, asked_for(self.plan))

    def _try(self, change: _Change, options: Mapping[str, Any]) -> tuple[_Change, MemoryPlan] | None:
        """Plan with a change; None when there is no such plan, or no more may be made."""
        if self.plans >= self.limit:
            self.untried += 1
            return None
        self.plans += 1
        wanted = _plain({**options, **change.options})
        try:
            graph = self.graph if change.passes is None else self.graph.apply(change.passes).graph
            found = make_plan(graph, **wanted)
        except CnnirError as error:
            error.hint = None  # of no use to whoever did not ask for this change
            self.refused.append(Refused(change.what, str(error)))
            return None
        if found.arena_bytes < self.plan.arena_bytes:
            self.suggestions.append(self._suggestion(change, wanted, graph, found))
        return change, found

    def _suggestion(self, change: _Change, options: Mapping[str, Any], graph: Graph, found: MemoryPlan) -> Suggestion:
        peak = found.peak_step
        assert peak is not None  # noqa: S101  what has no nodes is not planned
        return Suggestion(
            what=change.what,
            detail=_detail(change, self.plan, graph, found),
            touches=change.touches,
            passes=change.passes,
            options=options,
            python=python_call(change.passes, _unusual(options)),
            commands=command_lines(self.model, change.passes, _unusual(options)),
            arena_bytes=found.arena_bytes,
            saved=self.plan.arena_bytes - found.arena_bytes,
            status=found.status,
            peak=Place.of(found, graph, peak),
        )


def worthwhile(suggestions: Iterable[Suggestion]) -> tuple[Suggestion, ...]:
    """The suggestions, the one that gives most first; none that gives no more than a plainer one that it contains."""
    found = list(suggestions)
    kept = [
        one for one in found
        if not any(other is not one and other.arena_bytes <= one.arena_bytes and _is_plainer(other, one)
                   for other in found)
    ]  # fmt: skip
    return tuple(sorted(kept, key=lambda one: (one.arena_bytes, _GENTLEST.index(one.touches), len(one.what))))


def _is_plainer(one: Suggestion, other: Suggestion) -> bool:
    """True when everything that the one asks for is asked for by the other, or more of it."""
    if one.passes != other.passes:
        return False
    mine, theirs = _unusual(one.options), _unusual(other.options)
    # One node that works in place is less than all of them, which is what is usual.
    named, more = mine.pop("in_place", True), theirs.pop("in_place", True)
    if named is True and isinstance(more, tuple):
        return False
    if isinstance(named, tuple) and more is True:
        return all(_at_most(name, value, theirs) for name, value in mine.items())
    mine, theirs = {**mine, "in_place": named}, {**theirs, "in_place": more}
    return mine != theirs and all(_at_most(name, value, theirs) for name, value in mine.items())


def _at_most(name: str, value: Any, options: Mapping[str, Any]) -> bool:
    if name == "fuse":
        return _LEVELS.index(value) <= _LEVELS.index(options.get(name, "none"))
    return name in options and (value == options[name] or (name == "order" and options[name] == "optimal"))


@cache
def _defaults() -> dict[str, Any]:
    """What the planner does when it is not asked."""
    parameters = inspect.signature(make_plan).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}


def asked_for(plan: MemoryPlan) -> dict[str, Any]:
    """The options that give this plan."""
    found: dict[str, Any] = dict(plan.options)
    if found.get("order") == "given":
        found["order"] = list(dict.fromkeys(plan.order))
    if isinstance(found.get("in_place"), str):
        found["in_place"] = tuple(json.loads(found["in_place"]))
    if found.get("concat") == (found.get("fuse", "none") != "none"):
        found["concat"] = None  # it goes with fusing, and shall do so when that changes
    return found


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options.get(name, default) for name, default in _defaults().items()}


def _unusual(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have to be asked for."""
    return {name: value for name, value in options.items() if value != _defaults()[name]}


def _plan_changes(plan: MemoryPlan, graph: Graph, options: Mapping[str, Any]) -> Iterator[_Change]:
    """What may be asked of the planner instead, as far as the plan's own bounds do not say that it is in vain."""
    asked = _plain(options)
    if asked["in_place"] is not True:
        yield _Change("write results over operands", "memory", {"in_place": True})
        named = () if asked["in_place"] is False else tuple(asked["in_place"])
        for node in _over_operands(plan, graph, named):
            yield _Change(
                f"write the result of {node.label} over an operand", "memory", {"in_place": (*named, node.name)}
            )
    if plan.bounds["order"].status != "optimal":
        words = {"auto": "search another order", "optimal": "search longer for another order"}
        for order in ("optimal",) if asked["order"] == "auto" else ("auto", "optimal"):
            if asked["order"] != "optimal":
                yield _Change(words[order], "memory", {"order": order})
    for fuse in _LEVELS[_LEVELS.index(asked["fuse"]) + 1 :]:
        if fuse in _FUSED:
            yield _Change(_FUSED[fuse], "memory", {"fuse": fuse})
    if not asked["views"]:
        yield _Change("let parts of values be views", "memory", {"views": True})
    elif asked["concat"] is False or (asked["concat"] is None and asked["fuse"] == "none"):
        yield _Change("write concatenations without a copy", "memory", {"concat": True})
    yield from _with_the_caller(asked)
    if plan.bounds["placement"].status != "optimal":
        least = max(map(itemsize_of, plan.values.values()), default=1)
        if least < asked["alignment"]:
            yield _Change(f"align to {least} bytes", "memory", {"alignment": least})


def _over_operands(plan: MemoryPlan, graph: Graph, named: Sequence[str]) -> list[Node]:
    """Nodes whose result could lie in an operand's place where both live at the peak, the largest first."""
    peak = plan.peak_step
    living = set() if peak is None else {name for index in plan.live_storages(peak) for name in plan.holders(index)}
    found = []
    for node in graph.nodes:
        alike = [value for value in node.operands if len(node.outputs) == 1 and value.type == node.output.type]
        if node.op.in_place and node.name not in named and not living.isdisjoint(value.name for value in alike):
            found += [node] if node.output.name in living else []
    return sorted(found, key=lambda node: -known_bytes(node.output))[:_NAMED]


def _with_the_caller(asked: Mapping[str, Any]) -> Iterator[_Change]:
    if asked["count_inputs"]:
        yield _Change("leave the inputs with the caller", "caller", {"count_inputs": False})
    if asked["count_outputs"]:
        yield _Change("leave the outputs with the caller", "caller", {"count_outputs": False})


def _graph_changes(graph: Graph, options: Mapping[str, Any]) -> Iterator[_Change]:
    """What may be asked of the network instead: one image, half the bytes, half the height and width."""
    order = _order_elsewhere(options)
    yield from _rewritings(graph, options)
    shapes = [value.type.shape for value in graph.inputs if isinstance(value.type, TensorType)]
    batches = {shape[0] for shape in shapes if shape}
    if len(batches) == 1 and (batch := batches.pop()) != 1 and is_known(batch):
        yield _Change(f"one image at once, not {batch}", "interface", order, "set-batch{batch=1}")
    yield _Change("compute in float16", "values", order, "half-weights{compute=true}")
    images = [shape for shape in shapes if len(shape) == 4]
    if len(images) == 1:
        height, width = images[0][2:]
        if is_known(height) and is_known(width) and min(height, width) > 1:
            size = f"{-(-height // 2)}x{-(-width // 2)}"
            yield _Change(f"an input of {size}, not {height}x{width}", "values", order, f"set-size{{size={size}}}")


def _rewritings(graph: Graph, options: Mapping[str, Any]) -> Iterator[_Change]:
    """Another network that computes the same to the bit."""
    if graph.apply(_POOLED).modified:
        yield _Change("push pooling through concatenations", "memory", _order_elsewhere(options), _POOLED)


def _order_elsewhere(options: Mapping[str, Any]) -> dict[str, str]:
    """An order by names is one of this graph's nodes alone."""
    return {} if isinstance(options.get("order", "auto"), str) else {"order": "auto"}


def _detail(change: _Change, plan: MemoryPlan, graph: Graph, found: MemoryPlan) -> str:
    """What becomes of the nodes at the old peak."""
    told = []
    outside = sum(pool.bytes for pool in found.pools if not pool.counted)
    if change.touches == "caller":
        told.append(f"{format_bytes(outside)} with the caller")
    if change.passes is None and plan.peak_step is not None:
        told += _new_steps(plan.steps[plan.peak_step].nodes, graph, found)
    return "; ".join(told)


def _new_steps(nodes: Sequence[str], graph: Graph, found: MemoryPlan) -> Iterator[str]:
    """How steps near the old peak are computed now, where it is in a way of its own."""
    names = set(nodes)
    for number, step in enumerate(found.steps):
        if not names & set(step.nodes):
            continue
        if len(step.nodes) > len(nodes):
            strips = " in strips" if step.tile else ""
            yield f"{Place.of(found, graph, number).label} as one step{strips}"
        elif step.donations:
            source, target = step.donations[0]
            yield f"{target} in place of {source}"
        elif step.algorithm in (VIEW, JOIN):
            yield f"{Place.of(found, graph, number).label} as a {step.algorithm}"
        return


__all__ = ["Refused", "Suggestion", "Touches", "Trials", "asked_for", "worthwhile"]
