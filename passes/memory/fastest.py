"""The plan by which a graph is computed in the least time."""

from typing import Any, Literal

from cnnir.algorithms import SERVER, Profile
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.passes.memory.planner import plan
from cnnir.plan import MemoryPlan

TOLERANCES = {"fast": 1e-4, "exact": 0.0}
"""The largest error, relative to the largest result, that an algorithm may add to that of plain sums."""


def fastest(
    graph: Graph, *, profile: str | Profile = SERVER, precision: Literal["fast", "exact"] = "fast", **options: Any
) -> MemoryPlan:
    """Plan for speed: channels innermost, epilogues fused, the fastest algorithms whatever they take.

    Args:
        graph: All dims known.
        profile: What time is estimated by.
        precision: ``exact`` for plain sums alone; ``fast`` for algorithms as well that trade digits for time.
        options: Others of `cnnir.passes.memory.plan`, which go before these.

    Raises:
        CnnirError: ``precision``, and what planning raises.
    """
    if precision not in TOLERANCES:
        raise CnnirError("precision", "no such precision", expected=" or ".join(TOLERANCES), got=precision)
    usual: dict[str, Any] = {
        "fuse": "epilogues",
        "layout": "channels-last",
        "workspace": profile,
        "tolerance": TOLERANCES[precision],
        "goal": "time",
    }
    return plan(graph, **{**usual, **options})


__all__ = ["TOLERANCES", "fastest"]
