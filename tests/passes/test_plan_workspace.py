"""The ways to compute the steps of a plan, as a planner asks for them."""

import itertools

import pytest

from cnnir import Graph, load
from cnnir.algorithms import SERVER, Choice, least_arena, planned_workspace, trade, trades
from cnnir.errors import CnnirError
from cnnir.graph import Node
from cnnir.ops import Conv, Einsum
from cnnir.passes.memory.workspace import NONE, TODAY, cost_profile, step_fronts
from cnnir.plan import KERNEL, VIEW, MemoryPlan
from cnnir.types import DType, TensorType
from tests import models


def computed(graph: Graph, plan: MemoryPlan) -> tuple[list[int], list[list[Node]]]:
    """The steps that are no views: live bytes at each, and its nodes."""
    live = plan.live_bytes()
    steps = [number for number, step in enumerate(plan.steps) if step.algorithm != VIEW]
    return [live[n] for n in steps], [[graph.node(name) for name in plan.steps[n].nodes] for n in steps]


@pytest.fixture(scope="module")
def network() -> tuple[Graph, MemoryPlan]:
    """SqueezeNet, planned without workspace."""
    graph = load(models.path("squeezenet"))
    return graph, graph.plan()


def test_nothing_counts_when_nothing_is_asked_for(network: tuple[Graph, MemoryPlan]) -> None:
    """One way a step, without scratch."""
    _, steps = computed(*network)
    assert step_fronts(steps, set(network[0].values), NONE) == [(Choice(KERNEL, 0, None),)] * len(steps)


@pytest.mark.parametrize("workspace", [TODAY, SERVER.name])
def test_what_is_run_is_what_the_interpreter_has(network: tuple[Graph, MemoryPlan], workspace: str) -> None:
    """The kernel's figure, with a time where there is a profile."""
    graph, plan = network
    _, steps = computed(graph, plan)
    figures = [figure for figure, step in zip(planned_workspace(graph, plan), plan.steps, strict=True)
               if step.algorithm != VIEW]  # fmt: skip
    fronts = step_fronts(steps, set(graph.values), workspace)
    assert [[choice.algorithm for choice in front] for front in fronts] == [[KERNEL]] * len(steps)
    assert [front[0].scratch_bytes for front in fronts] == figures
    timed = {type(nodes[0].op) for nodes, front in zip(steps, fronts, strict=True) if front[0].seconds is not None}
    assert (Conv in timed) == (workspace == SERVER.name)


def test_scratch_is_traded_for_time(network: tuple[Graph, MemoryPlan]) -> None:
    """Other ways take a smaller arena than today's, or less time; what lies between is in order."""
    live, steps = computed(*network)
    stored = set(network[0].values)
    today = trade(live, step_fronts(steps, stored, SERVER.name))
    fronts = step_fronts(steps, stored, SERVER.name, runnable=False)
    for front in fronts:
        for less, more in itertools.pairwise(front):
            assert less.scratch_bytes < more.scratch_bytes
            assert less.seconds is None or (more.seconds is not None and more.seconds < less.seconds)
    found = trades(live, fronts)
    assert max(live) <= found[0].bytes == least_arena(live, fronts) < today.bytes
    assert found[-1].seconds < today.seconds
    assert any(one.bytes <= today.bytes and one.seconds < today.seconds for one in found)


def test_a_step_of_several_nodes_has_todays_way(network: tuple[Graph, MemoryPlan]) -> None:
    """What lies between its nodes is part of it."""
    graph, _ = network
    conv, relu = graph.nodes[:2]
    assert (conv.op.kind, relu.op.kind) == ("Conv", "Relu")
    stored = set(graph.values) - {conv.output}
    ((apart,), (together,)) = (step_fronts([nodes], stored, SERVER.name)[0] for nodes in ([relu], [conv, relu]))
    assert apart.scratch_bytes == 0
    (alone,) = step_fronts([[conv]], set(graph.values), TODAY)[0]
    assert isinstance(conv.output.type, TensorType)
    assert together.scratch_bytes == alone.scratch_bytes + conv.output.type.bytes


def test_refusals() -> None:
    """Of an answer that is none, and of a node of which nothing is known."""
    assert (cost_profile(NONE), cost_profile(TODAY), cost_profile(SERVER.name)) == (None, None, SERVER)
    graph = Graph("contraction")
    data = graph.add_input("x", TensorType(DType.FLOAT32, (8, 8)))
    graph.set_outputs(graph.add_node(Einsum("ij,jk->ik"), [data, data], name="sums").outputs)
    with pytest.raises(CnnirError) as raised:
        step_fronts([graph.nodes], set(graph.values), "tomorrow")
    assert raised.value.code == "workspace-option"
    assert "none, today, server" in str(raised.value)
    for workspace in (TODAY, SERVER.name):
        with pytest.raises(CnnirError, match="sums \\(Einsum\\)") as raised:
            step_fronts([graph.nodes], set(graph.values), workspace)
        assert raised.value.code == "workspace-unknown"
    assert step_fronts([graph.nodes], set(graph.values), NONE) == [(Choice(KERNEL, 0, None),)]
