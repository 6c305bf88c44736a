"""Plans with fused steps: what is fused, what is never stored, and how low real networks come."""

import numpy as np
import pytest

from cnnir import load
from cnnir.builder import GraphBuilder
from cnnir.graph import Graph
from cnnir.interpreter import run, seeded_feed
from cnnir.ops import Add, Mul, Relu
from cnnir.passes.memory import plan_rewritten
from cnnir.plan import JOIN, VIEW
from cnnir.zoo import build
from tests import models

# Bytes that arithmetic says are attainable with fused steps and concatenations that are not copied, in the best order.
# GoogLeNet's 1,724,160 takes pooling pushed through a concatenation; as it stands 1,772,928 are proved to be needed.
ATTAINABLE = {
    "bvlc_alexnet": 923_904,
    "densenet121": 4_816_896,
    "inception_v1": 1_772_928,
    "inception_v2": 1_806_336,
    "resnet50": 5_218_304,
    "shufflenet": 1_831_424,
    "squeezenet": 1_922_048,
    "vgg19": 16_084_992,
    "zfnet512": 1_847_424,
}

CHAINED = {"mobilenet_v2": 1_433_600, "mobilenet_v3_small": 824_320, "efficientnet_b0": 2_408_544}


@pytest.mark.parametrize("name", ATTAINABLE)
def test_light_networks(name: str) -> None:
    """Every light network comes as low as can be, which is proved for its steps and their sharing."""
    plan = load(models.path(name)).plan(fuse="steps")
    assert plan.arena_bytes == ATTAINABLE[name]
    assert {bound.status for bound in plan.bounds.values()} == {"optimal"}


def test_pooling_pushed_through() -> None:
    """GoogLeNet pools the parts of its concatenations; the plan is the rewritten graph's."""
    graph, plan = plan_rewritten(load(models.path("inception_v1")), fuse="steps")
    plan.check(graph)
    assert plan.arena_bytes <= 1_724_160


@pytest.mark.parametrize("name", CHAINED)
def test_chains(name: str) -> None:
    """Expanded maps of inverted residuals are never stored."""
    plan = build(name).plan(fuse="aggressive")
    assert plan.arena_bytes <= CHAINED[name]


@pytest.mark.parametrize("level", ["steps", "aggressive"])
@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "resnet50"])
def test_runs(name: str, level: str) -> None:
    """Run in its arena, with all dead bytes spoilt before each step, a fused plan gives the free run's bits."""
    graph = load(models.path(name))
    feed = seeded_feed(graph, 7)
    plan = graph.plan(fuse=level)
    free, planned = run(graph, feed), run(graph, feed, plan=plan, poison=True)
    assert all(np.array_equal(free[output], planned[output]) for output in free)


def test_an_operand_that_both_sides_read() -> None:
    """What is read by a sum's own operand, too, is there anyway: one step does both, over its bytes."""
    builder = GraphBuilder("gated")
    x = builder.input("x", (1, 4, 6, 7))
    graph = builder.graph
    gate = graph.add_node(Relu(), [x], name="gate").output
    total = graph.add_node(Add(), [gate, x], name="total").output
    graph.set_outputs([graph.add_node(Mul(), [total, gate], name="gated").output])
    plan = graph.plan(fuse="steps", alignment=4)
    assert [step.nodes for step in plan.steps] == [("gate",), ("total", "gated")]
    assert plan.arena_bytes == plan.bounds["order"].bytes == 2 * 4 * 4 * 6 * 7


def kinds(graph: Graph, plan_steps: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    """The ops of each step."""
    return [tuple(graph.node(name).op.kind for name in nodes) for nodes in plan_steps]


def test_what_is_fused() -> None:
    """ResNet-50: pooling in strips, epilogues, sums accumulated by the later convolution; nothing in between stored."""
    graph = load(models.path("resnet50"))
    plan = graph.plan(fuse="steps")
    steps = kinds(graph, tuple(step.nodes for step in plan.steps))
    assert steps[0] == ("Conv", "BatchNormalization", "Relu", "MaxPool")
    assert plan.steps[0].scratch is not None
    assert plan.steps[0].tile == (3, 16)
    sums = [step for step in plan.steps if any(graph.node(name).op.kind == "Sum" for name in step.nodes)]
    assert len(sums) == 16
    assert sum(len(step.donations) for step in sums) == 15  # the last one is pooled as it is made
    assert all(value.pieces is None for name, value in plan.values.items() if name in unstored(graph, "Conv", "Relu"))


def unstored(graph: Graph, before: str, after: str) -> set[str]:
    """Values between a normalisation right behind one kind of node and the other kind."""
    found = set()
    for node in graph.nodes:
        reads = {value.producer.op.kind for value in node.operands if value.producer is not None}
        users = {user.op.kind for user in node.outputs[0].users}
        if node.op.kind == "BatchNormalization" and reads == {before} and users == {after}:
            found.add(node.output.name)
    assert found
    return found


def test_concatenations_are_not_copied() -> None:
    """DenseNet-121: every concatenation is a view of slices with lives of their own, none is joined by a copy."""
    graph = load(models.path("densenet121"))
    plan = graph.plan(fuse="steps")
    algorithms = {step.algorithm for step in plan.steps if graph.node(step.nodes[0]).op.kind == "Concat"}
    assert algorithms == {VIEW}
    assert JOIN not in {step.algorithm for step in plan.steps}
    whole = max((value for value in plan.values.values() if value.pieces), key=lambda value: len(value.pieces or ()))
    lives = {(plan.storages[piece.storage].first) for piece in whole.pieces or ()}
    assert len(lives) == len(whole.pieces or ()) > 10


def test_who_may_write_over_what_it_is_added_to() -> None:
    """In a step that adds to a shortcut, the nodes on the shortcut's own way to the result say it; not the others."""
    builder = GraphBuilder("residual")
    x = builder.relu(builder.conv(builder.input("x", (1, 4, 6, 6)), 4, kernel=3, padding=1))
    branch = builder.conv(builder.relu(builder.conv(x, 4, kernel=3, padding=1)), 4, kernel=3, padding=1)
    graph = builder.build(builder.global_average_pool(builder.relu(builder.add(branch, x))))
    names = {kind: [node.name for node in graph.nodes if node.op.kind == kind] for kind in ("Conv", "Add")}
    for kind, free in (("Conv", False), ("Add", True)):
        plan = graph.plan(fuse="epilogues", in_place=names[kind], count_inputs=False)
        assert any(step.donations for step in plan.steps) is free
        assert plan.bounds["order"].status == "optimal"
