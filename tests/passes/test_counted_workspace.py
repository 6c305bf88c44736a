"""Plans in which the kernels' workspace has its place, against what kernels take, and against the trade on paper."""

import gc
import itertools
import json
import re
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cnnir import Graph, load
from cnnir.algorithms import SERVER, Call, Profile, Unknown, front, planned_workspace
from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.interpreter import executor
from cnnir.passes.memory import Memory, planner
from cnnir.passes.memory.workspace import NONE, TODAY
from cnnir.plan import JOIN, KERNEL, VIEW, MemoryPlan, Step
from tests import models
from tests.plan import oracle, plans
from tests.random_blocks import random_blocks

HEADERS = 64 * 1024
"""Bytes that Python's own objects may take in a step."""

LIGHT = ["squeezenet", "bvlc_alexnet", "shufflenet", "resnet50", "inception_v1", "densenet121"]


def own_bytes(step: Step) -> int:
    """What a step has in the arena beside its strips."""
    return step.scratch.bytes - step.scratch.strips if step.scratch is not None else 0


def strip_bytes(step: Step) -> int:
    """What a step's strips take."""
    return step.scratch.strips if step.scratch is not None else 0


def measured(graph: Graph, plan: MemoryPlan, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each computed step of a planned run the most bytes that it held at once, beside what was there before."""
    found: list[int] = []
    compute = executor.compute

    def traced(*arguments: Any) -> Any:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = compute(*arguments)
        found.append(tracemalloc.get_traced_memory()[1] - before)
        return result

    feed = models.random_input(graph)
    graph.run(feed, plan=plan)  # what is imported and proved once is so from now on
    monkeypatch.setattr(executor, "compute", traced)
    gc.collect()
    tracemalloc.start()
    try:
        graph.run(feed, plan=plan)
    finally:
        tracemalloc.stop()
    return found


@pytest.mark.parametrize("fuse", ["none", "steps"])
@pytest.mark.parametrize("name", LIGHT)
def test_no_step_takes_more_than_is_planned_for_it(name: str, fuse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fused step does not store included; and the largest figure is not far from the truth."""
    graph = models.with_random_weights(load(models.path(name)))
    plan = graph.plan(fuse=fuse, workspace=TODAY)
    steps = [step for step in plan.steps if step.algorithm == KERNEL]
    taken = measured(graph, plan, monkeypatch)
    assert len(taken) == len(steps)
    for step, most in zip(steps, taken, strict=True):
        assert most <= own_bytes(step) + HEADERS, step.label
    largest = max(range(len(steps)), key=lambda number: own_bytes(steps[number]))
    assert own_bytes(steps[largest]) == plan.workspace_bytes
    assert taken[largest] >= 0.85 * plan.workspace_bytes


@pytest.mark.parametrize("fuse", ["none", "steps", "aggressive"])
@pytest.mark.parametrize("name", ["squeezenet", "resnet50"])
def test_the_figures_are_those_of_the_steps(name: str, fuse: str) -> None:
    """Each step has what the interpreter takes for it; the arena is the largest sum, proved and placed."""
    graph = load(models.path(name))
    plan = graph.plan(fuse=fuse, workspace=TODAY)
    plain = graph.plan(fuse=fuse)
    assert tuple(map(own_bytes, plan.steps)) == planned_workspace(graph, plan)
    assert plan.arena_bytes == max(plan.live_bytes())
    assert plan.arena_bytes <= plain.data_bytes + plan.workspace_bytes
    assert plan.data_bytes >= plain.data_bytes == plain.arena_bytes
    assert plain.workspace_bytes == 0
    assert "weights are not counted" in plan.accounting
    assert plan.options["workspace"] == TODAY
    told = str(plan)
    for figure in (plan.arena_bytes, plan.data_bytes, plan.workspace_bytes):
        assert f"({figure:,} B)" in told
    document = json.loads(plan.to_json())
    assert document["data_bytes"] == plan.data_bytes
    assert document["workspace_bytes"] == plan.workspace_bytes


@pytest.mark.parametrize("workspace", [TODAY, SERVER.name])
@pytest.mark.parametrize("seed", range(25))
def test_random_networks_before_the_oracle(seed: int, workspace: str) -> None:
    """It knows what every byte holds, scratch apart from all of it; what can be run gives the bits of a free run."""
    rng = np.random.default_rng([seed, 77])
    graph = random_blocks(rng)
    fuse = ("none", "steps", "aggressive")[seed % 3]
    plan = graph.plan(
        fuse=fuse, workspace=workspace, tolerance=0.01 * (workspace != TODAY), in_place=seed % 5 > 0,
        count_inputs=seed % 4 > 0, count_outputs=seed % 7 > 0,
    )  # fmt: skip
    assert oracle.complaint(graph, plan.to_json()) is None
    assert MemoryPlan.from_json(plan.to_json()) == plan
    if workspace == TODAY:
        feed = models.random_input(graph)
        free, planned = graph.run(feed), graph.run(feed, plan=plan, poison=True)
        for name, array in free.items():
            np.testing.assert_array_equal(planned[name], array, strict=True)


def offered(graph: Graph, step: Step, tolerance: float) -> dict[str, tuple[int, float]]:
    """The ways of a step of one node by name as a plan writes it: bytes, and seconds where they are known."""
    (name,) = step.nodes
    node = graph.node(name)
    found = front(node.op, Call.of(node), SERVER, tolerance=tolerance, runnable=False)
    assert not isinstance(found, Unknown)
    ways = {}
    for way in found:
        settings = ",".join(f"{key}={value}" for key, value in way.parameters)
        label = f"{way.algorithm}{{{settings}}}" if settings else way.algorithm
        ways[label] = (way.scratch_bytes, np.inf if way.seconds is None else way.seconds)
    return ways


@pytest.mark.parametrize("tolerance", [0.0, 1e-3])
@pytest.mark.parametrize("name", ["squeezenet", "resnet50", "inception_v1", "shufflenet"])
def test_time_is_bought_with_what_is_free(name: str, tolerance: float) -> None:
    """Each step takes the fastest way for which there is room under the peak, and the peak is the least there is."""
    graph = load(models.path(name))
    plan = graph.plan(workspace=SERVER, tolerance=tolerance)
    live = plan.live_bytes()
    least = []
    chosen = set()
    for number, step in enumerate(plan.steps):
        if step.algorithm in (VIEW, JOIN):
            assert step.scratch is None
            continue
        ways = offered(graph, step, tolerance)
        chosen.add(step.algorithm.partition("{")[0])
        data = live[number] - own_bytes(step)
        assert ways[step.algorithm][0] == own_bytes(step)
        room = [seconds for scratch, seconds in ways.values() if data + scratch <= plan.lower_bound]
        assert ways[step.algorithm][1] == min(room)
        least.append(data + min(scratch for scratch, _ in ways.values()))
    assert plan.arena_bytes == plan.lower_bound == max(least)
    # ShuffleNet's convolutions have groups, or windows of one cell.
    assert any(way.startswith("winograd") for way in chosen) == (tolerance > 0 and name != "shufflenet")
    assert len(chosen) >= 3


@pytest.mark.parametrize("seed", [3, 4, 14, 34])
def test_time_never_costs_bytes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arena is that of the least scratch, also where what is free under the peak cannot be placed."""
    graph = random_blocks(np.random.default_rng([seed, 5]))
    plan = graph.plan(workspace=SERVER, tolerance=0.01)
    monkeypatch.setattr(planner, "in_less_time", lambda attempt, *_: attempt)
    sparing = graph.plan(workspace=SERVER, tolerance=0.01)
    assert (plan.arena_bytes, plan.bounds["order"]) == (sparing.arena_bytes, sparing.bounds["order"])
    assert sum(map(own_bytes, plan.steps)) >= sum(map(own_bytes, sparing.steps))


def test_less_scratch_takes_a_smaller_arena() -> None:
    """Than today's kernels, and than an order that was found without it."""
    for name in ("squeezenet", "densenet121", "shufflenet"):
        graph = load(models.path(name))
        none, today, priced = (graph.plan(workspace=how).arena_bytes for how in ("none", TODAY, SERVER))
        assert none <= priced < today


@pytest.mark.parametrize("workspace", [TODAY, SERVER])
def test_the_same_plan_every_time(workspace: str | Profile) -> None:
    """From a graph that is loaded anew."""
    one, other = (load(models.path("inception_v1")).plan(fuse="steps", workspace=workspace).to_json() for _ in range(2))
    assert one == other


def test_the_order_sees_the_workspace() -> None:
    """Two branches: what is best without workspace is not, when one of them needs much of it."""
    builder = GraphBuilder("branches")
    data = builder.input("x", (1, 16, 16, 16))
    heavy = builder.conv(data, 16, kernel=7, padding=3)  # much workspace, the result as large as the input
    wide = builder.conv(data, 64, kernel=1)  # little workspace, a large result
    narrow = builder.conv(wide, 16, kernel=1)
    graph = builder.build(builder.add(heavy, narrow))
    plan = graph.plan(workspace=TODAY)
    figures = {}
    for order in orders(graph):
        figures[order] = graph.plan(order=order, workspace=TODAY).arena_bytes
    assert plan.arena_bytes == min(figures.values()) < max(figures.values())
    assert plan.bounds["order"].status == "optimal"


def orders(graph: Graph) -> Sequence[tuple[str, ...]]:
    """All executable orders of a small graph."""
    found = []
    for nodes in itertools.permutations(graph.nodes):
        done = {*graph.inputs, *graph.weights}
        for node in nodes:
            if not done.issuperset(node.operands):
                break
            done.update(node.outputs)
        else:
            found.append(tuple(node.name for node in nodes))
    return found


def test_another_way_is_never_run_as_the_kernel() -> None:
    """The step is named, before anything has run; what the file says of a plan says it too."""
    graph = load(models.path("squeezenet"))
    plan = graph.plan(workspace=SERVER)
    number = next(number for number, step in enumerate(plan.steps) if step.algorithm.startswith("im2col"))
    for written in (plan, MemoryPlan.from_json(plan.to_json())):
        with pytest.raises(CnnirError, match=re.escape(f"step {number} (")) as raised:
            graph.run(models.random_input(graph), plan=written)
        assert raised.value.code == "plan-unsupported"
        assert plan.steps[number].algorithm in str(raised.value)
    assert "of ways that the interpreter may not have" in plan.accounting
    assert "kept in other forms" in graph.plan(workspace=SERVER, tolerance=0.01).accounting


def test_scratch_lies_apart() -> None:
    """The proof refuses a plan whose workspace shares bytes with what lives at its step."""
    graph = plans.residual_network()
    plan = graph.plan(workspace=TODAY)
    number = next(number for number, step in enumerate(plan.steps) if own_bytes(step))
    step = plan.steps[number]
    assert step.scratch is not None
    taken = plan.storages[plan.live_storages(number)[0]]
    spoilt = plans.with_step(plan, number, scratch=type(step.scratch)("arena", taken.offset, step.scratch.bytes))
    with pytest.raises(CnnirError) as raised:
        spoilt.check(graph)
    assert raised.value.code in ("plan-overlap", "plan-structure")


def test_rules_say_whose_ways_were_taken() -> None:
    """With channels last they are those of compiled programs."""
    plan = plans.residual_network().plan(workspace=SERVER, layout="channels-last")
    assert "of ways that compiled programs have" in plan.accounting


@pytest.mark.parametrize(
    ("goal", "workspace"),
    [("time", NONE), ("time", TODAY), (1 << 20, NONE), ("speed", "server"), (-1, "server"), (True, "server")],
)
def test_goals_that_mean_nothing_are_refused(goal: Any, workspace: str) -> None:
    """Time is bought by a cost profile alone."""
    with pytest.raises(CnnirError) as raised:
        plans.residual_network().plan(goal=goal, workspace=workspace)
    assert raised.value.code == "goal"


def test_workspace_lies_in_one_of_several_memories() -> None:
    """As today's kernels take it; ways that are chosen by a profile are chosen for one arena."""
    graph = plans.residual_network()
    alone = graph.plan(workspace=TODAY)
    memories = [Memory("fast", alone.arena_bytes * 3 // 4), Memory("slow", cost=1)]
    plan = graph.plan(workspace=TODAY, pools=memories)
    assert oracle.complaint(graph, plan.to_json()) is None
    assert plan.workspace_bytes == alone.workspace_bytes > 0
    assert sum(map(own_bytes, plan.steps)) == sum(map(own_bytes, alone.steps))
    with pytest.raises(CnnirError) as raised:
        graph.plan(workspace=SERVER, pools=memories)
    assert raised.value.code == "workspace-option"


def test_why_asks_for_the_same_workspace() -> None:
    """What would lower the arena is planned with the workspace that was counted; by a profile nothing is promised."""
    graph = load(models.path("squeezenet"))
    plan = graph.plan(order="file", workspace=TODAY)
    found = plan.why(graph)
    assert found.suggestions
    for one in found.suggestions:
        assert one.options["workspace"] == TODAY
        assert all("--workspace today" in line for line in one.commands[-1:])
        if one.passes is None:
            assert graph.plan(**one.options).arena_bytes == one.arena_bytes
    (refused,) = (priced := graph.plan(workspace=SERVER)).why(graph).refused
    assert "profile" in refused.reason
    assert priced.why(graph).plans == 0
