"""Resize and Expand to sizes that shape arithmetic gives, open ones among them, judged by ONNX Runtime at two sizes."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

import cnnir
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import Expand, Opaque, Resize
from cnnir.text import parse_graph, print_graph
from cnnir.weights import AnyArray

RNG = np.random.default_rng(9)
CONSTANTS: dict[str, AnyArray] = {
    "w": RNG.standard_normal((4, 3, 3, 3)).astype(np.float32),
    "token": RNG.standard_normal((1, 1, 5)).astype(np.float32),
    "zero": np.asarray(0), "one": np.asarray([1]), "two": np.asarray([2]), "four": np.asarray([4]),
    "begin": np.asarray([0]), "five": np.asarray([5]), "big": np.asarray([2**62]),
}  # fmt: skip


def node(op: str, inputs: str, output: str, **attributes: Any) -> NodeProto:
    return helper.make_node(op, ["" if name == "-" else name for name in inputs.split()], [output], **attributes)


SHAPES = [node("Conv", "x w", "m", strides=[2, 2], pads=[1, 1, 1, 1]), node("Shape", "x", "of_image"),
          node("Shape", "m", "of_map"), node("Slice", "of_image two four", "image_size"),
          node("Slice", "of_map begin two", "kept")]  # fmt: skip
UP = [*SHAPES, node("Concat", "kept image_size", "target", axis=0)]
"""The size of a map and of the image that it was made of, as a segmentation head asks for it."""


def model(nodes: list[NodeProto], opset: int = 17, rank: int = 4) -> onnx.ModelProto:
    used = {name for each in nodes for name in each.input}
    weights = [numpy_helper.from_array(array, name) for name, array in CONSTANTS.items() if name in used]
    graph = helper.make_graph(
        nodes, "head", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [None] * rank)], weights,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def runtime(proto: onnx.ModelProto, image: AnyArray) -> AnyArray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": image})[0])


def judged(proto: onnx.ModelProto, graph: Graph, *images: tuple[int, ...]) -> None:
    """The interpreter, and the runtime on what is written, give what the runtime gives for the model as it came."""
    for sizes in images:
        image = np.random.default_rng(sum(sizes)).standard_normal(sizes).astype(np.float32)
        wanted = runtime(proto, image)
        (ours,) = graph.run({"x": image}).values()
        for found in (ours, runtime(write(graph), image)):
            assert found.shape == wanted.shape
            assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def settled(proto: onnx.ModelProto) -> Graph:
    graph = read(proto).apply("fold-settings").graph
    assert not any(isinstance(each.op, Opaque) for each in graph.nodes)
    return graph


def resized(opset: int, **attributes: Any) -> onnx.ModelProto:
    operands = "m roi scales target" if opset < 13 else "m - - target"
    extra = [
        node("Constant", "", name, value=numpy_helper.from_array(np.zeros(0, np.float32))) for name in ("roi", "scales")
    ]
    up = node("Resize", operands, "y", mode="linear", **attributes)
    return model([*(extra if opset < 13 else []), *UP, up], opset)


@pytest.mark.parametrize("opset", [11, 13, 18, 21])
def test_back_to_the_size_of_the_image(opset: int) -> None:
    proto = resized(opset, coordinate_transformation_mode="half_pixel")
    graph = settled(proto)
    assert str(graph.value("y").type) == "float32[N, 4, H, W]"
    assert sorted(each.op.kind for each in graph.nodes) == ["Conv", "Resize"]
    judged(proto, graph, (1, 3, 8, 8), (2, 3, 9, 14))
    assert graph.bind(N=1, H=8, W=10).plan().arena_bytes > 0


def test_written_and_read_again(tmp_path: Path) -> None:
    graph = settled(resized(18))
    cnnir.save(graph, tmp_path / "head.onnx")
    again = cnnir.load(tmp_path / "head.onnx")
    assert print_graph(again) == print_graph(graph)
    weights = {value.name: value.weight for value in graph.weights if value.weight is not None}
    assert print_graph(parse_graph(print_graph(graph), weights)) == print_graph(graph)


def test_sizes_that_are_bound() -> None:
    """The same op whether its sizes were open once or never were."""
    bound = settled(resized(17)).bind(N=1, H=9, W=12).node("y").op
    assert isinstance(bound, Resize)
    assert bound.sizes is not None
    assert bound.sizes[2:] == (9, 12)


def test_some_axes_alone() -> None:
    """Since opset 18 sizes may be given for some axes, and the others stay what they are."""
    proto = model([*SHAPES, node("Resize", "m - - image_size", "y", axes=[2, 3])], 18)
    graph = settled(proto)
    op = graph.node("y").op
    assert isinstance(op, Resize)
    assert op.sizes is not None
    assert op.sizes[:2] == (None, None)
    assert str(graph.value("y").type) == "float32[N, 4, H, W]"
    judged(proto, graph, (1, 3, 8, 8), (2, 3, 9, 14))


def test_a_size_that_is_not_decided() -> None:
    """The larger one of height and width is neither: the node stays, and says why."""
    sides = [node("Split", "image_size", "height"), node("Max", "height width", "side")]
    sides[0].output.append("width")
    row = node("Concat", "kept side side", "target", axis=0)
    proto = model([*SHAPES, *sides, row, node("Resize", "m - - target", "y")], 13)
    result = read(proto).apply("fold-settings")
    assert isinstance(result.graph.node("y").op, Opaque)
    (refusal,) = [refusal for refusal in result.refusals if "y (Resize)" in refusal.nodes]
    assert "its target [N, 4, ?, ?] cannot be said" in refusal.reason
    judged(proto, result.graph, (1, 3, 8, 6), (2, 3, 9, 14))


def test_what_stays_opaque_for_another_reason() -> None:
    """A form of the op that is not defined here does not become one because its sizes are known."""
    proto = resized(11, coordinate_transformation_mode="tf_half_pixel_for_nn")
    result = read(proto).apply("fold-settings")
    (refusal,) = [refusal for refusal in result.refusals if "y (Resize)" in refusal.nodes]
    assert "stays opaque" in refusal.reason


def test_a_token_for_each_image() -> None:
    """The class token of a transformer, as often as there are images."""
    batch = [node("Shape", "x", "of_image"), node("Gather", "of_image begin", "batch")]
    row = node("Concat", "batch one five", "target", axis=0)
    proto = model([*batch, row, node("Expand", "token target", "y")], rank=3)
    graph = settled(proto)
    op = graph.node("y").op
    assert isinstance(op, Expand)
    assert str(graph.value("y").type) == "float32[N, 1, 5]"
    judged(proto, graph, (1, 3, 4, 4), (3, 3, 5, 4))
    assert print_graph(read(write(graph)).apply("fold-settings").graph) == print_graph(graph)


def test_nothing_to_compute_it_from() -> None:
    """A size that no operand and no input has cannot be written, and the error says what to do."""
    graph = settled(resized(18)).apply("cut", **{"from": "m", "to": "y"}).graph
    with pytest.raises(CnnirError, match=r"open size H cannot be computed .*bind it"):
        write(graph)
