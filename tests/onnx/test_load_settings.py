"""What `load` works out of settings that a file computes, and what it leaves alone."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import cnnir
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read, write
from cnnir.ops import Opaque, Reshape


def split_heads(*, size_is_input: bool = False) -> onnx.ModelProto:
    """``y = Reshape(x, [Shape(x)[0], 2, Div(6, two)])`` beside ``z = x * (a + b)``, with a second user of `two`."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["first"]),
        helper.make_node("Div", ["six", "two"], ["last"]),
        helper.make_node("Concat", ["first", "two", "last"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"], name="view"),
        helper.make_node("Add", ["a", "b"], ["sum"], name="sum of constants"),
        helper.make_node("Mul", ["x", "sum"], ["z"]),
        helper.make_node("Cast", ["two"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["z", "real"], ["w"]),
    ]
    rng = np.random.default_rng(4)
    weights = {
        "zero": np.asarray(0), "axes": np.asarray([0]), "six": np.asarray([6]), "two": np.asarray([2]),
        "a": rng.standard_normal(6).astype(np.float32), "b": rng.standard_normal(6).astype(np.float32),
    }  # fmt: skip
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])]
    inputs += [helper.make_tensor_value_info("two", TensorProto.INT64, [1])] if size_is_input else []
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", None, None]),
               helper.make_tensor_value_info("w", TensorProto.FLOAT, ["N", 6])]  # fmt: skip
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "heads", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def test_settings_are_worked_out_and_the_rest_is_left(tmp_path: Path) -> None:
    model = split_heads()
    graph = cnnir.load(saved(model, tmp_path))
    assert str(graph.value("y").type) == "float32[N, 2, 3]"
    assert [node.op.kind for node in graph.nodes] == ["Reshape", "Add", "Mul", "Cast", "Add"]
    assert [node.name for node in graph.nodes][1] == "sum of constants"
    assert graph.notes == ["5 nodes that only computed settings of others are worked out"]
    assert {value.name for value in graph.weights} == {"a", "b", "two"}, "what steers nothing else goes"

    x = np.random.default_rng(5).standard_normal((3, 6)).astype(np.float32)
    options = [onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"])
               for each in (model, write(graph))]  # fmt: skip
    as_written, as_loaded = (session.run(None, {"x": x}) for session in options)
    ours = graph.run({"x": x})
    for wanted, found, name in zip(as_written, as_loaded, ("y", "w"), strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))
        np.testing.assert_allclose(ours[name], np.asarray(wanted), rtol=1e-6)


def test_bound_at_load(tmp_path: Path) -> None:
    graph = cnnir.load(saved(split_heads(), tmp_path), bind={"N": 4})
    assert str(graph.value("y").type) == "float32[4, 2, 3]"
    assert graph.plan().arena_bytes > 0


def test_read_leaves_the_model_as_it_is_written() -> None:
    graph = read(split_heads())
    assert isinstance(graph.node("view").op, Opaque)
    assert len(graph.nodes) == 10
    assert any("Reshape" in note for note in graph.notes)


def test_settings_that_callers_may_give_stay_open(tmp_path: Path) -> None:
    """Whoever feeds another `two` gets another shape: nothing is worked out from its default."""
    graph = cnnir.load(saved(split_heads(size_is_input=True), tmp_path))
    assert isinstance(graph.node("view").op, Opaque)
    with pytest.raises(CnnirError) as caught:
        graph.bind(N=4).plan()
    assert caught.value.code == "size-unknown"
    frozen = graph.apply("freeze-inputs,fold-settings").graph
    assert isinstance(frozen.node("view").op, Reshape)


@pytest.mark.parametrize("kind", ["Mul", "Range"])
def test_sizes_times_what_callers_may_give_stay_open(kind: str, tmp_path: Path) -> None:
    """The batch times a factor, the numbers up to the batch in steps: of another factor they are others."""
    nodes = [
        helper.make_node("Shape", ["x"], ["batch"], end=1),
        helper.make_node("Mul", ["batch", "factor"], ["size"]),
        helper.make_node("Concat", ["size", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"], name="steered"),
    ] if kind == "Mul" else [
        helper.make_node("Shape", ["x"], ["batch"], end=1),
        helper.make_node("Squeeze", ["batch"], ["limit"]),
        helper.make_node("Range", ["zero", "limit", "factor"], ["y"], name="steered"),
    ]  # fmt: skip
    shape = [1] if kind == "Mul" else []
    weights = {"factor": np.full(shape, 2), "rest": np.asarray([-1]), "zero": np.asarray(0)}
    graph = helper.make_graph(
        nodes, "given", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6]),
                         helper.make_tensor_value_info("factor", TensorProto.INT64, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT if kind == "Mul" else TensorProto.INT64, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    loaded = cnnir.load(saved(model, tmp_path)).apply("fold").graph
    assert "?" in str(loaded.value("y").type)
    assert loaded.provenance.listed == ("factor",)
    x = np.random.default_rng(5).standard_normal((4, 6)).astype(np.float32)
    for factor in (2, 3, 1):
        feed = {"x": x, "factor": np.full(shape, factor)}
        expected, found = (
            onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feed)
            for each in (model, write(loaded))
        )
        np.testing.assert_array_equal(np.asarray(found[0]), np.asarray(expected[0]))


def test_what_is_loaded_is_what_is_written(tmp_path: Path) -> None:
    """A weight that an opaque node makes, and views of it: loading the export finds nothing more to do."""
    nodes = [
        helper.make_node("Det", ["square"], ["factor"]),
        helper.make_node("Unsqueeze", ["factor", "axes"], ["factors"]),
        helper.make_node("Reshape", ["factors", "target"], ["kernel"]),
        helper.make_node("Conv", ["x", "kernel"], ["y"]),
    ]
    rng = np.random.default_rng(6)
    weights = {
        "square": rng.standard_normal((5, 3, 3)).astype(np.float32), "axes": np.asarray([0]),
        "target": np.asarray([5, 1, 1, 1]),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes, "made", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    loaded = cnnir.load(saved(model, tmp_path))
    assert [node.op.kind for node in loaded.nodes] == ["Conv"]
    cnnir.save(loaded, tmp_path / "first.onnx")
    cnnir.save(cnnir.load(tmp_path / "first.onnx"), tmp_path / "second.onnx")
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()
    x = rng.standard_normal((2, 1, 4, 4)).astype(np.float32)
    wanted = np.linalg.det(weights["square"])[:, None, None] * x
    np.testing.assert_allclose(loaded.run({"x": x})["y"], wanted, rtol=1e-5, atol=1e-6)
