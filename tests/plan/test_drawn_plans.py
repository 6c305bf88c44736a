"""Random plans of all kinds: the proof and the oracle take the right ones, and both refuse each kind of fault."""

from collections import Counter

import numpy as np
import pytest

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.plan import JOIN, VIEW, MemoryPlan, strided
from tests.plan import oracle
from tests.plan.asked import drawn_options, wrong_runs
from tests.plan.drawn import drawn_plan
from tests.plan.spoiling import SPOILERS, Spoiler
from tests.plan.test_planned_runs import feed
from tests.random_blocks import random_blocks
from tests.random_graphs import random_graph

SEEDS = range(120)


def drawn(seed: int) -> tuple[Graph, MemoryPlan, np.random.Generator]:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(3, 16))) if seed % 2 else random_blocks(rng, int(rng.integers(1, 4)))
    return graph, drawn_plan(graph, rng), rng


def is_refused(plan: MemoryPlan, graph: Graph) -> bool:
    try:
        plan.check(graph)
    except CnnirError as error:
        assert error.code.startswith("plan-")  # noqa: PT017  most are refused
        assert "\n" not in str(error)  # noqa: PT017
        return True
    return False


def test_right_plans_are_taken_and_give_the_bits_of_a_free_run() -> None:
    """With all that holds nothing needed spoilt before each step."""
    met: Counter[str] = Counter()
    for seed in SEEDS:
        graph, plan, _ = drawn(seed)
        plan.check(graph)
        assert oracle.complaint(graph, plan.to_json()) is None
        assert MemoryPlan.from_json(plan.to_json()) == plan
        met["fused"] += sum(len(step.nodes) > 1 for step in plan.steps)
        met["again"] += len(plan.order) - len(graph)
        met["spanning"] += sum(len(value.pieces or ()) > 1 for value in plan.values.values())
        met["unaligned"] += sum(not storage.aligned for storage in plan.storages)
        met["strips"] += sum(step.scratch is not None and step.scratch.strips > 0 for step in plan.steps)
        met["given"] += sum(len(step.donations) for step in plan.steps)
        met["pools"] += plan.pools[1].bytes > 0
        met.update(step.algorithm for step in plan.steps)
        if seed % 3 == 0:
            given = feed(graph)
            free, planned = graph.run(given), graph.run(given, plan=plan, poison=True)
            assert all(np.array_equal(planned[name], array) for name, array in free.items())
    kinds = ("fused", "again", "spanning", "unaligned", "strips", "given", "pools", VIEW, JOIN)
    assert min(met[kind] for kind in kinds) > 5, "of each kind there were some"


def test_what_the_planner_fuses_is_right() -> None:
    """The same networks, planned: fused steps, concatenations without a copy."""
    met: Counter[str] = Counter()
    for seed in SEEDS:
        graph, _, rng = drawn(seed)
        plan = graph.plan(fuse="steps", order="auto" if rng.integers(2) else "file", alignment=int(rng.choice([4, 64])))
        assert oracle.complaint(graph, plan.to_json()) is None
        met["fused"] += sum(len(step.nodes) > 1 for step in plan.steps)
        met["spanning"] += sum(len(value.pieces or ()) > 1 for value in plan.values.values())
        if seed % 4 == 0:
            given = feed(graph)
            free, planned = graph.run(given), graph.run(given, plan=plan, poison=True)
            assert all(np.array_equal(planned[name], array) for name, array in free.items())
    assert min(met["fused"], met["spanning"]) > 30


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_both_refuse_each_kind_of_fault(spoiler: Spoiler) -> None:
    """What the oracle refuses, the proof refuses; and the proof refuses no plan of whole arrays that would work."""
    refused = 0
    for seed in range(40):
        graph, plan, rng = drawn(seed)
        spoilt = spoiler(plan, rng)
        if spoilt is None or spoilt == plan:
            continue
        complaint, verdict = oracle.complaint(graph, spoilt.to_json()), is_refused(spoilt, graph)
        refused += complaint is not None
        assert verdict or complaint is None
        # A join into parts that lie here and there could be executed; the proof does not ask how.
        scattered = any(value.pieces and strided(value) is None for value in spoilt.values.values())
        assert complaint is not None or not verdict or scattered
    assert refused >= 4


def test_whatever_is_asked_for_is_right() -> None:
    """All options drawn: fusing, layouts, workspace, strides, views, goals, memories; proved, and run in all ways."""
    met: Counter[str] = Counter()
    for seed in range(60):
        graph, _, rng = drawn(seed)
        options = drawn_options(graph, rng)
        plan = graph.plan(**options)
        assert oracle.complaint(graph, plan.to_json()) is None, seed
        assert list(wrong_runs(graph, plan, met)) == [], (seed, options)
        met.update(f"{name} {options[name]}" for name in ("fuse", "layout", "workspace"))
        met["memories"] += "pools" in options
    assert min(met.values()) > 4
    assert met["runs compiled"] > 50
