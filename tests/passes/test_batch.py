"""Another batch and another size: what comes out is the network run image by image."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import (
    RNN,
    ArgMax,
    Concat,
    CumSum,
    Einsum,
    Expand,
    EyeLike,
    Gather,
    GatherElements,
    GatherND,
    MatMul,
    MaxPool,
    Opaque,
    Pad,
    ReduceMax,
    ReduceMean,
    Relu,
    Reshape,
    ScatterElements,
    ScatterND,
    Shape,
    Size,
    Slice,
    Softmax,
    SpaceToDepth,
    Squeeze,
    Tile,
    TopK,
    Transpose,
    Trilu,
)
from cnnir.ops.base import Op
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import Array
from tests import models
from tests.random_graphs import random_graph


def images(graph: Graph, count: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """So many images for the one input."""
    (value,) = graph.inputs
    assert isinstance(value.type, TensorType)
    shape = (count, *known_shape(value.type.shape[1:]))
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "inception_v1"])
def test_real_networks(name: str, tmp_path: Path) -> None:
    """Three images at once are three images one by one, in ONNX Runtime from the exported file."""
    graph = models.with_random_weights(cnnir.load(models.path(name)))
    result = graph.apply("set-batch", batch="3")
    assert result.graph.inputs[0].type == TensorType(DType.FLOAT32, (3, 3, 224, 224))
    sessions = []
    for number, one in enumerate((graph, result.graph)):
        cnnir.save(one, tmp_path / f"{number}.onnx")
        sessions.append(onnxruntime.InferenceSession(tmp_path / f"{number}.onnx", providers=["CPUExecutionProvider"]))
    feed = images(graph, 3)
    source = graph.inputs[0].name
    (whole,) = sessions[1].run(None, {source: feed})
    for number in range(3):
        (single,) = sessions[0].run(None, {source: feed[number : number + 1]})
        np.testing.assert_allclose(whole[number], single[0], rtol=1e-3, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_graphs(seed: int) -> None:
    """A symbolic batch, whatever the old one was; each image gives what it gives alone."""
    graph = random_graph(np.random.default_rng(seed), 12)
    result = graph.apply("set-batch{batch=batch}").graph
    feed = images(graph, 3, seed % 1000)
    whole = result.run({"x": feed})
    for number in range(3):
        single = result.run({"x": feed[number : number + 1]})
        for name, array in whole.items():
            np.testing.assert_allclose(array[number], single[name][0], rtol=1e-4, atol=1e-5)
    assert all(str(value.type).split("[")[1].startswith("batch") for value in result.outputs)
    old = graph.inputs[0].type
    assert isinstance(old, TensorType)
    back = result.apply("set-batch", batch=str(old.shape[0])).graph
    assert {value.name: value.type for value in back.values} == {value.name: value.type for value in graph.values}


def indexed(axis: int, *indices: int) -> Graph:
    """Constant indices along an axis."""
    return with_constants(Gather(axis), np.array(indices, np.int64))


def with_constants(op: Op, *constants: NDArray[Any]) -> Graph:
    """A node that reads an input and constants."""
    graph = Graph("constants")
    values: list[Value] = [graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, 2, 2)))]
    values += [graph.add_weight(f"w{index}", Array.of(array)) for index, array in enumerate(constants)]
    graph.set_outputs(graph.add_node(op, values, name="culprit").outputs)
    return graph


def test_indices_behind_the_batch() -> None:
    """They take parts of each image; rows of a table may be taken for each image as well."""
    result = indexed(1, 3, 0).apply("set-batch{batch=2}").graph
    assert str(result.outputs[0].type) == "float32[2, 2, 2, 2]"
    graph = Graph("table")
    words = graph.add_input("words", TensorType(DType.INT64, (1, 5)))
    table = graph.add_weight("table", Array.of(np.zeros((7, 3), np.float32)))
    graph.set_outputs(graph.add_node(Gather(0), [table, words], name="look").outputs)
    assert str(graph.apply("set-batch{batch=4}").graph.outputs[0].type) == "float32[4, 5, 3]"


def with_op(op: Op, *, shape: tuple[int, ...] = (1, 4, 2, 2), twice: bool = False) -> Graph:
    """One node between an input and the outputs."""
    graph = Graph("one")
    x = graph.add_input("x", TensorType(DType.FLOAT32, shape))
    operands: list[Value] = [x, x] if twice else [x]
    graph.set_outputs(graph.add_node(op, operands, name="culprit").outputs)
    return graph


def recurrent(*, batch_first: bool) -> Graph:
    """A recurrent layer over an image's rows."""
    graph = Graph("recurrent")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, 5)))
    values = [graph.add_weight(f"w{n}", Array.of(np.ones((1, 3, n), np.float32))) for n in (5, 3)]
    op = RNN(3, batch_first=batch_first, gives=("Y",))
    graph.set_outputs(graph.add_node(op, [x, *values], name="culprit").outputs)
    return graph


def test_a_recurrent_layer_with_the_batch_in_front() -> None:
    """Its sequences stay apart."""
    graph = recurrent(batch_first=True).apply("set-batch{batch=3}").graph
    assert str(graph.outputs[0].type) == "float32[3, 4, 1, 3]"


PLACES = np.zeros((1, 4, 2, 2), np.int64)


@pytest.mark.parametrize(
    "op", [TopK(1, 1), CumSum(2), Trilu(), SpaceToDepth(2), Einsum("bchw,bchw->bhw")], ids=lambda op: op.kind
)
def test_within_each_image(op: Op) -> None:
    """What runs along another axis leaves the images apart."""
    graph = with_op(op, twice=isinstance(op, Einsum)).apply("set-batch{batch=3}").graph
    data = images(graph, 3)
    whole = graph.run({"x": data})
    for number in range(3):
        single = graph.resize({"x": (1, 4, 2, 2)}).run({"x": data[number : number + 1]})
        for name, array in whole.items():
            np.testing.assert_allclose(array[number], single[name][0], rtol=1e-6)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (with_op(Transpose((1, 0, 2, 3))), "batch in front"),
        (with_op(Reshape((4, 4))), "holds for one batch only"),
        (with_op(Reshape((4, -1))), "batch in front"),
        (with_op(Concat(0), twice=True), "images in front"),
        (with_op(Softmax((0,))), "works along the batch"),
        (with_op(Squeeze((0,))), "batch"),
        (with_op(Slice((-1,), (-(2**31),), (0,), (-1,))), "order of the images"),
        (with_op(Pad((1, 0, 0, 0, -1, 0, 0, 0))), "moves the images"),
        (with_op(MaxPool((2, 2), (1, 1), (0, 0, 0, 0), with_indices=True)), "count through all images"),
        (with_op(ArgMax(0)), "along the batch"),
        (with_op(ReduceMax((0, 1))), "works along the batch"),
        (indexed(0, 0), "by their place in the batch"),
        (with_op(Tile((2, 1, 1, 1))), "images in front"),
        (with_op(Expand((3, 4, 2, 2))), "batch"),
        (with_op(TopK(1, 0)), "along the batch"),
        (with_op(CumSum(0)), "works along the batch"),
        (recurrent(batch_first=False), "step by step"),
        (with_op(Trilu(), shape=(1, 4)), "depends on its place"),
        (with_op(EyeLike(DType.INT8), shape=(1, 4)), "depends on its place"),
        (with_op(Einsum("bchw,achw->bchw"), twice=True), "sums over images"),
        (with_op(Einsum("bchw->cb")), "sums over images"),
        (with_constants(GatherElements(0), PLACES), "by their place in the batch"),
        (with_constants(GatherND(), PLACES), "by their place in the batch"),
        (with_constants(ScatterElements(1), PLACES, np.ones((1, 4, 2, 2), np.float32)), "by their place in the batch"),
        (with_constants(ScatterND(), np.zeros((1, 1), np.int64), np.ones((1, 4, 2, 2), np.float32)), "by their place"),
        (with_op(Shape()), "fold first"),
        (with_op(Size()), "fold first"),
        (with_op(Opaque("acme", "Mystery", 1)), "nobody here knows"),
        (with_op(MatMul(), shape=(4, 4), twice=True), "batch"),
    ],
)
def test_what_mixes_images_is_refused_by_name(graph: Graph, words: str) -> None:
    """The node is named, and the graph is as it was."""
    before = str(graph)
    with pytest.raises(CnnirError) as caught:
        graph.apply("set-batch{batch=2}")
    assert "culprit" in str(caught.value)
    assert words in str(caught.value)
    assert str(graph) == before


def test_reshapes_that_name_the_batch() -> None:
    """A target of 1 in front is the batch where what it reads has it in front."""
    builder = GraphBuilder("flat")
    x = builder.conv(builder.input("x", (1, 3, 8, 8)), 4, kernel=3, name="c")
    flat = builder.op(Reshape((1, 4 * 36)), x, name="flat")
    graph = builder.build(builder.linear(flat, 5, name="fc"))
    result = graph.apply("set-batch", batch="6")
    assert result.graph.node("flat").op == Reshape((0, 144))
    assert result.graph.value("fc").type == TensorType(DType.FLOAT32, (6, 5))
    assert any("flat (Reshape)" in str(change) for change in result.changes)


def test_parts_of_an_image_in_front() -> None:
    """A Reshape may put the rows of one image in front, and back."""
    builder = GraphBuilder("parts")
    x = builder.input("x", (2, 4, 3))
    rows = builder.op(Reshape((8, 3)), x, name="rows")
    with pytest.raises(CnnirError, match="rows"):
        builder.build(rows).apply("set-batch{batch=3}")
    builder = GraphBuilder("parts")
    rows = builder.op(Reshape((-1, 3)), builder.input("x", (2, 4, 3)), name="rows")
    graph = builder.build(builder.op(Reshape((-1, 12)), builder.relu(rows), name="y")).apply("set-batch{batch=5}").graph
    assert graph.value("rows").type == TensorType(DType.FLOAT32, (20, 3))
    assert graph.value("y").type == TensorType(DType.FLOAT32, (5, 12))


def test_refusals() -> None:
    """The batch that is there, symbols that are taken, inputs without one in common."""
    graph = with_op(ReduceMean((2, 3)))
    assert graph.apply("set-batch{batch=1}").refusals
    builder = GraphBuilder("open")
    graph = builder.build(builder.relu(builder.input("x", (1, 3, "H", "W"))))
    for batch, code in (("H", "batch-symbol"), ("0", "dim-negative"), ("H + 1", "dim-syntax")):
        with pytest.raises(CnnirError, match=code):
            graph.apply("set-batch", batch=batch)
    builder.input("other", (2, 3))
    with pytest.raises(CnnirError, match="batch-inputs"):
        builder.graph.apply("set-batch")


def test_sizes() -> None:
    """Numbers and symbols; the plain resize gives the same types."""
    graph = cnnir.load(models.path("squeezenet"))
    (source,) = graph.inputs
    result = graph.apply("set-size{size=256x320}").graph
    expected = graph.resize({source.name: (1, 3, 256, 320)})
    assert {value.name: value.type for value in result.values} == {v.name: v.type for v in expected.values}
    assert str(graph.apply("set-size").graph.inputs[0].type) == "float32[1, 3, H, W]"
    for size in ("256", "0x3", "1x2x3"):
        with pytest.raises(CnnirError):
            graph.apply("set-size", size=size)
    with pytest.raises(CnnirError, match="Reshape"):
        cnnir.load(models.path("vgg19")).apply("set-size{size=384x384}")


@settings(max_examples=60, deadline=None)
@given(data=st.data(), batch=st.sampled_from([1, 2, 4, 32]))
def test_reshapes_of_any_target(data: st.DataObject, batch: int) -> None:
    """Two Reshapes with numbers in them: refused, or every image of the new batch gives what it gives alone."""
    sizes, elements = data.draw(st.permutations([4, 2, 3])), batch * 24
    graph = Graph("targets")
    value = graph.add_input("x", TensorType(DType.FLOAT32, (batch, *sizes)))
    for number in range(2):
        target, left = list[int](), elements
        while left > 1 and len(target) < 4:
            target.append(data.draw(st.sampled_from([size for size in (1, 2, 3, 4, 8, batch, 24) if left % size == 0])))
            left //= target[-1]
        target.append(-1 if data.draw(st.booleans()) else left)
        value = graph.add_node(Reshape(tuple(target)), [value], name=f"reshape {number}").output
        value = graph.add_node(Relu(), [value]).output
    graph.set_outputs([value])
    result, refused = graph, ""
    try:
        result = graph.apply("set-batch", batch=str(3 * batch)).graph
    except CnnirError as error:
        refused = str(error)
    if refused:
        assert "reshape" in refused
        assert "batch" in refused
        return
    feed = images(graph, 3 * batch)
    (whole,) = result.run({"x": feed}).values()
    parts = [next(iter(graph.run({"x": feed[start : start + batch]}).values())) for start in range(0, 3 * batch, batch)]
    assert np.array_equal(whole, np.concatenate(parts))
