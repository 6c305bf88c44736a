"""Plans for networks that may be rewritten first: the graph comes back with its plan."""

from typing import Any

from cnnir.graph import Graph
from cnnir.passes.memory.planner import plan
from cnnir.passes.pool_through_concat import PoolThroughConcat
from cnnir.plan import MemoryPlan


def plan_rewritten(graph: Graph, **options: Any) -> tuple[Graph, MemoryPlan]:
    """The lower of two plans: of the graph as it is, and with pooling pushed through its concatenations.

    A plan belongs to one graph, by its digest; so the graph that was planned is returned with it. Both give the same
    values to the bit.

    Args:
        graph: All dims known; left as it is.
        options: What `plan` takes.

    Raises:
        CnnirError: as `plan` does.
    """
    asked = plan(graph, **options)
    rewritten = graph.apply(PoolThroughConcat())
    if not rewritten.modified:
        return graph, asked
    other = plan(rewritten.graph, **options)
    return (rewritten.graph, other) if other.arena_bytes < asked.arena_bytes else (graph, asked)
