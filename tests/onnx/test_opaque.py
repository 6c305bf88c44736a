"""Nodes that are carried along: their operands, their subgraphs, their types."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from cnnir.exporters.onnx import read, write
from cnnir.ops import Opaque
from cnnir.rewriter import Rewriter
from tests.onnx.test_reader import judged, model, numbers, tensor


@pytest.mark.parametrize("name", ["input_0", "_input_1", "output_0", "input_7"])
def test_captured_names_that_look_like_ours(name: str) -> None:
    """A captured value keeps its contents, whatever it is called."""
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    bodies = [
        helper.make_graph([helper.make_node(op_type, [name, "x"], [out])], op_type, [], [tensor(out, [2, 2])])
        for op_type, out in (("Add", "input_3"), ("Mul", "output_1"))
    ]
    node = helper.make_node("If", ["flag"], ["y"], name="if1", then_branch=bodies[0], else_branch=bodies[1])
    proto = model(
        [node],
        [flag, tensor("x", [2, 2])],
        [tensor("y", [2, 2])],
        [numpy_helper.from_array(numbers(2, 2) + 5, name)],
    )
    graph = read(proto)
    assert isinstance(graph.node("if1").op, Opaque)
    assert str(graph.value("y").type) == "float32[2, 2]"
    for flagged in (True, False):
        judged(proto, {"flag": np.array(flagged), "x": numbers(2, 2)})


def test_captured_values_under_another_name() -> None:
    """A value that takes the place of a captured one is not hidden by what the subgraphs make under its name."""
    bodies = [
        helper.make_graph(
            [helper.make_node("Abs", ["r"], ["inner"]), helper.make_node(op_type, ["inner", "r"], [out])],
            op_type, [], [tensor(out, [2, 2])],
        )
        for op_type, out in (("Add", "one"), ("Mul", "other"))
    ]  # fmt: skip
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("If", ["flag"], ["y"], name="if1", then_branch=bodies[0], else_branch=bodies[1]),
    ]
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    graph = read(model(nodes, [flag, tensor("x", [2, 2])], [tensor("y", [2, 2])]))
    Rewriter(graph).rename(graph.value("r"), "inner")
    for flagged in (True, False):
        feed = {"flag": np.array(flagged), "x": numbers(2, 2)}
        judged(write(graph), feed)
        positive = np.maximum(feed["x"], 0)
        expected = positive + positive if flagged else positive * positive
        np.testing.assert_allclose(read(write(graph)).run(feed)["y"], expected, rtol=1e-5)


def test_long_vectors_are_not_followed() -> None:
    """onnx's inference would make room for a dim for each of their elements."""
    node = helper.make_node("Unsqueeze", ["x", "axes"], ["y"], unknown=1)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2**40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2**40])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [0])],
    )  # fmt: skip
    found = read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    assert isinstance(found.nodes[0].op, Opaque)
    assert str(found.outputs[0].type) == f"float32[1, {2**40}]"
