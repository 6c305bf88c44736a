"""The bound of a plan's order, against all orders of its steps."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np

from cnnir.graph import Graph
from cnnir.passes.memory.planner import plan as planned
from cnnir.plan import Bound, MemoryPlan
from tests.plan import oracle_orders
from tests.plan.asked import drawn_options
from tests.random_blocks import random_blocks
from tests.random_graphs import random_graph


def small(seed: int) -> tuple[Graph, dict[str, Any]]:
    """A network of few steps, and what is asked for."""
    rng = np.random.default_rng([seed, 5])
    graph = random_graph(rng, int(rng.integers(3, 10))) if seed % 3 else random_blocks(rng, 1)
    options = drawn_options(graph, rng)
    return graph, {**options, "in_place": options["in_place"] if rng.integers(2) else False}


def with_bound(plan: MemoryPlan, bound: int, reached: int) -> str:
    """The plan as text, with another bound."""
    bounds = {**plan.bounds, "order": Bound.of(bound, reached, "")}
    return dataclasses.replace(plan, bounds=bounds).to_json()


def test_no_order_needs_less_than_is_said() -> None:
    """Where the order is proved, the bound is the least peak of all; else it is no more. Wrong ones are found."""
    met: Counter[str] = Counter()
    for seed in range(100):
        graph, options = small(seed)
        plan = planned(graph, **options)
        least = oracle_orders.least_peak(plan.to_json())
        if least is None:
            continue
        bound = plan.bounds["order"]
        assert oracle_orders.complaint(plan.to_json()) is None, (seed, options)
        met[bound.status] += 1
        met["better than the file"] += (
            bound.bytes < planned(graph, **{**options, "order": "file"}).bounds["order"].reached
        )
        assert oracle_orders.complaint(with_bound(plan, least + 4, max(bound.reached, least + 4))) is not None
        assert oracle_orders.complaint(with_bound(plan, least - 4, least - 4)) is not None
    assert met["optimal"] > 40
    assert met["better than the file"] > 1
