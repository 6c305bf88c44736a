"""The backend interface itself, and what it tells of values that onnx's reference implementation computed."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.backend.base import Backend, BackendRep

import cnnir.backend
from cnnir.backend import CnnirBackend
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read
from cnnir.interpreter import Fallback, foreign_values, run

FLOATS = np.asarray([[0.5, -1.0, 2.0]], np.float32)


def half_foreign() -> onnx.ModelProto:
    """``a = Relu(x)``, ``b = Binarizer(a)`` (of another domain), ``c = Relu(b)``, ``d = Relu(a)``."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node("Binarizer", ["a"], ["b"], name="foreign", domain="ai.onnx.ml", threshold=1.0),
        helper.make_node("Relu", ["b"], ["c"], name="after"),
        helper.make_node("Relu", ["a"], ["d"], name="beside"),
    ]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xcd"]
    graph = helper.make_graph(nodes, "half", infos[:1], infos[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    return helper.make_model(graph, opset_imports=opsets)


def test_interface() -> None:
    assert issubclass(CnnirBackend, Backend)
    rep = cnnir.backend.prepare(half_foreign())
    assert isinstance(rep, BackendRep)
    outputs = rep.run([FLOATS])
    np.testing.assert_array_equal(outputs[0], [[0, 0, 1]])
    np.testing.assert_array_equal(outputs["d"], np.maximum(FLOATS, 0))  # type: ignore[call-overload]
    np.testing.assert_array_equal(rep.run({"x": FLOATS})[0], outputs[0])
    np.testing.assert_array_equal(rep.run(FLOATS)[0], outputs[0])
    np.testing.assert_array_equal(cnnir.backend.run_model(half_foreign(), [FLOATS])[0], outputs[0])


def test_foreign_values_are_marked() -> None:
    rep = cnnir.backend.prepare(half_foreign())
    assert rep.foreign == {}
    rep.run([FLOATS])
    assert rep.foreign == {"foreign": "its domain is not known here"}
    assert list(rep.foreign_values) == ["b", "c"]
    assert foreign_values(rep.graph) == ["b", "c"]


def test_only_what_runs_is_foreign() -> None:
    """A run to a value that rests on no foreign one may refuse the fallback."""
    graph = read(half_foreign())
    record = Fallback(allowed=False)
    found = run(graph, {"x": FLOATS}, ["d"], fallback=record)
    np.testing.assert_array_equal(found["d"], np.maximum(FLOATS, 0))
    assert record.nodes == {}
    assert record.values(graph) == []


def test_planned_run_marks_them_too() -> None:
    graph, record = read(half_foreign()), Fallback()
    run(graph, {"x": FLOATS}, plan=graph.plan(), fallback=record)
    assert list(record.nodes) == ["foreign"]


def test_fallback_refused() -> None:
    rep = cnnir.backend.prepare(half_foreign(), fallback=False)
    with pytest.raises(CnnirError, match=r"foreign \(ai.onnx.ml::Binarizer\)") as caught:
        rep.run([FLOATS])
    assert caught.value.code == "fallback-refused"
    assert cnnir.backend.is_compatible(half_foreign())
    assert not cnnir.backend.is_compatible(half_foreign(), fallback=False)


def test_fed_settings_run_on_our_kernels() -> None:
    """A Reshape whose target is fed is opaque in the graph, and yet no value of the run is foreign."""
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    infos = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3]),
             helper.make_tensor_value_info("shape", TensorProto.INT64, [2])]  # fmt: skip
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b"])
    model = helper.make_model(
        helper.make_graph([node], "g", infos, [result]), opset_imports=[helper.make_opsetid("", 17)]
    )
    rep = cnnir.backend.prepare(model, fallback=False)
    assert foreign_values(rep.graph) == ["y"]
    (found,) = rep.run([np.ones((2, 3), np.float32), np.asarray([3, -1])])
    assert found.shape == (3, 2)
    assert rep.foreign == {}
    assert cnnir.backend.is_compatible(model, fallback=False)


def test_run_node() -> None:
    node = helper.make_node("Add", ["a", "a"], ["y"])
    np.testing.assert_array_equal(cnnir.backend.run_node(node, [FLOATS])[0], FLOATS * 2)
    split = helper.make_node("Split", ["a"], ["y", "z"], axis=1, split=[1, 2])
    parts = cnnir.backend.run_node(split, [FLOATS], opset_version=11)
    np.testing.assert_array_equal(parts[1], FLOATS[:, 1:])
    items = cnnir.backend.run_node(helper.make_node("SequenceLength", ["s"], ["n"]), [[FLOATS, FLOATS]])
    assert int(items[0]) == 2


def test_run_node_wants_its_inputs() -> None:
    with pytest.raises(CnnirError, match="expected"):
        cnnir.backend.run_node(helper.make_node("Add", ["a", "b"], ["y"]), [FLOATS])


@pytest.mark.parametrize(("device", "is_there"), [("CPU", True), ("CPU:0", True), ("CUDA", False), ("abacus", False)])
def test_devices(device: str, is_there: bool) -> None:
    assert cnnir.backend.supports_device(device) is is_there
    if not is_there:
        with pytest.raises(CnnirError, match="no such device"):
            cnnir.backend.prepare(half_foreign(), device)


def test_too_many_inputs() -> None:
    with pytest.raises(CnnirError) as caught:
        cnnir.backend.prepare(half_foreign()).run([FLOATS, FLOATS])
    assert caught.value.code == "input-count"


def test_import() -> None:
    """The name under which ONNX's tools look for a backend; the package itself does not import it."""
    script = (
        "import sys, cnnir; a = 'onnx' in sys.modules; import cnnir.backend; print(a, 'onnx.reference' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def scanning_loop(trips: int, item: list[int]) -> onnx.ModelProto:
    """A Loop that scans ``x * iteration`` for an x of any shape."""
    body = helper.make_graph(
        [
            helper.make_node("Cast", ["i"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["x", "number"], ["scanned"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("scanned", TensorProto.FLOAT, item)],
    )  # fmt: skip
    node = helper.make_node("Loop", ["count", ""], ["y"], body=body)
    graph = helper.make_graph(
        [node], "loop", [helper.make_tensor_value_info("x", TensorProto.FLOAT, item)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, *item])],
        [helper.make_tensor("count", TensorProto.INT64, [], [trips])],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("item", [[], [3], [2, 3], [2, 1, 3]])
@pytest.mark.parametrize("trips", [0, 1, 3])
def test_loops_stack_what_they_scan(item: list[int], trips: int) -> None:
    """Along a new axis, whatever the rank; onnx.reference alone joins matrices along their rows."""
    x = np.random.default_rng(0).standard_normal(item).astype(np.float32)
    (found,) = cnnir.backend.run_model(scanning_loop(trips, item), [x])
    expected = np.asarray([x * np.float32(number) for number in range(trips)], np.float32).reshape(trips, *item)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32
