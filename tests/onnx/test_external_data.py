"""Weights beside the model: mapped, kept in their folder, written whole."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

import cnnir
from cnnir import CnnirError
from cnnir.cli.main import main
from cnnir.exporters.onnx import read, saving, writer
from cnnir.exporters.onnx.external import external_tensors
from cnnir.graph import Graph
from cnnir.weights import AnyArray, FileRange
from tests.onnx.odd_models import BOOL, CASES, NO, YES, graph_of, info, model_of, node, numbers

WEIGHTS = {"w": numbers(16, 32, seed=1), "b": numbers(16, 32, seed=2), "s": numbers(16, 32, seed=3)}
SIZE = WEIGHTS["w"].nbytes


def weighted() -> ModelProto:
    """Three weights of 2 KiB each."""
    nodes = [node("Mul", "x w", "m"), node("Add", "m b", "a"), node("Sub", "a s", "y")]
    return model_of(graph_of(nodes, [info("x", [16, 32])], [info("y", [16, 32])], WEIGHTS))


def expected(x: AnyArray) -> AnyArray:
    """What it computes."""
    return np.asarray(x * WEIGHTS["w"] + WEIGHTS["b"] - WEIGHTS["s"], np.float32)


def put_outside(tensor: TensorProto, **entries: str) -> None:
    """Let a tensor's contents lie in another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)


def outside(folder: Path, **entries: str) -> Path:
    """The model with one weight outside, in ``data.bin`` unless told otherwise."""
    proto = weighted()
    put_outside(proto.graph.initializer[0], **{"location": "data.bin", **entries})
    (folder / "data.bin").write_bytes(WEIGHTS["w"].tobytes())
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return folder / "model.onnx"


def run(path: Path) -> AnyArray:
    """What ONNX Runtime makes of it."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": numbers(16, 32)})[0])


def weight(graph: Graph, name: str) -> AnyArray:
    """The contents of a weight."""
    found = graph.value(name).weight
    assert found is not None
    return found.array()


def test_several_files_with_offsets_and_some_inside(tmp_path: Path) -> None:
    """Each weight where its entry says, at an offset that no alignment helps."""
    proto = weighted()
    put_outside(proto.graph.initializer[0], location="one.bin", offset="3", length=str(SIZE))
    put_outside(proto.graph.initializer[2], location="deep/two.bin", offset="5")
    (tmp_path / "deep").mkdir()
    (tmp_path / "one.bin").write_bytes(b"abc" + WEIGHTS["w"].tobytes() + b"tail")
    (tmp_path / "deep" / "two.bin").write_bytes(b"abcde" + WEIGHTS["s"].tobytes())
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    graph = cnnir.load(tmp_path / "model.onnx")
    kinds = {value.name: isinstance(value.weight, FileRange) for value in graph.weights}
    assert kinds == {"w": True, "b": False, "s": True}
    x = numbers(16, 32)
    np.testing.assert_allclose(graph.run({"x": x})["y"], expected(x), rtol=1e-6)
    cnnir.save(graph, tmp_path / "again.onnx", external_data=True)
    np.testing.assert_allclose(run(tmp_path / "again.onnx"), expected(x), rtol=1e-6)


ELSEWHERE = [
    "../data.bin",
    "/etc/passwd",
    "a/../../data.bin",
    "..\\data.bin",
    "C:\\data.bin",
    "",
    ".",
    "..",
    "link",
    "out/x",
]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_locations_elsewhere(location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model cannot make anybody read other files, by its words or by a link that came with it."""
    (tmp_path / "x").write_bytes(WEIGHTS["w"].tobytes())
    (tmp_path / "data.bin").write_bytes(WEIGHTS["w"].tobytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "x")
    (folder / "out").symlink_to(tmp_path)
    path = outside(folder, location=location)
    with pytest.raises(CnnirError, match=r"^w: the data lies outside of the model's folder .*\[external-data\]$"):
        cnnir.load(path)
    assert main(["table", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_links_as_a_model_hub_makes_them(tmp_path: Path) -> None:
    """Model and data are links into one folder of blobs, under names that mean nothing."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    outside(blobs).rename(blobs / "5f2a")
    (blobs / "data.bin").rename(blobs / "77c1")
    (snapshot / "model.onnx").symlink_to(blobs / "5f2a")
    (snapshot / "data.bin").symlink_to(blobs / "77c1")
    assert np.array_equal(weight(cnnir.load(snapshot / "model.onnx"), "w"), WEIGHTS["w"])


BYTES = {
    "offset -1": {"offset": "-1"}, "offset in words": {"offset": "none"},
    "offset of many digits": {"offset": "9" * 5000},
    "offset behind the end": {"offset": str(SIZE)}, "offset by one": {"offset": "1"},
    "offset of half": {"offset": "0.5"},
    "length 0": {"length": "0"}, "length -1": {"length": "-1"}, "length too small": {"length": str(SIZE - 1)},
    "length too large": {"length": str(SIZE + 1)}, "no such file": {"location": "gone.bin"},
    "a folder": {"location": "folder"}, "a pipe": {"location": "pipe"}, "a long name": {"location": "a" * 300},
}  # fmt: skip


@pytest.mark.parametrize("kind", BYTES)
def test_bytes_that_are_not_there(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names the weight, and exit code 2."""
    path = outside(tmp_path, **BYTES[kind])
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CnnirError, match=r"^w: .*\[external-data\]$"):
        cnnir.load(path)
    assert main(["table", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cnnir: w: ")
    assert len(line) < 600


def test_a_sparse_weight_outside(tmp_path: Path) -> None:
    """Values and positions in another file."""
    proto, feed = CASES["a sparse weight"]()
    sparse = proto.graph.sparse_initializer[0]
    data = sparse.values.raw_data + sparse.indices.raw_data
    (tmp_path / "data.bin").write_bytes(data)
    offset = len(sparse.values.raw_data)
    expected_y = read(proto).run(feed)["y"]
    put_outside(sparse.values, location="data.bin", length=str(offset))
    put_outside(sparse.indices, location="data.bin", offset=str(offset))
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    assert np.array_equal(cnnir.load(tmp_path / "m.onnx").run(feed)["y"], expected_y)


def test_a_model_that_is_read_without_its_file() -> None:
    """Nobody says where its data lies."""
    proto = weighted()
    put_outside(proto.graph.initializer[0], location="data.bin")
    with pytest.raises(CnnirError, match=r"load the model from its file.* \[external-data\]"):
        read(proto)


def test_data_of_a_body_goes_along(tmp_path: Path) -> None:
    """What a branch keeps in another file is in the model, wherever that is written to."""
    proto, _ = CASES["branches that use each others names"]()
    onnx.save_model(proto, tmp_path / "m.onnx", save_as_external_data=True, location="m.bin", size_threshold=0)
    assert list(external_tensors(onnx.load(tmp_path / "m.onnx", load_external_data=False).graph.node[1]))
    (tmp_path / "other").mkdir()
    graph = cnnir.load(tmp_path / "m.onnx")
    cnnir.save(graph, tmp_path / "other" / "m.onnx")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["m.onnx"]
    for flag in (YES, NO):
        feed = {"x": numbers(2, 2), "flag": flag}
        session = onnxruntime.InferenceSession(tmp_path / "other" / "m.onnx", providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(graph.run(feed)["z"], np.asarray(session.run(None, feed)[0]), rtol=1e-6)


# Writing


@pytest.mark.parametrize(("limit", "files"), [(5000, ["m.onnx", "m.onnx.data"]), (50_000, ["m.onnx"])])
def test_a_large_model_is_divided_by_itself(
    limit: int, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size decides, unless the caller does."""
    monkeypatch.setattr(saving, "INLINE_LIMIT", limit)
    cnnir.save(read(weighted()), tmp_path / "m.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    cnnir.save(read(weighted()), tmp_path / "one.onnx", external_data=False)
    assert not (tmp_path / "one.onnx.data").exists()


def test_a_model_that_one_file_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protocol buffers end at 2 GiB: asked for one file, or where the nodes alone are too large, none is written."""
    monkeypatch.setattr(saving, "_LARGEST", 4000)
    with pytest.raises(CnnirError, match=r"one file cannot hold the model .*external_data=True.*\[model-size\]"):
        cnnir.save(read(weighted()), tmp_path / "m.onnx", external_data=False)
    body = graph_of([node("Add", "x w", "b")], [], [info("b", [40, 40])], {"w": numbers(40, 40)}, "body")
    graph = graph_of([], [info("x", [40, 40]), info("flag", [], BOOL)], [info("y", [40, 40])], {"k": numbers(40, 40)})
    graph.node.append(onnx.helper.make_node("If", ["flag"], ["c"], then_branch=body, else_branch=body))
    graph.node.append(node("Add", "c k", "y"))
    with pytest.raises(CnnirError, match=r"\[model-size\]"):
        cnnir.save(read(model_of(graph)), tmp_path / "m.onnx", external_data=True)
    assert not list(tmp_path.iterdir())


def test_lists_of_integers_stay_inside(tmp_path: Path) -> None:
    """They may say shapes, which whoever infers them has to find in the model."""
    nodes = [node("Gather", "x list", "g"), node("Gather", "g table", "y")]
    weights = {"list": np.arange(300), "table": np.arange(300).reshape(3, 100)}
    graph = read(model_of(graph_of(nodes, [info("x", [300])], [info("y", [3, 100])], weights)))
    cnnir.save(graph, tmp_path / "m.onnx", external_data=True)
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
    stored = onnx.load(tmp_path / "m.onnx", load_external_data=False).graph.initializer
    assert {one.name for one in stored if one.data_location == TensorProto.EXTERNAL} == {"table"}


def test_a_pair_is_replaced_together(tmp_path: Path) -> None:
    """Where the model cannot be written its data stays the old one, and no other file is left."""
    path = tmp_path / "m.onnx"
    cnnir.save(read(weighted()), path, external_data=True)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    other = weighted()
    other.graph.initializer[0].CopyFrom(numpy_helper.from_array(numbers(16, 32, seed=9), "w"))
    path.unlink()
    path.mkdir()
    (path / "file").touch()  # a folder that is not empty cannot be replaced by a file
    with pytest.raises(CnnirError, match="file-write"):
        cnnir.save(read(other), path, external_data=True)
    assert (tmp_path / "m.onnx.data").read_bytes() == before["m.onnx.data"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]


def test_a_link_where_the_data_would_go(tmp_path: Path) -> None:
    """What loading would refuse is not written, and the file that the link leads to is not touched."""
    (tmp_path / "elsewhere").write_bytes(b"somebody's")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "m.onnx.data").symlink_to(tmp_path / "elsewhere")
    graph = cnnir.load(outside(tmp_path))
    with pytest.raises(CnnirError, match=r"outside of the model's folder .*\[external-data\]$"):
        cnnir.save(graph, tmp_path / "folder" / "m.onnx", external_data=True)
    assert (tmp_path / "elsewhere").read_bytes() == b"somebody's"
    assert not (tmp_path / "folder" / "m.onnx").exists()


def test_over_the_files_that_are_mapped(tmp_path: Path) -> None:
    """A graph whose weights lie in ``m.onnx.data`` is written there, twice, and in between in another order."""
    path = tmp_path / "m.onnx"
    cnnir.save(read(weighted()), path, external_data=True)
    graph = cnnir.load(path)
    assert all(isinstance(value.weight, FileRange) for value in graph.weights)
    for _ in range(2):
        cnnir.save(graph, path, external_data=True)
        changed = cnnir.load(path).apply("simplify").graph
        cnnir.save(changed, path, external_data=True)
    assert all(np.array_equal(weight(graph, name), array) for name, array in WEIGHTS.items())
    np.testing.assert_allclose(run(path), expected(numbers(16, 32)), rtol=1e-6)


def test_writing_takes_one_weight_of_memory(tmp_path: Path) -> None:
    """Loading, planning, simplifying and saving 48 MiB of mapped weights allocates less than two of their 4 MiB."""
    weights = {f"w{index}": numbers(1024, 1024, seed=index) for index in range(12)}
    nodes = [node("MatMul", f"x{index} w{index}", f"x{index + 1}") for index in range(12)]
    proto = model_of(graph_of(nodes, [info("x0", [1, 1024])], [info("x12", [1, 1024])], weights))
    onnx.save_model(proto, tmp_path / "m.onnx", save_as_external_data=True, location="m.bin", size_threshold=1024)
    cnnir.save(cnnir.load(tmp_path / "m.onnx"), tmp_path / "o.onnx", external_data=True)  # imports are not counted
    tracemalloc.start()
    graph = cnnir.load(tmp_path / "m.onnx")
    graph.plan()
    simplified = graph.apply("simplify").graph
    _, loading = tracemalloc.get_traced_memory()
    cnnir.save(simplified, tmp_path / "o.onnx", external_data=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert loading < 4 << 20
    assert peak < 8 << 20
    assert all(np.array_equal(weight(cnnir.load(tmp_path / "o.onnx"), name), array) for name, array in weights.items())


def test_at_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--external-data`` puts the weights beside the model."""
    monkeypatch.setattr(writer, "_LARGE", 1024)
    path = outside(tmp_path)
    assert main(["export", str(path), "--external-data", "-o", str(tmp_path / "out.onnx")]) == 0
    assert (tmp_path / "out.onnx.data").stat().st_size == 3 * SIZE
    np.testing.assert_allclose(run(tmp_path / "out.onnx"), expected(numbers(16, 32)), rtol=1e-6)
