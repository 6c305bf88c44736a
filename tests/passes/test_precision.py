"""Weights as float16: half the bytes, the same interface, and what rounding does is told."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.exporters.onnx import read
from cnnir.graph import Graph
from cnnir.ops import Add, Cast
from cnnir.types import DType, TensorType
from cnnir.weights import Array
from tests import models
from tests.random_graphs import random_graph


@pytest.mark.parametrize("name", ["squeezenet", "resnet50"])
def test_real_networks(name: str, tmp_path: Path) -> None:
    """The file is half as large, ONNX Runtime runs it, and the outputs are those of rounded weights."""
    graph = models.with_random_weights(cnnir.load(models.path(name)))
    result = graph.apply("half-weights")
    assert not result.refusals
    paths = [tmp_path / "full.onnx", tmp_path / "half.onnx"]
    for one, path in zip((graph, result.graph), paths, strict=True):
        cnnir.save(one, path)
    full, half = (path.stat().st_size for path in paths)
    assert half < 0.55 * full
    # Each Cast takes some text in the file.
    assert full - half <= result.metrics["bytes saved"] <= full - half + 500 * len(graph.weights)
    feed = models.random_input(graph)
    expected = result.graph.run(feed)
    session = onnxruntime.InferenceSession(paths[1], providers=["CPUExecutionProvider"])
    rounded = graph.clone()
    for value in rounded.weights:
        if value.weight is not None and value.weight.dtype is DType.FLOAT32:
            value.weight = Array.of(value.weight.array().astype(np.float16).astype(np.float32))
    oracle = rounded.run(feed)
    for output, found in zip(session.get_outputs(), session.run(None, feed), strict=True):
        np.testing.assert_allclose(np.asarray(found), expected[output.name], rtol=1e-3, atol=1e-5)
        assert np.array_equal(expected[output.name], oracle[output.name])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_graphs(seed: int) -> None:
    """Interfaces stay, weights that several nodes read have one Cast, every float32 weight is halved or refused."""
    graph = random_graph(np.random.default_rng(seed), 12)
    result = graph.apply("half-weights")
    after = result.graph
    assert [(v.name, v.type) for v in (*after.inputs, *after.outputs)] == [
        (v.name, v.type) for v in (*graph.inputs, *graph.outputs)
    ]
    casts = [node for node in after.nodes if isinstance(node.op, Cast)]
    assert len(casts) == result.metrics.get("weights halved", 0) == len(graph.weights)
    assert all(value.weight is not None and value.weight.dtype is DType.FLOAT16 for value in after.weights)
    assert not after.apply("half-weights").changes


def small(contents: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Graph:
    """A scale by these numbers."""
    builder = GraphBuilder("small")
    x = builder.input("x", (1, 4))
    graph = builder.build(builder.linear(x, 1, bias=False, name="fc"))
    graph.value("fc.weight").weight = Array.of(contents.reshape(1, 4))
    return graph


def test_rounding_is_told() -> None:
    """One third loses 2**-12 of itself and a bit; what is too small becomes 0, and is counted."""
    third = np.float32(1 / 3)
    result = small(np.array([third, 1, 2, -4], np.float32)).apply("half-weights")
    error = abs(float(third) - float(np.float16(third))) / float(third)
    assert f"{error:.3g}" in str(result.changes[0])
    assert "become 0" not in str(result.changes[0])
    result = small(np.array([1e-9, 1, -1e-9, 0], np.float32)).apply("half-weights")
    assert "error 1, 2 elements become 0" in str(result.changes[0])


def test_overflow_is_refused_by_name() -> None:
    """70000 is more than float16 holds; an infinity is one before and after."""
    graph = small(np.array([1, 2, 70000, -80000], np.float32))
    result = graph.apply("half-weights")
    assert not result.changes
    assert "fc.weight stays float32: 2 elements overflow, up to 80000" in str(result.refusals[0])
    assert result.graph.value("fc.weight").weight is graph.value("fc.weight").weight
    assert small(np.array([1, 2, np.inf, 65504], np.float32)).apply("half-weights").changes


def test_what_callers_see_stays() -> None:
    """A weight that is an output, or that callers may override, is left alone with the reason."""
    graph = small(np.ones(4, np.float32))
    graph.set_outputs([*graph.outputs, graph.value("fc.weight")])
    assert "an output" in str(graph.apply("half-weights").refusals[0])
    graph = small(np.ones(4, np.float32))
    graph.provenance.listed = ("fc.weight",)
    assert "callers" in str(graph.apply("half-weights").refusals[0])


def test_doubles_too() -> None:
    """A float64 weight takes a quarter, and its Cast gives float64 again."""
    graph = Graph("double")
    x = graph.add_input("x", TensorType(DType.FLOAT64, (1, 4)))
    w = graph.add_weight("w", Array.of(np.array([[0.1, 2, 3, -4]])))
    graph.set_outputs([graph.add_node(Add(), [x, w], outputs=["y"]).output])
    result = graph.apply("half-weights")
    assert result.metrics["bytes saved"] == 4 * 6
    assert "24 B saved in 1 weights" in str(result.changes[-1])
    found = result.graph.run({"x": np.zeros((1, 4))})["y"]
    assert found.dtype == np.float64
    assert np.array_equal(found, np.array([[0.1, 2, 3, -4]], np.float16).astype(np.float64))


def test_a_reader_that_needs_a_constant() -> None:
    """A foreign op whose shape is told by a float weight: this one stays, the others do not."""
    nodes = [
        helper.make_node(
            "Resize", ["x", "roi", "scales"], ["r"], name="crop", coordinate_transformation_mode="tf_crop_and_resize"
        ),
        helper.make_node("Mul", ["r", "f"], ["y"]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, size, size])
        for name, size in (("x", 2), ("y", 4))
    ]
    weights = {
        "roi": np.array([0, 0, 0, 0, 1, 1, 0.5, 0.5], np.float32), "scales": np.array([1, 1, 2, 2], np.float32),
        "f": np.array([0.5], np.float32),
    }  # fmt: skip
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    proto = helper.make_graph(nodes, "crop", values[:1], values[1:], tensors)
    graph = read(helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    result = graph.apply("half-weights")
    (refused,) = result.refusals
    assert "weight scales stays float32: a reader needs it as a constant" in str(refused)
    assert result.metrics["weights halved"] == 2
    names = ["x", "scales", "f", "f_half", "roi", "roi_half", "r", "y"]
    assert sorted(value.name for value in result.graph.values) == sorted(names)


def test_the_sum_is_told() -> None:
    """Bytes, and the error of the weight that loses most of its largest element."""
    graph = small(np.array([1 / 3, 1, 2, -4], np.float32))
    error = abs(np.float32(1 / 3) - np.float32(np.float16(1 / 3))) / 4
    assert str(graph.apply("half-weights").changes[-1]) == (
        f"8 B saved in 1 weights; the largest error, {error:.3g} of its weight's largest element, is in fc.weight"
    )
