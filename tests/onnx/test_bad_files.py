"""Files that are no models, and models that no memory holds: one line, exit code 2."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, SparseTensorProto, numpy_helper

import cnnir
from cnnir import CnnirError
from cnnir.cli.main import main
from cnnir.exporters.onnx import read
from tests.broken_models import conv_model
from tests.onnx.odd_models import graph_of, info, model_of, node, numbers


def zipped() -> bytes:
    """A model inside of an archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.onnx", conv_model().SerializeToString())
    return buffer.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "half a model": lambda: conv_model().SerializeToString()[:200],
    "text": lambda: b"this is no network\n" * 20,
    "JSON": lambda: b'{"nodes": []}',
    "an archive": zipped,
    "a compressed model": lambda: gzip.compress(conv_model().SerializeToString()),
    "external data": lambda: numbers(1000).tobytes(),
    "zeros": lambda: bytes(4096),
    "random bytes": lambda: np.random.default_rng(0).bytes(4096),
    "a tensor": lambda: numpy_helper.from_array(numbers(3), "x").SerializeToString(),
    "a graph without its model": lambda: conv_model().graph.SerializeToString(),
    "an array": lambda: b"\x93NUMPY\x01\x00" + bytes(200),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_no_models(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is in a file whose name ends in .onnx."""
    path = tmp_path / "model.onnx"
    path.write_bytes(FILES[kind]())
    with pytest.raises(CnnirError) as caught:
        cnnir.load(path)
    assert (caught.value.code, caught.value.node) == ("model-syntax", str(path))
    assert main(["table", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("[model-syntax]")


def test_what_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder, and nothing at all."""
    for path in (tmp_path, tmp_path / "nothing.onnx"):
        with pytest.raises(CnnirError, match=r"\[file-missing\]"):
            cnnir.load(path)
        assert main(["plan", str(path)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def huge_input() -> ModelProto:
    """An image of 2**62 rows."""
    proto = conv_model()
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 2**62
    return proto


def huge_fill() -> ModelProto:
    """A constant of 2**64 bytes, said in a few."""
    nodes = [node("ConstantOfShape", "s", "f"), node("Add", "x f", "y")]
    return model_of(graph_of(nodes, [info("x", [1])], [info("y", None)], {"s": np.array([2**40, 2**22])}))


def huge_sparse() -> ModelProto:
    """A sparse weight whose dense form has 2**62 elements."""
    graph = graph_of([node("Mul", "x w", "y")], [info("x", [1, 1])], [info("y", None)])
    sparse = SparseTensorProto(dims=[2**31, 2**31])
    sparse.values.CopyFrom(numpy_helper.from_array(numbers(2), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([1, 2**61]), "w_places"))
    graph.sparse_initializer.append(sparse)
    return model_of(graph)


HUGE = {"an input": huge_input, "a fill": huge_fill, "a sparse weight": huge_sparse}


@pytest.mark.parametrize("kind", HUGE)
def test_sizes_that_no_memory_holds(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They can be counted and planned; running them, planned or not, ends in one line."""
    path = tmp_path / "model.onnx"
    path.write_bytes(HUGE[kind]().SerializeToString())
    assert cnnir.load(path).plan().arena_bytes >= 2**62
    for verb in (["table"], ["plan"]):
        assert main([verb[0], str(path)]) == 0
    capsys.readouterr()
    for planned in ([], ["--planned"]):
        assert main(["run", str(path), "--seed", "0", *planned]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("[memory]")


def test_a_weight_that_no_memory_holds_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file is left where one was begun; a fill goes out as the few bytes that it came as."""
    for name, make, code in (("sparse", huge_sparse, 2), ("fill", huge_fill, 0)):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(make().SerializeToString())
        assert main(["export", str(path), "-o", str(tmp_path / f"{name}-out.onnx")]) == code
    assert "[memory]" in capsys.readouterr().err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["fill-out.onnx", "fill.onnx", "sparse.onnx"]


def with_code(code: int, where: str) -> ModelProto:
    """The small network with an element type of that number."""
    proto = conv_model()
    if where == "w":
        proto.graph.initializer[0].data_type = code
    else:
        proto.graph.input[0].type.tensor_type.elem_type = code
    return proto


@pytest.mark.parametrize("where", ["w", "x"])
def test_element_types_that_nobody_knows(where: str) -> None:
    """Of a weight, and of an input."""
    with pytest.raises(CnnirError, match=rf"^{where}: an element type .*got 77\) \[dtype-unsupported\]$"):
        read(with_code(77, where))


@pytest.mark.parametrize(("dim", "code"), [(-4, "dim-negative"), (2**62, "tensor-data"), (0, "tensor-data")])
def test_weights_of_another_shape(dim: int, code: str) -> None:
    """Fewer or more elements than the bytes hold, or dims that cannot be."""
    proto = conv_model()
    proto.graph.initializer[0].dims[0] = dim
    with pytest.raises(CnnirError, match=rf"^w: .*\[{code}\]$"):
        read(proto)
