"""Plans of a graph over several memories."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.memory.pools.model import Memory, check_memories
from cnnir.passes.memory.pools.spreading import Weights, spread
from cnnir.plan import MemoryPlan, weight_bytes
from cnnir.units import format_bytes


def plan_in_pools(
    graph: Graph, plans: Iterable[MemoryPlan], memories: Sequence[Memory], weights: str | None
) -> MemoryPlan:
    """The plan over memories in which moving bytes costs least, of several orders.

    Args:
        graph: What is planned.
        plans: Plans of it in one arena, whose orders are tried.
        memories: What there is.
        weights: Name of the memory that holds the weights too.

    Returns:
        The plan, checked against the graph.

    Raises:
        CnnirError: As `spread` has them, of the first order, when none can be housed.
    """
    check_memories(memories)
    held = _weights(graph, weights)
    found: list[MemoryPlan] = []
    refusals: list[CnnirError] = []
    for plan in plans:
        try:
            found.append(spread(plan, memories, held))
        except CnnirError as error:
            if error.code not in ("pools-full", "pools-unknown"):
                raise
            refusals.append(error)
    if not found:
        # What is not proved of one of the orders is not proved.
        raise next((error for error in refusals if error.code == "pools-unknown"), refusals[0])
    best = min(found, key=lambda plan: (plan.bounds["traffic"].reached, plan.arena_bytes))
    best = _told(best, memories, held)
    best.check(graph)
    return best


def _weights(graph: Graph, memory: str | None) -> Weights | None:
    if memory is None:
        return None
    size = weight_bytes(graph)
    if size is None:
        raise CnnirError("size-unknown", "a weight has no known size, so none can be counted", got=graph.name)
    return Weights(memory, size)


def _told(plan: MemoryPlan, memories: Sequence[Memory], weights: Weights | None) -> MemoryPlan:
    """The plan with what was asked for, and by which rule bytes were counted."""
    options = {**plan.options, "pools": ", ".join(map(str, memories))}
    accounting = plan.accounting
    if weights is not None:
        options["weights"] = weights.memory
        accounting += f"; weights, {format_bytes(weights.bytes)}, lie in {weights.memory} and count for its capacity"
    accounting += "; what steps read and write is moved, each value once a step, but for weights and workspace"
    return replace(plan, options=options, accounting=accounting)


__all__ = ["plan_in_pools"]
