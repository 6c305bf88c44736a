"""Linear layers in a row merged into one: equal, judged by ONNX Runtime, and only where that saves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnir.analysis import costs
from cnnir.builder import GraphBuilder
from cnnir.graph import Graph, Value
from cnnir.ops import AveragePool, Conv, ConvTranspose, Gemm, MatMul, Mul, Reshape
from cnnir.types import DType, TensorType
from cnnir.weights import Seeded
from tests import models
from tests.passes.test_bottleneck import distance, runtime, vgg


def total(graph: Graph) -> int:
    macs = costs(graph).macs
    assert isinstance(macs, int)
    return macs


@pytest.mark.parametrize("mode", ["svd", "tucker", "separable"])
def test_it_undoes_a_factorisation_of_full_rank(mode: str) -> None:
    graph = models.with_random_weights(vgg())
    factors = graph.apply("bottleneck", mode=mode, ratio=1.0).graph
    result = factors.apply("merge-linear")
    assert total(result.graph) <= total(graph)
    assert distance(graph, result.graph) < 1e-4
    assert len(result.graph) == len(graph)


def chain(one: Conv, inner: tuple[int, ...], two: Conv, outer: tuple[int, ...], *, biases: bool) -> Graph:
    graph = Graph("chain")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, inner[1], 31, 33)))
    for index, (op, shape) in enumerate(((one, inner), (two, outer))):
        operands = [x, graph.add_weight(f"w{index}", Seeded(DType.FLOAT32, shape, 0, index, 0.5))]
        if biases:
            operands.append(graph.add_weight(f"b{index}", Seeded(DType.FLOAT32, shape[:1], 1, index, 0.5)))
        x = graph.add_node(op, operands, name=f"conv{index}").output
    graph.set_outputs([x])
    return graph


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_convolutions_of_any_form(data: st.DataObject) -> None:
    """The channels between are many, so that merging always pays; whatever is merged is equal."""
    small = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernels, strides, dilations = (data.draw(st.tuples(small, small)) for _ in range(3))
    pads = [data.draw(st.sampled_from([(0, 0, 0, 0), (1, 0, 2, 1)])) for _ in range(2)]
    one = Conv(strides[0], pads[0], dilations[0])
    two = Conv(strides[1], pads[1], dilations[1])
    graph = chain(one, (200, 2, *kernels[0]), two, (3, 200, *kernels[1]), biases=data.draw(st.booleans()))
    result = graph.apply("merge-linear")
    assert len(result.changes) + len(result.refusals) == 1
    if result.modified:
        assert len(result.graph) == 1
        assert len(result.graph.weights) == len(graph.weights) // 2
        assert total(result.graph) < total(graph)
        assert result.graph.outputs[0].type == graph.outputs[0].type
        assert distance(graph, result.graph) < 1e-5
    else:
        assert "pads with zeros" in result.refusals[0].reason
        assert any(pads[1])


def test_padding_between_stands_in_the_way_except_behind_a_bare_pointwise() -> None:
    pointwise, padded = Conv((1, 1), (0, 0, 0, 0), (1, 1)), Conv((1, 1), (1, 1, 1, 1), (1, 1))
    shapes = (40, 4, 1, 1), (4, 40, 3, 3)
    merged = chain(pointwise, shapes[0], padded, shapes[1], biases=False)
    assert distance(merged, merged.apply("merge-linear").graph) < 1e-5
    assert merged.apply("merge-linear").modified
    refused = chain(pointwise, shapes[0], padded, shapes[1], biases=True).apply("merge-linear")
    assert "pads with zeros" in refused.refusals[0].reason


def test_fully_connected_layers() -> None:
    graph = Graph("fc")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (6, 5)))
    shapes: dict[str, tuple[int, ...]] = {"a": (6, 40), "c": (40,), "b": (7, 40), "d": (1,)}
    weights = {
        name: graph.add_weight(name, Seeded(DType.FLOAT32, shape, 0, index, 0.5))
        for index, (name, shape) in enumerate(shapes.items())
    }
    first = graph.add_node(Gemm(alpha=0.5, beta=2.0, trans_a=True), [x, weights["a"], weights["c"]], name="first")
    second = graph.add_node(
        Gemm(alpha=3.0, beta=0.5, trans_b=True), [first.output, weights["b"], weights["d"]], name="second"
    )
    graph.set_outputs([second.output])
    result = graph.apply("merge-linear")
    assert len(result.graph) == 1
    assert distance(graph, result.graph) < 1e-5


@pytest.mark.parametrize("first", ["matmul", "gemm"])
@pytest.mark.parametrize("second", ["matmul", "gemm"])
@pytest.mark.parametrize("rank", [2, 3])
def test_matrix_products(first: str, second: str, rank: int) -> None:
    """MatMul and Gemm in every order; stacks of matrices where both are MatMul."""
    if rank > 2 and "gemm" in (first, second):
        return
    graph = Graph("products")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (4, 3, 6)[-rank:]))
    for name, op, shape in (("a", first, (6, 40)), ("b", second, (40, 7))):
        weight = graph.add_weight(f"{name}.w", Seeded(DType.FLOAT32, shape, 0, len(op), 0.5))
        operands = [x, weight]
        if op == "gemm":
            operands.append(graph.add_weight(f"{name}.c", Seeded(DType.FLOAT32, shape[1:], 0, 5, 0.5)))
        x = graph.add_node(MatMul() if op == "matmul" else Gemm(alpha=0.5), operands, name=name).output
    graph.set_outputs([x])
    result = graph.apply("merge-linear")
    assert len(result.graph) == 1
    assert total(result.graph) < total(graph)
    assert distance(graph, result.graph) < 1e-5


def test_every_linear_layer_behind_another_is_listed() -> None:
    builder = GraphBuilder("listed")

    def constant(name: str, *shape: int) -> Value:
        return builder.graph.add_weight(name, Seeded(DType.FLOAT32, shape, 0, 1, 0.5))

    x = builder.input("x", (1, 8, 9, 9))
    x = builder.op(Mul(), builder.conv(x, 8, kernel=1, name="scaled"), constant("s.const", 8, 1, 1))
    x = builder.conv(x, 8, kernel=1, name="behind_mul")
    up = ConvTranspose((1, 1), (0, 0, 0, 0), (1, 1), (0, 0))
    x = builder.op(up, x, constant("up.const", 8, 8, 3, 3), name="up")
    x = builder.flatten(builder.op(AveragePool((2, 2), (2, 2), (0, 0, 0, 0)), x))
    x = builder.op(MatMul(), x, constant("fc.const", 200, 6), name="fc")
    y = builder.op(MatMul(), constant("left.const", 4, 1), x, name="left")
    y = builder.conv(builder.relu(builder.op(Reshape((1, 4, 6, 1)), y)), 2, kernel=1, name="behind_relu")
    result = builder.build(y).apply("merge-linear")
    assert not result.modified
    reasons = {tuple(node.split()[0] for node in refusal.nodes): refusal.reason for refusal in result.refusals}
    assert set(reasons) == {("scaled", "behind_mul"), ("behind_mul", "up"), ("up", "fc"), ("fc", "left")}
    assert "Mul between" in reasons["scaled", "behind_mul"]
    assert "fold" in reasons["scaled", "behind_mul"]
    assert "Conv and ConvTranspose" in reasons["behind_mul", "up"]
    assert "AveragePool, Flatten between" in reasons["up", "fc"]
    assert "constant on the left" in reasons["fc", "left"]


def test_what_does_not_apply_is_refused() -> None:
    builder = GraphBuilder("refused")
    x = builder.input("x", (1, 8, 9, 9))
    narrow = builder.conv(builder.conv(x, 2, kernel=1, name="narrow"), 8, kernel=1, name="wide")
    grouped = builder.conv(narrow, 8, kernel=1, groups=2, name="grouped")
    forked = builder.conv(grouped, 30, kernel=1, name="forked")
    graph = builder.build(builder.conv(forked, 4, kernel=1, name="left"), forked)
    result = graph.apply("merge-linear")
    assert not result.modified
    reasons = {refusal.nodes[1].split()[0]: refusal.reason for refusal in result.refusals}
    assert "would take" in reasons["wide"]
    assert "groups" in reasons["grouped"]
    assert "groups" in reasons["forked"]
    assert "read by others" in reasons["left"]


@pytest.mark.parametrize(
    ("dtype", "scales", "words"),
    [
        (DType.FLOAT16, (300.0, 300.0), "not all finite in float16"),
        (DType.FLOAT32, (1e20, 1e20), "not all finite in float32"),
        (DType.FLOAT16, (1e-4, 1e-4), "too small for float16"),
        (DType.FLOAT32, (1e-21, 1e-21), "too small for float32"),
        (DType.FLOAT16, (300.0, 1e-3), ""),
        (DType.FLOAT32, (1e20, 1e-21), ""),
    ],
)
def test_products_that_the_type_does_not_hold(dtype: DType, scales: tuple[float, float], words: str) -> None:
    """Both layers' weights are numbers of the type, their products would not be: the outputs would be others."""
    graph = Graph("range")
    x = graph.add_input("x", TensorType(dtype, (1, 2, 4, 4)))
    for index, (scale, shape) in enumerate(zip(scales, ((64, 2, 1, 1), (2, 64, 1, 1)), strict=True)):
        weight = graph.add_weight(f"w{index}", Seeded(dtype, shape, 0, index, scale))
        x = graph.add_node(Conv((1, 1), (0,) * 4, (1, 1)), [x, weight]).output
    graph.set_outputs([x])
    result = graph.apply("merge-linear")
    assert [refusal.reason for refusal in result.refusals if words not in refusal.reason] == []
    assert len(result.graph) == (2 if words else 1)
    data = np.random.default_rng(0).standard_normal((1, 2, 4, 4)) / np.float64(scales[0])
    feed = {"x": data.astype(dtype.numpy)}
    ours, theirs = (runtime(one, feed)[0].astype(np.float64) for one in (graph, result.graph))
    assert np.isfinite(ours).all()
    assert np.abs(ours - theirs).max() <= 1e-2 * np.abs(ours).max()


def test_a_shared_weight_stays_for_the_other() -> None:
    builder = GraphBuilder("shared")
    x = builder.input("x", (1, 4, 5, 5))
    first = builder.conv(x, 30, kernel=1, name="first")
    y = builder.conv(first, 4, kernel=1, name="second")
    weight = builder.graph.value("first.weight")
    other = builder.op(Conv((1, 1), (0, 0, 0, 0), (1, 1)), builder.relu(x), weight, name="other")
    graph = models.with_random_weights(builder.build(y, other))
    result = graph.apply("merge-linear", check="values")
    assert result.graph.value("first.weight").users == (result.graph.node("other"),)
    assert np.isfinite(distance(graph, result.graph))
    assert distance(graph, result.graph) < 1e-5
