"""What random models and spoilt files have found, each by itself."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, shape_inference

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import LRN, Clip, GroupNormalization, ReduceSum, Relu, Slice
from cnnir.passes import apply
from cnnir.passes.simplify import Simplify
from cnnir.types import DType, TensorType
from tests.interpreter.drawing import Case, Draw
from tests.interpreter.judges import by_onnxruntime, run


@pytest.mark.parametrize("op_type", ["ReduceSum", "ReduceMean", "ReduceL2", "ReduceMax"])
@pytest.mark.parametrize("opset", [7, 12, 13, 17, 18])
def test_reduction_of_a_scalar_in_every_opset(op_type: str, opset: int) -> None:
    """Over no axis: of a scalar those are all, and need not be said."""
    scalar = helper.make_tensor_value_info("x", TensorProto.FLOAT, [])
    node = helper.make_node(op_type, ["x"], ["y"])
    graph = helper.make_graph([node], "scalar", [scalar], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    written = write(read(model))
    onnx.checker.check_model(written, full_check=True)
    assert written.opset_import[0].version == opset
    assert read(written).run({"x": np.asarray(-2.5, np.float32)})["y"] == (2.5 if op_type == "ReduceL2" else -2.5)


def test_groups_of_an_empty_batch() -> None:
    """They are written with sizes that hold for no image as well."""
    data, ones = np.zeros((0, 4, 3), np.float32), np.ones(2, np.float32)
    case = Case(GroupNormalization(2, per_group=True), (data, ones, ones))
    assert run(case)[0].shape == (0, 4, 3)
    assert by_onnxruntime(case)[0].shape == (0, 4, 3)


def test_groups_where_no_rank_is_known() -> None:
    """The op of opsets 18 to 20 says them; what would cut the maps would have to know the rank."""
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("GroupNormalization", ["r", "s", "s"], ["y"], num_groups=2),
    ]
    weights = [
        helper.make_tensor("x", TensorProto.FLOAT, [12], np.arange(12.0)),
        helper.make_tensor("s", TensorProto.FLOAT, [2], [1.0, 2.0]),
    ]
    inputs = [helper.make_tensor_value_info("shape", TensorProto.INT64, ["R"])]
    graph = helper.make_graph(nodes, "open", inputs, [onnx.ValueInfoProto(name="y")], weights)
    model = write(read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)))
    assert [node.op_type for node in model.graph.node][-1] == "GroupNormalization"
    assert read(model).run({"shape": np.array([1, 4, 3])})["y"].shape == (1, 4, 3)


@pytest.mark.parametrize("op_type", ["Shape", "Size"])
def test_a_shape_of_two_tensors(op_type: str) -> None:
    """A node whose attributes the op does not know is carried along, and folded by nobody."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xz"]
    output = helper.make_tensor_value_info("s", TensorProto.INT64, [1] if op_type == "Shape" else [])
    graph = helper.make_graph([helper.make_node(op_type, ["x", "z"], ["s"], axis=0)], "two", inputs, [output])
    loaded = read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8))
    assert [node.op.kind for node in apply(loaded, Simplify()).graph.nodes] == [op_type]


@pytest.mark.parametrize("bounds", [(1.0, -1.0), (0.0, 6.0), (2.0, 1.0), (-1.0, 1.0)])
def test_relu_behind_crossed_bounds(bounds: tuple[float, float]) -> None:
    """It computes something where the upper bound is negative: that is what comes out of such a Clip."""
    graph = Graph("crossed")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (5,)))
    clipped = graph.add_node(Clip(*bounds), [x]).output
    graph.set_outputs(graph.add_node(Relu(), [clipped]).outputs)
    feed = {"x": np.array([-3, -0.5, 0, 0.5, 3], np.float32)}
    (before,), (after,) = graph.run(feed).values(), apply(graph, Simplify()).graph.run(feed).values()
    np.testing.assert_array_equal(after, before)
    assert len(apply(graph, Simplify()).graph) == (2 if min(bounds) < 0 else 1)


def test_an_overload_that_is_no_text() -> None:
    """One clear line, as for every other text of a node."""
    node = helper.make_node("Relu", ["x"], ["y"])
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "text", inputs[:1], inputs[1:]), ir_version=10)
    node.overload = "over"
    model.graph.node[0].CopyFrom(node)
    data = model.SerializeToString().replace(b"over", b"\xc5\x00er")
    with pytest.raises(CnnirError, match="model-text"):
        read(onnx.ModelProto.FromString(data))


def test_more_dims_than_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where onnx's inference runs out of memory, the type is not known."""

    def without_memory(*_: object, **__: object) -> onnx.ModelProto:
        raise MemoryError

    monkeypatch.setattr(shape_inference, "infer_shapes", without_memory)
    node = helper.make_node("Cosh", ["x"], ["y"])
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "large", inputs[:1], inputs[1:]), ir_version=10)
    assert str(read(model).outputs[0].type) == "float32[2]"  # as the file says


def test_a_bound_that_the_format_does_not_hold() -> None:
    """A file may say it in an unsigned tensor, where the op wants a signed one."""
    with pytest.raises(CnnirError, match="larger than the format holds"):
        write(Case(Slice((0,), (2**63,), (0,), (1,)), (np.arange(3, dtype=np.float32),)).graph())


def test_bounds_where_no_rank_is_known() -> None:
    """The element type is enough to write them; they do not get lost."""
    nodes = [helper.make_node("ReduceMax", ["x", "axes"], ["m"]), helper.make_node("Clip", ["m", "", "high"], ["y"])]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.DOUBLE, [2, 3]),
        helper.make_tensor_value_info("axes", TensorProto.INT64, ["A"]),
    ]
    high = helper.make_tensor("high", TensorProto.DOUBLE, [], [0.5])
    graph = helper.make_graph(nodes, "open", inputs, [onnx.ValueInfoProto(name="y")], [high])
    model = write(read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)))
    feed = {"x": np.arange(6.0).reshape(2, 3), "axes": np.array([0])}
    assert read(model).run(feed)["y"].tolist() == [[0.5, 0.5, 0.5]]


def test_a_window_over_more_channels_than_there_are() -> None:
    """Its size does not matter for the time it takes."""
    data = Draw(0).tensor(1, 3, 2, 2)
    (huge,) = run(Case(LRN(2**31 - 1, 2.0**31, 0.75, 1.0), (data,)))
    (large,) = run(Case(LRN(7, 7.0, 0.75, 1.0), (data,)))
    np.testing.assert_allclose(huge, large, rtol=1e-5)


def test_no_axis_of_more_dims_still_needs_its_opset() -> None:
    """Left out, the axes would be all."""
    case = Case(ReduceSum(()), (Draw(0).tensor(2, 3),))
    model = write(case.graph(), opset=13)
    assert [attribute.name for attribute in model.graph.node[0].attribute] == ["noop_with_empty_axes"]
