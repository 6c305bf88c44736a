"""Files that are no good, one for each way in which input can be wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def conv_model(*, channels: int = 3) -> onnx.ModelProto:
    """A small network: Conv 3x3 to 4 channels, Relu."""
    weight = np.random.default_rng(0).standard_normal((4, channels, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv1"),
        helper.make_node("Relu", ["c"], ["y"], name="relu1"),
    ]
    return _model(nodes, [numpy_helper.from_array(weight, "w")])


def _model(nodes: list[onnx.NodeProto], weights: list[TensorProto]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_good(path: Path) -> None:
    """The small network as it should be."""
    path.write_bytes(conv_model().SerializeToString())


def truncated(path: Path) -> None:
    """Cut short in the middle of its weights."""
    data = conv_model().SerializeToString()
    path.write_bytes(data[: len(data) // 2])


def empty(path: Path) -> None:
    """No byte at all."""
    path.write_bytes(b"")


def text(path: Path) -> None:
    """A text file."""
    path.write_text("this is no network\n" * 20)


def external_missing(path: Path) -> None:
    """Weights in a file that is not there."""
    model = conv_model()
    external_data_helper.set_external_data(model.graph.initializer[0], "gone.bin")
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].ClearField("raw_data")
    path.write_bytes(model.SerializeToString())


def untyped(path: Path) -> None:
    """An op that neither onnx nor the file gives a type."""
    model = conv_model()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Mystery", "acme"
    model.opset_import.append(helper.make_opsetid("acme", 1))
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name="y"))
    path.write_bytes(model.SerializeToString())


def channels(path: Path) -> None:
    """A convolution whose weight has other channels than its input."""
    path.write_bytes(conv_model(channels=5).SerializeToString())


def cycle(path: Path) -> None:
    """Two nodes that wait for each other."""
    model = _model(
        [
            helper.make_node("Add", ["x", "b"], ["a"], name="first"),
            helper.make_node("Relu", ["a"], ["b"], name="second"),
            helper.make_node("Relu", ["b"], ["y"], name="third"),
        ],
        [],
    )
    path.write_bytes(model.SerializeToString())


def duplicate(path: Path) -> None:
    """Two nodes that make a value of one name."""
    model = conv_model()
    model.graph.node.append(helper.make_node("Tanh", ["c"], ["y"], name="tanh1"))
    path.write_bytes(model.SerializeToString())


def negative(path: Path) -> None:
    """An input of negative height."""
    model = conv_model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = -8
    path.write_bytes(model.SerializeToString())


def undefined(path: Path) -> None:
    """A node that reads what nothing makes."""
    model = conv_model()
    model.graph.node[1].input[0] = "nowhere"
    path.write_bytes(model.SerializeToString())


def ancient(path: Path) -> None:
    """An opset from before the ones in use."""
    model = conv_model()
    model.opset_import[0].version = 6
    path.write_bytes(model.SerializeToString())


BROKEN: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "truncated": (truncated, "model-syntax", "model.onnx"),
    "empty": (empty, "model-syntax", "model.onnx"),
    "text": (text, "model-syntax", "model.onnx"),
    "external-missing": (external_missing, "external-data", "w"),
    "untyped": (untyped, "type-unknown", "relu1 (acme::Mystery)"),
    "channels": (channels, "conv-channels", "conv1 (Conv)"),
    "cycle": (cycle, "graph-cycle", "first (Add)"),
    "duplicate": (duplicate, "name-taken", "tanh1 (Tanh)"),
    "negative": (negative, "dim-negative", "x"),
    "undefined": (undefined, "value-undefined", "relu1 (Relu)"),
    "ancient": (ancient, "opset", "ai.onnx"),
}
"""For each: what writes it, the error's code, and what its `node` ends with."""
