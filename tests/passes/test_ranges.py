"""Ranges up to sizes that are open: their lengths are worked out, and what comes out is what onnxruntime gives."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import Range
from cnnir.types import DType, TensorType
from tests.interpreter.judges import AnyArray

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def positions(start: int, step: int, *, turned: bool = False) -> Graph:
    """Maps plus the numbers from `start` to their width, or from their width down to `start`."""
    nodes: list[Any] = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "two"], ["w"], axis=0),
        helper.make_node("Range", ["w", "start", "step"] if turned else ["start", "w", "step"], ["r"], name="range"),
        helper.make_node("Cast", ["r"], ["f"], to=FLOAT),
        helper.make_node("ReduceSum", ["f"], ["t"], keepdims=0),
        helper.make_node("Add", ["x", "t"], ["y"]),
    ]
    constants = {"two": 2, "start": start, "step": step}
    graph = helper.make_graph(
        nodes,
        "positions",
        [helper.make_tensor_value_info("x", FLOAT, ["N", 3, "W"])],
        [helper.make_tensor_value_info("y", FLOAT, None), helper.make_tensor_value_info("f", FLOAT, None)],
        [numpy_helper.from_array(np.asarray(number), name) for name, number in constants.items()],
    )
    return read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def runtime(graph: Graph, data: AnyArray) -> list[AnyArray]:
    """What onnxruntime makes of the written graph."""
    session = onnxruntime.InferenceSession(write(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(array) for array in session.run(None, {"x": data})]


@pytest.mark.parametrize(
    ("start", "step", "turned", "length"),
    [(0, 1, False, "W"), (0, 2, False, "(W + 1)//2"), (1, 3, False, "(W + 1)//3"), (0, -1, True, "W")],
)
def test_lengths(start: int, step: int, turned: bool, length: str) -> None:
    """They hold for all sizes, and the network is the same before and after."""
    graph = positions(start, step, turned=turned)
    assert str(graph.value("r").type) == "int64[?]"
    folded = graph.apply("fold").graph
    assert str(folded.value("r").type) == f"int64[{length}]"
    assert str(folded.value("f").type) == f"float32[{length}]"
    for sizes in ((1, 3, 7), (2, 3, 4)):
        data = np.random.default_rng(1).standard_normal(sizes).astype(np.float32)
        expected = runtime(graph, data)
        for candidate in (graph, folded, folded.bind(N=sizes[0], W=sizes[2])):
            for ours, theirs in zip(candidate.run({"x": data}).values(), expected, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-6)
        np.testing.assert_array_equal(runtime(folded, data)[1], expected[1])
    again = folded.apply("fold")
    assert "ranges counted" not in again.metrics


def test_undecided_lengths() -> None:
    """From 9 to an open size: whether there is anything depends on it."""
    graph = positions(9, 1).apply("fold").graph
    assert str(graph.value("r").type) == "int64[?]"
    assert [node.op.lengths for node in graph.nodes if isinstance(node.op, Range)] == [()]
    assert graph.run({"x": np.zeros((1, 3, 4), np.float32)})["f"].shape == (0,)


def test_bound_ranges_are_constants() -> None:
    """And then nothing is left that makes them."""
    graph = positions(0, 1).bind(N=1, W=5).apply("fold").graph
    assert [node.op.kind for node in graph.nodes] == ["Add"]


def test_another_length_than_worked_out() -> None:
    """It is an error of one line."""
    graph = Graph("wrong")
    ends = [graph.add_input(name, TensorType(DType.INT64, ())) for name in ("a", "b", "c")]
    graph.set_outputs(graph.add_node(Range((4,)), ends, name="range").outputs)
    feed = {name: np.asarray(number) for name, number in (("a", 0), ("b", 5), ("c", 1))}
    with pytest.raises(CnnirError, match="range-length") as caught:
        graph.run(feed)
    assert (caught.value.node, caught.value.expected, caught.value.got) == ("range (Range)", 4, 5)
    assert graph.run({**feed, "b": np.asarray(4)})["range"].tolist() == [0, 1, 2, 3]
