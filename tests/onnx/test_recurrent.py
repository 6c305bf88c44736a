"""Recurrent layers as files say them: outputs that are left out, activations with factors, the batch in front."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.ops import GRU, LSTM, RNN, Op, Opaque
from cnnir.ops.recurrent import Recurrent
from tests.interpreter.judges import AnyArray, run
from tests.interpreter.single_nodes import Case, Draw, random_case

FLOAT = TensorProto.FLOAT


def model(op_type: str, outputs: list[str], ways: int = 1, opset: int = 14, **attributes: Any) -> ModelProto:
    """A layer of three neurons over five features."""
    gates, draw = {"RNN": 1, "GRU": 3, "LSTM": 4}[op_type], Draw(3)
    node = helper.make_node(op_type, ["x", "w", "r"], outputs, name="n", **attributes)
    graph = helper.make_graph(
        [node],
        "recurrent",
        [helper.make_tensor_value_info("x", FLOAT, [4, 2, 5])],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs if name],
        [
            numpy_helper.from_array(draw.tensor(ways, gates * 3, 5, scale=0.5), "w"),
            numpy_helper.from_array(draw.tensor(ways, gates * 3, 3, scale=0.5), "r"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def same_as_runtime(proto: ModelProto) -> Op:
    """Read, run, written and read again; what onnxruntime makes of the file as it was."""
    graph = read(proto)
    again = write(graph)
    checker.check_model(again)
    data = Draw(4).tensor(4, 2, 5)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for candidate in (graph, read(again)):
        found = candidate.run({"x": data})
        for info, theirs in zip(session.get_outputs(), session.run(None, {"x": data}), strict=True):
            np.testing.assert_allclose(found[info.name], np.asarray(theirs), rtol=1e-5, atol=1e-6)
    (node,) = graph.nodes
    (written,) = again.graph.node
    assert list(written.output) == list(proto.graph.node[0].output)
    assert read(again).nodes[0].op == node.op
    return node.op


@pytest.mark.parametrize("opset", [7, 14, 21])
@pytest.mark.parametrize(
    ("op_type", "outputs", "gives"),
    [
        ("LSTM", ["y"], ("Y",)),
        ("LSTM", ["", "h"], ("Y_h",)),
        ("LSTM", ["y", "", "c"], ("Y", "Y_c")),
        ("LSTM", ["", "", "c"], ("Y_c",)),
        ("GRU", ["", "h"], ("Y_h",)),
        ("RNN", ["y", "h"], ("Y", "Y_h")),
    ],
)
def test_outputs_that_are_there(op_type: str, outputs: list[str], gives: tuple[str, ...], opset: int) -> None:
    """Any of them, and no others."""
    op = same_as_runtime(model(op_type, outputs, opset=opset, hidden_size=3))
    assert isinstance(op, Recurrent)
    assert op.gives == gives


def test_factors_go_to_those_that_take_one() -> None:
    """In their order; capitals do not matter, and what is left out is the default."""
    op = same_as_runtime(
        model("LSTM", ["y"], hidden_size=3, activations=["hardsigmoid", "Tanh", "LEAKYRELU"],
              activation_alpha=[0.25, 0.5], activation_beta=[0.75])
    )  # fmt: skip
    names = ("HardSigmoid", "Tanh", "LeakyRelu")
    assert op == LSTM(3, activations=names, alphas=(0.25, 0.0, 0.5), betas=(0.75, 0.0, 0.0), gives=("Y",))
    attributes: dict[str, Any] = {"direction": "bidirectional", "linear_before_reset": 1, "clip": 0.5}
    op = same_as_runtime(model("GRU", ["y"], 2, hidden_size=3, **attributes))
    assert op == GRU(3, "bidirectional", clip=0.5, gives=("Y",), linear_before_reset=True)
    op = same_as_runtime(model("RNN", ["y"], direction="reverse", hidden_size=3, activations=["Relu"]))
    assert op == RNN(3, "reverse", activations=("Relu",), gives=("Y",))


@pytest.mark.parametrize("op_class", [RNN, GRU, LSTM], ids=lambda op: op.__name__)
def test_batch_first(op_class: type[Recurrent]) -> None:
    """The same with the axes in another order, which onnxruntime does not take."""
    tried = 0
    for seed in range(200):
        case = random_case(op_class, seed)
        assert isinstance(case.op, Recurrent)
        if not case.op.batch_first:
            continue
        moved = (0, 5, 6)
        operands = [
            x.swapaxes(0, 1) if x is not None and index in moved else x for index, x in enumerate(case.operands)
        ]
        turned = Case(replace(case.op, batch_first=False), tuple(operands))
        for name, ours, theirs in zip(case.op.gives, run(case), run(turned), strict=True):
            expected = theirs.transpose(2, 0, 1, 3) if name == "Y" else theirs.swapaxes(0, 1)
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
        tried += 1
    assert tried > 10


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"activations": ["Cubic", "Tanh", "Tanh"]}, "activation Cubic is not defined here"),
        ({"activations": ["Affine", "Tanh", "Tanh"]}, "activation Affine without alpha and beta is not defined here"),
        ({"activation_alpha": [1.0]}, "it has more factors than its activations take"),
        ({"layout": 2}, "layout 2 is not known"),
    ],
)
def test_what_stays_opaque(attributes: dict[str, Any], reason: str) -> None:
    """With the reason."""
    (node,) = read(model("LSTM", ["y"], hidden_size=3, **attributes)).nodes
    assert isinstance(node.op, Opaque)
    assert node.op.reason == reason


def test_a_length_beyond_the_steps() -> None:
    """An error of one line when it runs."""
    data: list[AnyArray | None] = [np.zeros((2, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)]
    data += [np.zeros((1, 1, 1), np.float32), None, np.array([3], np.int32)]
    with pytest.raises(CnnirError, match="sequence-length") as caught:
        run(Case(RNN(1), tuple(data)))
    assert (caught.value.node, caught.value.expected, caught.value.got) == ("node (RNN)", "0 to 2", 3)
