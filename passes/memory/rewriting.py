"""Plans for networks that may be rewritten first: the graph comes back with its plan."""

from dataclasses import dataclass
from typing import Any

from cnnir.graph import Graph
from cnnir.passes.base import Change
from cnnir.passes.conv_through_concat import ConvThroughConcat
from cnnir.passes.memory.forming import Fuse
from cnnir.passes.memory.planner import plan, plan_below
from cnnir.passes.pool_through_concat import PoolThroughConcat
from cnnir.plan import MemoryPlan


@dataclass(frozen=True)
class Rewritten:
    """A graph with its plan.

    Attributes:
        graph: What was planned.
        plan: Of that graph, by its digest.
        changes: What was done to the graph that was given; none where that is the one that was planned.
    """

    graph: Graph
    plan: MemoryPlan
    changes: tuple[Change, ...] = ()


def find_rewritten(graph: Graph, *, fuse: Fuse = "none", **options: Any) -> Rewritten:
    """The lowest of some plans: of the graph as it is, and with pooling pushed through its concatenations.

    Where convolutions are chained, also with convolutions of concatenations added up part by part. Pooling gives the
    same values to the bit, sums of parts but for float error.

    Args:
        graph: All dims known; left as it is.
        fuse: As `plan` takes it.
        options: What `plan` takes beside.

    Raises:
        CnnirError: as `plan` does.
    """
    best = Rewritten(graph, plan(graph, fuse=fuse, **options))
    changes: tuple[Change, ...] = ()
    for rewrite in (PoolThroughConcat(), ConvThroughConcat()):
        if isinstance(rewrite, ConvThroughConcat) and fuse != "aggressive":
            continue
        result = graph.apply(rewrite)
        if result.modified:
            graph, changes = result.graph, changes + result.changes
            lower = plan_below(graph, best.plan.arena_bytes, fuse=fuse, **options)
            best = Rewritten(graph, lower, changes) if lower is not None else best
    return best


def plan_rewritten(graph: Graph, *, fuse: Fuse = "none", **options: Any) -> tuple[Graph, MemoryPlan]:
    """The graph and the plan of `find_rewritten`: a plan belongs to one graph, so both are returned."""
    found = find_rewritten(graph, fuse=fuse, **options)
    return found.graph, found.plan
