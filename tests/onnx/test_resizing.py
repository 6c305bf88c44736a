"""What a file leaves open stays open: kept axes and equal parts after the inputs get other shapes."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, helper, numpy_helper

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import Resize, Split
from cnnir.text import parse_graph, print_graph
from cnnir.types import DType, TensorType
from tests.onnx.test_reader import model, numbers, tensor


def resized(opset: int = 18) -> ModelProto:
    """A Resize of two axes to 4x5, batch and channels kept."""
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], name="up", axes=[3, 2])
    sizes = numpy_helper.from_array(np.array([5, 4], np.int64), "sizes")
    return model([node], [tensor("x", ["N", 1, 2, 2])], [tensor("y", ["N", 1, 4, 5])], [sizes], opset=opset)


def halved(opset: int) -> ModelProto:
    """A Split in two without sizes."""
    node = helper.make_node("Split", ["x"], ["p", "q"], name="cut", axis=1)
    if opset >= 18:
        node.attribute.append(helper.make_attribute("num_outputs", 2))
    infos = [tensor("p", ["N", None, 3]), tensor("q", ["N", None, 3])]  # type: ignore[list-item]
    return model([node], [tensor("x", ["N", "C", 3])], infos, opset=opset)


def judged(graph: Graph, *shape: int) -> None:
    """ONNX Runtime computes what is written as the interpreter does, planned too where no dim is open."""
    proto = write(graph)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {"x": numbers(*shape)}
    found = graph.run(feed)
    for name, expected in zip(found, session.run(list(found), feed), strict=True):
        np.testing.assert_allclose(found[name], np.asarray(expected), rtol=1e-5, atol=1e-6)
    again = read(proto)
    assert write(again) == proto
    assert print_graph(parse_graph(print_graph(graph), {})) == print_graph(graph)


def test_kept_axes_of_a_resize() -> None:
    """The batch is whatever comes in."""
    graph = read(resized())
    assert graph.node("up").op == Resize(None, (None, None, 4, 5))
    judged(graph, 3, 1, 2, 2)
    for other in (graph.bind(N=3), graph.resize({"x": [3, 1, 2, 2]}), graph.resize({"x": ["M", 1, 2, 2]})):
        judged(other, 3, 1, 2, 2)
    larger = graph.resize({"x": [2, 5, 7, 3]})
    assert str(larger.value("y").type) == "float32[2, 5, 4, 5]"
    judged(larger, 2, 5, 7, 3)


def test_kept_axes_below_opset_18() -> None:
    """They are said as numbers where they are known, and computed where they are open."""
    graph = read(resized())
    for opset in (11, 13, 17):
        open_ = write(graph, opset=opset)
        onnx.checker.check_model(open_, full_check=True)
        assert [node.op_type for node in open_.graph.node] == ["Shape", "Gather", "Concat", "Resize"]
        again = read(open_).apply("fold-settings").graph
        assert write(again) == open_
        session = onnxruntime.InferenceSession(open_.SerializeToString(), providers=["CPUExecutionProvider"])
        image = numbers(2, 1, 2, 2)
        np.testing.assert_array_equal(again.run({"x": image})["y"], np.asarray(session.run(None, {"x": image})[0]))
        proto = write(graph.bind(N=3), opset=opset)
        onnx.checker.check_model(proto, full_check=True)
        (node,) = read(proto).nodes
        assert node.op == Resize(None, (3, 1, 4, 5))


@pytest.mark.parametrize(
    ("policy", "sizes", "shape"),
    [("not_larger", (1, 2, 4, 4), (1, 1, 4, 3)), ("not_smaller", (1, 2, 9, 7), (2, 3, 9, 8))],
)
def test_sizes_that_a_policy_does_not_meet(policy: str, sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """They are written as they are: from what came out of them the policy would make something else."""
    wanted = numpy_helper.from_array(np.array(sizes, np.int64), "sizes")
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], name="fit", keep_aspect_ratio_policy=policy)
    graph = read(model([node], [tensor("x", [1, 2, 6, 5])], [tensor("y", list(shape))], [wanted], opset=18))
    assert graph.value("y").type == TensorType(DType.FLOAT32, shape)
    judged(graph, 1, 2, 6, 5)
    again = read(write(graph))
    assert again.node("fit").op == graph.node("fit").op
    assert again.value("y").type == graph.value("y").type


@pytest.mark.parametrize("opset", [9, 13, 17, 18, 21])
def test_equal_parts(opset: int) -> None:
    """They stay equal when the whole changes."""
    graph = read(halved(opset))
    assert graph.node("cut").op == Split(1, parts=2)
    for size in (4, 6):
        smaller = graph.resize({"x": [2, size, 3]})
        assert str(smaller.value("q").type) == f"float32[2, {size // 2}, 3]"
        judged(smaller, 2, size, 3)
    judged(graph, 2, 6, 3)


def test_equal_parts_with_a_rest() -> None:
    """Since opset 18 the last one is smaller; before, that is a contradiction."""
    graph = read(halved(18)).resize({"x": [1, 5, 3]})
    assert [str(value.type) for value in graph.outputs] == ["float32[1, 3, 3]", "float32[1, 2, 3]"]
    judged(graph, 1, 5, 3)
    with pytest.raises(CnnirError, match=r"cut \(Split\): .*\[opset\]"):
        write(graph, opset=17)
    old = halved(13)
    old.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    with pytest.raises(CnnirError, match=r"cut \(Split\): .*\[split-sizes\]"):
        read(old)


def test_more_parts_than_there_are() -> None:
    """Four parts of five would be two, two, two and less than none."""
    with pytest.raises(CnnirError, match=r"\[split-sizes\]"):
        vector_in_parts(5, 4)
    assert [str(value.type) for value in vector_in_parts(5, 3).values][1:] == ["float32[2]", "float32[2]", "float32[1]"]


def vector_in_parts(size: int, count: int) -> Graph:
    """A vector in so many parts."""
    names = [f"p{index}" for index in range(count)]
    node = helper.make_node("Split", ["x"], names, num_outputs=count)
    return read(model([node], [tensor("x", [size])], [tensor(name) for name in names], opset=18))
