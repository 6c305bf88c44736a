"""Pooling replaced by convolution: equal where it says so, judged by ONNX Runtime on the exported file."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.ops import AveragePool, Conv, GlobalAveragePool, MaxPool, Mul, Op, Opaque, ReduceMean, Relu
from cnnir.ops.pooling import Pool
from cnnir.passes.pool_to_conv import PoolToConv
from cnnir.types import DType, TensorType
from cnnir.verify import verify
from tests import models
from tests.passes.test_bottleneck import distance, runtime


def pooled(op: Op, shape: tuple[int | str, ...]) -> Graph:
    builder = GraphBuilder("pooled")
    return builder.build(builder.op(op, builder.input("x", shape), name="pool"))


@pytest.mark.parametrize(
    ("op", "nodes"),
    [
        (AveragePool((2, 2), (2, 2), (0, 0, 0, 0)), 1),
        (AveragePool((3, 2), (2, 1), (1, 0, 1, 1), count_include_pad=True), 1),
        (AveragePool((3, 3), (2, 2), (1, 1, 1, 1)), 2),
        (AveragePool((3, 3), (1, 2), (1, 0, 2, 1)), 2),
        (AveragePool((3, 3), (2, 2), (0, 0, 0, 0), ceil_mode=True), 2),
        (AveragePool((3, 3), (2, 2), (1, 1, 1, 1), ceil_mode=True, count_include_pad=True), 2),
        (AveragePool((3, 3), (2, 2), (0, 0, 0, 0), auto_pad="SAME_UPPER"), 2),
        (AveragePool((3, 3), (2, 2), (0, 0, 0, 0), auto_pad="VALID"), 1),
    ],
    ids=str,
)
def test_average_pooling_stays_what_it_was(op: Pool, nodes: int) -> None:
    graph = pooled(op, (2, 3, 9, 12))
    result = graph.apply("pool-to-conv")
    assert [type(node.op) for node in result.graph.nodes] == [Conv, Mul][:nodes]
    assert result.graph.outputs[0].name == "pool"
    assert distance(graph, result.graph) < 1e-6


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_average_pooling_of_any_form(data: st.DataObject) -> None:
    kernel = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    strides = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pads = tuple(data.draw(st.integers(0, size - 1)) for size in (*kernel, *kernel))
    ceil_mode, include = data.draw(st.booleans()), data.draw(st.booleans())
    op = AveragePool(kernel, strides, pads, ceil_mode=ceil_mode, count_include_pad=include)
    shape = (1, 2, data.draw(st.integers(4, 9)), data.draw(st.integers(4, 9)))
    graph = pooled(op, shape)
    result = graph.apply("pool-to-conv")
    verify(result.graph)
    assume(result.modified)
    feed = models.random_input(graph)
    ours, theirs = result.graph.run(feed)["pool"], graph.run(feed)["pool"]
    assert np.abs(ours - theirs).max() < 1e-5
    assert np.abs(runtime(result.graph, feed)[0] - theirs).max() < 1e-5


def test_real_networks_keep_their_outputs() -> None:
    graph = models.with_random_weights(cnnir.load(models.path("shufflenet")))
    result = graph.apply("pool-to-conv")
    averages = [node for node in graph.nodes if isinstance(node.op, AveragePool)]
    others = [node for node in graph.nodes if isinstance(node.op, MaxPool | GlobalAveragePool)]
    assert averages
    assert result.metrics["pooling replaced"] == len(averages)
    assert len(result.refusals) == len(others)
    assert distance(graph, result.graph) < 1e-4


def test_open_sizes() -> None:
    graph = pooled(AveragePool((2, 2), (2, 2), (1, 1, 1, 1), count_include_pad=True), ("N", 3, "H", "W"))
    result = graph.apply("pool-to-conv")
    assert result.graph.outputs[0].type == graph.outputs[0].type
    sizes = {"N": 1, "H": 7, "W": 8}
    assert distance(graph.bind(**sizes), result.graph.bind(**sizes)) < 1e-6
    for op in (
        AveragePool((2, 2), (2, 2), (1, 1, 1, 1)),
        AveragePool((3, 3), (2, 2), (0, 0, 0, 0), ceil_mode=True),
        AveragePool((3, 3), (2, 2), (0, 0, 0, 0), auto_pad="SAME_LOWER"),
    ):
        refused = pooled(op, ("N", 3, "H", "W")).apply("pool-to-conv")
        assert not refused.modified
        assert "not known" in refused.refusals[0].reason


@pytest.mark.parametrize(
    "op",
    [
        MaxPool((2, 2), (2, 2), (0, 0, 0, 0)),
        MaxPool((3, 3), (2, 2), (1, 1, 1, 1)),
        MaxPool((3, 3), (2, 2), (0, 0, 0, 0), ceil_mode=True),
        MaxPool((3, 2), (2, 1), (0, 0, 0, 0), auto_pad="SAME_UPPER"),
    ],
    ids=str,
)
def test_max_pooling_gives_way_where_asked_for(op: MaxPool) -> None:
    graph = pooled(op, (1, 3, 8, 11))
    assert "structural=true" in graph.apply("pool-to-conv").refusals[0].reason
    result = graph.apply("pool-to-conv", structural=True)
    assert [type(node.op) for node in result.graph.nodes] == [Conv, Relu]
    assert result.graph.outputs[0].type == graph.outputs[0].type
    assert result.graph.outputs[0].name == "pool"
    assert (runtime(result.graph, models.random_input(graph))[0] > 0).any()
    again, other = (graph.apply("pool-to-conv", structural=True, draw=draw).graph for draw in (0, 1))
    weights = [one.value("pool.weight").weight for one in (result.graph, again, other)]
    assert weights[0] is not None
    assert weights[1] is not None
    assert weights[2] is not None
    assert weights[0].equals(weights[1])
    assert not weights[0].equals(weights[2])


def test_other_pooling_is_listed() -> None:
    """Ops that cnnir does not define, and means over whole maps."""
    graph = Graph("others")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 3, 8, 8)))
    attributes = helper.make_node("LpPool", [], [], kernel_shape=[2, 2], p=2).SerializeToString()
    graph.add_node(Opaque("", "LpPool", 18, attributes), [x], name="lp")
    graph.add_node(ReduceMean((2, 3)), [x], name="mean")
    graph.add_node(ReduceMean((1,)), [x], name="channels")
    graph.set_outputs([node.output for node in graph.nodes])
    result = graph.apply("pool-to-conv")
    assert not result.modified
    reasons = {refusal.nodes[0].split()[0]: refusal.reason for refusal in result.refusals}
    assert set(reasons) == {"lp", "mean"}
    assert "LpPool" in reasons["lp"]
    assert "whole map" in reasons["mean"]


@pytest.mark.parametrize(
    ("kernel", "pads", "off"), [((3, 3), 0, 2.0**-12), ((2, 2), 0, 0.0), ((2, 2), 1, 0.0), ((3, 1), 1, 2.0**-11)]
)
def test_the_rounding_of_half_precision_is_named(kernel: tuple[int, int], pads: int, off: float) -> None:
    """Of a ninth, in steps of 2 ** -14; a quarter and its halves have none."""
    graph = Graph("half")
    x = graph.add_input("x", TensorType(DType.FLOAT16, (1, 3, 8, 8)))
    op = AveragePool(kernel, (1, 1), (pads, 0, pads, 0))
    graph.set_outputs([graph.add_node(op, [x], name="pool").output])
    result = graph.apply("pool-to-conv")
    text = result.changes[0].what
    if not off:
        assert "off by" not in text
        return
    stated = float(text.split("off by ")[1])
    assert 0 < stated <= off * 1.05
    ones = {"x": np.ones((1, 3, 8, 8), np.float16)}
    weights = [value.weight for value in result.graph.weights if value.weight is not None]
    assert all(weight.dtype is DType.FLOAT16 for weight in weights)
    taps = weights[0].array().astype(np.float64).sum() / 3
    if len(weights) == 1:
        assert abs(taps - 1) == pytest.approx(stated, rel=0.05)
    assert np.abs(result.graph.run(ones)["pool"].astype(np.float64) - 1).max() <= stated + 2.0**-10
    assert (
        "off by"
        not in pooled(AveragePool((3, 3), (1, 1), (0, 0, 0, 0)), (1, 3, 8, 8)).apply("pool-to-conv").changes[0].what
    )


def test_what_is_preserved_depends_on_the_option() -> None:
    assert PoolToConv().preserves == "values"
    assert PoolToConv(structural=True).preserves == "interface"
    assert PoolToConv(structural=True) == PoolToConv(structural=True)
    graph = pooled(AveragePool((3, 3), (2, 2), (1, 1, 1, 1)), (1, 3, 8, 11))
    assert graph.apply("pool-to-conv", check="values").modified
    assert (
        pooled(MaxPool((2, 2), (2, 2), (0, 0, 0, 0)), (1, 3, 8, 11))
        .apply("pool-to-conv", structural=True, check="values")
        .modified
    )


def test_what_does_not_apply_is_refused() -> None:
    graph = Graph("indices")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 3, 8, 8)))
    node = graph.add_node(MaxPool((2, 2), (2, 2), (0, 0, 0, 0), with_indices=True), [x], outputs=["y", "places"])
    graph.set_outputs(node.outputs)
    assert "indices" in graph.apply("pool-to-conv", structural=True).refusals[0].reason
    graph.set_outputs(node.outputs[:1])
    assert graph.apply("pool-to-conv", structural=True).modified
    whole = pooled(GlobalAveragePool(), (1, 3, 8, 8)).apply("pool-to-conv")
    assert "whole map" in whole.refusals[0].reason
    for channels in ("C", 0):
        unknown = pooled(AveragePool((2, 2), (1, 1), (0, 0, 0, 0)), (1, channels, 8, 8)).apply("pool-to-conv")
        assert "known number of channels" in unknown.refusals[0].reason
    with pytest.raises(CnnirError, match="draw is a seed"):
        graph.apply("pool-to-conv", structural=True, draw=-1)
    with pytest.raises(CnnirError, match="option-unknown"):
        graph.apply("pool-to-conv", nothing=True)
