"""The benchmark over a folder of real exports, kept alive with a small folder, and that it sees what is wrong."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks import corpus
from benchmarks.corpus.row import Row
from benchmarks.corpus.runtime import Judge, runtime_outputs
from benchmarks.corpus.weighting import scale_standardized, write_double
from cnnir import load
from cnnir.weights import AnyArray

WEIGHTS = '''"""Seeded weights in the place of ConstantOfShape, and seeded inputs."""

import os

import numpy as np
from onnx import ModelProto, helper, numpy_helper

DIES = False


def feeds(model, seed=0, bind=None):
    if DIES:
        os._exit(3)
    (value,) = model.graph.input
    dims = [dim.dim_value or bind[dim.dim_param] for dim in value.type.tensor_type.shape.dim]
    return {value.name: np.random.default_rng(seed).standard_normal(dims).astype(np.float32)}


def with_weights(model, seed=0, logits=True):
    model = ModelProto.FromString(model.SerializeToString())
    rng = np.random.default_rng(seed)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in [node for node in model.graph.node if node.op_type == "ConstantOfShape"]:
        shape = numpy_helper.to_array(tensors[node.input[0]])
        array = rng.normal(0, 0.3, shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        model.graph.initializer.remove(tensors[node.input[0]])
        model.graph.node.remove(node)
    model.graph.output.append(helper.make_tensor_value_info("scores", 1, None))
    return model
'''
"""As small as it can be, in the layout of a folder."""

SHAPES = {"maps": [1, 4, 6, 5], "pooled": [1, 4, 1, 1], "flat": [1, 4], "scores": [1, 3], "shares": [1, 3]}
MACS = 4 * 2 * 9 * 6 * 5 + 4 * 3


def folder_of_exports(folder: Path) -> Path:
    """Two exports of one network: with numbers for its sizes, and with open ones that a Reshape computes with."""
    (folder / "models").mkdir()
    (folder / "shapes").mkdir()
    (folder / "weights.py").write_text(WEIGHTS)
    truths = []
    models: dict[str, list[int | str]] = {"net__legacy": [1, 2, 6, 5], "net__legacy_dynNHW": ["N", 2, "H", "W"]}
    for name, sizes in models.items():
        onnx.save(exported(sizes), folder / "models" / f"{name}.onnx")
        found = {"input": {"x": [1, 2, 6, 5]}, "shapes": SHAPES}
        (folder / "shapes" / f"{name}.json").write_text(json.dumps(found))
        truths.append({"key": name, "macs": MACS})
    (folder / "truth.json").write_text(json.dumps(truths))
    return folder


def exported(sizes: Sequence[int | str]) -> onnx.ModelProto:
    """Convolution, pooling, a view to the batch that Shape reads, a fully connected layer, Softmax."""
    node = helper.make_node
    nodes = [
        node("ConstantOfShape", ["w_shape"], ["w"]),
        node("ConstantOfShape", ["v_shape"], ["v"]),
        node("Conv", ["x", "w"], ["maps"], pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", ["maps"], ["pooled"]),
        node("Shape", ["x"], ["sizes"]),
        node("Gather", ["sizes", "first"], ["batch"]),
        node("Concat", ["batch", "rest"], ["target"], axis=0),
        node("Reshape", ["pooled", "target"], ["flat"]),
        node("Gemm", ["flat", "v"], ["scores"]),
        node("Softmax", ["scores"], ["shares"]),
    ]
    contents = {"w_shape": [4, 2, 3, 3], "v_shape": [4, 3], "first": [0], "rest": [-1]}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("shares", TensorProto.FLOAT, [sizes[0], 3])],
        [numpy_helper.from_array(np.array(array, np.int64), name) for name, array in contents.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_corpus_without_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All stages over a small folder."""
    assert corpus.main([str(folder_of_exports(tmp_path))]) == 0
    shown = capsys.readouterr().out
    assert "2 models, 2 without a fault, 0 with" in shown
    assert "networks with open sizes: 1" in shown
    assert "also at N=2, H=35, W=63" in shown
    rows = [line.split() for line in shown.splitlines() if line.startswith("net__")]
    assert [row[-8:-6] for row in rows] == [["5/0/0", "5/0/0"]] * 2, "loaded and simplified: all tensors, all right"
    errors = [float(cell) for row in rows for cell in row[-4:-1]]
    assert max(errors) < 1e-5


def test_corpus_sees_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shapes and MACs are held against the folder's truth."""
    folder = folder_of_exports(tmp_path)
    path = folder / "shapes" / "net__legacy.json"
    path.write_text(path.read_text().replace("[1, 4, 6, 5]", "[1, 4, 5, 6]"))
    (folder / "truth.json").write_text(json.dumps([{"key": "net__legacy", "macs": MACS - 1}]))
    assert corpus.main([str(folder), "--stage", "shapes"]) == 1
    shown = capsys.readouterr().out
    assert "FAULT 1 wrong shapes, loaded: maps is [1, 4, 6, 5], true is [1, 4, 5, 6]" in shown
    assert f"FAULT MACs wrong, simplified: {MACS} for {MACS - 1}" in shown
    assert "1 models, 0 without a fault, 1 with" in shown


def test_corpus_outlives_a_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A crash is a fault of one row, which says how far it came."""
    folder = folder_of_exports(tmp_path)
    (folder / "weights.py").write_text(WEIGHTS.replace("DIES = False", "DIES = True"))
    assert corpus.main([str(folder), "--match", "dynNHW"]) == 1
    shown = capsys.readouterr().out
    assert "FAULT the process died after nodes, loaded, MACs, simplified, exit code 3" in shown
    assert shown.count("net__") == 1


def test_corpus_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No green run over no model."""
    assert corpus.main([str(folder_of_exports(tmp_path)), "--match", "no such network"]) == 2
    assert "no model" in capsys.readouterr().out
    assert corpus.main([str(tmp_path / "no such folder")]) == 2
    assert "no model" in capsys.readouterr().out


ONES = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("found", "right", "fault"),
    [
        ({"y": ONES * 1.00005}, ONES, ""),
        ({"y": ONES * 1.001}, ONES, "y is off by 1.0e-03"),
        ({"y": ONES * np.nan}, ONES, "y is off by nan"),
        ({"y": ONES[:1]}, ONES, "y is float32[1, 3], onnxruntime makes float32[2, 3]"),
        ({"y": ONES.astype(np.float64)}, ONES, "y is float64[2, 3]"),
        ({}, ONES, "y is not there"),
        ({"y": ONES}, ONES * 0, "tells nothing"),
        ({"y": ONES * np.inf}, ONES * np.inf, "tells nothing"),
    ],
)
def test_judge(found: Mapping[str, AnyArray], right: AnyArray, fault: str) -> None:
    """Equal within the tolerance, or a fault that says what is not; zeros and infinities judge nobody."""
    row = Row("net")
    Judge({"y": right}, lambda: {"y": ONES.astype(np.float64)}).compare(found, row, "ours")
    assert [fault in line for line in row.faults] == [True] * bool(fault)


@pytest.mark.parametrize(("exact", "faults"), [(1.0005, 0), (1.0009, 0), (1.0, 1), (1.5, 1)])
def test_double_precision_decides(exact: float, faults: int) -> None:
    """Two answers apart are both right where ours is no further from double precision than the judge's."""
    row = Row("net")
    Judge({"y": ONES}, lambda: {"y": ONES * exact}).compare({"y": ONES * np.float32(1.001)}, row, "ours")
    assert len(row.faults) == faults
    assert len(row.notes) == 1 - faults


def test_weights_of_a_network_that_standardizes_them(tmp_path: Path) -> None:
    """Their scale is He's, whatever was drawn; and in double precision the network is the same one."""
    rng = np.random.default_rng(0)
    node = helper.make_node
    nodes = [
        node("BatchNormalization", ["w", "scale", "shift", "mean", "variance"], ["even"]),
        node("Reshape", ["even", "target"], ["kernel"]),
        node("Conv", ["x", "kernel"], ["y"]),
    ]
    arrays = {
        "w": rng.normal(3, 2, (1, 5, 18)), "scale": rng.normal(1, 0.1, 5), "shift": rng.normal(0, 0.1, 5),
        "mean": np.full(5, 3.0), "variance": np.full(5, 4.0),
    }  # fmt: skip
    tensors = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    target = numpy_helper.from_array(np.array([5, 2, 3, 3]), "target")
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5, 6, 6])], [*tensors, target],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    scale_standardized(model)
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert np.sqrt(np.mean(found["scale"] ** 2)) == pytest.approx(np.sqrt(2 / 18))
    assert np.corrcoef(found["scale"], arrays["scale"])[0, 1] > 0.999
    np.testing.assert_allclose(found["shift"], arrays["shift"] / 18, rtol=1e-6)
    onnx.save(model, tmp_path / "net.onnx")
    write_double(tmp_path / "net.onnx", tmp_path / "double.onnx")
    double = onnx.load(tmp_path / "double.onnx")
    onnx.checker.check_model(double, full_check=True)
    feed = rng.standard_normal((1, 2, 8, 8)).astype(np.float32)
    exact = load(tmp_path / "double.onnx").run({"x": feed.astype(np.float64)})["y"]
    assert exact.dtype == np.float64
    np.testing.assert_allclose(runtime_outputs(tmp_path / "net.onnx", {"x": feed})["y"], exact, atol=1e-5)
