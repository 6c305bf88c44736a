"""Models that contradict themselves: one line that names the node, never a graph and never another exception."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from cnnir.cli.main import main
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.weights import AnyArray
from tests.onnx.test_reader import model, tensor


def node(
    op_type: str,
    settings: Mapping[str, AnyArray] | None = None,
    attributes: Mapping[str, Any] | None = None,
    *,
    opset: int = 21,
    shape: Sequence[int] = (1, 4, 6, 6),
    outputs: int = 1,
) -> ModelProto:
    """A model of one node with constants behind its first operand; attributes may be of a wrong type."""
    settings = settings or {}
    made = helper.make_node(op_type, ["x", *settings], [f"y{index}" for index in range(outputs)], name="bad")
    for name, value in (attributes or {}).items():
        made.attribute.append(value if isinstance(value, AttributeProto) else helper.make_attribute(name, value))
    weights = [numpy_helper.from_array(contents, name) for name, contents in settings.items() if name]
    return model([made], [tensor("x", list(shape))], [tensor(f"y{i}") for i in range(outputs)], weights, opset=opset)


def made_of(op_type: str, settings: Mapping[str, AnyArray], attributes: Mapping[str, Any] | None = None) -> ModelProto:
    """A model in which a node of constants makes a weight."""
    folded = helper.make_node(op_type, list(settings), ["w"], name="bad", **(attributes or {}))
    weights = [numpy_helper.from_array(contents, name) for name, contents in settings.items()]
    return model([folded, helper.make_node("Add", ["x", "w"], ["y"])], [tensor("x", [1])], [tensor("y")], weights)


def floats(*items: float) -> AnyArray:
    """A constant of float32."""
    return np.asarray(items, np.float32)


def ints(*items: int) -> AnyArray:
    """A constant of int64."""
    return np.asarray(items, np.int64)


KERNEL = {"w": np.zeros((4, 4, 3, 3), np.float32)}
RESIZED = {"": floats(), "scales": floats(1, 1, 2, 2)}
CROPPED = {"coordinate_transformation_mode": "tf_crop_and_resize"}

MALFORMED: dict[str, tuple[ModelProto, str]] = {
    "no axis": (node("Concat"), "attribute"),
    "no size": (node("LRN"), "attribute"),
    "a text for an axis": (node("Concat", attributes={"axis": "a"}), "attribute"),
    "a float for an axis": (node("Softmax", attributes={"axis": 1.5}), "attribute"),
    "a float for groups": (node("Conv", KERNEL, {"group": 1.0}), "attribute"),
    "an int for ints": (node("MaxPool", attributes={"kernel_shape": 2}), "attribute"),
    "floats for ints": (node("MaxPool", attributes={"kernel_shape": [2.5, 2.5]}), "attribute"),
    "a text for a float": (node("LRN", attributes={"size": 3, "alpha": "much"}), "attribute"),
    "an int for a float": (node("LeakyRelu", attributes={"alpha": 1}), "attribute"),
    "an int for a text": (node("MaxPool", attributes={"kernel_shape": [2, 2], "auto_pad": 1}), "attribute"),
    "a text that is no UTF-8": (node("Conv", KERNEL, {"auto_pad": b"\xff"}), "model-text"),
    "an attribute twice": (node("Softmax", attributes={"a": helper.make_attribute("axis", 1), "axis": 2}), "attribute"),
    "no cast": (node("Cast"), "attribute"),
    "no clip bound": (node("Clip", {"low": floats()}), "operand-shape"),
    "two clip bounds": (node("Clip", {"low": floats(1, 2)}), "operand-shape"),
    "a clip bound of another type": (node("Clip", {"low": ints(1)}), "operand-dtype"),
    "no ratio": (node("Dropout", {"ratio": floats()}), "operand-shape"),
    "a text for a ratio": (node("Dropout", {"ratio": np.array(["half"], object)}), "operand-dtype"),
    "a shape of NaN": (node("Reshape", {"shape": floats(np.nan)}), "operand-dtype"),
    "a shape of a float": (node("Reshape", {"shape": floats(4.7)}), "operand-dtype"),
    "a shape of two dims": (node("Reshape", {"shape": np.ones((2, 2), np.int64)}), "operand-shape"),
    "a shape of a million": (node("Reshape", {"shape": np.ones(1_000_000, np.int64)}), "operand-shape"),
    "an endless scale": (node("Resize", {**RESIZED, "scales": floats(1, 1, np.inf, 1)}), "resize-target"),
    "a scale of NaN": (node("Resize", {**RESIZED, "scales": floats(1, 1, np.nan, 1)}), "resize-target"),
    "a scale too large": (node("Resize", {**RESIZED, "scales": floats(1, 1, 3e38, 1)}), "resize-target"),
    "a crop of no part": (node("Resize", RESIZED, CROPPED), "resize-roi"),
    "blocks in no order": (node("DepthToSpace", attributes={"blocksize": 2, "mode": "XYZ"}), "depth-order"),
    "too few scales": (node("Resize", {**RESIZED, "scales": floats(1, 2)}), "resize-target"),
    "scales for other axes": (node("Resize", RESIZED, {"axes": [2, 3]}), "resize-target"),
    "too many axes": (node("Resize", {**RESIZED, "scales": floats(2)}, {"axes": [2, 9]}), "axis"),
    "an axis twice": (node("Resize", {**RESIZED, "scales": floats(2, 2)}, {"axes": [2, -2]}), "axis"),
    "integer scales": (node("Resize", {**RESIZED, "scales": ints(1, 1, 2, 2)}), "operand-dtype"),
    "old scales": (node("Upsample", attributes={"scales": 2.0}, opset=7), "attribute"),
    "too few pads": (node("Pad", {"pads": ints(1, 1)}), "pad"),
    "too few pads for axes": (
        node("Pad", {"pads": ints(1, 1), "value": floats(0), "axes": ints(2, 3)}), "pad",
    ),
    "a pad value of another type": (node("Pad", {"pads": ints(*[1] * 8), "value": ints(1)}), "operand-dtype"),
    "two types of a quantised tensor": (
        node("QuantizeLinear", {"s": np.array(0.5, np.float32), "z": np.array(3, np.uint8)}, {"output_dtype": 3}),
        "dtype-mismatch",
    ),
    "no parts": (node("Split", attributes={"num_outputs": 0}), "split-sizes"),
    "parts below none": (node("Split", attributes={"num_outputs": -2}), "split-sizes"),
    "a fill of a scalar shape": (made_of("ConstantOfShape", {"s": np.array(3)}), "rank"),
    "a fill of a matrix shape": (made_of("ConstantOfShape", {"s": np.ones((1, 2), np.int64)}), "rank"),
    "a fill of NaN": (made_of("ConstantOfShape", {"s": floats(np.nan)}), "operand-dtype"),
    "a fill below nothing": (made_of("ConstantOfShape", {"s": ints(-1)}), "dim-negative"),
    "a fill with nothing": (
        made_of("ConstantOfShape", {"s": ints(1)}, {"value": numpy_helper.from_array(floats())}), "tensor-data",
    ),
    "a fill with an int": (made_of("ConstantOfShape", {"s": ints(1)}, {"value": 3}), "attribute"),
    "a reshape that does not fit": (made_of("Reshape", {"a": floats(1, 2, 3), "s": ints(2, 2)}), "reshape-size"),
    "a rest that does not fit": (made_of("Reshape", {"a": floats(1, 2, 3), "s": ints(2, -1)}), "reshape-size"),
    "a permutation of other axes": (made_of("Transpose", {"a": np.zeros((2, 2))}, {"perm": [0, 5]}), "transpose"),
    "an axis left out": (made_of("Transpose", {"a": np.zeros((2, 2))}, {"perm": [0, 0]}), "transpose"),
    "a squeeze of a long axis": (made_of("Squeeze", {"a": np.zeros((2, 2)), "s": ints(0)}), "squeeze-size"),
    "a constant of the wrong type": (made_of("Constant", {}, {"value_float": 3}), "attribute"),
    "a constant text": (made_of("Constant", {}, {"value_string": b"\xfe"}), "model-text"),
    "constant texts": (made_of("Constant", {}, {"value_strings": [b"a", b"\xfe"]}), "model-text"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_nodes(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused by the name of the node, and by the command line with exit code 2 and nothing but that line."""
    proto, code = MALFORMED[kind]
    with pytest.raises(CnnirError) as caught:
        read(proto)
    assert caught.value.code == code
    assert caught.value.node is not None
    assert caught.value.node.startswith("bad (")
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    assert main(["table", str(tmp_path / "m.onnx")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "bad (" in line


def sparse(places: AnyArray, count: int, dims: Sequence[int]) -> ModelProto:
    """A model with a sparse weight."""
    made = SparseTensorProto(dims=dims)
    made.values.CopyFrom(numpy_helper.from_array(np.ones(count, np.float32), "w"))
    made.indices.CopyFrom(numpy_helper.from_array(places, "w_places"))
    proto = model([helper.make_node("Add", ["x", "w"], ["y"], name="add")], [tensor("x", [2, 3])], [tensor("y")])
    proto.graph.sparse_initializer.append(made)
    return proto


@pytest.mark.parametrize(
    ("places", "count", "dims"),
    [
        (ints(0, 6), 2, (2, 3)),
        (ints(0, -1), 2, (2, 3)),
        (np.array([[0, 0], [2, 0]]), 2, (2, 3)),
        (np.array([[0, 0, 0]]), 1, (2, 3)),
        (ints(0), 2, (2, 3)),
        (floats(0, 1), 2, (2, 3)),
        (ints(0), 1, (2, -3)),
    ],
)
def test_sparse_weights_that_do_not_fit(places: AnyArray, count: int, dims: Sequence[int]) -> None:
    """Positions outside, too few of them, or none at all."""
    with pytest.raises(CnnirError, match=r"^w: .*\[(tensor-data|dim-negative)\]"):
        read(sparse(places, count, dims))


@pytest.mark.parametrize("places", [ints(1, 5), np.array([[0, 1], [1, 2]])])
def test_sparse_weights(places: AnyArray) -> None:
    """Both ways to say positions."""
    weight = read(sparse(places, 2, (2, 3))).value("w").weight
    assert weight is not None
    np.testing.assert_array_equal(weight.array(), [[0, 1, 0], [0, 0, 1]])


def relu() -> ModelProto:
    """A small model with a name of every kind."""
    made = helper.make_node("Relu", ["x"], ["QQ"], name="QN", domain="", doc_string="QD")
    made.metadata_props.add(key="QK", value="QV")
    proto = model([made], [tensor("x", ["QS", 2])], [tensor("QQ", ["QS", 2])])
    proto.graph.metadata_props.add(key="QG", value="")
    proto.producer_name, proto.graph.name = "QP", "QR"
    proto.graph.initializer.append(numpy_helper.from_array(floats(1), "QI"))
    proto.graph.value_info.append(ValueInfoProto(name="QF"))
    return proto


@pytest.mark.parametrize("mark", ["QQ", "QN", "QD", "QK", "QV", "QS", "QG", "QP", "QR", "QI", "QF"])
def test_texts_that_are_no_texts(mark: str) -> None:
    """Bytes that are no UTF-8 in any name or note of the file."""
    data = relu().SerializeToString()
    assert mark.encode() in data
    with pytest.raises(CnnirError, match=r"\[model-text\]"):
        read(ModelProto.FromString(data.replace(mark.encode(), b"\xff\xfe")))


@pytest.mark.parametrize(
    "name", ["(" * 3000 + "N" + ")" * 3000, "-" * 3000 + "N", "9" * 5000, str(2**63), "-5", "2*(", 'a"b']
)
def test_names_of_dims_that_are_no_expressions(name: str) -> None:
    """Whatever does not read as an expression is a name, and goes out as it came."""
    proto = model([helper.make_node("Relu", ["x"], ["y"])], [tensor("x", [name, 2])], [tensor("y", [name, 2])])
    graph = read(proto)
    written = write(graph)
    assert read(written).value("y").type == graph.value("y").type
    assert written.graph.input[0].type.tensor_type.shape.dim[0].dim_param == name


def test_dims_that_the_format_cannot_hold() -> None:
    """Sizes are counted without a limit here, and refused where there is one."""
    proto = node("Pad", {"pads": ints(*[2**62] * 8)})
    with pytest.raises(CnnirError, match=r"\[onnx-form\]"):
        write(read(proto))


def test_undefined_nodes_are_named() -> None:
    """A node without a name goes by its first output."""
    proto = model([NodeProto(op_type="Concat", input=["x"], output=["here"])], [tensor("x", [1])], [tensor("here")])
    with pytest.raises(CnnirError, match=r"^here \(Concat\): attribute axis is missing"):
        read(proto)
