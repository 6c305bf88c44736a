"""Plans of maps with their channels last: what is cut and concatenated lies in the pixels, whatever the batch."""

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.graph import Graph
from cnnir.ops import Add, Concat, Conv, Relu, Reshape, Sigmoid, Slice, Split, Tanh, Transpose
from cnnir.passes.memory import Fuse
from cnnir.plan import VIEW, MemoryPlan
from cnnir.types import DType, TensorType
from cnnir.weights import Seeded
from tests import models
from tests.plan.oracle import complaint
from tests.random_graphs import random_graph


def prove(graph: Graph, plan: MemoryPlan) -> None:
    """By the oracle, and by a run in which every byte that holds nothing is spoilt: the same but for rounding."""
    assert complaint(graph, plan.to_json()) is None
    feed = models.random_input(graph, 0)
    free = graph.run(feed)
    for name, array in graph.run(feed, plan=plan, poison=True).items():
        np.testing.assert_allclose(array, free[name], rtol=1e-4, atol=1e-5)


def branches(batch: int) -> Graph:
    """Branches of several images, side by side, and cut apart again."""
    builder = GraphBuilder("branches")
    x = builder.relu(builder.conv(builder.input("image", (batch, 3, 5, 4)), 4, kernel=3, padding=1))
    both = builder.concat(builder.conv(x, 3, kernel=1), builder.relu(builder.conv(x, 5, kernel=1)))
    first, second = builder.split(both, (2, 6))
    (part,) = builder.graph.add_node(Slice((1,), (4,), (1,), (1,)), [second]).outputs
    return builder.build(builder.sigmoid(first), builder.conv(part, 2, kernel=1))


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_parts_of_channels_move_no_byte(batch: int, strided: bool) -> None:
    """A concatenation, a Split and a Slice of channels are views, of several images as of one."""
    graph = branches(batch)
    plan = graph.plan(concat=True, layout="channels-last", strided=strided)
    prove(graph, plan)
    moved = {graph.node(step.nodes[0]).op.kind for step in plan.steps if step.algorithm != VIEW}
    assert moved.isdisjoint({"Concat", "Split", "Slice"})


@pytest.mark.parametrize("batch", [1, 2])
def test_halves_that_meet_again(batch: int) -> None:
    """A sum lies in the bytes of one half of what was cut, while it reads the other half of the same pixels."""
    builder = GraphBuilder("halves")
    first, second = builder.split(builder.conv(builder.input("image", (batch, 3, 5, 4)), 6, kernel=1), (3, 3))
    graph = builder.build(builder.conv(builder.add(first, builder.tanh(second)), 2, kernel=1))
    plan = graph.plan(layout="channels-last", alignment=16)
    prove(graph, plan)
    assert plan.arena_bytes == batch * 5 * 4 * (3 + 6) * 4, "the image and what it becomes"


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(seed: int) -> None:
    """Of one and of two images, with slices in strides where they are no maps."""
    graph = random_graph(np.random.default_rng([81, seed]), 14)
    fuse = ("none", "epilogues", "steps", "aggressive")[seed % 4]
    prove(graph, graph.plan(layout="channels-last", strided=seed % 3 > 0, fuse=fuse, count_outputs=seed % 5 > 0))


def test_channels_in_two_axes_become_images() -> None:
    """As many pixels, and yet they lie elsewhere: a copy."""
    graph = Graph("images")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 6, 4, 4)))
    two = graph.add_node(Reshape((1, 2, 3, 4, 4)), [x]).output
    graph.set_outputs([graph.add_node(Reshape((2, 6, 2, 4)), [two]).output])
    prove(graph, graph.plan(layout="channels-last"))


@pytest.mark.parametrize("fuse", ["none", "epilogues", "steps"])
@pytest.mark.parametrize("read", ["halves", "exchanged", "both"])
def test_channels_in_two_axes_are_not_added_to_what_lies_in_rows(fuse: Fuse, read: str) -> None:
    """The same type in another order of bytes: not written over, neither at once nor when it is added up."""
    graph = Graph("halves")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, 3, 3)))
    y = graph.add_input("y", TensorType(DType.FLOAT32, (1, 2, 2, 3, 3)))
    halves = graph.add_node(Reshape((1, 2, 2, 3, 3)), [graph.add_node(Tanh(), [x]).output]).output
    exchanged = graph.add_node(Transpose((0, 2, 1, 3, 4)), [halves]).output
    rows = graph.add_node(Sigmoid(), [y]).output
    operands = {"halves": [halves, rows], "exchanged": [exchanged, rows], "both": [halves, exchanged]}[read]
    graph.set_outputs([graph.add_node(Relu(), [graph.add_node(Add(), operands).output]).output])
    prove(graph, graph.plan(layout="channels-last", fuse=fuse))


def test_maps_of_weights_are_cut() -> None:
    """A node that reads nothing but weights has no operand to be a part of."""
    graph = Graph("weights")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 2, 3, 3)))
    weight = graph.add_weight("w", Seeded(DType.FLOAT32, (1, 4, 3, 3), 0, 0, 1.0))
    (part,) = graph.add_node(Slice((0,), (2,), (1,), (1,)), [weight]).outputs
    halves = graph.add_node(Split(1, (2, 2)), [weight]).outputs
    joined = graph.add_node(Concat(1), [weight, weight]).output
    graph.set_outputs([graph.add_node(Concat(1), [x, part, *halves, joined]).output])
    prove(graph, graph.plan(layout="channels-last", concat=True))


def test_windows_that_are_weights() -> None:
    """A convolution of a constant map."""
    graph = Graph("constant")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 2, 3, 3)))
    weight = graph.add_weight("w", Seeded(DType.FLOAT32, (1, 2, 3, 3), 0, 0, 1.0))
    conv = Conv(strides=(1, 1), pads=(0,) * 4, dilations=(1, 1))
    made = graph.add_node(conv, [weight, graph.add_weight("f", Seeded(DType.FLOAT32, (2, 2, 1, 1), 0, 0, 1.0))]).output
    graph.set_outputs([graph.add_node(Concat(1), [x, made]).output])
    prove(graph, graph.plan(layout="channels-last", concat=True))
