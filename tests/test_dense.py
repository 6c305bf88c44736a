"""Scores at every position, against crops that ONNX Runtime runs one by one."""

from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.dense import Crops, dense_cost, dense_maps, dense_scores
from cnnir.dense.classifier import Classifier
from cnnir.exporters.onnx import write
from cnnir.graph import Graph
from cnnir.ops import Relu, Resize, Transpose
from cnnir.weights import AnyArray
from tests import models

NATIVE = (21, 25)


@cache
def network(padding: int, *, pooled: bool = False, native: tuple[int, int] = NATIVE) -> Graph:
    """Three layers, 4 rows or columns from one position to the next."""
    builder = GraphBuilder("net")
    x = builder.input("image", (1, 2, *native))
    for stride in (2, 2, 1):
        x = builder.relu(builder.conv(x, 6, kernel=3, stride=stride, padding=padding))
    x = builder.flatten(builder.global_average_pool(x) if pooled else x)
    return builder.build(builder.linear(builder.relu(builder.linear(x, 8)), 5))


def image(height: int, width: int, batch: int = 1) -> AnyArray:
    """Random pixels."""
    return np.random.default_rng(0).standard_normal((batch, 2, height, width)).astype(np.float32)


def crop_scores(graph: Graph, whole: AnyArray, stride: int, native: tuple[int, int] = NATIVE) -> AnyArray:
    """The original network on every crop."""
    session = onnxruntime.InferenceSession(write(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    height, width = native
    rows, columns = ((size - crop) // stride + 1 for size, crop in zip(whole.shape[2:], native, strict=True))
    found = np.empty((len(whole), 5, rows, columns), np.float32)
    for number in range(len(whole)):
        for row in range(rows):
            for column in range(columns):
                top, left = row * stride, column * stride
                crop = whole[number : number + 1, :, top : top + height, left : left + width]
                (scores,) = session.run(None, {"image": crop})
                found[number, :, row, column] = np.asarray(scores)[0]
    return found


def difference(found: AnyArray, expected: AnyArray) -> float:
    """Largest difference, relative to the largest score."""
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_without_padding_one_pass_is_all_crops(batch: int, *, pooled: bool) -> None:
    """Exactly, up to the order of sums."""
    graph, whole = network(0, pooled=pooled), image(33, 34, batch)
    expected = crop_scores(graph, whole, 4)
    assert expected.shape == (batch, 5, 4, 3)
    assert difference(dense_scores(graph, whole), expected) < 1e-5
    assert difference(dense_scores(graph, whole, crops="exact"), expected) < 1e-5


@pytest.mark.parametrize("pooled", [False, True])
def test_with_padding_it_is_not(*, pooled: bool) -> None:
    """Every crop sees zeros at its border where the image goes on; the exact mode reproduces them."""
    graph, whole = network(1, pooled=pooled), image(33, 37)
    expected = crop_scores(graph, whole, 4)
    assert difference(dense_scores(graph, whole), expected) > 0.01
    assert difference(dense_scores(graph, whole, crops="exact"), expected) < 1e-5


def test_exact_crops_beyond_the_image_see_zeros() -> None:
    """Where padding lets the formula count a position more, its crop is filled up."""
    graph, whole = network(1, native=(24, 25)), image(30, 25)
    assert dense_cost(graph, 30, 25).positions == (3, 1)
    expected = crop_scores(graph, np.pad(whole, [(0, 0), (0, 0), (0, 2), (0, 0)]), 4, (24, 25))
    assert difference(dense_scores(graph, whole, crops="exact"), expected) < 1e-5


@pytest.mark.parametrize("crops", ["shared", "exact"])
def test_an_image_smaller_than_a_crop(crops: Crops) -> None:
    """Has no position (two rows of the native image go unused), and is refused alike in both ways of scoring."""
    with pytest.raises(cnnir.CnnirError) as caught:
        dense_scores(network(0), image(18, 34), crops=crops)
    assert caught.value.code == "constraint"
    assert "H >= 19" in str(caught.value)


def test_aggregates() -> None:
    """The mean of the means, the maximum of all."""
    graph, whole = network(0), image(33, 34)
    maps = dense_maps(graph, whole, scales=(1.0, 1.5))
    assert [scores.shape for scores in maps] == [(1, 5, 4, 3), (1, 5, 8, 8)]
    mean = dense_scores(graph, whole, aggregate="mean", scales=(1.0, 1.5))
    assert np.allclose(mean, (maps[0].mean((2, 3)) + maps[1].mean((2, 3))) / 2, atol=1e-6)
    largest = dense_scores(graph, whole, aggregate="max", scales=(1.0, 1.5))
    assert np.array_equal(largest, np.maximum(maps[0].max((2, 3)), maps[1].max((2, 3))))
    assert np.array_equal(dense_scores(graph, whole), maps[0])


def test_scales_are_bilinear() -> None:
    """A network that hands its image on shows how it was resized; judged by ONNX Runtime's own Resize."""
    builder = GraphBuilder("plain")
    graph = builder.build(builder.op(Relu(), builder.input("image", (1, 2, 4, 4))))
    whole = np.abs(image(5, 6))
    (found,) = dense_maps(graph, whole, scales=(1.7,))
    resizing = Graph("resize")
    x = resizing.add_input("x", GraphBuilder("any").input("x", (1, 2, 5, 6)).type)
    resizing.set_outputs(resizing.add_node(Resize(sizes=(1, 2, 8, 10), mode="linear"), [x]).outputs)
    session = onnxruntime.InferenceSession(write(resizing).SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": whole})
    assert found.shape == (1, 2, 8, 10)
    assert difference(found, np.asarray(expected)) < 1e-5


def test_vgg16_costs() -> None:
    """At 384 one pass takes a tenth of the 36 crops; both figures come from the graphs."""
    cost = dense_cost(cnnir.zoo.vgg16(), 384, 384)
    assert cost.positions == (6, 6)
    assert cost.shared_macs == 49_551_114_240
    assert cost.crops_macs == 36 * 15_470_264_320
    assert (round(cost.shared_macs / 1e9, 2), round(cost.crops_macs / 1e9, 2)) == (49.55, 556.93)


def test_vgg16_scores() -> None:
    """Probabilities at each position, at a seventh of the size."""
    graph = cnnir.zoo.vgg16(size=32, classes=10)
    whole = np.random.default_rng(0).standard_normal((1, 3, 96, 128)).astype(np.float32)
    scores = cnnir.dense_scores(graph, whole)
    assert scores.shape == (1, 10, 3, 4)
    assert np.allclose(scores.sum(1), 1, atol=1e-5)


def test_squeezenet_scores() -> None:
    """Global pooling over 13x13 becomes a window; the native image gives what it gave."""
    graph = models.with_random_weights(cnnir.load(models.path("squeezenet")))
    feed = models.random_input(graph)
    (expected,), (whole,) = graph.run(feed).values(), feed.values()
    assert difference(dense_scores(graph, whole), expected) < 1e-4
    assert dense_scores(graph, np.tile(whole, (1, 1, 1, 2))).shape == (1, 1000, 1, 15)


def test_channels_last_images() -> None:
    """The image is as the network's input is."""
    builder = GraphBuilder("last")
    x = builder.op(Transpose((0, 3, 1, 2)), builder.input("image", (1, 6, 7, 2)))
    graph = builder.build(builder.linear(builder.flatten(builder.conv(x, 3, kernel=3)), 4))
    whole = np.moveaxis(image(12, 14), 1, 3)
    for scale, size in ((1.0, (7, 8)), (2.0, (19, 22))):
        assert dense_scores(graph, whole, scales=(scale,)).shape == (1, 4, *size)
    assert difference(dense_scores(graph, whole, crops="exact"), dense_scores(graph, whole)) < 1e-5


def refusal(code: str, graph: Graph, whole: AnyArray, **options: Any) -> cnnir.CnnirError:
    with pytest.raises(cnnir.CnnirError) as caught:
        dense_scores(graph, whole, **options)
    assert caught.value.code == code
    return caught.value


def test_refusals() -> None:
    """Each says what is wrong."""
    graph, whole = network(0), image(33, 34)
    small = refusal("constraint", graph, image(18, 25))
    assert small.expected == "H >= 19"
    refusal("rank", graph, whole[0])
    refusal("usage", graph, whole, scales=())
    refusal("usage", graph, whole, scales=(0.0,))
    refusal("usage", graph, whole, aggregate="median")
    refusal("usage", graph, whole, crops="some")
    assert refusal("usage", graph, whole, scales=(1.0, 2.0)).hint == "dense_maps gives them"
    refusal("usage", graph, whole, output="nothing")
    refusal("input-dtype", graph, whole.astype(np.float64))


@pytest.mark.parametrize("scales", [("a",), 1.0, None, (True,), "1", (float("nan"),), (1.0, -1.0)])
def test_what_is_no_scale(scales: object) -> None:
    """Named, whatever it is."""
    assert "positive factors" in refusal("usage", network(0), image(33, 34), scales=scales).message


@pytest.mark.parametrize("pixels", ["pixels", None, [[1], [1, 2]], np.full((1, 2, 33, 34), "1")])
def test_what_is_no_image(pixels: Any) -> None:
    """An array of numbers is needed."""
    assert refusal("usage", network(0), pixels).node == "image"


def test_what_is_no_option() -> None:
    """Each names what there is."""
    graph, whole = network(0), image(33, 34)
    assert refusal("usage", graph, whole, aggregate=["mean"]).expected == "map, mean or max"
    assert refusal("usage", graph, whole, allow="all").expected == "nothing or whole-image"
    refusal("usage", graph, whole, native=21)
    refusal("dim-number", graph, whole, native=("a", "b"))
    assert refusal("constraint", graph, whole, native=(21, 26)).got == (21, 26)
    for sizes, code in (((0, 25), "dim-negative"), ((21.5, 25), "dim-number"), ((18, 25), "constraint")):
        with pytest.raises(cnnir.CnnirError) as caught:
            dense_cost(graph, *sizes)  # pyright: ignore[reportArgumentType]
        assert caught.value.code == code


def open_network(height: str, width: str) -> Graph:
    """Global pooling on an input whose sizes are open, as exported with dynamic axes."""
    builder = GraphBuilder("open")
    x = builder.input("image", ("N", 2, height, width))
    for stride in (2, 2, 1):
        x = builder.relu(builder.conv(x, 6, kernel=3, stride=stride))
    return builder.build(builder.linear(builder.flatten(builder.global_average_pool(x)), 5))


def test_open_sizes_need_a_native_one() -> None:
    """Without it the window is not known, and the refusal says how to say it; with it all is as for a fixed size."""
    graph, whole = open_network("H", "W"), image(33, 34)
    error = refusal("not-dense", graph, whole)
    assert "native=" in str(error.hint)
    assert "set-size{size=" in str(error.got)
    expected = crop_scores(graph, whole, 4)
    assert difference(dense_scores(graph, whole, native=NATIVE), expected) < 1e-5
    assert difference(dense_scores(graph, whole, native=NATIVE, crops="exact"), expected) < 1e-5
    cost = dense_cost(graph.bind(N=1), 33, 34, native=NATIVE)
    assert (cost.positions, cost.crops_macs % 12) == ((4, 3), 0)
    opened = graph.apply("set-size{size=21x25},fc-to-conv{dense=true,keep_interface=false}").graph
    assert difference(dense_scores(opened, whole), expected) < 1e-5


@pytest.mark.parametrize(("height", "width"), [("2*H", "W"), ("S", "S"), ("4*A + 1", "A")])
def test_sizes_that_are_no_plain_symbols(height: str, width: str) -> None:
    """The symbols are solved for; a size that they cannot take is refused."""
    builder = GraphBuilder("even")
    x = builder.relu(builder.conv(builder.input("image", (1, 2, height, width)), 4, kernel=3))
    graph = builder.build(x)
    sizes = {"2*H": (8, 11), "S": (9, 9), "4*A + 1": (25, 6)}[height]
    rows, columns = sizes
    assert Classifier.of(graph, None).positions(rows, columns) == (rows - 2, columns - 2)
    with pytest.raises(cnnir.CnnirError, match="depends on sizes that are open") as unknown:
        dense_cost(graph, rows, columns)
    assert "native=" in str(unknown.value.hint)
    assert dense_cost(graph, rows, columns, native=(4, 5)).positions == (rows - 2, columns - 2)
    assert dense_scores(graph, image(rows, columns)).shape == (1, 4, rows - 2, columns - 2)
    wrong = {"2*H": (9, 11), "S": (9, 8), "4*A + 1": (25, 7)}[height]
    with pytest.raises(cnnir.CnnirError) as caught:
        dense_cost(graph, *wrong)
    assert (caught.value.code, caught.value.node) == ("constraint", "image")


def test_networks_that_are_not_dense() -> None:
    """The node that is in the way is named."""
    builder = GraphBuilder("tied")
    x = builder.softmax(builder.flatten(builder.input("image", (1, 2, 8, 8))))
    error = refusal("not-dense", builder.build(builder.linear(x, 3)), image(8, 8))
    assert "Softmax" in str(error.node)
    two = GraphBuilder("two")
    flat = two.flatten(two.input("image", (1, 2, 8, 8)))
    graph = two.build(two.linear(flat, 3, name="left"), two.linear(flat, 4, name="right"))
    refusal("usage", graph, image(9, 9))
    assert dense_scores(graph, image(9, 9), output="right").shape == (1, 4, 2, 2)


def test_crops_need_a_native_size() -> None:
    """A network whose sizes are open has no crop."""
    opened = network(0).apply("fc-to-conv", keep_interface=False).graph
    assert dense_scores(opened, image(33, 34)).shape == (1, 5, 4, 3)
    refusal("crops", opened, image(33, 34), crops="exact")
