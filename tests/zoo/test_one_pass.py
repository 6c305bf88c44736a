"""Every network of the zoo over larger images: fc-to-conv, judged by ONNX Runtime, in one pass."""

import numpy as np
import pytest

from cnnir import zoo
from cnnir.graph import Graph
from cnnir.ops import Gemm, GlobalAveragePool, MatMul
from tests.models import before_softmax, random_input, with_random_weights
from tests.passes.heads import assert_close, image, map_size, runtime
from tests.zoo.figures import FIGURES

WHOLE = ("efficientnet_b0", "mobilenet_v3_small", "mobilenet_v3_large")
"""Squeeze-and-excitation pools whole maps within the network; no other network does."""

MAPS = ("unet", "unet_padded")
"""Networks without a head: a label for each pixel at any size."""


def behind_views(graph: Graph, name: str) -> str:
    """The value that a flattened one was: it is the one that stays."""
    value = graph.value(name)
    while not graph.is_output(value) and value.producer is not None and value.producer.op.view:
        value = value.producer.operands[0]
    return value.name


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_one_pass(name: str) -> None:
    """The same scores at the native size, before the Softmax too; on a larger image a map of the size foretold."""
    before = with_random_weights(zoo.build(name, **FIGURES[name].small))
    names, feed = [behind_views(before, one) for one in before_softmax(before)], random_input(before)
    (expected,) = runtime(before, [feed], names)
    kept = before.apply("fc-to-conv", dense=True)
    assert kept.modified == (name not in MAPS)
    assert [str(value.type) for value in kept.graph.outputs] == [str(value.type) for value in before.outputs]
    assert not any(isinstance(node.op, Gemm | MatMul) for node in kept.graph.nodes)
    pools = [node for node in kept.graph.nodes if isinstance(node.op, GlobalAveragePool)]
    assert bool(pools) == bool(kept.refusals) == (name in WHOLE)
    told = {label for refusal in kept.refusals for label in refusal.nodes}
    assert all(node.label in told for node in pools)
    ours = kept.graph.run(feed, names)
    (found,) = runtime(kept.graph, [feed], names)
    for number, wanted, got in zip(names, expected, found, strict=True):
        assert_close(got.reshape(wanted.shape), wanted)
        assert_close(ours[number].reshape(wanted.shape), wanted)

    dense = before.apply("fc-to-conv", dense=True, keep_interface=False).graph
    height, width = (size + more for size, more in zip(next(iter(feed.values())).shape[2:], (64, 96), strict=True))
    larger = image(before, height, width)
    native, large = runtime(dense, [feed, larger], names)
    for wanted, got in zip(expected, native, strict=True):
        assert_close(got.reshape(wanted.shape), wanted)
    assert large[0].shape == map_size(dense, height, width)
    assert np.prod(large[0].shape[2:]) > np.prod(native[0].shape[2:])
    for value, array in zip(names, large, strict=True):
        assert_close(dense.run(larger, names)[value], array)
