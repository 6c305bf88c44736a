"""Each form that an op had is read as what it means; forms that say more than our op stay opaque, with a reason."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, checker, defs, helper

from cnnir.exporters.onnx import read, write
from cnnir.ops import (
    Opaque,
    Relu,
)
from cnnir.text import difference
from tests.onnx.forms import FORMS, HALF, NEWEST, OPSETS, Form, floats, plain_text, scalar, since, until


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.op_type}-{form.opsets.start}-{form.opsets.stop - 1}")
def test_forms(form: Form) -> None:
    """Each form is read as the op that it means, and written again with the same names of its constants."""
    for opset in form.opsets:
        model = form.model(opset)
        if all(info.type.tensor_type.HasField("shape") for info in model.graph.output):
            checker.check_model(model)
        graph = read(model)
        (node,) = graph.nodes
        assert node.op == form.expected, (opset, node.op)
        again = write(graph)
        checker.check_model(again)
        assert [info.name for info in again.graph.output] == [info.name for info in model.graph.output]
        assert {t.name for t in again.graph.initializer} <= {f"s{i}" for i in range(9)} | {
            f"n.{key}" for key in ("axes", "split", "steps", "roi", "scales")
        }
        # A constant that the form left out is written out, so names of constants may be more on the way back.
        assert plain_text(read(again)) == plain_text(graph)
        assert write(read(again)) == again


def test_forms_cover_what_moved() -> None:
    """Ops whose settings moved from attributes to operands are covered on both sides of the move."""
    moved = {
        "Clip": 11,
        "Squeeze": 13,
        "Unsqueeze": 13,
        "Slice": 10,
        "Pad": 11,
        "ReduceMean": 18,
        "ReduceSum": 13,
        "ReduceMax": 18,
        "Split": 13,
    }
    for op_type, opset in {**moved, "Dropout": 12}.items():
        forms = [form for form in FORMS if form.op_type == op_type]
        assert any(opset - 1 in form.opsets and form.attributes for form in forms)
        assert any(opset in form.opsets and form.settings for form in forms)
        old, new = (defs.get_schema(op_type, version, "") for version in (opset - 1, opset))
        assert len(new.inputs) > len(old.inputs)


# What stays opaque


def fed(op_type: str, count: int, opset: int = NEWEST, **attributes: Any) -> ModelProto:
    """A node all of whose operands are fed; those behind the first are vectors of int64."""
    infos = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3, 4, 6])]
    infos += [helper.make_tensor_value_info(f"s{i}", onnx.TensorProto.INT64, [2]) for i in range(count)]
    node = helper.make_node(op_type, [info.name for info in infos], ["y"], name="n", **attributes)
    graph = helper.make_graph([node], "fed", infos, [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


SCALES = (None, floats(*HALF))

OPAQUE: list[tuple[ModelProto, str]] = [
    (fed("Reshape", 1), "its shape is computed"),
    (fed("Squeeze", 1), "its axes is computed"),
    (fed("Slice", 2), "its starts is computed"),
    (fed("Pad", 1), "its pads is computed"),
    (fed("ReduceMean", 1), "its axes is computed"),
    (fed("Expand", 1), "its shape is computed"),
    (fed("Tile", 1), "its repeats is computed"),
    (fed("TopK", 1), "its k is computed"),
    (fed("CumSum", 1), "its axis is computed"),
    (fed("Trilu", 1), "its k is computed"),
    (fed("Mystery", 0), "the op is not defined here"),
    (Form(since(13), "Resize", Relu(), SCALES, {"mode": "area"}).model(NEWEST), "mode is not defined here"),
    (
        Form(
            since(13),
            "Resize",
            Relu(),
            (floats(0, 0, 0, 0.5, 1, 1, 1, 1), floats(*HALF)),
            {"coordinate_transformation_mode": "tf_crop_and_resize"},
        ).model(NEWEST),
        "cropping to scales is not defined here",
    ),
    (
        Form(since(13), "Resize", Relu(), SCALES, {"coordinate_transformation_mode": "tf_half_pixel"}).model(NEWEST),
        "coordinates is not defined here",
    ),
    (Form(OPSETS, "Relu", Relu(), (), {"speed": 3}).model(NEWEST), "its attribute speed is not defined here"),
    (
        Form(since(12), "Dropout", Relu(), (scalar(0.5), np.ones((), np.bool_))).model(NEWEST),
        "it drops elements at random",
    ),
    (
        Form(until(13), "BatchNormalization", Relu(), (np.zeros(3, np.float32),) * 4, {}, outputs=5).model(13),
        "its output saved_var is read",
    ),
    (
        Form(until(8), "BatchNormalization", Relu(), (np.zeros(3, np.float32),) * 4, {"spatial": 0}).model(8),
        "it normalises each position apart",
    ),
    (
        Form(OPSETS, "BatchNormalization", Relu(), (np.zeros(1, np.float32),) * 4, {}, (5,)).model(21),
        "its input has no axis of channels",
    ),
    (
        Form(OPSETS, "Conv", Relu(), (np.zeros((5, 3, 2, 2), np.float32),), {"kernel_shape": [3, 3]}).model(21),
        "kernel_shape [3, 3] beside a weight of [2, 2]",
    ),
    (
        Form(OPSETS, "MaxPool", Relu(), (), {"kernel_shape": [2, 2], "auto_pad": "SAME"}).model(21),
        "auto_pad SAME is not known",
    ),
    (
        Form(OPSETS, "MaxPool", Relu(), (), {"kernel_shape": [2, 2], "auto_pad": "VALID", "pads": [1, 0, 0, 0]}).model(
            21
        ),
        "auto_pad beside explicit pads",
    ),
    (Form(until(9), "Dropout", Relu(), outputs=2).model(9), "its output mask is read"),
]


@pytest.mark.parametrize(("model", "reason"), OPAQUE, ids=lambda item: item if isinstance(item, str) else "")
def test_opaque_fallback(model: ModelProto, reason: str) -> None:
    """A node that says more than our op is carried through untouched, with a reason."""
    graph = read(model)
    (node,) = graph.nodes
    assert isinstance(node.op, Opaque)
    assert node.op.reason == reason
    assert any(note.endswith(f"{node.op.op_type}: {reason}") for note in graph.notes)
    again = write(graph)
    assert again.graph.node[-1] == model.graph.node[0]
    assert difference(read(again), graph) is None
