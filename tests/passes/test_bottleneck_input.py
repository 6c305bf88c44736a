"""Whatever is put in: an error with code, expectation, finding and hint, or a refusal with its reason."""

import math

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import Conv, ConvTranspose, Gemm, Relu
from cnnir.passes.bottleneck import Bottleneck, choose, data_aware
from cnnir.passes.pool_to_conv import PoolToConv
from cnnir.types import DType, TensorType
from cnnir.weights import Seeded
from tests.passes.test_bottleneck import distance, runtime, vgg


def small() -> Graph:
    return vgg(8, (4,))


NUMBERS = [math.inf, -math.inf, math.nan, 1e308, -1e308, -1]


@pytest.mark.parametrize("number", NUMBERS, ids=str)
@pytest.mark.parametrize("name", ["ratio", "energy", "macs", "params"])
def test_shares_that_are_none(name: str, number: float) -> None:
    check_error("option-value", small(), Bottleneck(**{name: number}))  # type: ignore[arg-type]


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_widths_that_are_none(number: float) -> None:
    check_error("option-value", small(), Bottleneck(mode="reduce", nodes="conv*", ratio=number))


@pytest.mark.parametrize(
    "options",
    [
        {"macs": 0.0},
        {"nodes": "|", "rank": 1},
        {"nodes": " ", "rank": 1},
        {"nodes": "conv1||fc1", "rank": 1},
        {"mode": "reduce", "nodes": "conv1|", "channels": 2},
        {"mode": "reduce", "nodes": "conv1", "channels": 10**30},
        {"mode": "reduce", "nodes": "conv1", "channels": 2, "multiple": 10**30},
        {"mode": "reduce", "channels": 2, "draw": -1},
        {"mode": "reduce", "channels": 2, "measure": False},
        {"peak": "-1KiB"},
        {"peak": "nan"},
    ],
    ids=str,
)
def test_options_that_are_none(options: dict[str, object]) -> None:
    check_error("option-value", small(), Bottleneck(**options))  # type: ignore[arg-type]


def test_numbers_of_many_digits_are_numbers() -> None:
    graph = small()
    for options in ({"rank": 10**30}, {"ratio": 1e-320, "multiple": 10**30}, {"energy": 1e-320}, {"peak": "9" * 30}):
        result = graph.apply("bottleneck", **options)
        assert len(result.changes) + len(result.refusals) >= 5
    check_error("budget-unreachable", graph, Bottleneck(macs=0.9, multiple=10**30))
    check_error("budget-unreachable", graph, Bottleneck(macs=1e-320))


def check_error(code: str, graph: Graph, options: Bottleneck) -> None:
    with pytest.raises(CnnirError, match=code) as caught:
        graph.apply(options)
    assert None not in (caught.value.expected, caught.value.got, caught.value.hint, caught.value.node)


def test_samples_that_are_none() -> None:
    graph = small()
    image = np.zeros((1, 3, 8, 8), np.float32)
    for feeds in (3, None, "image", image, [image], [], iter(())):
        with pytest.raises(CnnirError, match="samples-missing") as caught:
            data_aware(graph, feeds, Bottleneck(rank=1))  # type: ignore[arg-type]
        assert None not in (caught.value.expected, caught.value.got, caught.value.hint, caught.value.node)
    for options in (3, PoolToConv(), Bottleneck(mode="reduce", channels=2)):
        with pytest.raises(CnnirError, match="option-value"):
            data_aware(graph, {"image": image}, options)  # type: ignore[arg-type]
    with pytest.raises(CnnirError):
        data_aware(graph, {"nothing": image}, Bottleneck(rank=1))
    assert data_aware(graph, iter([{"image": image}]), Bottleneck(rank=1)).modified  # type: ignore[arg-type]


def test_a_function_chooses_layers() -> None:
    builder = GraphBuilder("names")
    x = builder.input("x", (1, 8, 6, 6))
    for name in ("a|b", "a", "b", "c[0]", "c0", "d*", "dd", "e]"):
        x = builder.conv(x, 8, kernel=1, name=name)
    graph = builder.build(x)
    for wanted in (("a|b", "c[0]"), ("a", "d*", "e]"), ("b", "e]"), ("c0",)):
        chosen = choose(graph, lambda node, wanted=wanted: node.name in wanted)  # type: ignore[misc]
        result = graph.apply("bottleneck", rank=2, nodes=chosen, measure=False)
        assert tuple(change.nodes[-1].split(" ")[0] for change in result.changes) == wanted
    with pytest.raises(CnnirError, match="node-unknown"):
        choose(graph, lambda node: isinstance(node.op, Relu))


def test_a_structural_change_leaves_weights_of_others() -> None:
    """Outputs and shared weights stay; of a weight that callers may give the layer stays too."""
    builder = GraphBuilder("kept")
    x = builder.input("x", (1, 8, 6, 6))
    y = builder.conv(x, 8, kernel=3, padding=1, bias=False, name="one")
    weight = builder.graph.value("one.weight")
    y = builder.op(Conv((1, 1), (1, 1, 1, 1), (1, 1)), y, weight, name="two")
    y = builder.conv(y, 8, kernel=3, padding=1, name="three")
    graph = builder.build(y, builder.graph.value("three.weight"))
    result = graph.apply("bottleneck", mode="reduce", channels=2, nodes="one|three")
    assert result.graph.value("one.weight").users == (result.graph.node("two"),)
    assert result.graph.outputs[1] is result.graph.value("three.weight")
    feed = {"x": np.ones((1, 8, 6, 6), np.float32)}
    assert np.array_equal(runtime(graph, feed)[1], runtime(result.graph, feed)[1])
    for options in ({"rank": 2}, {"params": 0.9}):
        factors = graph.apply("bottleneck", nodes="three", **options) if "rank" in options else None
        assert factors is None or factors.graph.outputs[1] is factors.graph.value("three.weight")
    refused = graph.apply("bottleneck", params=1.0, nodes="three").refusals
    assert "is an output of the graph" in refused[0].reason


def test_weights_that_callers_may_give_stay() -> None:
    rng = np.random.default_rng(0)
    model = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="only")],
        "listed",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 5, 5]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [8, 8, 3, 3]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 3, 3])],
        [numpy_helper.from_array(rng.standard_normal((8, 8, 3, 3)).astype(np.float32), "w")],
    )
    graph = read(helper.make_model(model, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    for options in ({"mode": "reduce", "channels": 2}, {"rank": 2}):
        result = graph.apply("bottleneck", **options)
        assert not result.modified
        assert "may give" in result.refusals[0].reason
        assert [value.name for value in write(result.graph).graph.input] == ["x", "w"]


def test_factors_of_a_gemm_are_written_in_old_opsets() -> None:
    """There a Gemm has to have a bias, which the first of two factors has not."""
    graph = Graph("old")
    graph.provenance.opsets = {"": 9}
    x = graph.add_input("x", TensorType(DType.FLOAT32, (3, 7)))
    weights = [graph.add_weight("w", Seeded(DType.FLOAT32, (5, 7), 0, 1, 1.0))]
    weights.append(graph.add_weight("b", Seeded(DType.FLOAT32, (5,), 0, 2, 1.0)))
    graph.set_outputs([graph.add_node(Gemm(trans_b=True, alpha=0.5), [x, *weights], name="fc").output])
    factors = graph.apply("bottleneck", ratio=1.0).graph
    assert distance(graph, factors) < 1e-5
    assert distance(graph, factors.apply("merge-linear").graph) < 1e-5


def test_transposed_convolutions_are_listed_for_structural_changes() -> None:
    graph = Graph("transposed")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, 5, 5)))
    weight = graph.add_weight("w", Seeded(DType.FLOAT32, (4, 8, 3, 3), 0, 1, 1.0))
    op = ConvTranspose((1, 1), (0, 0, 0, 0), (1, 1), (0, 0))
    graph.set_outputs([graph.add_node(op, [x, weight], name="up").output])
    for options in ({"mode": "reduce", "channels": 2}, {"rank": 2}):
        (refusal,) = graph.apply("bottleneck", **options).refusals
        assert "transposed convolution" in refusal.reason
