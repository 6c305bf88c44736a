"""Folding constants and scales."""

import tracemalloc

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import cnnir
from cnnir.exporters.onnx import read, write
from cnnir.graph import Graph
from cnnir.ops import (
    Add,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Div,
    Dropout,
    Gemm,
    Identity,
    MatMul,
    Mul,
    Op,
    Opaque,
    Relu,
    Reshape,
    Squeeze,
    Sub,
    Unsqueeze,
)
from cnnir.passes import PassResult
from cnnir.types import DType, TensorType
from cnnir.verify import verify
from cnnir.weights import AnyArray, Array, Computed
from tests import models

FLOAT = TensorProto.FLOAT


def numbers(seed: int, *shape: int) -> AnyArray:
    """Seeded random numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def judged(graph: Graph) -> PassResult:
    """Folding keeps what ONNX Runtime computes, and what the interpreter does."""
    feed = models.random_input(graph)
    result = graph.apply("fold", check="values")
    verify(result.graph)
    names = [value.name for value in graph.outputs]
    assert [value.name for value in result.graph.outputs] == names
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    computed = []
    for candidate in (graph, result.graph):
        model = write(candidate)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        computed.append([np.asarray(array) for array in session.run(names, feed)])
    for before, after in zip(*computed, strict=True):
        assert np.abs(before - after).max() <= 1e-4 * np.abs(before).max()
    return result


def kinds(graph: Graph) -> list[str]:
    """The ops in their order."""
    return [node.op.kind for node in graph.nodes]


# Scales


class Layer:
    """A linear layer, and what stands behind it."""

    def __init__(
        self, op: Op | None, shape: tuple[int, ...], weight: tuple[int, ...] = (), *, bias: int | None = None
    ) -> None:
        self.graph = Graph("layer")
        self.count = 0
        self.value = self.graph.add_input("x", TensorType(DType.FLOAT32, shape))
        if op is not None:
            self.layer(op, weight, bias=bias)

    def layer(self, op: Op, weight: tuple[int, ...], *, bias: int | None = None) -> "Layer":
        """A linear layer."""
        operands = [self.value, self.constant(*weight)] + ([self.constant(bias)] if bias is not None else [])
        self.value = self.graph.add_node(op, operands, name="layer").output
        return self

    def constant(self, *shape: int) -> cnnir.Value:
        """A weight of random numbers."""
        self.count += 1
        return self.graph.add_weight(f"w{self.count}", Array.of(numbers(self.count, *shape)))

    def then(self, op: Op, *shape: int, first: bool = False) -> "Layer":
        """An op with a constant on the right, or on the left."""
        pair = [self.value, self.constant(*shape)]
        self.value = self.graph.add_node(op, pair[::-1] if first else pair).output
        return self

    def view(self, op: Op) -> "Layer":
        """An op without a constant."""
        self.value = self.graph.add_node(op, [self.value]).outputs[0]
        return self

    def normalized(self, channels: int) -> "Layer":
        """A BatchNormalization."""
        vectors = [self.constant(channels) for _ in range(3)]
        variance = self.graph.add_weight(
            self.graph.fresh_name("variance"), Array.of(np.abs(numbers(9, channels)) + 0.5)
        )
        self.value = self.graph.add_node(BatchNormalization(), [self.value, *vectors, variance]).output
        return self

    def done(self) -> Graph:
        """The graph, its output a Relu."""
        self.graph.set_outputs(self.graph.add_node(Relu(), [self.value], outputs=["y"]).outputs)
        return self.graph


def conv(group: int = 1) -> Conv:
    """A 3x3 convolution."""
    return Conv((1, 1), (1, 1, 1, 1), (1, 1), group)


IMAGE = (2, 4, 5, 5)

CHAINS = {
    "normalization": Layer(conv(), IMAGE, (6, 4, 3, 3)).normalized(6),
    "normalization with bias": Layer(conv(), IMAGE, (6, 4, 3, 3), bias=6).normalized(6),
    "groups": Layer(conv(2), IMAGE, (6, 2, 3, 3), bias=6).normalized(6),
    "depthwise": Layer(conv(4), IMAGE, (4, 1, 3, 3)).normalized(4).then(Mul(), 4, 1, 1),
    "mul and add": Layer(conv(), IMAGE, (6, 4, 3, 3)).then(Mul(), 1, 6, 1, 1).then(Add(), 6, 1, 1),
    "all": Layer(
        conv(), IMAGE, (6, 4, 3, 3), bias=6
    ).normalized(6).then(Mul(), 6, 1, 1).then(Sub(), 1).then(Div(), 6, 1, 1),
    "constant minus layer": Layer(conv(), IMAGE, (6, 4, 3, 3), bias=6).then(Sub(), 6, 1, 1, first=True),
    "constant plus layer": Layer(conv(), IMAGE, (6, 4, 3, 3)).then(Add(), 6, 1, 1, first=True),
    "scalar": Layer(conv(), IMAGE, (6, 4, 3, 3), bias=6).then(Mul()).then(Add(), 1, 1, 1, 1),
    "transposed": Layer(
        ConvTranspose((2, 2), (0, 0, 0, 0), (1, 1), (0, 0)), IMAGE, (4, 6, 3, 3), bias=6
    ).normalized(6).then(Mul(), 6, 1, 1),
    "transposed in groups": Layer(
        ConvTranspose((2, 2), (0, 0, 0, 0), (1, 1), (0, 0), 2), IMAGE, (4, 3, 3, 3)
    ).normalized(6),
    "fully connected": Layer(Gemm(trans_b=True), (3, 8), (5, 8), bias=5).normalized(5).then(Mul(), 5),
    "fully connected, scaled": Layer(Gemm(0.5, 2.0), (3, 8), (8, 5), bias=5).then(Mul(), 1, 5).then(Add(), 5),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_scales(name: str) -> None:
    """Whatever stands behind the layer goes into it, and its name stays with the layer."""
    graph = CHAINS[name].done()
    scales = len(graph) - 2
    result = judged(graph)
    assert result.graph.nodes[0].name == "layer"
    assert len(result.graph) == 2
    assert result.metrics["scales folded"] == scales == len(result.changes)
    assert not result.refusals


def row(*shape: int) -> Layer:
    """An input and nothing done with it yet."""
    return Layer(None, shape)


THROUGH = {
    "identity": (Layer(conv(), IMAGE, (6, 4, 3, 3)).view(Identity()).normalized(6), ["Conv", "Identity"]),
    "dropout": (
        Layer(conv(), IMAGE, (6, 4, 3, 3), bias=6).view(Dropout()).view(Identity()).then(Mul(), 6, 1, 1),
        ["Conv", "Dropout", "Identity"],
    ),
    "dropout with a mask": (
        Layer(conv(), IMAGE, (6, 4, 3, 3)).view(Dropout(with_mask=True)).normalized(6), ["Conv", "Dropout"]
    ),
    "add, normalization, mul": (
        Layer(conv(), IMAGE, (6, 4, 3, 3)).then(Add(), 6, 1, 1).normalized(6).then(Mul(), 6, 1, 1), ["Conv"]
    ),
    "squeezed": (
        Layer(conv(), (2, 4, 5, 3), (6, 4, 3, 5)).view(Squeeze((3,))).normalized(6), ["Conv", "Squeeze"]
    ),
    "product": (Layer(MatMul(), (3, 8), (8, 5)).then(Add(), 5).normalized(5), ["Gemm"]),
    "product, scaled alone": (Layer(MatMul(), (3, 8), (8, 5)).then(Mul(), 5), ["MatMul"]),
    "product of rows": (Layer(MatMul(), (2, 3, 8), (8, 5)).then(Mul(), 5), ["MatMul"]),
    "product of rows, flattened": (
        Layer(MatMul(), (2, 3, 8), (8, 5)).view(Reshape((-1, 5))).then(Mul(), 5), ["MatMul", "Reshape"]
    ),
    "normalization between reshapes": (
        Layer(MatMul(), (3, 8), (8, 5)).view(Unsqueeze((2,))).normalized(5).view(Squeeze((2,))).then(Div(), 5),
        ["Gemm", "Unsqueeze", "Squeeze"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", THROUGH)
def test_scales_behind_views(name: str) -> None:
    """What only passes on stays; everything else goes into the layer."""
    layer, left = THROUGH[name]
    result = judged(layer.done())
    assert kinds(result.graph) == [*left, "Relu"]
    assert not result.refusals


AHEAD = {
    "mul": (row(*IMAGE).then(Mul(), 4, 1, 1), conv(), (6, 4, 3, 3)),
    "div in groups": (row(*IMAGE).then(Div(), 4, 1, 1), conv(2), (6, 2, 3, 3)),
    "normalization": (row(*IMAGE).normalized(4), Conv((1, 1), (0, 0, 0, 0), (1, 1)), (6, 4, 3, 3)),
    "mean and deviation": (
        row(*IMAGE).then(Sub(), 4, 1, 1).then(Div(), 4, 1, 1), Conv((2, 2), (0,) * 4, (1, 1), 4), (8, 1, 3, 3)
    ),
    "identity between": (
        row(*IMAGE).then(Add(), 4, 1, 1).view(Identity()), Conv((1, 1), (0,) * 4, (1, 1), 1, "VALID"), (6, 4, 3, 3)
    ),
    "transposed": (
        row(*IMAGE).then(Mul(), 4, 1, 1), ConvTranspose((2, 2), (0, 0, 0, 0), (1, 1), (0, 0), 2), (4, 3, 3, 3)
    ),
    "fully connected": (row(3, 8).normalized(8), Gemm(0.5, 1.0, trans_b=True), (5, 8)),
    "product": (row(3, 8).normalized(8), MatMul(), (8, 5)),
    "product of rows": (row(2, 3, 8).then(Mul(), 8), MatMul(), (8, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", AHEAD)
def test_scales_in_front(name: str) -> None:
    """Nothing stands before, so what stands behind takes it in, also without a bias of its own."""
    layer, op, weight = AHEAD[name]
    layer.layer(op, weight)
    scales = sum(node.op.kind in ("Mul", "Div", "Add", "Sub", "BatchNormalization") for node in layer.graph.nodes)
    result = judged(layer.done())
    assert result.metrics["scales folded"] == scales
    assert not result.refusals
    assert not {"Mul", "Div", "Add", "Sub", "BatchNormalization"} & set(kinds(result.graph))


@pytest.mark.parametrize(
    ("layer", "op", "weight", "reason"),
    [
        (row(*IMAGE).then(Add(), 4, 1, 1), conv(), (6, 4, 3, 3), "zeros that it pads with"),
        (row(*IMAGE).normalized(4), conv(), (6, 4, 3, 3), "zeros that it pads with"),
        (
            row(*IMAGE).then(Sub(), 4, 1, 1), ConvTranspose((2, 2), (0,) * 4, (1, 1), (0, 0)), (4, 6, 3, 3),
            "fewer summands",
        ),
        (row(*IMAGE).then(Mul(), 5, 5), conv(), (6, 4, 3, 3), "not one number a channel"),
        (row(2, 3, 8).then(Add(), 8), MatMul(), (8, 5), "has no bias"),
        (row(2, 3, 8).normalized(3), MatMul(), (8, 5), "normalises along axis 1"),
        (row(3, 8).then(Mul(), 8), Gemm(trans_a=True), (3, 5), "transposes its input"),
        (row(2, 4, 1, 2).then(Mul(), 4, 1, 1).view(Reshape((2, 8))), Gemm(), (8, 5), "breaks the channels up"),
    ],
)  # fmt: skip
def test_what_does_not_go_into_the_layer_behind(layer: Layer, op: Op, weight: tuple[int, ...], reason: str) -> None:
    """The layer is named, and what is in the way."""
    found = refusal(layer.layer(op, weight).done())
    assert found.startswith("not folded into layer (")
    assert reason in found


def test_nothing_is_passed_over_in_silence() -> None:
    """A scale far from any layer is listed, one of factors that would leave the range of its type too."""
    assert "no convolution or fully connected layer" in refusal(row(*IMAGE).view(Relu()).then(Mul(), 4, 1, 1).done())
    layer = Layer(conv(), IMAGE, (6, 4, 3, 3))
    tiny = layer.graph.add_weight("tiny", Array.of(np.full((6, 1, 1), 1e-30, np.float32)))
    layer.value = layer.graph.add_node(Div(), [layer.value, tiny]).output
    assert "out of the range of float32" in refusal(layer.done())
    layer = Layer(conv(), IMAGE, (6, 4, 3, 3))
    layer.value, mask = layer.graph.add_node(Dropout(with_mask=True), [layer.value]).outputs
    graph = layer.then(Mul(), 6, 1, 1).done()
    graph.set_outputs([*graph.outputs, mask])
    (refused,) = graph.apply("fold").refusals
    assert "the mask" in refused.reason


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_chains(seed: int) -> None:
    """Layers with scales and views before, between and behind: ONNX Runtime computes alike, whatever is folded."""
    rng = np.random.default_rng(seed)
    channels = 4
    layer = row(2, channels, 6, 6)
    for _ in range(int(rng.integers(3, 8))):
        shape = [(channels, 1, 1), (1, channels, 1, 1), (), (1,), (6, 6), (channels, 6, 6)][int(rng.integers(6))]
        choice = int(rng.integers(6))
        if choice == 0:
            group = int(rng.choice([1, 2, 4]))
            size = int(rng.choice([1, 3]))
            layer.layer(Conv((1, 1), (size // 2,) * 4, (1, 1), group), (channels, channels // group, size, size))
        elif choice == 1:
            layer.normalized(channels)
        elif choice == 2:
            layer.view([Identity(), Dropout(), Relu()][int(rng.integers(3))])
        else:
            layer.then([Mul(), Add(), Sub()][int(rng.integers(3))], *shape, first=bool(rng.integers(2)))
    graph = layer.done()
    result = judged(graph)
    beside = sum(isinstance(node.op, (BatchNormalization, Mul, Add, Sub)) for node in graph.nodes)
    assert result.metrics.get("scales folded", 0) + len(result.refusals) == beside


def refusal(graph: Graph) -> str:
    """Why nothing was folded."""
    result = judged(graph)
    assert len(result.graph) == len(graph)
    (refused,) = result.refusals
    assert refused.nodes
    return refused.reason


def test_refused_where_the_output_is_read_elsewhere() -> None:
    """Another reader, or the caller, wants the value before the scale."""
    layer = Layer(conv(), IMAGE, (6, 4, 3, 3))
    before = layer.value
    graph = layer.then(Mul(), 6, 1, 1).done()
    other = graph.add_node(Relu(), [before], outputs=["other"])
    graph.set_outputs([*graph.outputs, *other.outputs])
    assert "read elsewhere" in refusal(graph)
    layer = Layer(conv(), IMAGE, (6, 4, 3, 3))
    before = layer.value
    graph = layer.then(Mul(), 6, 1, 1).done()
    graph.set_outputs([*graph.outputs, before])
    assert "read elsewhere" in refusal(graph)


@pytest.mark.parametrize("shape", [(5,), (6, 5, 5), (2, 1, 1, 1), (1, 6, 1, 5)])
def test_refused_where_it_is_not_one_number_a_channel(shape: tuple[int, ...]) -> None:
    """A constant along another axis."""
    assert "not one number a channel" in refusal(Layer(conv(), IMAGE, (6, 4, 3, 3)).then(Mul(), *shape).done())


def test_refused_where_it_is_not_linear() -> None:
    """A constant over the layer's output."""
    assert "not linear" in refusal(Layer(conv(), IMAGE, (6, 4, 3, 3), bias=6).then(Div(), 1, first=True).done())


def test_refused_where_weights_are_computed() -> None:
    """A weight that is an input of the graph."""
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.FLOAT32, IMAGE))
    w = graph.add_input("w", TensorType(DType.FLOAT32, (6, 4, 3, 3)))
    layer = graph.add_node(conv(), [x, w])
    factor = graph.add_weight("f", Array.of(numbers(1, 6, 1, 1)))
    graph.set_outputs(graph.add_node(Mul(), [layer.output, factor], outputs=["y"]).outputs)
    assert "computed" in refusal(graph)


def test_shared_weights_stay_for_others() -> None:
    """Two layers of one weight, a scale behind one of them."""
    layer = Layer(conv(), IMAGE, (4, 4, 3, 3))
    shared = layer.graph.value("w1")
    graph = layer.then(Mul(), 4, 1, 1).done()
    second = graph.add_node(conv(), [graph.outputs[0], shared], name="second", outputs=["z"])
    graph.set_outputs(second.outputs)
    result = judged(graph)
    assert kinds(result.graph) == ["Conv", "Relu", "Conv"]
    assert result.graph.node("second").operands[1].weight is shared.weight


@pytest.mark.parametrize("name", models.NAMES)
def test_real_networks(name: str) -> None:
    """No BatchNormalization, Mul or Add by constants is left behind a convolution; the values stay."""
    if name in ("vgg19", "bvlc_alexnet", "zfnet512"):
        graph = cnnir.load(models.path(name))
        assert not graph.apply("fold").changes
        return
    result = judged(models.with_random_weights(cnnir.load(models.path(name))))
    for node in result.graph.nodes:
        if isinstance(node.op, (BatchNormalization, Mul, Add)) and node.operands[0].producer is not None:
            behind_layer = isinstance(node.operands[0].producer.op, Conv)
            constant = any(value.weight is not None for value in node.operands[1:])
            told = any(node.label in refusal.nodes for refusal in result.refusals)
            assert not (behind_layer and constant) or told


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    """Folding 13 MB of weights allocates next to nothing."""
    layer = Layer(Gemm(trans_b=True), (1, 1024), (3072, 1024), bias=3072)
    graph = layer.then(Mul(), 3072).then(Add(), 3072).done()
    graph.apply("fold")
    tracemalloc.start()
    result = graph.apply("fold")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert isinstance(result.graph.node("layer").operands[1].weight, Computed)


# Constants


def model(nodes: list[onnx.NodeProto], weights: dict[str, AnyArray], *, opset: int = 17) -> Graph:
    """A graph of an image ``x`` of 1 x 4 x 6 x 6 and an output ``y``."""
    graph = helper.make_graph(
        nodes,
        "constants",
        [helper.make_tensor_value_info("x", FLOAT, [1, 4, 6, 6])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    proto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    return read(proto)


def ints(*items: int) -> AnyArray:
    """A constant of int64."""
    return np.array(items, np.int64)


def test_shape_arithmetic() -> None:
    """A Reshape whose target is computed from the shape of its input stops being opaque."""
    graph = model(
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("Shape", ["r"], ["s"]),
            helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
            helper.make_node("Unsqueeze", ["n", "axes"], ["nv"]),
            helper.make_node("Concat", ["nv", "rest"], ["target"], axis=0),
            helper.make_node("Reshape", ["r", "target"], ["y"]),
        ],
        {"zero": np.array(0, np.int64), "axes": ints(0), "rest": ints(-1)},
    )
    assert [node.op.kind for node in graph.nodes if isinstance(node.op, Opaque)] == ["Reshape"]
    result = judged(graph)
    assert kinds(result.graph) == ["Relu", "Reshape"]
    assert str(result.graph.value("y").type) == "float32[1, 144]"
    assert result.metrics["opaque nodes defined"] == 1
    assert result.metrics["constants folded"] == 4
    assert result.graph.plan().arena_bytes > 0


def test_constant_arithmetic_is_lazy() -> None:
    """Ours are computed by our kernels, when somebody asks."""
    graph = model(
        [
            helper.make_node("Add", ["a", "b"], ["ab"]),
            helper.make_node("Transpose", ["ab"], ["t"], perm=[1, 0]),
            helper.make_node("Reshape", ["t", "shape"], ["scale"]),
            helper.make_node("Mul", ["x", "scale"], ["y"]),
        ],
        {"a": numbers(1, 2, 2), "b": numbers(2, 2, 2), "shape": ints(1, 4, 1, 1)},
    )
    result = judged(graph)
    assert kinds(result.graph) == ["Mul"]


def test_split_of_a_constant() -> None:
    """Every output becomes a weight."""
    graph = model(
        [
            helper.make_node("Split", ["a"], ["p", "q"], axis=0),
            helper.make_node("Mul", ["x", "p"], ["m"]),
            helper.make_node("Add", ["m", "q"], ["y"]),
        ],
        {"a": numbers(3, 2, 4, 1, 1)},
    )
    assert kinds(judged(graph).graph) == ["Mul", "Add"]


def test_random_ops_are_no_constants() -> None:
    """What differs from run to run is not frozen."""
    graph = model(
        [
            helper.make_node("RandomNormal", [], ["noise"], shape=[1, 4, 6, 6]),
            helper.make_node("Add", ["x", "noise"], ["y"]),
        ],
        {},
    )
    result = graph.apply("fold")
    assert kinds(result.graph) == ["RandomNormal", "Add"]
    assert any("may draw anew" in refusal.reason for refusal in result.refusals)


def test_every_opaque_node_that_stays_is_named() -> None:
    """With what keeps it from being ours, once what it reads is worked out; what became ours is not named."""
    graph = model(
        [
            helper.make_node("Cosh", ["x"], ["e"], name="erf"),
            helper.make_node("Add", ["one", "one"], ["axes"], name="sum"),
            helper.make_node("Unsqueeze", ["e", "axes"], ["u"], name="wider"),
            helper.make_node("Abs", ["w"], ["a"], name="constant"),
            helper.make_node("Dropout", ["a", "ratio", "on"], ["d"], name="dropout"),
            helper.make_node("Add", ["u", "d"], ["y"], name="last"),
        ],
        {"one": ints(1), "w": numbers(1, 1), "ratio": np.array(0.5, np.float32), "on": np.array(True)},  # noqa: FBT003
    )
    result = graph.apply("fold")
    assert kinds(result.graph) == ["Cosh", "Unsqueeze", "Dropout", "Add"]
    found = {label: refusal.reason for refusal in result.refusals for label in refusal.nodes}
    assert found == {
        "erf (Cosh)": "stays opaque: the op is not defined here",
        "dropout (Dropout)": "reads nothing but constants, but may draw anew at each run",
    }


def test_bodies_and_foreign_ops_are_named() -> None:
    """Nodes that read nothing but constants, and that nobody here may run in advance."""
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.FLOAT32, (2,)))
    w = graph.add_weight("w", Array.of(np.ones(2, np.float32)))
    for op in (Opaque("acme", "Mystery", 1), Opaque("", "If", 21)):
        graph.add_node(op, [w], name=op.op_type)
    graph.set_outputs([graph.add_node(Relu(), [x]).output, *(node.output for node in graph.nodes[:2])])
    found = {label: refusal.reason for refusal in graph.apply("fold").refusals for label in refusal.nodes}
    assert "nobody here knows what acme::Mystery computes" in found["Mystery (acme::Mystery)"]
    assert "its body may draw anew" in found["If (If)"]


def test_what_grows_stays() -> None:
    """A small constant that becomes a large one is the smaller file as it is."""
    graph = model(
        [
            helper.make_node("Expand", ["a", "shape"], ["big"]),
            helper.make_node("ReduceMean", ["big"], ["m"], keepdims=0),
            helper.make_node("Add", ["x", "m"], ["y"]),
        ],
        {"a": numbers(1, 1), "shape": ints(1024, 1024)},
    )
    result = graph.apply("fold")
    assert "Expand" in kinds(result.graph)
    assert any("far more memory" in refused.reason for refused in result.refusals)


def test_what_cannot_be_evaluated_is_refused() -> None:
    """An op that its own library cannot compute stays, and the reason says so."""
    graph = model(
        [
            helper.make_node("Compress", ["a", "far"], ["g"], name="chosen"),
            helper.make_node("ReduceSum", ["g"], ["t"], keepdims=0),
            helper.make_node("Add", ["x", "t"], ["y"]),
        ],
        {"a": numbers(1, 3), "far": np.array([False] * 8 + [True])},
    )
    result = graph.apply("fold")
    assert kinds(result.graph) == ["Compress", "ReduceSum", "Add"]
    (refused,) = result.refusals
    assert refused.nodes == ("chosen (Compress)",)
    assert "cannot be worked out" in refused.reason


def test_a_constant_output() -> None:
    """An output that no input reaches is a constant, and still an output."""
    graph = model(
        [helper.make_node("Add", ["a", "b"], ["c"]), helper.make_node("Relu", ["x"], ["y"])],
        {"a": numbers(1, 3), "b": numbers(2, 3)},
    )
    graph.set_outputs([graph.value("y"), graph.value("c")])
    result = judged(graph)
    assert result.graph.value("c").weight is not None
    assert [value.name for value in result.graph.outputs] == ["y", "c"]


def test_options() -> None:
    """Each half on its own."""
    graph = CHAINS["normalization"].graph.clone()
    assert not graph.apply("fold", scales=False).changes
    assert str(cnnir.passes.make_pass("fold", {"scales": False})) == "fold{scales=false}"


def test_integers_are_not_scaled() -> None:
    """A quotient of integers rounds where it stands, and nowhere else."""
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.INT32, (2, 3)))
    w = graph.add_weight("w", Array.of(np.arange(12, dtype=np.int32).reshape(3, 4)))
    product = graph.add_node(Gemm(), [x, w], name="layer").output
    factor = graph.add_weight("f", Array.of(np.array([2, 3, 4, 5], np.int32)))
    graph.set_outputs(graph.add_node(Div(), [product, factor], outputs=["y"]).outputs)
    result = graph.apply("fold", check="values")
    assert not result.changes
    assert "rounded" in result.refusals[0].reason


def test_a_division_by_zero_stays() -> None:
    """Its infinities belong to the outputs, not to the weights."""
    layer = Layer(conv(), IMAGE, (6, 4, 3, 3))
    zeros = layer.graph.add_weight("zeros", Array.of(np.zeros((6, 1, 1), np.float32)))
    layer.value = layer.graph.add_node(Div(), [layer.value, zeros]).output
    result = layer.done().apply("fold")
    assert not result.changes
    assert "not all finite" in result.refusals[0].reason


def test_dropout_that_trains_is_random() -> None:
    """A draw is not frozen, nor is what a branch may draw."""
    graph = model(
        [
            helper.make_node("Dropout", ["w", "ratio", "on"], ["d"]),
            helper.make_node("Add", ["x", "d"], ["y"]),
        ],
        {"w": numbers(1, 1, 4, 1, 1), "ratio": np.array(0.5, np.float32), "on": np.array(True)},  # noqa: FBT003
    )
    assert kinds(graph.apply("fold").graph) == ["Dropout", "Add"]
