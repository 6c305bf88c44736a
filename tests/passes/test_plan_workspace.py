"""The ways to compute the steps of a plan, as a planner asks for them."""

import dataclasses
import itertools

import pytest

from cnnir import Graph, load
from cnnir.algorithms import (
    SERVER,
    Call,
    Choice,
    Profile,
    Unknown,
    front,
    least_arena,
    planned_workspace,
    trade,
    trades,
)
from cnnir.errors import CnnirError
from cnnir.graph import Node
from cnnir.ops import Einsum
from cnnir.passes.memory.workspace import NONE, TODAY, UNCOUNTED, Counting, label
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
    counting = Counting.of(NONE)
    assert counting == UNCOUNTED
    assert {counting.ways(nodes, set(network[0].values)) for nodes in steps} == {(Choice(KERNEL, 0, None),)}


def test_today_is_what_the_interpreter_takes(network: tuple[Graph, MemoryPlan]) -> None:
    """One way a step, the kernel's."""
    graph, plan = network
    _, steps = computed(graph, plan)
    figures = [figure for figure, step in zip(planned_workspace(graph, plan), plan.steps, strict=True)
               if step.algorithm != VIEW]  # fmt: skip
    fronts = [Counting.of(TODAY).ways(nodes, set(graph.values)) for nodes in steps]
    assert [[choice.algorithm for choice in front] for front in fronts] == [[KERNEL]] * len(steps)
    assert [front[0].scratch_bytes for front in fronts] == figures


def test_scratch_is_traded_for_time(network: tuple[Graph, MemoryPlan]) -> None:
    """Other ways take a smaller arena than today's, or less time; what lies between is in order."""
    live, steps = computed(*network)
    stored = set(network[0].values)
    priced = [front(nodes[0].op, Call.of(nodes[0]), SERVER) for nodes in steps]
    today = trade(live, [ways for ways in priced if not isinstance(ways, Unknown)])
    fronts = [Counting.of(SERVER).ways(nodes, stored) for nodes in steps]
    for ways in fronts:
        for less, more in itertools.pairwise(ways):
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
    counting = Counting.of(SERVER.name)
    ((apart,), (together,)) = (counting.ways(nodes, stored) for nodes in ([relu], [conv, relu]))
    assert apart.scratch_bytes == 0
    (alone,) = Counting.of(TODAY).ways([conv], set(graph.values))
    assert isinstance(conv.output.type, TensorType)
    assert together.scratch_bytes == alone.scratch_bytes + conv.output.type.bytes
    assert counting.least([([conv, relu], stored), ([relu], stored)]) == 0


def test_what_counts_is_remembered() -> None:
    """By name, a profile by its digest too: that of another machine may have the same name."""
    assert [dict(Counting.of(name).options) for name in (NONE, TODAY)] == [{"workspace": NONE}, {"workspace": TODAY}]
    named, given = Counting.of(SERVER.name, 0.25), Counting.of(SERVER, 0.25)
    assert named == given
    assert {**named.options, "profile": ""} == {"workspace": "server", "profile": "", "tolerance": "0.25"}
    other = dataclasses.replace(SERVER, rates={**SERVER.rates, "call": 1.0})
    assert Counting.of(other).options["profile"] != named.options["profile"]


def test_ways_go_by_name_and_number() -> None:
    """What an algorithm leaves open is part of its name in a plan."""
    assert label(Choice(KERNEL, 0, None)) == KERNEL
    assert label(Choice("im2col", 8, 1.0, (("rows", 4),))) == "im2col{rows=4}"
    assert label(Choice("w", 8, 1.0, (("rows", 4), ("tiles", 2)))) == "w{rows=4,tiles=2}"


def contraction() -> Graph:
    """A node whose workspace is not known."""
    graph = Graph("contraction")
    data = graph.add_input("x", TensorType(DType.FLOAT32, (8, 8)))
    graph.set_outputs(graph.add_node(Einsum("ij,jk->ik"), [data, data], name="sums").outputs)
    return graph


def test_unknown_workspace_names_its_node() -> None:
    """Never 0; and a plan that does not count it can be had."""
    graph = contraction()
    for workspace in (TODAY, SERVER.name):
        with pytest.raises(CnnirError, match="sums \\(Einsum\\)") as raised:
            graph.plan(workspace=workspace)
        assert raised.value.code == "workspace-unknown"
        assert raised.value.hint is not None
        assert 'workspace="none"' in raised.value.hint
    assert "own workspace are not counted" in graph.plan(workspace=NONE).accounting


@pytest.mark.parametrize(
    ("workspace", "tolerance", "told"),
    [
        ("tomorrow", 0.0, "none, today, server"),
        (TODAY, 0.1, "tolerance"),
        (NONE, 0.1, "tolerance"),
        (SERVER, -0.1, "-0.1"),
        (SERVER, 1.0, "1.0"),
        (SERVER, float("nan"), "nan"),
        (dataclasses.replace(SERVER, name="today"), 0.0, "today"),
    ],
)
def test_answers_that_are_none(workspace: str | Profile, tolerance: float, told: str) -> None:
    """By one code."""
    with pytest.raises(CnnirError) as raised:
        contraction().plan(workspace=workspace, tolerance=tolerance)
    assert raised.value.code == "workspace-option"
    assert told in str(raised.value)
