"""How a head's values lie over their maps: one channel, one row, one column, one image; and flattened maps joined."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.graph import Graph, Value
from cnnir.ops import (
    Add,
    BatchNormalization,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Gemm,
    GlobalAveragePool,
    MatMul,
    Op,
    Relu,
    Reshape,
    Sigmoid,
    Slice,
    Softmax,
    Squeeze,
    Transpose,
)
from cnnir.weights import Array
from tests.passes.heads import Head, Make, assert_close, built, crops_equal, kept, refused, runtime


class Small:
    """A map of any size behind a 2x2 convolution, and what comes behind it."""

    def __init__(self, batch: int | str, channels: int, height: int, width: int) -> None:
        self.builder = GraphBuilder("small")
        self.size = (height + 1, width + 1)
        self.features = channels * height * width
        x = self.builder.input("image", (batch, 2, *self.size))
        self.map = self.builder.relu(self.builder.conv(x, channels, kernel=2))
        self.channels = channels
        self.weights = 0

    def weight(self, *sizes: int) -> Value:
        self.weights += 1
        drawn = np.random.default_rng([self.weights, *sizes]).standard_normal(sizes).astype(np.float32)
        return self.builder.graph.add_weight(f"w{self.weights}", Array.of(drawn))

    def op(self, op: Op, *inputs: Value) -> Value:
        return self.builder.op(op, *inputs)


def flattened(s: Small) -> Value:
    return s.op(Gemm(trans_b=True), s.op(Flatten(1), s.map), s.weight(3, s.features), s.weight(3))


def viewed_last(s: Small) -> Value:
    x = s.op(Reshape((-1, s.features)), s.op(Transpose((0, 2, 3, 1)), s.map))
    return s.op(Add(), s.op(MatMul(), x, s.weight(s.features, 3)), s.weight(3))


def columns_first(s: Small) -> Value:
    x = s.op(Reshape((-1, s.features)), s.op(Transpose((0, 3, 1, 2)), s.map))
    return s.op(Softmax((1,)), s.op(Gemm(), x, s.weight(s.features, 3)))


def rank_three(s: Small) -> Value:
    x = s.op(MatMul(), s.op(Reshape((-1, 1, s.features)), s.map), s.weight(s.features, 3))
    return s.op(Squeeze((1,)), s.op(Sigmoid(), x))


def one_score(s: Small) -> Value:
    x = s.op(Gemm(), s.op(Flatten(1), s.map), s.weight(s.features, 4))
    return s.op(Reshape((-1,)), s.op(Sigmoid(), s.op(Gemm(), x, s.weight(4, 1))))


def pooled(s: Small) -> Value:
    x = s.op(Flatten(1), s.op(GlobalAveragePool(), s.map))
    return s.op(Gemm(), x, s.weight(s.channels, 3))


BATCHES: tuple[int | str, ...] = (1, 2, "N")
SIZES = [(b, c, h, w) for b, c, h, w in itertools.product(BATCHES, (1, 2), (1, 3), (1, 2)) if 1 in (b, c, h, w)]
"""Batch, channels, rows and columns of a map with at least one axis of size 1."""


@pytest.mark.parametrize("make", [flattened, viewed_last, columns_first, rank_three, one_score, pooled])
def test_axes_of_size_one(make: Callable[[Small], Value]) -> None:
    """At the native size the outputs stay, and at every position the score is the crop's."""
    rng = np.random.default_rng(0)
    for batch, channels, height, width in SIZES:
        small = Small(batch, channels, height, width)
        before = small.builder.build(make(small))
        count = batch if isinstance(batch, int) else 2
        feed = {"image": rng.standard_normal((count, 2, *small.size)).astype(np.float32)}
        case = f"{batch} x {channels} x {height} x {width}"
        result = before.apply("fc-to-conv", dense=True)
        assert not result.refusals, case
        assert not any(isinstance(node.op, Gemm | MatMul | GlobalAveragePool) for node in result.graph.nodes), case
        (name,) = [value.name for value in before.outputs]
        ((expected,),), ((found,),) = runtime(before, [feed], [name]), runtime(result.graph, [feed], [name])
        assert_close(found, expected)
        _same_as_crops(before, small.size, count)


def _same_as_crops(before: Graph, size: tuple[int, int], count: int) -> None:
    dense = before.apply("fc-to-conv", dense=True, keep_interface=False)
    assert not dense.refusals
    height, width = size
    whole = np.random.default_rng(1).standard_normal((count, 2, height + 1, width + 2)).astype(np.float32)
    places = list(itertools.product(range(2), range(3)))
    crops = [{"image": whole[:, :, r : r + height, c : c + width]} for r, c in places]
    (name,) = [value.name for value in before.outputs]
    ((maps,),) = runtime(dense.graph, [{"image": whole}], [name])
    assert maps.shape[2:] == (2, 3)
    for (row, column), (scores,) in zip(places, runtime(before, crops, [name]), strict=True):
        assert np.abs(maps[:, :, row, column] - scores.reshape(maps.shape[:2])).max() <= 1e-5


def test_a_map_of_one_channel_before_two_layers() -> None:
    """The filters are the matrix itself under another shape."""

    def one_channel(head: Head) -> list[Value]:
        one = head.op(Conv((1, 1), (0,) * 4, (1, 1)), head.map, head.weight(1, 3, 1, 1))
        return [head.fc(head.op(Relu(), head.fc(head.op(Flatten(1), one), 6, 20)), 4, 6)]

    graph = built(one_channel)
    after = kept(graph)
    crops_equal(graph)
    kernels = [str(node.operands[1].type) for node in after.nodes if isinstance(node.op, Conv)]
    assert kernels[2:] == ["float32[6, 1, 4, 5]", "float32[4, 6, 1, 1]"]


# Heads with several sources


def other_map(head: Head, channels: int = 2, kernel: int = 1) -> Value:
    """A second map; of the first one's size for a kernel of 1."""
    conv = Conv((1, 1), (0,) * 4, (1, 1))
    return head.op(conv, head.map, head.weight(channels, 3, kernel, kernel))


def of_one_size(head: Head) -> list[Value]:
    a, b = head.flat(), head.op(Flatten(1), other_map(head))
    return [head.fc(head.op(Concat(1), a, b), 4, 60 + 40)]


def of_one_size_and_one_channel(head: Head) -> list[Value]:
    a, b = head.op(Flatten(1), other_map(head, 1)), head.op(Flatten(1), other_map(head))
    c = head.op(Flatten(1), other_map(head, 1))
    return [head.fc(head.op(Dropout(), head.op(Concat(1), a, b, c)), 4, 20 + 40 + 20)]


def of_two_sizes(head: Head) -> list[Value]:
    a, b = head.flat(), head.op(Flatten(1), other_map(head, 2, 2))
    x = head.op(Relu(), head.op(Dropout(), head.op(Concat(1), a, b)))
    return [head.fc(head.fc(x, 5, 60 + 2 * 3 * 4), 4, 5)]


def product_of_two_sizes(head: Head) -> list[Value]:
    a, b = head.op(Flatten(1), other_map(head, 2, 3)), head.flat()
    x = head.op(MatMul(), head.op(Concat(1), a, b), head.weight(2 * 2 * 3 + 60, 4))
    return [head.op(Softmax((1,)), head.op(Add(), x, head.weight(4)))]


def channels_last(head: Head) -> list[Value]:
    maps = (head.map, other_map(head))
    flat = [head.op(Flatten(1), head.op(Transpose((0, 2, 3, 1)), map_)) for map_ in maps]
    return [head.op(Gemm(0.5, 2.0), head.op(Concat(1), *flat), head.weight(100, 4), head.weight(4))]


def map_and_pooled(head: Head) -> list[Value]:
    mean = head.op(Flatten(1), head.op(GlobalAveragePool(), head.map))
    return [head.fc(head.op(Concat(1), head.flat(), mean), 4, 63)]


def joined_twice(head: Head) -> list[Value]:
    inner = head.op(Concat(1), head.op(Flatten(1), other_map(head, 2, 2)), head.flat())
    outer = head.op(Concat(1), inner, head.op(Flatten(1), other_map(head, 1, 3)))
    return [head.fc(outer, 4, 24 + 60 + 6), head.fc(inner, 3, 84)]


JOINED = (
    of_one_size,
    of_one_size_and_one_channel,
    of_two_sizes,
    product_of_two_sizes,
    channels_last,
    map_and_pooled,
    joined_twice,
)


@pytest.mark.parametrize("make", JOINED)
def test_flattened_maps_joined(make: Make) -> None:
    """A convolution of all channels, or one of each map and their sum."""
    graph = built(make)
    kept(graph)
    crops_equal(graph)


def test_what_becomes_of_joined_maps() -> None:
    """Maps of one size are joined as maps; others get filters of their own, views of the matrix's columns."""
    one = built(of_one_size).apply("fc-to-conv").graph
    assert [node.op.kind for node in one.nodes][-3:] == ["Concat", "Conv", "Squeeze"]
    two = built(of_two_sizes).apply("fc-to-conv")
    assert "becomes a 4x5 and a 3x4 convolution with 5 filters each, added up" in {c.what for c in two.changes}
    first, second, *_ = [
        node for node in two.graph.nodes if isinstance(node.op, Conv) and node.name.startswith("gemm1")
    ]
    assert len(first.operands) == 3
    assert len(second.operands) == 2
    (matrix,) = [value.weight for value in built(of_two_sizes).weights if str(value.type) == "float32[5, 84]"]
    parts = [node.operands[1].weight for node in (first, second)]
    assert matrix is not None
    arrays = [part.array() for part in parts if part is not None]
    assert np.array_equal(np.hstack([part.reshape(5, -1) for part in arrays]), matrix.array())
    assert all(part.base is not None for part in arrays)


def joined_softmax(head: Head) -> list[Value]:
    joined = head.op(Concat(1), head.flat(), head.op(Flatten(1), other_map(head, 1, 2)))
    return [head.fc(head.op(Softmax((1,)), joined), 4, 72)]


def joined_norm(head: Head) -> list[Value]:
    joined = head.op(Concat(1), head.flat(), head.op(Flatten(1), other_map(head, 1, 2)))
    parts = [head.weight(72, positive=True) for _ in range(4)]
    return [head.fc(head.op(BatchNormalization(), joined, *parts), 4, 72)]


def joined_output(head: Head) -> list[Value]:
    joined = head.op(Concat(1), head.flat(), head.op(Flatten(1), other_map(head, 1, 2)))
    return [head.fc(joined, 4, 72), joined]


def joined_and_taken_apart(head: Head) -> list[Value]:
    joined = head.op(Concat(1), head.flat(), head.op(Flatten(1), other_map(head, 1, 2)))
    return [head.op(MatMul(), head.op(Reshape((2, 2, 36)), joined), head.weight(36, 4))]


def joined_with_a_vector(head: Head) -> list[Value]:
    vector = head.builder.input("age", (2, 3))
    return [head.fc(head.op(Concat(1), head.flat(), vector), 4, 63)]


def images_joined(head: Head) -> list[Value]:
    return [head.fc(head.op(Concat(0), head.flat(), head.flat()))]


REFUSED: dict[Make, tuple[str, str]] = {
    joined_softmax: ("concat1 (Concat) joins maps of different sizes", "softmax1 (Softmax)"),
    joined_norm: ("concat1 (Concat) joins maps of different sizes", "batchnormalization1 (BatchNormalization)"),
    joined_output: ("side by side as an output", "concat1 (Concat)"),
    joined_and_taken_apart: ("takes apart", "reshape1 (Reshape)"),
    joined_with_a_vector: ("does not come from a map", "concat1 (Concat)"),
    images_joined: ("joins something else", "concat1 (Concat)"),
}


@pytest.mark.parametrize("make", REFUSED)
def test_joined_maps_that_stay(make: Make) -> None:
    """The node in the way is named, the Concat too."""
    words, node = REFUSED[make]
    result = built(make).apply("fc-to-conv")
    assert refused(result, words, node), result.refusals


def test_two_branches_in_onnx_runtime() -> None:
    """Two heads on one map, each with layers of its own: both become maps."""

    def branches(head: Head) -> list[Value]:
        flat = head.flat()
        boxes = head.fc(head.op(Relu(), head.fc(flat, 6)), 8, 6)
        return [boxes, head.op(Softmax((1,)), head.fc(flat, 3))]

    graph = built(branches)
    kept(graph)
    crops_equal(graph)
    dense = graph.apply("fc-to-conv", keep_interface=False).graph
    assert [str(value.type) for value in dense.outputs] == [
        "float32[2, 8, H - 5, W - 6]",
        "float32[2, 3, H - 5, W - 6]",
    ]


def test_one_matrix_cut_at_different_places() -> None:
    """Two layers share their matrix and join maps of other sizes: the second part of each begins elsewhere."""

    def shared(head: Head) -> list[Value]:
        matrix = head.weight(12, 4)

        def joined(*shapes: tuple[int, int, int]) -> Value:
            parts = [head.op(Slice((0, 0, 0), shape, (1, 2, 3), (1, 1, 1)), head.map) for shape in shapes]
            flat = [head.op(Flatten(1), part) for part in parts]
            return head.op(MatMul(), head.op(Concat(1), *flat), matrix)

        return [joined((1, 2, 2), (1, 2, 3), (2, 1, 1)), joined((1, 3, 2), (1, 2, 3))]

    kept(built(shared))
