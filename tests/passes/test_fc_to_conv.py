"""Fully connected heads as convolutions, judged by ONNX Runtime on what is exported before and after."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest

import cnnir
from cnnir.builder import GraphBuilder
from cnnir.dims import bind as bind_dim
from cnnir.exporters.onnx import write
from cnnir.graph import Graph, Value
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
    Op,
    ReduceMean,
    Reshape,
    Sigmoid,
    Softmax,
    Squeeze,
    Transpose,
)
from cnnir.passes import FcToConv, PassResult
from cnnir.types import TensorType
from cnnir.verify import verify
from cnnir.weights import AnyArray, Array, Reshaped, Transposed, Weight
from tests import models

TOLERANCE = 1e-4
"""Relative to the largest element."""


def runtime(graph: Graph, feeds: Sequence[Mapping[str, AnyArray]], outputs: Sequence[str]) -> list[list[AnyArray]]:
    """What ONNX Runtime computes of the exported graph for each feed; values asked for are made outputs."""
    model = write(graph)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return [[np.asarray(array) for array in session.run(list(outputs), dict(feed))] for feed in feeds]


def assert_close(found: AnyArray, expected: AnyArray) -> None:
    """Equal up to the tolerance, relative to the largest element."""
    assert found.shape == expected.shape
    assert np.isfinite(expected).all()
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


def shape(value: Value) -> tuple[int, ...]:
    """The shape of a value whose dims are all known."""
    assert isinstance(value.type, TensorType)
    return tuple(int(str(dim)) for dim in value.type.shape)


def image(graph: Graph, height: int, width: int, seed: int = 0) -> dict[str, AnyArray]:
    """A random image of that size for the only input."""
    (value,) = graph.inputs
    assert isinstance(value.type, TensorType)
    batch, channels = (int(str(dim)) for dim in value.type.shape[:2])
    drawn = np.random.default_rng(seed).standard_normal((batch, channels, height, width))
    return {value.name: drawn.astype(np.float32)}


def map_size(graph: Graph, height: int, width: int) -> tuple[int, ...]:
    """What the formula in the output's type says."""
    (value,) = graph.outputs
    assert isinstance(value.type, TensorType)
    return tuple(int(str(bind_dim(dim, {"H": height, "W": width}))) for dim in value.type.shape)


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


# Heads, one kind after the other


class Head:
    """A convolution's map ``[2, 3, 4, 5]`` and what comes behind it."""

    def __init__(self, *, batch: int = 2) -> None:
        self.builder = GraphBuilder("head")
        x = self.builder.input("image", (batch, 2, 6, 7))
        self.map = self.builder.relu(self.builder.conv(x, 3, kernel=3, name="conv"))
        self.features = 3 * 4 * 5
        self._seed = 0

    def weight(self, *sizes: int, positive: bool = False) -> Value:
        """A random weight."""
        self._seed += 1
        drawn = np.random.default_rng(self._seed).standard_normal(sizes).astype(np.float32)
        return self.builder.graph.add_weight(f"w{self._seed}", Array.of(np.abs(drawn) + 0.5 if positive else drawn))

    def op(self, op: Op, *inputs: Value | None, name: str | None = None) -> Value:
        """A node."""
        return self.builder.op(op, *inputs, name=name)

    def flat(self) -> Value:
        """The flattened map."""
        return self.op(Flatten(1), self.map)

    def fc(self, x: Value, outputs: int = 4, features: int | None = None) -> Value:
        """A fully connected layer."""
        weight = self.weight(outputs, self.features if features is None else features)
        return self.op(Gemm(trans_b=True), x, weight, self.weight(outputs))


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


def built(make: Callable[[Head], list[Value]]) -> Graph:
    """The network with that head."""
    head = Head()
    return head.builder.build(*make(head))


@pytest.mark.parametrize("make", HEADS)
def test_heads_at_the_native_size(make: Callable[[Head], list[Value]]) -> None:
    """Interface and outputs are the same; nothing of the old head is left."""
    before = built(make)
    result = before.apply("fc-to-conv", dense=True)
    after = result.graph
    assert result.modified
    assert not result.refusals
    assert not any(isinstance(node.op, Gemm | GlobalAveragePool | ReduceMean | Flatten) for node in after.nodes)
    names = [value.name for value in before.outputs]
    assert [(value.name, str(value.type)) for value in after.outputs] == [
        (value.name, str(value.type)) for value in before.outputs
    ]
    feed = image(before, 6, 7)
    (expected,), (found,) = runtime(before, [feed], names), runtime(after, [feed], names)
    ours = after.run(feed)
    for name, wanted, got in zip(names, expected, found, strict=True):
        assert_close(got, wanted)
        assert_close(ours[name], wanted)


@pytest.mark.parametrize("make", [head for head in HEADS if head is not shared_weight])
def test_heads_give_at_each_position_what_the_crop_gives(make: Callable[[Head], list[Value]]) -> None:
    """Without padding every position of the map is a crop's score, to the last rounding."""
    before = built(make)
    dense = before.apply("fc-to-conv", dense=True, keep_interface=False).graph
    feed = image(before, 9, 9)
    ((name, whole),) = feed.items()
    crops = [(row, column) for row in range(4) for column in range(3)]
    names = [value.name for value in before.outputs]
    cropped = runtime(before, [{name: whole[:, :, r : r + 6, c : c + 7]} for r, c in crops], names)
    (maps,) = runtime(dense, [feed], names)
    for index, found in enumerate(maps):
        assert found.shape[2:] == (4, 3)
        for (row, column), scores in zip(crops, cropped, strict=True):
            wanted = scores[index].reshape(found.shape[:2])
            assert np.abs(found[:, :, row, column] - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())


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


def refused(result: PassResult, words: str, node: str) -> bool:
    """True when there is such a refusal."""
    return any(words in refusal.reason and node in refusal.nodes for refusal in result.refusals)


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
