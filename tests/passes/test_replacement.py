"""Replacing a sub-network: interfaces are checked, names stay unique, the rest is as it was."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.ops import Add, Mul, Opaque, Relu, Sigmoid, Tanh
from cnnir.passes import cut, replace_subgraph
from cnnir.rewriter import Rewriter
from cnnir.text import difference
from cnnir.types import DType, TensorType
from cnnir.verify import verify
from tests import models
from tests.random_graphs import random_graph

SMALL = TensorType(DType.FLOAT32, (1, 4, 8, 8))


def network() -> Graph:
    """x -> a -> b -> c -> total(c, a) -> out."""
    builder = GraphBuilder("network")
    x = builder.input("x", (1, 4, 8, 8))
    a = builder.conv(x, 4, kernel=3, padding=1, name="a")
    b = builder.relu(a, name="b")
    c = builder.conv(b, 4, kernel=3, padding=1, name="c")
    return builder.build(builder.relu(builder.add(c, a, name="total"), name="out"))


def pointwise(*ops: object, name: str = "a") -> Graph:
    """A chain of elementwise ops; its names are those of the network on purpose."""
    graph = Graph("pointwise")
    value = graph.add_input("in", SMALL)
    for op in ops:
        value = graph.add_node(op, [value], name=name).output  # type: ignore[arg-type]
    graph.set_outputs([value])
    return graph


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), place=st.integers(0, 1000))
def test_a_part_cut_out_and_put_back(seed: int, place: int) -> None:
    """Nothing has changed, to the name, up to the order of independent nodes; the values are the same bits."""
    graph = random_graph(np.random.default_rng(seed), 10)
    made = [value for node in graph.nodes for value in node.outputs]
    end = made[place % len(made)]
    behind = cut(graph, to=[end.name])
    inner = [value.name for node in behind.nodes for value in node.outputs if value.uses]
    assume(inner)
    start = inner[place // 7 % len(inner)]
    part = cut(graph, [start], [end.name])
    back = replace_subgraph(graph, [start], [end.name], part)
    verify(back)
    inside = {node.name for node in part.nodes}
    escaping = [
        value.name
        for name in inside
        for value in graph.node(name).outputs
        if value is not end and (graph.is_output(value) or any(user.name not in inside for user in value.users))
    ]
    if not escaping:  # else the old nodes stay for their other readers, beside the new ones
        assert sorted(node.name for node in back.nodes) == sorted(node.name for node in graph.nodes)
        assert {v.name: v.type for v in back.values} == {v.name: v.type for v in graph.values}
        nodes = {node.name: (node.op, [value.name for value in node.operands]) for node in graph.nodes}
        assert {node.name: (node.op, [value.name for value in node.operands]) for node in back.nodes} == nodes
        assert all(back.value(value.name).weight is value.weight for value in graph.weights)
        assert cnnir.diff(graph, back).equal
    feed = models.random_input(graph)
    expected = graph.run(feed)
    assert all(np.array_equal(array, expected[name]) for name, array in back.run(feed).items())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), place=st.integers(0, 1000), count=st.integers(1, 3))
def test_several_ends_put_back(seed: int, place: int, count: int) -> None:
    """From the inputs to several values, views and values with several readers among them."""
    graph = random_graph(np.random.default_rng(seed), 12)
    made = [value.name for node in graph.nodes for value in node.outputs]
    ends = list(dict.fromkeys(made[(place * (step + 1)) % len(made)] for step in range(count)))
    part = cut(graph, to=ends)
    back = replace_subgraph(graph, [], ends, part)
    verify(back)
    assert [value.name for value in back.outputs] == [value.name for value in graph.outputs]
    feed = models.random_input(graph)
    whole = graph.run(feed, [*ends, *(value.name for value in graph.outputs)])
    # What stands between the ends is made from the new ones: the part's own values are those of the whole.
    assert all(np.array_equal(array, whole[name]) for name, array in part.run(feed).items())
    assert all(np.array_equal(array, whole[name]) for name, array in back.run(feed).items())


def test_another_part() -> None:
    """The new nodes compute; names that are taken are made unique, the end keeps its own."""
    graph = network()
    before = graph.clone()
    result = replace_subgraph(graph, ["a"], ["c"], pointwise(Sigmoid(), Tanh()))
    assert difference(graph, before) is None
    assert [node.op.kind for node in result.nodes] == ["Conv", "Sigmoid", "Tanh", "Add", "Relu"]
    assert result.node("total").inputs[0] is result.value("c")
    assert [value.name for value in result.outputs] == ["out"]
    assert [value.name for value in result.weights] == ["a.weight", "a.bias"]
    feed = models.random_input(graph)
    a = graph.run(feed, ["a"])["a"].astype(np.float64)
    found = result.run(feed)["out"]
    np.testing.assert_allclose(found, np.maximum(np.tanh(1 / (1 + np.exp(-a))) + a, 0), rtol=1e-5, atol=1e-6)


def test_outputs_of_the_graph_keep_their_names() -> None:
    """Also where the replacement gives back what it was given, twice."""
    builder = GraphBuilder("two")
    x = builder.input("x", (1, 4, 8, 8))
    graph = builder.build(builder.relu(x, name="y"), builder.op(Sigmoid(), x, name="z"))
    twin = Graph("nothing")
    value = twin.add_input("x", SMALL)
    twin.set_outputs([value, value])
    with pytest.raises(CnnirError):
        replace_subgraph(graph, ["x"], ["y"], twin)
    result = replace_subgraph(graph, ["x"], ["y", "z"], twin)
    assert [value.name for value in result.outputs] == ["y", "z"]
    feed = models.random_input(graph)
    assert all(np.array_equal(array, feed["x"]) for array in result.run(feed).values())


def test_readers_that_stand_too_early_are_moved() -> None:
    """An end may be read before another start is made: the readers move behind the new nodes."""
    graph = Graph("early")
    x = graph.add_input("x", SMALL)
    first = graph.add_node(Relu(), [x], outputs=["first"]).output
    reader = graph.add_node(Tanh(), [first], outputs=["reader"]).output
    late = graph.add_node(Sigmoid(), [x], outputs=["late"]).output
    second = graph.add_node(Add(), [first, late], outputs=["second"]).output
    graph.set_outputs([graph.add_node(Mul(), [second, reader], outputs=["y"]).output])
    twin = Graph("twin")
    one, two = twin.add_input("p", SMALL), twin.add_input("q", SMALL)
    total = twin.add_node(Add(), [one, two], outputs=["first"]).output
    product = twin.add_node(Mul(), [total, two], outputs=["second"]).output
    twin.set_outputs([total, product])
    result = replace_subgraph(graph, ["x", "late"], ["first", "second"], twin)
    feed = models.random_input(graph)
    image = feed["x"].astype(np.float64)
    gate = 1 / (1 + np.exp(-image))
    np.testing.assert_allclose(result.run(feed)["y"], (image + gate) * gate * np.tanh(image + gate), rtol=1e-4)
    with pytest.raises(CnnirError, match="replace-cycle"):
        replace_subgraph(cyclic(), ["x", "reader"], ["first", "second"], twin)


def cyclic() -> Graph:
    """A start, ``reader``, rests on the end ``first``."""
    graph = Graph("cyclic")
    x = graph.add_input("x", SMALL)
    first = graph.add_node(Relu(), [x], outputs=["first"]).output
    reader = graph.add_node(Tanh(), [first], outputs=["reader"]).output
    graph.set_outputs([graph.add_node(Add(), [reader, x], outputs=["second"]).output])
    return graph


def test_interfaces_are_checked() -> None:
    """Numbers and types, each named with what was expected."""
    graph = network()
    for twin, words in (
        (pointwise(Relu()), "number of inputs"),
        (cut(graph, ["b"], ["c"]), "number of inputs"),
    ):
        with pytest.raises(CnnirError, match="replace-interface") as caught:
            replace_subgraph(graph, ["b"], ["total"], twin)
        assert words in str(caught.value)
        assert "b, x" in str(caught.value)
    wide = Graph("wide")
    wide.set_outputs([wide.add_node(Relu(), [wide.add_input("in", TensorType(DType.FLOAT32, (1, 8, 8, 8)))]).output])
    with pytest.raises(CnnirError, match="has another type") as caught:
        replace_subgraph(graph, ["b"], ["c"], wide)
    assert caught.value.node == "b"
    assert caught.value.expected == SMALL


def test_by_name_before_by_position() -> None:
    """Equal names pair off, in whatever order they stand."""
    graph = network()
    part = cut(graph, ["c", "a"], ["total"])
    Rewriter(part).set_inputs(part.inputs[::-1])
    back = replace_subgraph(graph, ["c", "a"], ["total"], part)
    assert [value.name for value in back.node("total").operands] == ["c", "a"]


def test_foreign_ops_of_two_versions() -> None:
    """One model holds one version of a domain; a domain that is new to it comes along."""

    def foreign(version: int) -> Graph:
        graph = pointwise(Opaque("acme", "Thing", version))
        graph.outputs[0].type = SMALL
        graph.provenance.opsets = {"": 21, "acme": version}
        return graph

    graph = network()
    result = replace_subgraph(graph, ["b"], ["c"], foreign(1))
    assert result.value("c").type == SMALL
    assert result.provenance.opsets["acme"] == 1
    with pytest.raises(CnnirError, match="replace-opset"):
        replace_subgraph(result, ["total"], ["out"], foreign(2))


def test_a_real_block_replaced() -> None:
    """A residual block of ResNet-50 by one of its own shape, the rest untouched."""
    graph = models.with_random_weights(cnnir.load(models.path("resnet50")))
    total = next(node for node in graph.nodes if isinstance(node.op, Add) or node.op.kind == "Sum")
    start, end = total.operands[0].name, total.output.name
    part = cut(graph, [value.name for value in total.operands], [end])
    assert [node.op.kind for node in part.nodes] == [total.op.kind]
    back = replace_subgraph(graph, [value.name for value in total.operands], [end], part)
    assert difference(graph, back) is None
    assert start in {value.name for value in back.values}


def test_move() -> None:
    """The rewriter's own demand: operands before, readers behind."""
    graph = network()
    rewriter = Rewriter(graph)
    a, b, c, total, out = graph.nodes
    side = graph.add_node(Relu(), [a.output], outputs=["side"]).output.producer
    assert side is not None
    rewriter.move(side, b)
    assert [node.name for node in graph.nodes] == ["a", "side", "b", "c", "total", "out"]
    rewriter.move(side, side)
    for node, before in ((side, a), (b, total), (out, a), (c, b)):
        with pytest.raises(CnnirError, match="order"):
            rewriter.move(node, before)
    rewriter.move(side, out)
    verify(graph)
    assert [node.name for node in graph.nodes] == ["a", "b", "c", "total", "side", "out"]
