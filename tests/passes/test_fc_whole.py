"""What looks at the whole image is named once the image's size is open."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import cnnir
from cnnir.exporters.onnx import read
from cnnir.graph import Graph, Value
from cnnir.ops import (
    Concat,
    GlobalAveragePool,
    MatMul,
    Mul,
    ReduceMean,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Slice,
    Softmax,
    Transpose,
)
from tests.passes.heads import SIZE, Head, assert_close, image, refused, runtime


def squeeze_and_excite(head: Head) -> Value:
    gates = head.builder.conv(head.op(GlobalAveragePool(), head.map), 3, kernel=1)
    return head.op(Mul(), head.map, head.op(Sigmoid(), gates))


def mean_of_rows(head: Head) -> Value:
    return head.op(Mul(), head.map, head.op(ReduceMean((2,)), head.map))


def softmax_of_columns(head: Head) -> Value:
    return head.op(Softmax((3,)), head.map)


def cut(head: Head) -> Value:
    return head.op(Slice((1,), (2**40,), (2,), (1,)), head.map)


def mirrored(head: Head) -> Value:
    return head.op(Concat(2), head.map, head.map)


def stretched(head: Head) -> Value:
    return head.op(Resize(scales=(1.0, 1.0, 2.0, 2.0), mode="linear", coordinates="align_corners"), head.map)


def attention(head: Head) -> Value:
    flat = head.op(Reshape((0, 3, -1)), head.map)
    scores = head.op(MatMul(), flat, head.op(Transpose((0, 2, 1)), flat))
    weights = head.op(ReduceMean((2,)), head.op(Softmax((2,)), scores))
    return head.op(Mul(), head.map, head.op(Reshape((0, 3, 1, 1)), weights))


WHOLE: dict[Callable[[Head], Value], tuple[str, str]] = {
    squeeze_and_excite: ("pools the whole image", "globalaveragepool1 (GlobalAveragePool)"),
    mean_of_rows: ("averages over the whole image", "reducemean1 (ReduceMean)"),
    softmax_of_columns: ("sums over the whole image", "softmax1 (Softmax)"),
    cut: ("cuts a part", "slice1 (Slice)"),
    mirrored: ("joins or cuts", "concat1 (Concat)"),
    stretched: ("stretches", "resize1 (Resize)"),
}


def network(make: Callable[[Head], Value]) -> Graph:
    """A convolution, the node, and a map of scores."""
    head = Head()
    return head.builder.build(head.op(Relu(), head.builder.conv(make(head), 4, kernel=1)))


def pixels(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal((2, 2, height, width)).astype(np.float32)


@pytest.mark.parametrize("make", WHOLE)
def test_named_once_the_size_is_open(make: Callable[[Head], Value]) -> None:
    """Only once larger images are taken does the journal say so, and dense scores are refused."""
    words, node = WHOLE[make]
    graph = network(make)
    assert not refused(graph.apply("fc-to-conv"), words, node)
    opened = graph.apply("fc-to-conv", keep_interface=False)
    assert opened.modified
    assert refused(opened, words, node), opened.refusals
    with pytest.raises(cnnir.CnnirError) as caught:
        cnnir.dense_scores(graph, pixels(9, 9))
    assert caught.value.code == "whole-image"
    assert caught.value.node == node
    assert "allow=" in str(caught.value.hint)
    feed = {"image": pixels(9, 9)}
    ((expected,),) = runtime(opened.graph, [feed], [graph.outputs[0].name])
    assert_close(cnnir.dense_scores(graph, feed["image"], allow="whole-image"), expected)


def test_the_excitation_is_no_crop_s() -> None:
    """Measured: the score at a position is far from its crop's score, and crops of their own are right."""
    head = Head()
    graph = head.builder.build(head.builder.linear(head.builder.flatten(squeeze_and_excite(head)), 4))
    whole = pixels(9, 9)
    crops = [{"image": whole[:, :, r : r + SIZE[0], c : c + SIZE[1]]} for r in range(4) for c in range(3)]
    name = graph.outputs[0].name
    expected = np.stack([scores for (scores,) in runtime(graph, crops, [name])], axis=-1).reshape(2, 4, 4, 3)
    assert_close(cnnir.dense_scores(graph, whole, crops="exact"), expected)
    shared = cnnir.dense_scores(graph, whole, allow="whole-image")
    assert np.abs(shared - expected).max() > 1e-3 * np.abs(expected).max()
    native = cnnir.dense_scores(graph, image(graph, *SIZE)["image"], allow="whole-image")
    ((first,),) = runtime(graph, [image(graph, *SIZE)], [name])
    assert_close(native, first[:, :, None, None])


def test_a_matrix_product_of_maps() -> None:
    """Attention sums over all positions; the node that does it is among those named."""
    graph = network(attention)
    opened = graph.apply("fc-to-conv", keep_interface=False)
    assert refused(opened, "sums over the whole image", "matmul1 (MatMul)")


def test_other_branches_do_not_matter() -> None:
    """An output is scored when nothing that leads to it looks at the whole image."""
    head = Head()
    excited = head.builder.conv(squeeze_and_excite(head), 4, kernel=1, name="excited")
    plain = head.builder.conv(head.map, 4, kernel=1, name="plain")
    graph = head.builder.build(excited, plain)
    first, second = (value.name for value in graph.outputs)
    assert cnnir.dense_scores(graph, pixels(9, 9), output=second).shape == (2, 4, 7, 7)
    with pytest.raises(cnnir.CnnirError, match="globalaveragepool1"):
        cnnir.dense_scores(graph, pixels(9, 9), output=first)


def foreign(op: str, *others: str) -> Graph:
    """A map behind an opaque node."""
    nodes = [
        helper.make_node("Conv", ["image", "k"], ["m"]),
        helper.make_node(op, ["m", *others], ["y"], name="odd"),
    ]
    weights = {name: np.full(3, 0.5, np.float32) for name in others}
    weights["k"] = np.random.default_rng(0).standard_normal((3, 2, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        nodes, "foreign",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [2, 2, 6, 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3, 4, 5])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    return read(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def test_opaque_nodes() -> None:
    """Those that are known to go element by element pass; the others are named."""
    normalised = foreign("InstanceNormalization", "s", "b")
    opened = normalised.apply("fc-to-conv", keep_interface=False)
    assert refused(opened, "InstanceNormalization is not known", "odd (InstanceNormalization)")
    with pytest.raises(cnnir.CnnirError, match="odd"):
        cnnir.dense_scores(normalised, pixels(9, 9))
    assert not foreign("Cosh").apply("fc-to-conv", keep_interface=False).refusals
    assert cnnir.dense_scores(foreign("Cosh"), pixels(9, 9)).shape == (2, 3, 7, 7)
