"""Plans for networks that may be rewritten first: the graph comes back with its plan."""

from typing import Any

from cnnir.graph import Graph
from cnnir.passes.conv_through_concat import ConvThroughConcat
from cnnir.passes.memory.forming import Fuse
from cnnir.passes.memory.planner import plan, plan_below
from cnnir.passes.pool_through_concat import PoolThroughConcat
from cnnir.plan import MemoryPlan


def plan_rewritten(graph: Graph, *, fuse: Fuse = "none", **options: Any) -> tuple[Graph, MemoryPlan]:
    """The lowest of some plans: of the graph as it is, and with pooling pushed through its concatenations.

    Where convolutions are chained, also with convolutions of concatenations added up part by part. A plan belongs to
    one graph, by its digest; so the graph that was planned is returned with it. Pooling gives the same values to the
    bit, sums of parts but for float error.

    Args:
        graph: All dims known; left as it is.
        fuse: As `plan` takes it.
        options: What `plan` takes beside.

    Raises:
        CnnirError: as `plan` does.
    """
    best = graph, plan(graph, fuse=fuse, **options)
    for rewrite in (PoolThroughConcat(), ConvThroughConcat()):
        if isinstance(rewrite, ConvThroughConcat) and fuse != "aggressive":
            continue
        rewritten = graph.apply(rewrite)
        if rewritten.modified:
            graph = rewritten.graph
            lower = plan_below(graph, best[1].arena_bytes, fuse=fuse, **options)
            best = (graph, lower) if lower is not None else best
    return best
