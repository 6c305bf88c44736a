"""Networks that compute in float16: where they may, with Casts at the borders alone, judged by ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph, Value
from cnnir.ops import BatchNormalization, Cast, Clip, Conv, Div, Identity, Mul, Opaque, Pad, Relu
from cnnir.passes import HalfWeights, PassResult
from cnnir.types import DType, TensorType
from cnnir.weights import AnyArray, Array
from tests import models
from tests.random_graphs import random_graph

IMAGE = TensorType(DType.FLOAT32, (1, 4, 6, 6))


def half(graph: Graph, *, interface: str = "same") -> PassResult:
    """The network in float16."""
    return graph.apply("half-weights", compute=True, interface=interface)


def judged(result: PassResult, feed: dict[str, AnyArray]) -> dict[str, AnyArray]:
    """What ONNX Runtime makes of it, inputs cast as the network wants them."""
    model = write(result.graph)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = {one.name: np.float16 if one.type == "tensor(float16)" else np.float32 for one in session.get_inputs()}
    arrays = session.run(None, {name: feed[name].astype(dtype) for name, dtype in wanted.items()})
    return {one.name: np.asarray(array) for one, array in zip(session.get_outputs(), arrays, strict=True)}


def casts(graph: Graph) -> list[str]:
    """What Casts read."""
    return [node.operands[0].name for node in graph.nodes if isinstance(node.op, Cast)]


def dtypes(values: tuple[Value, ...]) -> list[str]:
    """Their element types."""
    return [str(value.type).split("[")[0] for value in values]


@pytest.mark.parametrize("interface", ["same", "half"])
@pytest.mark.parametrize("name", ["squeezenet", "inception_v1"])
def test_real_networks(name: str, interface: str) -> None:
    """Every node computes in float16, half the memory is planned, and a runtime gives nearly the same scores."""
    graph = models.with_random_weights(cnnir.load(models.path(name)))
    result = half(graph, interface=interface)
    assert not result.refusals
    assert result.metrics["nodes halved"] == len(graph)
    assert [node.name for node in result.graph.nodes if not isinstance(node.op, Cast)] == [n.name for n in graph.nodes]
    assert len(casts(result.graph)) == (2 if interface == "same" else 0)
    wanted = "float32" if interface == "same" else "float16"
    assert dtypes((*result.graph.inputs, *result.graph.outputs)) == [wanted, wanted]
    assert [v.name for v in (*result.graph.inputs, *result.graph.outputs)] == [
        v.name for v in (*graph.inputs, *graph.outputs)
    ]
    before, after = graph.plan().arena_bytes, result.graph.plan().arena_bytes
    assert after == before // 2 or (interface == "same" and after < 0.6 * before)
    feed = models.random_input(graph)
    expected, found = graph.run(feed), judged(result, feed)
    for output, array in expected.items():
        assert np.abs(found[output] - array).max() < 5e-3 * np.abs(array).max()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), interface=st.sampled_from(["same", "half"]))
def test_random_graphs(seed: int, interface: str) -> None:
    """ONNX Runtime computes what the interpreter does, up to half precision; a second time there is nothing to do."""
    graph = random_graph(np.random.default_rng(seed), 10)
    result = half(graph, interface=interface)
    assert not result.refusals
    border = len(set(graph.outputs)) + 1 if interface == "same" else 0
    assert len(casts(result.graph)) <= border
    assert all(value.weight is None or value.weight.dtype is DType.FLOAT16 for value in result.graph.weights)
    names = {value.name for value in graph.values if value.producer is not None}
    assert names <= {value.name for value in result.graph.values}
    feed = models.random_input(graph, seed % 1000)
    expected, found = graph.run(feed), judged(result, feed)
    assert list(found) == [value.name for value in graph.outputs] == list(expected)
    for name, array in expected.items():
        # A dozen roundings, some of them of differences.
        assert np.abs(found[name] - array).max() <= 3e-2 * np.abs(array).max() + 1e-3
    again = result.graph.apply("half-weights{compute=true}")
    if interface == "same" or not any(value.type == IMAGE for value in result.graph.inputs):
        assert not again.changes
        assert len(again.graph) == len(result.graph)


def with_erf() -> Graph:
    """A foreign op in the middle, one that reads the input, and one that makes an output."""
    node = helper.make_node
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y", "z", "x2")]
    nodes = [
        node("Relu", ["x"], ["a"], name="first"),
        node("Cosh", ["a"], ["b"], name="foreign"),
        node("Sigmoid", ["b"], ["y"], name="last"),
        node("Cosh", ["x"], ["c"], name="at the input"),
        node("Tanh", ["c"], ["d"]),
        node("Cosh", ["d"], ["z"], name="at the output"),
    ]
    graph = helper.make_graph(nodes, "foreign", values[:1], values[1:3])
    return read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize("interface", ["same", "half"])
def test_foreign_ops_stay(interface: str) -> None:
    """They compute as before, are listed by name, and their neighbours are cast."""
    graph = with_erf()
    result = half(graph, interface=interface)
    assert [refusal.nodes for refusal in result.refusals] == [
        ("foreign (Cosh)",), ("at the input (Cosh)",), ("at the output (Cosh)",)
    ]  # fmt: skip
    assert result.metrics["nodes halved"] == 3
    for node in result.graph.nodes:
        if isinstance(node.op, Opaque):
            assert dtypes((*node.operands, *node.outputs)) == ["float32", "float32"]
        elif not isinstance(node.op, Cast):
            assert dtypes((*node.operands, *node.outputs)) == ["float16", "float16"]
    feed = {"x": np.array([[-1.5, 0.25, 0.5, 3]], np.float32)}
    expected, found = graph.run(feed), judged(result, feed)
    assert [array.dtype for array in found.values()] == [np.float16 if interface == "half" else np.float32] * 2
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=2e-3)


def scaled(weight: AnyArray, *, divided: bool = False) -> Graph:
    """A convolution, and a factor or divisor behind it."""
    builder = GraphBuilder("scaled")
    x = builder.conv(builder.input("x", (1, 4, 6, 6)), 4, kernel=1, name="c")
    factor = builder.graph.add_weight("f", Array.of(weight.astype(np.float32).reshape(-1, 1, 1)))
    return builder.build(builder.relu(builder.op(Div() if divided else Mul(), x, factor, name="scale"), name="y"))


@pytest.mark.parametrize(
    ("weight", "divided", "words"),
    [
        ([1, 2, 3, 1e5], False, "1 elements overflow, up to 100000"),
        ([1, 2, 1e-9, 1], False, "as a factor of scale (Mul) its element 1e-09"),
        ([1, 2, 1e-9, 1], True, "as a divisor of scale (Div) its element 1e-09"),
        ([1e-9] * 4, False, "as a factor of scale (Mul) its element 1e-09"),
    ],
)
def test_weights_that_float16_cannot_hold(weight: list[float], divided: bool, words: str) -> None:
    """The node that reads them computes as before; the weight, the reason and the number are told."""
    graph = scaled(np.array(weight), divided=divided)
    for compute in (False, True):
        result = graph.apply("half-weights", compute=compute)
        (refused,) = result.refusals
        assert words in refused.reason
        assert refused.nodes == ("scale (Div)" if divided else "scale (Mul)",)
        assert result.graph.value("f").type == graph.value("f").type
    assert result.metrics["nodes halved"] == 2
    assert len(casts(result.graph)) == 4
    feed = models.random_input(graph)
    expected = graph.run(feed)["y"]
    assert np.abs(judged(result, feed)["y"] - expected).max() <= 2e-3 * np.abs(expected).max()


@pytest.mark.parametrize(("variance", "epsilon", "held"), [(1e-9, 1e-5, True), (1e-9, 0.5, False), (0.25, 1e-5, False)])
def test_variances(variance: float, epsilon: float, *, held: bool) -> None:
    """What counts is the sum under the root, in float16 as well."""
    builder = GraphBuilder("normalized")
    x = builder.input("x", (1, 4, 6, 6))
    parts = [builder.graph.add_weight(name, Array.of(np.ones(4, np.float32))) for name in "abc"]
    parts.append(builder.graph.add_weight("v", Array.of(np.full(4, variance, np.float32))))
    graph = builder.build(builder.op(BatchNormalization(epsilon), x, *parts, name="bn"))
    refusals = half(graph).refusals
    assert bool(refusals) == held
    assert not held or "as a variance beside an epsilon of 1e-05 of bn" in str(refusals[0])


def test_numbers_of_ops() -> None:
    """A bound that float16 does not reach does not bind; a number to pad with that it does not hold is refused."""
    builder = GraphBuilder("numbers")
    x = builder.op(Clip(-1e9, 2.0), builder.input("x", (1, 4, 6, 6)), name="clip")
    graph = builder.build(builder.op(Pad((0, 0, 1, 1) * 2, "constant", 1e6), x, name="pad"))
    result = half(graph)
    assert result.graph.node("clip").op == Clip(None, 2.0)
    (refused,) = result.refusals
    assert refused.nodes == ("pad (Pad)",)
    feed = models.random_input(graph)
    (found,) = judged(result, feed).values()
    np.testing.assert_allclose(found, graph.run(feed)[graph.outputs[0].name], rtol=1e-3)


def test_an_input_that_is_an_output() -> None:
    """With an interface of float16 it is one on both sides; a constant among the outputs stays."""
    graph = Graph("through")
    x = graph.add_input("x", IMAGE)
    y = graph.add_node(Relu(), [x], outputs=["y"]).output
    weight = graph.add_weight("w", Array.of(np.ones(3, np.float32)))
    graph.set_outputs([x, y, graph.add_node(Identity(), [weight], outputs=["z"]).output, y])
    result = half(graph, interface="half")
    assert [value.name for value in result.graph.outputs] == ["x", "y", "z", "y"]
    assert dtypes(result.graph.outputs) == ["float16"] * 4
    result = half(graph)
    assert [value.name for value in result.graph.outputs] == ["x", "y", "z", "y"]
    assert dtypes(result.graph.outputs) == ["float32"] * 4


def test_casts_of_the_network() -> None:
    """They stay, and read float16 where there is some."""
    builder = GraphBuilder("cast")
    x = builder.relu(builder.input("x", (1, 4)), name="r")
    graph = builder.build(builder.op(Cast(DType.INT32), x, name="i"), builder.op(Cast(DType.FLOAT64), x, name="d"))
    result = half(graph)
    assert dtypes((*result.graph.inputs, *result.graph.outputs)) == ["float32", "int32", "float64"]
    assert dtypes(result.graph.node("i").operands) == ["float16"]
    assert len(result.graph) == 4


def test_a_weight_of_two_readers() -> None:
    """One stays float32 and needs it so; the other reads a float16 copy, and nothing is said to be saved."""
    graph = Graph("shared")
    x = graph.add_input("x", IMAGE)
    w = graph.add_weight("w", Array.of(np.ones((4, 4, 1, 1), np.float32)))
    conv = graph.add_node(Conv((1, 1), (0,) * 4, (1, 1)), [x, w], outputs=["c"]).output
    foreign = graph.add_node(Opaque("acme", "Thing", 1), [conv, w], outputs=["t"]).output
    graph.set_outputs([conv, foreign])
    result = half(graph)
    assert "weights halved" not in result.metrics
    assert dtypes(result.graph.node("c").operands) == ["float16", "float16"]
    assert result.graph.value("w").type == w.type


def test_options() -> None:
    """An interface of float16 goes with computing in it; no other one is known."""
    assert HalfWeights().preserves == HalfWeights(compute=True).preserves == "interface"
    assert HalfWeights(compute=True, interface="half").preserves == "nothing"
    for options in ({"interface": "half"}, {"compute": True, "interface": "float8"}):
        with pytest.raises(CnnirError, match="option-value"):
            cnnir.passes.make_pass("half-weights", options)


def test_a_layer_of_tiny_weights() -> None:
    """Its weight is lost as a whole and refused; a tiny bias beside it is lost in any sum, and goes."""
    builder = GraphBuilder("tiny")
    graph = builder.build(builder.conv(builder.input("x", (1, 4, 6, 6)), 4, kernel=1, name="c"))
    for name in ("c.weight", "c.bias"):
        value = graph.value(name)
        assert value.weight is not None
        value.weight = Array.of(np.full(value.weight.shape, 1e-9, np.float32))
    result = graph.apply("half-weights")
    (refused,) = result.refusals
    assert "weight c.weight stays float32: even its largest element, 1e-09" in refused.reason
    assert "weight c.bias is stored as float16: largest relative rounding error 1, 4 elements become 0" in {
        change.what for change in result.changes
    }
