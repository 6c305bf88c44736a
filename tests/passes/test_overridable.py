"""Weights that a caller may give as an input instead: part of the interface, whatever a pass would like to do."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph


def network() -> Graph:
    """Two convolutions and a Mul; the first weight has a default and is listed among the inputs."""
    rng = np.random.default_rng(0)
    arrays = {"w": (4, 3, 3, 3), "v": (4, 4, 1, 1), "s": (4, 1, 1)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="first"),
            helper.make_node("Conv", ["c", "v"], ["d"], name="second"),
            helper.make_node("Mul", ["d", "s"], ["y"], name="scale"),
        ],
        "overridable",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3, 3, 3]),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [4, 4, 1, 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 6])],
        [
            numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
            for name, shape in arrays.items()
        ],
    )
    return read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize("passes", ["fold", "merge-linear", "bottleneck{rank=2}"])
def test_they_stay(passes: str) -> None:
    """The pass refuses with the reason, and the written model takes the same inputs."""
    graph = network()
    result = graph.apply(passes)
    assert any("may give" in refusal.reason for refusal in result.refusals)
    assert [value.name for value in write(result.graph).graph.input] == ["x", "w", "v"]
