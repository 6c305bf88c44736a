"""Costs: parameters by role, each weight once, and totals that are honest about what is not known."""

import numpy as np
import pytest

from cnnir.analysis import costs
from cnnir.dims import UNKNOWN, symbol
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import Add, BatchNormalization, ConstantOfShape, Conv, Gemm, Mul, Opaque, Relu
from cnnir.reports import table
from cnnir.types import DType, TensorType, UnknownType
from cnnir.weights import Array, Fill
from cnnir.zoo.vgg import vgg16

CONV = Conv(strides=(1, 1), pads=(1, 1, 1, 1), dilations=(1, 1))


def fill(graph: Graph, name: str, *shape: int, dtype: DType = DType.FLOAT32) -> Value:
    return graph.add_weight(name, Fill(dtype, shape, dtype.numpy.type(1)))


def image(graph: Graph, *shape: object) -> Value:
    return graph.add_input("x", TensorType(DType.FLOAT32, shape))  # type: ignore[arg-type]


def test_one_convolution_follows_the_textbook() -> None:
    graph = Graph()
    node = graph.add_node(CONV, [image(graph, 2, 5, 8, 9), fill(graph, "w", 7, 5, 3, 3), fill(graph, "b", 7)])
    found = costs(graph).of(node)
    assert found.params == 7 * (3 * 3 * 5 + 1)
    assert (found.weights, found.biases) == (7 * 3 * 3 * 5, 7)
    # Every output element is one window's product: 2 images, 7 filters, 8 by 9 positions.
    assert found.macs == 2 * 7 * 8 * 9 * 3 * 3 * 5
    assert found.weight_bytes == 4 * (7 * 3 * 3 * 5 + 7)
    assert found.reasons == ()


def test_a_shared_weight_counts_at_its_first_reader() -> None:
    graph = Graph()
    weight = fill(graph, "w", 4, 4, 3, 3)
    first = graph.add_node(CONV, [image(graph, 1, 4, 8, 8), weight])
    second = graph.add_node(CONV, [first.output, weight])
    twice = graph.add_node(Add(), [second.output, second.output])
    found = costs(graph)
    assert [entry.params for entry in found.nodes] == [4 * 4 * 9, 0, 0]
    assert found.params == found.weights == 4 * 4 * 9
    assert found.weight_bytes == 4 * 4 * 4 * 9
    assert found.of(first).macs == found.of(second).macs
    assert found.of(twice).macs == 0


def test_statistics_are_bytes_but_no_parameters() -> None:
    graph = Graph()
    parts = [fill(graph, name, 6) for name in ("scale", "shift", "mean", "var")]
    graph.add_node(BatchNormalization(), [image(graph, 1, 6, 4, 4), *parts])
    found = costs(graph)
    assert (found.params, found.weights, found.biases) == (12, 6, 6)
    assert found.weight_bytes == 4 * 6 * 4


def test_constants_in_the_role_of_data_are_parameters_of_any_element_type() -> None:
    graph = Graph()
    x = image(graph, 1, 6, 4, 4)
    graph.add_node(Mul(), [x, fill(graph, "factor", 1, 6, 1, 1)])
    whole = graph.add_input("whole", TensorType(DType.INT64, (3,)))
    graph.add_node(Add(), [whole, fill(graph, "offset", 3, dtype=DType.INT64)])
    found = costs(graph)
    assert (found.params, found.weights, found.biases) == (6 + 3, 0, 0)
    assert found.weight_bytes == 6 * 4 + 3 * 8


def test_settings_are_no_parameters() -> None:
    graph = Graph()
    graph.add_node(ConstantOfShape(), [graph.add_weight("shape", Array.of(np.array([2, 3])))])
    found = costs(graph)
    assert (found.params, found.weights, found.biases, found.weight_bytes) == (0, 0, 0, 16)


def test_constants_of_opaque_nodes_may_be_parameters() -> None:
    """An int8 weight on its way through DequantizeLinear: how many weights the network has is not known, not 0."""
    graph = Graph()
    stored = [fill(graph, "w", 4, 4, 3, 3, dtype=DType.INT8), fill(graph, "scale")]
    dequantize = graph.add_node(Opaque("", "DequantizeLinear", 13), stored, name="dequantize")
    dequantize.output.type = TensorType(DType.FLOAT32, (4, 4, 3, 3))
    conv = graph.add_node(CONV, [image(graph, 1, 4, 8, 8), dequantize.output, fill(graph, "b", 4)])
    found = costs(graph)
    assert (found.of(conv).params, found.of(conv).biases, found.of(conv).weights) == (4, 4, 0)
    for figures in (found, found.of(dequantize)):
        assert (figures.params, figures.weights, figures.biases) == (None, None, None)
    assert found.weight_bytes == 4 * 4 * 9 + 4 + 16
    (reason,) = [reason for reason in found.reasons if "parameters" in reason]
    assert reason.startswith("dequantize (DequantizeLinear): what w, scale is")
    totals = table(graph).totals
    assert not totals.known
    assert (totals.params, totals.weights, totals.weight_bytes) == (None, None, 4 * 4 * 9 + 4 + 16)
    data = table(graph).as_json()
    assert data["totals"]["params"] is data["totals"]["weights"] is data["totals"]["biases"] is None
    assert data["rows"][1]["weights"] is None
    assert str(table(graph)).count("unknown") >= 3


def test_an_op_that_says_what_a_constant_is_counts_it() -> None:
    """Also when an opaque node reads it first; the bytes stand at the first reader, whatever it is."""
    graph = Graph()
    weight = fill(graph, "w", 4, 4, 3, 3)
    first = graph.add_node(Opaque("", "Mystery", 1), [weight])
    second = graph.add_node(CONV, [image(graph, 1, 4, 8, 8), weight])
    found = costs(graph)
    assert (found.of(first).params, found.of(second).weights, found.weights) == (0, 4 * 4 * 9, 4 * 4 * 9)
    assert (found.of(first).weight_bytes, found.of(second).weight_bytes) == (4 * 4 * 4 * 9, 0)


def test_an_unread_weight_is_in_no_sum() -> None:
    graph = Graph()
    fill(graph, "idle", 1000)
    graph.add_node(Relu(), [image(graph, 4)])
    assert (costs(graph).params, costs(graph).weight_bytes) == (0, 0)


def test_an_opaque_node_makes_the_total_unknown_and_is_named() -> None:
    graph = Graph()
    x = image(graph, 1, 4, 8, 8)
    hidden = graph.add_node(Opaque("", "Mystery", 1), [x], outputs=["hidden"])
    known = graph.add_node(CONV, [x, fill(graph, "w", 4, 4, 3, 3)])
    found = costs(graph)
    assert found.macs is None
    assert found.of(hidden).macs is None
    assert found.of(known).macs == 8 * 8 * 4 * 4 * 9
    assert found.params == 4 * 4 * 9
    assert len(found.reasons) == 1
    assert "hidden (Mystery)" in found.reasons[0]


@pytest.mark.parametrize("unknown", [TensorType(DType.FLOAT32, (1, 4, UNKNOWN, 8)), UnknownType(DType.FLOAT32)])
def test_unknown_shapes_make_the_macs_unknown_with_a_reason(unknown: TensorType | UnknownType) -> None:
    graph = Graph()
    conv = graph.add_node(CONV, [graph.add_input("x", unknown), fill(graph, "w", 4, 4, 3, 3)], name="conv")
    found = costs(graph)
    assert found.macs is None
    assert found.of(conv).params == 4 * 4 * 9
    assert [reason.startswith("conv (Conv): ") for reason in found.reasons] == [True]


def test_texts_have_no_bytes() -> None:
    graph = Graph()
    names = graph.add_weight("names", Array.of(np.array(["a", "bc"], dtype=object)))
    node = graph.add_node(Opaque("", "Lookup", 1), [image(graph, 4), names])
    found = costs(graph)
    assert found.weight_bytes is None
    assert found.of(node).params is None
    assert any("names" in reason for reason in found.reasons)


def test_symbolic_dims_give_symbolic_costs() -> None:
    graph = Graph()
    batch = symbol("N")
    graph.add_node(Gemm(), [image(graph, batch, 10), fill(graph, "w", 10, 3), fill(graph, "b", 3)])
    found = costs(graph)
    assert found.macs == batch * 30
    assert (found.weights, found.biases) == (30, 3)


def test_vgg16_is_the_classic_network() -> None:
    found = costs(vgg16())
    assert (found.weights, found.params, found.macs) == (138_344_128, 138_357_544, 15_470_264_320)
    assert found.weight_bytes == 4 * 138_357_544
    assert found.reasons == ()


def test_a_foreign_node_is_refused() -> None:
    graph, other = Graph(), Graph()
    graph.add_node(Relu(), [image(graph, 1)])
    stranger = other.add_node(Relu(), [image(other, 1)])
    with pytest.raises(CnnirError, match="node-unknown"):
        costs(graph).of(stranger)
