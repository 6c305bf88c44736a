"""Cutting a network in parts: the parts one after the other are the whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import Add, Identity, Relu, Split
from cnnir.passes import Pipeline, cut
from cnnir.text import difference
from cnnir.types import DType, TensorType, UnknownType
from cnnir.verify import verify
from tests import models
from tests.random_graphs import random_graph

Arrays = Mapping[str, NDArray[Any]]


def runtime(graph: Graph, feed: Arrays, path: Path) -> dict[str, NDArray[Any]]:
    """What ONNX Runtime makes of the exported graph, without rewrites of its own."""
    cnnir.save(graph, path)
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return {name: np.asarray(array) for name, array in zip(names, session.run(names, dict(feed)), strict=True)}


def names(values: tuple[Value, ...]) -> list[str]:
    return [value.name for value in values]


@pytest.fixture
def residual() -> Graph:
    """x -> a -> b -> c -> sum(c, a) -> out, and a side output of x alone."""
    builder = GraphBuilder("residual")
    x = builder.input("x", (1, 4, 8, 8))
    a = builder.conv(x, 4, kernel=3, padding=1, name="a")
    b = builder.relu(a, name="b")
    c = builder.conv(b, 4, kernel=3, padding=1, name="c")
    total = builder.add(c, a, name="total")
    side = builder.relu(x, name="side")
    return builder.build(builder.relu(total, name="out"), side)


def test_a_part_is_typed_and_shares_its_weights(residual: Graph) -> None:
    """Inputs and outputs bear the old names and types, weights are the same objects, the whole is as it was."""
    before = residual.clone()
    residual.provenance.metadata["origin"] = before.provenance.metadata["origin"] = "here"
    part = cut(residual, ["b"], ["c"])
    verify(part)
    assert difference(residual, before) is None
    assert names(part.inputs) == ["b"]
    assert names(part.outputs) == ["c"]
    assert part.inputs[0].type == residual.value("b").type
    assert [node.name for node in part.nodes] == ["c"]
    assert sorted(names(part.weights)) == ["c.bias", "c.weight"]
    assert part.value("c.weight").weight is residual.value("c.weight").weight
    assert part.provenance.metadata == {"origin": "here"}


def test_what_is_needed_besides_stays_and_is_said(residual: Graph) -> None:
    """The skip connection around the cut keeps x, with the node that needs it."""
    result = residual.apply("cut{from=b,to=total}")
    assert names(result.graph.inputs) == ["b", "x"]
    assert [node.name for node in result.graph.nodes] == ["a", "c", "total"]
    assert any("x stays an input" in str(change) and "a (Conv)" in str(change) for change in result.changes)
    assert any("x stays an input" in note for note in result.graph.notes)
    both = cut(residual, ["c", "a"], ["total"])
    assert names(both.inputs) == ["c", "a"]
    assert not both.notes


def test_open_ends(residual: Graph) -> None:
    """Without a beginning the graph's inputs, without an end the outputs that rest on the beginning."""
    head = cut(residual, to=["a"])
    assert (names(head.inputs), names(head.outputs)) == (["x"], ["a"])
    assert not head.notes
    tail = residual.apply("cut", from_="a")
    assert (names(tail.graph.inputs), names(tail.graph.outputs)) == (["a"], ["out"])
    assert any("output side is left out" in str(change) for change in tail.changes)
    assert any("input x removed" in str(change) for change in tail.changes)


def test_text_form() -> None:
    """The option is called ``from``, also where it is printed."""
    pipeline = Pipeline.parse("cut{from=a|b,to=c},dead-code")
    assert str(pipeline) == "cut{from=a|b,to=c},dead-code"
    assert Pipeline.parse(str(pipeline)) == pipeline


def test_one_output_of_several() -> None:
    """A node whose other output is still needed goes on making both; the name is the input's."""
    graph = Graph("split")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, 2, 2)))
    first, second = graph.add_node(Split(1, (2, 2)), [x], outputs=["first", "second"]).outputs
    total = graph.add_node(Add(), [first, second], outputs=["total"]).output
    graph.set_outputs([total])
    part = cut(graph, ["first"], ["total"])
    assert names(part.inputs) == ["first", "x"]
    assert part.value("first").producer is None
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 2, 2)
    found = part.run({"x": image, "first": np.full((1, 2, 2, 2), 100, np.float32)})["total"]
    assert np.array_equal(found, 100 + image[:, 2:])


@pytest.mark.parametrize(
    ("from_", "to", "code", "words"),
    [
        ([], [], "cut-nothing", "from"),
        (["bb"], [], "value-unknown", "did you mean b"),
        ([], ["ttal"], "value-unknown", "did you mean total"),
        (["c.weight"], [], "cut-weight", "c.weight"),
        (["b"], ["side"], "cut-apart", "side of side (Relu): it does not rest on b"),
        (["b"], ["a"], "cut-apart", "it is made from x"),
        (["out"], [], "cut-apart", "no output"),
        (["a"], ["x"], "cut-empty", "an input of the graph"),
        (["b"], ["b"], "cut-empty", "itself"),
        (["x", "a"], ["c"], "cut-unused", "every way from it to c leads through a"),
        (["b", "total"], ["c"], "cut-unused", "total of total (Add): c does not rest on it"),
    ],
)
def test_what_cannot_be_cut(residual: Graph, from_: list[str], to: list[str], code: str, words: str) -> None:
    """The message names the value, and the graph is as it was."""
    before = residual.clone()
    with pytest.raises(CnnirError) as caught:
        cut(residual, from_, to)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert difference(residual, before) is None


def test_an_untyped_value_is_no_input() -> None:
    """Interfaces are typed."""
    graph = Graph("untyped")
    x = graph.add_input("x", UnknownType())
    middle = graph.add_node(Identity(), [x], outputs=["middle"]).output
    graph.set_outputs([graph.add_node(Identity(), [middle], outputs=["y"]).output])
    with pytest.raises(CnnirError, match=r"middle of middle .*cut-type"):
        cut(graph, ["middle"], ["y"])


def test_open_sizes_stay_formulas() -> None:
    """A symbolic size of the whole is a symbolic size of the part, and comes back from a file."""
    builder = GraphBuilder("free")
    x = builder.input("image", ("N", 3, "H", "W"))
    a = builder.conv(x, 4, kernel=3, stride=2, padding=1, name="a")
    graph = builder.build(builder.relu(a, name="y"))
    part = cut(graph, ["a"], ["y"])
    assert part.value("y").type == graph.value("y").type
    feed = {"a": np.ones((2, 4, 5, 6), np.float32)}
    assert part.run(feed)["y"].shape == (2, 4, 5, 6)


def frontier(graph: Graph, place: int) -> list[str]:
    """All that is made before a place in the order and read, or given out, from there on."""
    before = {value for node in graph.nodes[:place] for value in node.outputs} | set(graph.inputs)
    behind = {value for node in graph.nodes[place:] for value in node.operands} | set(graph.outputs)
    return [value.name for value in graph.values if value in before & behind]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.1, 0.9))
def test_parts_of_random_graphs_are_the_whole(
    seed: int, share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Cut anywhere: the first part's outputs fed to the second give what the whole gives, in ONNX Runtime too."""
    graph = random_graph(np.random.default_rng(seed), 10)
    crossing = frontier(graph, max(1, round(len(graph) * share)))
    made = [name for name in crossing if graph.value(name).producer is not None]
    wanted = [name for name in dict.fromkeys(names(graph.outputs)) if name not in crossing]
    assume(made and wanted)
    rests = [name for name in crossing if name_is_needed(graph, name, wanted, crossing)]
    first = cut(graph, to=made)
    second = cut(graph, rests, wanted)
    feed = models.random_input(graph, seed % 1000)
    whole = graph.run(feed)
    between = {**feed, **first.run({value.name: feed[value.name] for value in first.inputs})}
    found = second.run({value.name: between[value.name] for value in second.inputs})
    for name in wanted:
        assert np.array_equal(found[name], whole[name])
    folder = tmp_path_factory.mktemp("parts")
    judged = runtime(first, {value.name: feed[value.name] for value in first.inputs}, folder / "first.onnx")
    judged = runtime(
        second, {value.name: {**feed, **judged}[value.name] for value in second.inputs}, folder / "second.onnx"
    )
    for name in wanted:
        np.testing.assert_allclose(judged[name], whole[name], rtol=1e-3, atol=1e-4)


def name_is_needed(graph: Graph, name: str, wanted: list[str], crossing: list[str]) -> bool:
    """Some wanted value rests on it: found by walking up to what crosses, without the pass."""
    stack, seen = [graph.value(one) for one in wanted], set[Value]()
    while stack:
        value = stack.pop()
        if value.name == name:
            return True
        if value not in seen and value.name not in crossing and value.producer is not None:
            seen.add(value)
            stack += value.producer.operands
    return False


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), place=st.integers(0, 1000))
def test_interior_values(seed: int, place: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """From any value to any that rests on it, views and values with several readers too: fed with what the whole makes
    there, ONNX Runtime gives what the whole makes at the end."""
    graph = random_graph(np.random.default_rng(seed), 10)
    pairs = [
        (start, end)
        for start in (value for node in graph.nodes for value in node.outputs)
        for end in (value for node in graph.nodes for value in node.outputs)
        if start is not end and name_is_needed(graph, start.name, [end.name], [])
    ]
    assume(pairs)
    start, end = pairs[place % len(pairs)]
    part = cut(graph, [start.name], [end.name])
    feed = models.random_input(graph, seed % 1000)
    whole = {**feed, **graph.run(feed, [start.name, end.name])}
    given_values = {value.name: whole[value.name] for value in part.inputs}
    assert np.array_equal(part.run(given_values)[end.name], whole[end.name])
    judged = runtime(part, given_values, tmp_path_factory.mktemp("interior") / "part.onnx")
    np.testing.assert_allclose(judged[end.name], whole[end.name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["squeezenet", "resnet50", "inception_v1"])
def test_parts_of_real_networks_are_the_whole(name: str, tmp_path: Path) -> None:
    """Half and half, computed by ONNX Runtime: bit for bit what it computes for the whole."""
    graph = models.with_random_weights(cnnir.load(models.path(name)))
    crossing = frontier(graph, len(graph) // 2)
    outputs = names(graph.outputs)
    first, second = cut(graph, to=crossing), cut(graph, crossing, outputs)
    assert len(first) + len(second) == len(graph)
    feed = models.random_input(graph)
    whole = runtime(graph, feed, tmp_path / "whole.onnx")
    found = runtime(second, runtime(first, feed, tmp_path / "first.onnx"), tmp_path / "second.onnx")
    assert sorted(found) == sorted(outputs)
    for output in outputs:
        assert np.ptp(whole[output]) > 0
        np.testing.assert_allclose(found[output], whole[output], rtol=1e-5, atol=1e-7)


def test_the_inputs_of_a_graph(residual: Graph) -> None:
    """The rewriter keeps inputs that are read, and takes only inputs."""
    from cnnir.rewriter import Rewriter  # noqa: PLC0415

    rewriter = Rewriter(residual)
    unread = residual.add_input("unread", TensorType(DType.FLOAT32, (1,)))
    x, y = residual.value("x"), residual.value("out")
    for wanted, code in (([unread], "in-use"), ([x, y], "not-an-input"), ([x, x], "name-taken")):
        with pytest.raises(CnnirError) as caught:
            rewriter.set_inputs(wanted)
        assert caught.value.code == code
    rewriter.set_inputs([unread, x])
    assert names(residual.inputs) == ["unread", "x"]
    rewriter.set_inputs([x])
    assert names(residual.inputs) == ["x"]
    verify(residual)
    assert residual.add_node(Relu(), [x]).output.type == x.type
