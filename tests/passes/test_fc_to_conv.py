"""Fully connected heads as convolutions, judged by ONNX Runtime on what is exported before and after."""

from functools import cache

import numpy as np
import pytest

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.graph import Graph
from cnnir.ops import (
    Gemm,
    GlobalAveragePool,
    Mul,
    Reshape,
    Transpose,
)
from cnnir.passes import FcToConv
from cnnir.types import TensorType
from cnnir.verify import verify
from cnnir.weights import Array
from tests import models
from tests.passes.heads import assert_close, image, map_size, runtime, shape

# Real networks

FORMULAS = {
    "bvlc_alexnet": "(H + 13)//32 - 6",
    "densenet121": "(H + 3)//32 - 6",
    "inception_v1": "(H + 3)//32 - 6",
    "inception_v2": "(H + 25)//32 - 6",
    "resnet50": "(H + 31)//32 - 6",
    "shufflenet": "(H + 31)//32 - 6",
    "squeezenet": "(H + 1)//16 - 13",
    "vgg19": "H//32 - 6",
    "zfnet512": "(H + 5)//32 - 6",
}
"""Height of the score map of each network."""

HEAVY = {"bvlc_alexnet", "vgg19", "zfnet512"}
LIGHT = {"bvlc_alexnet", "resnet50", "shufflenet", "squeezenet"}

LARGE = (384, 384)
OBLONG = (256, 288)


@pytest.mark.parametrize("name", models.NAMES)
def test_real_networks(name: str) -> None:
    """Equal at the native size, before the Softmax too; larger and oblong images give maps of the size foretold."""
    before = models.with_random_weights(cnnir.load(models.path(name)))
    names = models.before_softmax(before)
    feed = models.random_input(before)
    if name in HEAVY:  # to write half a gigabyte twice takes longer than all the rest
        computed = before.run(feed, names)
        expected = [computed[number] for number in names]
    else:
        (expected,) = runtime(before, [feed], names)

    kept = before.apply("fc-to-conv", dense=True).graph
    verify(kept)
    assert [str(value.type) for value in kept.outputs] == [str(value.type) for value in before.outputs]
    assert [value.name for value in kept.outputs] == names[:1]
    assert not any(isinstance(node.op, Gemm | GlobalAveragePool) for node in kept.nodes)
    found = kept.run(feed, names)
    for number, wanted in zip(names, expected, strict=True):
        assert_close(found[number].reshape(wanted.shape), wanted)

    dense = before.apply("fc-to-conv", dense=True, keep_interface=False).graph
    verify(dense)
    (output,) = dense.outputs
    assert isinstance(output.type, TensorType)
    assert output.name == names[0]
    assert str(output.type.shape[2]) == FORMULAS[name]
    oblong = image(before, *OBLONG)
    native, large, other = runtime(dense, [feed, image(before, *LARGE), oblong], names)
    for got, wanted in zip(native, expected, strict=True):
        assert_close(got.reshape(wanted.shape), wanted)
    assert large[0].shape == map_size(dense, *LARGE)
    assert other[0].shape == map_size(dense, *OBLONG)
    assert large[0].shape[2] >= 5
    assert np.allclose(large[0].sum(1), 1, atol=1e-3) or len(names) == 1
    if name in LIGHT:
        ours = dense.run(oblong, names)
        for number, wanted in zip(names, other, strict=True):
            assert_close(ours[number], wanted)


def narrow_vgg() -> Graph:
    """VGG's plan at 224 x 224, sixteen times narrower: its maps and strides, not its weights of half a gigabyte."""
    builder = GraphBuilder("narrow")
    x = builder.input("image", (1, 3, 224, 224))
    for count, channels in ((2, 4), (2, 8), (3, 16), (3, 32), (3, 32)):
        for _ in range(count):
            x = builder.relu(builder.conv(x, channels, kernel=3, padding=1))
        x = builder.max_pool(x, 2, 2)
    x = builder.flatten(x)
    for features in (64, 64):
        x = builder.relu(builder.linear(x, features))
    return builder.build(builder.softmax(builder.linear(x, 1000)))


def test_vgg_in_both_runtimes() -> None:
    """At 384 a map of 6 x 6 scores, at 256 x 288 one of 2 x 3; both runtimes agree, from the exported form."""
    graph = narrow_vgg()
    (name,) = [value.name for value in graph.outputs]
    feeds = [image(graph, *size) for size in ((224, 224), LARGE, OBLONG)]
    ((expected,),) = runtime(graph, feeds[:1], [name])
    kept = graph.apply("fc-to-conv").graph
    ((found,),) = runtime(kept, feeds[:1], [name])
    assert_close(found, expected)
    assert_close(kept.run(feeds[0])[name], expected)
    dense = graph.apply("fc-to-conv", keep_interface=False).graph
    assert str(dense.outputs[0].type) == "float32[1, 1000, H//32 - 6, W//32 - 6]"
    maps = [scores for (scores,) in runtime(dense, feeds, [name])]
    assert [scores.shape for scores in maps] == [(1, 1000, 1, 1), (1, 1000, 6, 6), (1, 1000, 2, 3)]
    assert_close(maps[0][:, :, 0, 0], expected)
    for feed, scores in zip(feeds, maps, strict=True):
        assert_close(dense.run(feed)[name], scores)
    assert_close(cnnir.dense_scores(graph, feeds[1]["image"]), maps[1])


def test_the_smallest_image_is_a_condition() -> None:
    """Below it the network is refused, at it there is one position."""
    dense = cnnir.load(models.path("vgg19")).apply("fc-to-conv", keep_interface=False).graph
    assert {str(condition) for condition in dense.constraints} == {"H >= 224", "W >= 224"}
    with pytest.raises(cnnir.CnnirError) as caught:
        dense.bind(H=223)
    assert (caught.value.code, caught.value.expected) == ("constraint", "H >= 224")
    assert shape(dense.bind(H=224, W=255).outputs[0]) == (1, 1000, 1, 1)
    assert shape(dense.bind(H=384, W=384).outputs[0]) == (1, 1000, 6, 6)


@pytest.mark.parametrize("name", ["densenet121", "inception_v1", "squeezenet"])
def test_global_pooling_stays_without_dense(name: str) -> None:
    """And the refusal says what would change it."""
    graph = cnnir.load(models.path(name))
    result = graph.apply("fc-to-conv", keep_interface=False)
    pools = [refusal for refusal in result.refusals if "dense=true" in refusal.reason]
    assert len(pools) == 1
    assert "AveragePool)" in pools[0].nodes[0]
    if name != "inception_v1":
        assert not result.modified
        assert "one score for any size" in result.refusals[-1].reason


def test_weights_are_views() -> None:
    """VGG-19 is rewritten without a byte of its weights."""
    graph = cnnir.load(models.path("vgg19")).clone()
    for value in graph.weights:
        assert value.weight is not None
        value.weight = Array.of(np.broadcast_to(np.float32(0.5), value.weight.shape))
    dense = graph.apply("fc-to-conv", keep_interface=False).graph
    for node in dense.nodes:
        for value in node.operands[1:]:
            assert value.weight is not None
            assert value.weight.array().base is not None
            assert value.weight.array().strides == (0,) * len(value.weight.shape)


def test_symbols_that_are_there_are_kept() -> None:
    """A batch that is open stays open; so does a size."""
    builder = GraphBuilder("open")
    x = builder.conv(builder.input("image", ("N", 1, "height", 8)), 2, kernel=3)
    x = builder.op(Reshape((0, 2)), builder.average_pool(x, (4, 6), 1))
    result = builder.build(builder.linear(x, 3)).apply("fc-to-conv", keep_interface=False)
    assert not result.refusals
    assert str(result.graph.outputs[0].type) == "float32[N, 3, height - 5, W - 7]"
    assert {str(one) for one in result.graph.constraints} == {"height >= 6", "W >= 8"}


def test_channels_last_input() -> None:
    """As tf2onnx writes it: the input is transposed, and its height and width are axes 1 and 2."""
    builder = GraphBuilder("last")
    scale = builder.graph.add_weight("scale", Array.of(np.array([[[[0.5, 2.0]]]], np.float32)))
    x = builder.op(Mul(), builder.input("image", (1, 6, 7, 2)), scale)
    x = builder.op(Transpose((0, 3, 1, 2)), x)
    graph = builder.build(builder.linear(builder.flatten(builder.conv(x, 3, kernel=3)), 4))
    dense = graph.apply("fc-to-conv", keep_interface=False).graph
    assert str(dense.inputs[0].type) == "float32[1, H, W, 2]"
    assert str(dense.outputs[0].type) == "float32[1, 4, H - 5, W - 6]"


def test_every_pass_text() -> None:
    """The options read back."""
    assert str(FcToConv(dense=True, keep_interface=False)) == "fc-to-conv{dense=true,keep_interface=false}"
    assert FcToConv(keep_interface=False).preserves == "nothing"
    assert FcToConv().preserves == "values"


@cache
def nothing() -> Graph:
    """A network without a head."""
    builder = GraphBuilder("plain")
    return builder.build(builder.relu(builder.conv(builder.input("image", (1, 1, 8, 8)), 2, kernel=3)))


def test_networks_without_a_head() -> None:
    """Nothing to do; but the size can be opened."""
    result = nothing().apply("fc-to-conv")
    assert not result.modified
    assert not result.refusals
    opened = nothing().apply("fc-to-conv", keep_interface=False).graph
    assert str(opened.outputs[0].type) == "float32[1, 2, H - 2, W - 2]"
