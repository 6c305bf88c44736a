"""Heads that are rewritten and heads that are not, one kind after the other."""

from collections.abc import Callable

import numpy as np
import pytest

from cnnir.graph import Value
from cnnir.ops import (
    Add,
    AveragePool,
    BatchNormalization,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Gemm,
    GlobalAveragePool,
    Identity,
    MatMul,
    Mul,
    ReduceMean,
    Reshape,
    Sigmoid,
    Softmax,
    Squeeze,
    Transpose,
)
from cnnir.weights import Reshaped, Transposed, Weight
from tests.passes.heads import Head, Make, built, crops_equal, kept, refused


def plain(head: Head) -> list[Value]:
    return [head.op(Softmax((1,)), head.fc(head.op(Dropout(), head.fc(head.flat())), 5, 4))]


def columns(head: Head) -> list[Value]:
    return [head.op(Gemm(), head.flat(), head.weight(head.features, 4))]


def factors(head: Head) -> list[Value]:
    return [head.op(Gemm(0.5, 3.0, trans_b=True), head.flat(), head.weight(4, head.features), head.weight(1, 4))]


def no_bias_by_beta(head: Head) -> list[Value]:
    return [head.op(Gemm(1.0, 0.0, trans_b=True), head.flat(), head.weight(4, head.features), head.weight(4))]


def one_bias(head: Head) -> list[Value]:
    x = head.op(Gemm(trans_b=True), head.flat(), head.weight(4, head.features), head.weight(1))
    return [head.op(Gemm(1.0, 2.0), x, head.weight(4, 3), head.weight())]


def product_and_sum(head: Head) -> list[Value]:
    x = head.op(Add(), head.op(MatMul(), head.flat(), head.weight(head.features, 4)), head.weight(4))
    return [head.op(Add(), head.weight(1, 5), head.op(MatMul(), head.op(Sigmoid(), x), head.weight(4, 5)))]


def scaled(head: Head) -> list[Value]:
    x = head.op(Mul(), head.op(MatMul(), head.flat(), head.weight(head.features, 4)), head.weight(1, 4))
    return [head.op(Add(), x, head.weight(1))]


def channels_last(head: Head) -> list[Value]:
    x = head.op(Reshape((-1, head.features)), head.op(Transpose((0, 2, 3, 1)), head.map))
    return [head.op(Gemm(trans_b=True), head.op(Gemm(), x, head.weight(head.features, 4)), head.weight(5, 4))]


def columns_first(head: Head) -> list[Value]:
    x = head.op(Reshape((2, head.features)), head.op(Transpose((0, 3, 1, 2)), head.map))
    return [head.op(Gemm(trans_b=True), x, head.weight(5, head.features))]


def normalised(head: Head) -> list[Value]:
    x = head.fc(head.flat())
    parts = [head.weight(4), head.weight(4), head.weight(4), head.weight(4, positive=True)]
    return [head.fc(head.op(BatchNormalization(), x, *parts), 3, 4)]


def two_branches(head: Head) -> list[Value]:
    flat = head.flat()
    return [head.fc(flat, 4), head.op(Softmax((1,)), head.fc(flat, 3))]


def branches_that_meet(head: Head) -> list[Value]:
    x = head.fc(head.flat(), 4)
    y = head.op(Add(), x, head.fc(x, 4, 4))
    return [head.fc(head.op(Concat(1), x, y), 3, 8), y]


def shared_weight(head: Head) -> list[Value]:
    x = head.op(MatMul(), head.flat(), head.weight(head.features, 4))
    weight = head.weight(4, 4)
    tied = head.op(Gemm(trans_b=True), head.op(Gemm(trans_b=True), x, weight), weight)
    return [tied, head.op(MatMul(), weight, weight)]


def renamed_weight(head: Head) -> list[Value]:
    weight = head.op(Identity(), head.weight(4, head.features))
    return [head.op(Gemm(trans_b=True), head.flat(), weight)]


def reshaped_scores(head: Head) -> list[Value]:
    return [head.op(Reshape((2, 1, 4, 1)), head.fc(head.flat()))]


def global_mean(head: Head) -> list[Value]:
    pooled = head.op(ReduceMean((2, 3), keepdims=False), head.map)
    return [head.fc(pooled, 4, 3)]


def global_mean_last(head: Head) -> list[Value]:
    pooled = head.op(ReduceMean((1, 2)), head.op(Transpose((0, 2, 3, 1)), head.map))
    return [head.op(MatMul(), head.op(Squeeze((1, 2)), pooled), head.weight(3, 4))]


def pooled_softmax(head: Head) -> list[Value]:
    return [head.op(Softmax((1, 2, 3)), head.op(GlobalAveragePool(), head.map))]


def overspecialised(head: Head) -> list[Value]:
    pooled = head.op(AveragePool((5, 6), (5, 3), (0, 0, 1, 1)), head.map)
    return [head.fc(head.op(Reshape((2, 3)), pooled), 4, 3)]


def pooled_convolution(head: Head) -> list[Value]:
    conv = Conv((1, 1), (0, 0, 0, 0), (1, 1))
    return [head.op(conv, head.op(GlobalAveragePool(), head.map), head.weight(4, 3, 1, 1), head.weight(4))]


HEADS: tuple[Callable[[Head], list[Value]], ...] = (
    *(plain, columns, factors, no_bias_by_beta, one_bias, product_and_sum, scaled, channels_last, columns_first),
    *(normalised, two_branches, branches_that_meet, shared_weight, renamed_weight, reshaped_scores),
    *(global_mean, global_mean_last, pooled_softmax, overspecialised, pooled_convolution),
)
"""Every form of head that is rewritten; a batch of two images."""


@pytest.mark.parametrize("make", HEADS)
def test_heads_at_the_native_size(make: Make) -> None:
    """Interface and outputs are the same; nothing of the old head is left."""
    kept(built(make))


@pytest.mark.parametrize("make", [head for head in HEADS if head is not shared_weight])
def test_heads_give_at_each_position_what_the_crop_gives(make: Make) -> None:
    """Without padding every position of the map is a crop's score, to the last rounding."""
    crops_equal(built(make))


def test_other_users_of_a_weight_keep_it() -> None:
    """The matrix stays for whoever reads it, and the filters are views of it."""
    before = built(shared_weight)
    after = before.apply("fc-to-conv").graph
    (product,) = [node for node in after.nodes if isinstance(node.op, MatMul)]
    matrix = product.operands[0].weight
    kernels = [node.operands[1].weight for node in after.nodes if isinstance(node.op, Conv)][2:]
    assert matrix is before.value(product.operands[0].name).weight
    assert kernels[0] is kernels[1]
    assert isinstance(kernels[0], Weight)
    assert isinstance(matrix, Weight)
    assert np.shares_memory(kernels[0].array(), matrix.array())


@pytest.mark.parametrize("make", [plain, columns, channels_last, columns_first])
def test_filters_share_the_bytes_of_the_matrix(make: Callable[[Head], list[Value]]) -> None:
    """A reshape, or a reshape and a transpose."""
    before = built(make)
    after = before.apply("fc-to-conv").graph
    matrices = [node.operands[1].weight for node in before.nodes if isinstance(node.op, Gemm)]
    kernels = [node.operands[1].weight for node in after.nodes if isinstance(node.op, Conv)][1:]
    for matrix, kernel in zip(matrices, kernels, strict=True):
        assert isinstance(matrix, Weight)
        assert isinstance(kernel, Reshaped | Transposed)
        assert np.shares_memory(kernel.array(), matrix.array())


def test_names_stay() -> None:
    """A layer is called what it was called."""
    before = built(plain)
    after = before.apply("fc-to-conv", keep_interface=False).graph
    assert [node.name for node in after.nodes] == [node.name for node in before.nodes if node.op.kind != "Flatten"]
    assert {value.name for value in after.weights} == {value.name for value in before.weights}
    assert after.node("gemm1").op.kind == "Conv"


def test_twice_is_once() -> None:
    """A network that is rewritten has nothing left to rewrite, but its output can still become a map."""
    once = built(plain).apply("fc-to-conv").graph
    again = once.apply("fc-to-conv")
    assert not again.modified
    assert not again.refusals
    opened = once.apply("fc-to-conv", keep_interface=False).graph
    assert str(opened.outputs[0].type) == "float32[2, 5, H - 5, W - 6]"


# Refusals


def transposed(head: Head) -> list[Value]:
    return [head.op(Gemm(trans_a=True), head.flat(), head.weight(2, 4))]


def on_the_left(head: Head) -> list[Value]:
    return [head.op(MatMul(), head.weight(5, 2), head.flat())]


def of_two_maps(head: Head) -> list[Value]:
    return [head.op(Gemm(trans_b=True), head.flat(), head.flat())]


def bias_by_image(head: Head) -> list[Value]:
    return [head.op(Gemm(), head.flat(), head.weight(head.features, 4), head.weight(2, 4))]


def bias_computed(head: Head) -> list[Value]:
    x = head.fc(head.flat())
    return [head.op(Gemm(), head.flat(), head.weight(head.features, 4), x)]


def feature_norm(head: Head) -> list[Value]:
    parts = [head.weight(head.features, positive=True) for _ in range(4)]
    return [head.fc(head.op(BatchNormalization(), head.flat(), *parts))]


def feature_sum(head: Head) -> list[Value]:
    return [head.fc(head.op(Add(), head.flat(), head.weight(head.features)))]


def feature_softmax(head: Head) -> list[Value]:
    return [head.fc(head.op(Softmax((1,)), head.flat()))]


def batch_softmax(head: Head) -> list[Value]:
    return [head.op(Softmax((0,)), head.fc(head.flat()))]


def halves(head: Head) -> list[Value]:
    x = head.op(Reshape((4, head.features // 2)), head.map)
    return [head.fc(x, 4, head.features // 2)]


def squeeze_and_excite(head: Head) -> list[Value]:
    pooled = head.op(Squeeze((2, 3)), head.op(GlobalAveragePool(), head.map))
    gates = head.op(Reshape((2, 3, 1, 1)), head.op(Sigmoid(), head.fc(pooled, 3, 3)))
    return [head.op(Mul(), head.map, gates)]


def larger_convolution(head: Head) -> list[Value]:
    conv = Conv((1, 1), (1, 1, 1, 1), (1, 1))
    return [head.op(conv, head.op(GlobalAveragePool(), head.map), head.weight(4, 3, 3, 3))]


def padded_mean(head: Head) -> list[Value]:
    pool = AveragePool((5, 6), (1, 1), (0, 0, 1, 1), count_include_pad=True)
    return [head.fc(head.op(Flatten(1), head.op(pool, head.map)), 4, 3)]


def mask_read(head: Head) -> list[Value]:
    node = head.builder.graph.add_node(Dropout(with_mask=True), [head.fc(head.flat())])
    return [node.outputs[0], head.op(Identity(), node.outputs[1])]


REFUSED: dict[Callable[[Head], list[Value]], tuple[str, str]] = {
    transposed: ("transposed", "gemm1 (Gemm)"),
    on_the_left: ("right of the product", "matmul1 (MatMul)"),
    of_two_maps: ("no constant", "gemm1 (Gemm)"),
    bias_by_image: ("from image to image", "gemm1 (Gemm)"),
    bias_computed: ("is no constant", "gemm2 (Gemm)"),
    feature_norm: ("each feature", "batchnormalization1 (BatchNormalization)"),
    feature_sum: ("differs over channels and rows and columns", "add1 (Add)"),
    feature_softmax: ("sums over", "softmax1 (Softmax)"),
    batch_softmax: ("sums over images", "softmax1 (Softmax)"),
    halves: ("mixes the axes", "gemm1 (Gemm)"),
    squeeze_and_excite: ("comes back onto a map", "mul1 (Mul)"),
    larger_convolution: ("only a 1x1 convolution", "conv1 (Conv)"),
    padded_mean: ("padding counts", "averagepool1 (AveragePool)"),
    mask_read: ("mask is read", "dropout_0 (Dropout)"),
}
"""What is refused: words of the reason, and the node that it names."""


@pytest.mark.parametrize("make", REFUSED)
def test_refusals(make: Callable[[Head], list[Value]]) -> None:
    """The network stays as it is, and the reason names the node."""
    words, node = REFUSED[make]
    before = built(make)
    result = before.apply("fc-to-conv", dense=True)
    assert refused(result, words, node), result.refusals
    assert not any(node in change.nodes for change in result.changes)
    opened = before.apply("fc-to-conv", dense=True, keep_interface=False)
    assert refused(opened, words, node)


@pytest.mark.parametrize("make", [transposed, halves, feature_sum, larger_convolution, mask_read])
def test_what_is_tied_to_its_size_is_not_opened(make: Callable[[Head], list[Value]]) -> None:
    """All or nothing: no input becomes symbolic while a head is left."""
    before = built(make)
    result = before.apply("fc-to-conv", dense=True, keep_interface=False)
    assert not result.modified
    assert str(result.graph) == str(before)
