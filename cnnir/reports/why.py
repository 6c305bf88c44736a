"""Why a plan needs what it needs: what lives at its peak, what bounds it, and which changes would lower it.

Nothing is estimated: the lives are the plan's own, the bounds are those that came with it, and each change that is
suggested has been made and planned.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.plan import KERNEL, Bound, MemoryPlan
from cnnir.reports.changes import Refused, Suggestion, Trials, worthwhile
from cnnir.reports.residents import Place, Resident, residents

SCHEMA = "cnnir.why/1"

PLANS = 24
"""How many plans are made at most to find out what would help."""


@dataclass(frozen=True)
class Why:
    """The answer for one plan.

    Attributes:
        graph: The network's name.
        arena_bytes: What the plan needs.
        peak: The first step at which most bytes live.
        steps: How many there are.
        live_bytes: What lives at the peak.
        own_bytes: How much of that the step reads, writes and works in; the rest is kept for later ones.
        residents: What lives there, the largest first.
        not_in_place: For each operand as large as the result: why the result does not lie in its place.
        ties: How many other steps need as much.
        next_peak: The step that needs most of those that need less, None when there is none.
        next_bytes: What lives there.
        bounds: The plan's own, ``order`` and ``placement``.
        suggestions: Changes that lower the arena, what gives most first.
        refused: Changes that were tried and that the network does not take.
        plans: How many plans were made for these.
        untried: How many changes were not tried, since no more plans might be made.
        accounting: The rule by which bytes were counted.
    """

    graph: str
    arena_bytes: int
    peak: Place
    steps: int
    live_bytes: int
    own_bytes: int
    residents: tuple[Resident, ...]
    not_in_place: tuple[str, ...]
    ties: int
    next_peak: Place | None
    next_bytes: int
    bounds: dict[str, Bound]
    suggestions: tuple[Suggestion, ...]
    refused: tuple[Refused, ...]
    plans: int
    untried: int
    accounting: str

    def as_json(self) -> dict[str, Any]:
        """The answer as ``cnnir.why/1``."""
        found = {"schema": SCHEMA, **asdict(self)}
        found["residents"] = [{**asdict(resident), "reason": resident.reason} for resident in self.residents]
        return found

    def to_json(self) -> str:
        """`as_json` as text."""
        return json.dumps(self.as_json(), indent=2) + "\n"

    def __str__(self) -> str:
        from cnnir.reports.why_text import why_text  # noqa: PLC0415  the text shows the answer

        return why_text(self)

    def _repr_html_(self) -> str:
        from cnnir.reports.why_html import why_html  # noqa: PLC0415  so does the page

        return why_html(self)


def why(plan: MemoryPlan, graph: Graph, *, plans: int = PLANS, model: str = "MODEL") -> Why:
    """Explain a plan.

    Args:
        plan: Of the graph; it is proved first.
        graph: Left as it is.
        plans: How many plans may be made at most to find what would help; with 0 none is.
        model: How command lines name the network.

    Raises:
        CnnirError: ``plan-empty`` for a plan without steps, ``plan-graph`` for another graph's, ``plan-…`` for one that
            does not hold.
    """
    plan.check(graph)
    step = plan.peak_step
    if step is None:
        raise CnnirError("plan-empty", "a plan without steps has no peak", got=plan.graph)
    live = plan.live_bytes()
    found = residents(plan, graph, step)
    lower = [number for number in range(len(live)) if live[number] < live[step]]
    next_one = max(lower, key=lambda number: (live[number], -number), default=None)
    trials = Trials(graph, plan, model, plans)
    trials.run()
    return Why(
        graph=plan.graph,
        arena_bytes=plan.arena_bytes,
        peak=Place.of(plan, graph, step),
        steps=len(plan.steps),
        live_bytes=live[step],
        own_bytes=sum(resident.bytes for resident in found if resident.is_own),
        residents=found,
        not_in_place=_not_in_place(plan, graph, step),
        ties=live.count(live[step]) - 1,
        next_peak=None if next_one is None else Place.of(plan, graph, next_one),
        next_bytes=0 if next_one is None else live[next_one],
        bounds={name: plan.bounds[name] for name in ("order", "placement")},
        suggestions=worthwhile(trials.suggestions),
        refused=tuple(trials.refused),
        plans=trials.plans,
        untried=trials.untried,
        accounting=plan.accounting,
    )


def _not_in_place(plan: MemoryPlan, graph: Graph, number: int) -> tuple[str, ...]:
    step = plan.steps[number]
    node = graph.node(step.nodes[-1])
    if step.algorithm != KERNEL or step.donations or len(step.nodes) > 1 or len(node.outputs) != 1:
        return ()
    alike = [value.name for value in node.operands if value.type == node.output.type and value.name in step.reads]
    return tuple(
        f"{node.output.name} does not take the place of {name}: {_obstacle(plan, graph, name, number)}"
        for name in dict.fromkeys(alike)
    )


def _obstacle(plan: MemoryPlan, graph: Graph, name: str, number: int) -> str:
    node = graph.node(plan.steps[number].nodes[-1])
    if not node.op.in_place:
        return f"{node.op.kind} reads places again after it has written others"
    if plan.options.get("in_place") is False:
        return "the plan was asked not to write over operands"
    if name in plan.inputs:
        return "that is an input of the graph"
    storages = {piece.storage for piece in plan.values[name].pieces or ()}
    sharing = {other for storage in storages for other in plan.holders(storage)}
    for later in range(number + 1, len(plan.steps)):
        if sharing & set(plan.steps[later].reads):
            return f"{Place.of(plan, graph, later).label} reads that again at step {later}"
    if sharing & set(plan.outputs):
        return "that is an output of the graph"
    return "one of them lies fixed to other values"


__all__ = ["PLANS", "SCHEMA", "Why", "why"]
