"""BatchNormalization and Dropout as a network has them while it is trained, against onnxruntime."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from cnnir.exporters.onnx import read, write
from cnnir.ops import BatchNormalization, Conv, Dropout, Opaque, TrainingBatchNormalization

AnyArray = NDArray[Any]

onnxruntime.set_default_logger_severity(4)


def normalising(opset: int, outputs: list[str], read_outputs: int, shape: tuple[int, ...] = (4, 3, 5, 6)) -> ModelProto:
    """One node whose mean is far from that of its input; the first outputs are the model's."""
    rng = np.random.default_rng(opset)
    parts = {
        "scale": rng.normal(0, 1, 3),
        "bias": rng.normal(0, 1, 3),
        "mean": rng.normal(9, 1, 3),
        "var": rng.random(3),
    }
    training: dict[str, Any] = {"training_mode": 1} if opset >= 14 else {}
    node = helper.make_node("BatchNormalization", ["x", *parts], outputs, name="bn", momentum=0.75, **training)
    graph = helper.make_graph(
        [node], "training",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs[:read_outputs]],
        [numpy_helper.from_array(part.astype(np.float32), name) for name, part in parts.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def judged(model: ModelProto, x: AnyArray) -> list[AnyArray]:
    """The outputs by onnxruntime."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(array) for array in session.run(None, {"x": x})]


FIVE = ["y", "running_mean", "running_var", "saved_mean", "saved_var"]


@pytest.mark.parametrize("read_outputs", [1, 3])
@pytest.mark.parametrize("opset", [7, 8, 9, 13, 14, 15])
def test_by_the_batch(opset: int, read_outputs: int) -> None:
    """In every opset as onnxruntime has it, also after a round trip, and in the other opsets."""
    model = normalising(opset, FIVE[:3] if opset >= 14 else FIVE, read_outputs)
    x = np.random.default_rng(3).normal(5, 2, (4, 3, 5, 6)).astype(np.float32)
    graph = read(model)
    assert graph.nodes[0].op == TrainingBatchNormalization(1e-5, 0.75)
    expected = judged(model, x)
    forms = [write(graph), *(write(graph, opset=other) for other in (8, 13, 14, 15))]
    checker.check_model(forms[0], full_check=True)
    for got in (list(graph.run({"x": x}).values()), *(judged(form, x) for form in forms)):
        for ours, theirs in zip(got, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    assert write(read(forms[0])) == forms[0]


@pytest.mark.parametrize("opset", [9, 15])
def test_one_output_alone(opset: int) -> None:
    """Before opset 14 it does not train; since then it does with three outputs, and with one it is no valid node."""
    graph = read(normalising(opset, ["y"], 1))
    (node,) = graph.nodes
    if opset < 14:
        assert isinstance(node.op, BatchNormalization)
        return
    assert isinstance(node.op, Opaque)
    assert node.op.reason == "it has other outputs"


def test_saved_statistics() -> None:
    """What an old node keeps for its backward pass is left to whoever defines it."""
    (node,) = read(normalising(9, FIVE, 5)).nodes
    assert isinstance(node.op, Opaque)
    assert node.op.reason == "its output saved_var is read"


def test_far_from_zero() -> None:
    """In float64 the same to the last bits where a mean is a million times what is spread around it."""
    x = (1e6 + np.random.default_rng(7).normal(0, 1, (8, 3, 16, 16))).astype(np.float32)
    graph = read(normalising(15, FIVE[:3], 3, x.shape))
    y, running_mean, running_var = graph.run({"x": x}).values()
    scale, bias, mean, var = (np.asarray(value.weight.array(), np.float64) for value in graph.weights if value.weight)
    wide = x.astype(np.float64)
    current, spread = wide.mean(axis=(0, 2, 3)), wide.var(axis=(0, 2, 3))
    along = (1, 3, 1, 1)
    wanted = (wide - current.reshape(along)) / np.sqrt(spread + 1e-5).reshape(along)
    wanted = wanted * scale.reshape(along) + bias.reshape(along)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(running_mean, mean * 0.75 + current * 0.25, rtol=1e-6)
    np.testing.assert_allclose(running_var, var * 0.75 + spread * 0.25, rtol=1e-6)


def test_of_no_elements() -> None:
    """An empty batch has no mean: the statistics say so, and nothing warns."""
    graph = read(normalising(15, FIVE[:3], 3, (0, 3, 5, 6)))
    y, running_mean, running_var = graph.run({"x": np.zeros((0, 3, 5, 6), np.float32)}).values()
    assert y.shape == (0, 3, 5, 6)
    assert np.isnan(running_mean).all()
    assert np.isnan(running_var).all()


def test_training_network_simplifies() -> None:
    """Behind a convolution it is not folded, for what it multiplies by is not known before the network runs."""
    rng = np.random.default_rng(11)
    model = normalising(15, FIVE[:3], 1, (4, 2, 5, 6))
    conv = helper.make_node("Conv", ["x", "w"], ["c"], name="conv")
    model.graph.node.insert(0, conv)
    model.graph.node[1].input[0] = "c"
    model.graph.initializer.append(numpy_helper.from_array(rng.normal(0, 1, (3, 2, 3, 3)).astype(np.float32), "w"))
    graph = read(model)
    after = graph.apply("simplify").graph
    assert [type(node.op) for node in after.nodes] == [Conv, TrainingBatchNormalization]
    x = rng.normal(5, 2, (4, 2, 5, 6)).astype(np.float32)
    np.testing.assert_allclose(after.run({"x": x})["y"], judged(model, x)[0], rtol=1e-4, atol=1e-4)
    plan = graph.plan()
    plan.check()
    np.testing.assert_array_equal(graph.run({"x": x}, plan=plan)["y"], graph.run({"x": x})["y"])


def dropping(ratio: float, *, training: bool | None, seed: int | None) -> ModelProto:
    """One Dropout of opset 13 with its mask."""
    names = ["x", "ratio", "training"] if training is not None else ["x", "ratio"]
    constants = [numpy_helper.from_array(np.array(ratio, np.float32), "ratio")]
    constants += [numpy_helper.from_array(np.array(training), "training")] if training is not None else []
    seeded: dict[str, Any] = {} if seed is None else {"seed": seed}
    graph = helper.make_graph(
        [helper.make_node("Dropout", names, ["y", "mask"], name="drop", **seeded)], "dropping",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (4, 5))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (4, 5)),
         helper.make_tensor_value_info("mask", TensorProto.BOOL, (4, 5))],
        constants,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize(
    ("ratio", "training", "seed"), [(0.5, None, 3), (0.75, False, 0), (0.0, True, None), (0.0, True, 7)]
)
def test_dropout_that_drops_nothing(ratio: float, training: bool | None, seed: int | None) -> None:
    """Out of training, or of nothing: the identity whatever the seed is, as in onnxruntime."""
    model = dropping(ratio, training=training, seed=seed)
    graph = read(model)
    (node,) = graph.nodes
    assert node.op == Dropout(ratio, with_mask=True, seed=seed)
    x = np.random.default_rng(13).normal(0, 1, (4, 5)).astype(np.float32)
    for got in (graph.run({"x": x}).values(), judged(model, x), judged(write(graph), x)):
        y, mask = got
        np.testing.assert_array_equal(y, x)
        assert mask.all()
    assert write(read(write(graph))) == write(graph)


def test_dropout_that_draws() -> None:
    """In training each run drops other elements: left to the fallback, and never folded."""
    graph = read(dropping(0.5, training=True, seed=3))
    (node,) = graph.apply("fold").graph.nodes
    assert isinstance(node.op, Opaque)
    assert node.op.reason == "it drops elements at random"
    checker.check_model(write(graph))
