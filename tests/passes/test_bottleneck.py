"""The pass bottleneck on whole networks: judged by ONNX Runtime on the exported file."""

from functools import cache

import numpy as np
import onnxruntime
import pytest
from onnx import helper

import cnnir
from cnnir.analysis import costs
from cnnir.builder import GraphBuilder
from cnnir.compare import figures
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import write
from cnnir.graph import Graph, Value
from cnnir.ops import Conv, ConvTranspose, Gemm, MatMul, Opaque
from cnnir.passes import Pipeline, apply
from cnnir.passes.bottleneck import Bottleneck
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import AnyArray, Array, Computed, Seeded
from tests import models

TOLERANCE = 1e-4
"""Relative to the largest output."""

MODES = ("svd", "tucker", "separable", "auto")


def runtime(graph: Graph, feed: dict[str, AnyArray]) -> list[AnyArray]:
    """What ONNX Runtime computes from the exported network."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = write(graph).SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return [np.asarray(array) for array in session.run(None, feed)]


def distance(before: Graph, after: Graph, seed: int = 0) -> float:
    """Largest difference of the outputs over the largest output."""
    feed = models.random_input(before, seed)
    pairs = zip(runtime(before, feed), runtime(after, feed), strict=True)
    return max(float(np.abs(ours - theirs).max() / np.abs(ours).max()) for ours, theirs in pairs)


def vgg(size: int = 32, channels: tuple[int, ...] = (8, 16, 24), classes: int = 10) -> Graph:
    """Shaped like VGG: pairs of 3x3 convolutions, pooling, three fully connected layers; no Softmax to hide errors."""
    builder = GraphBuilder("vgg")
    x = builder.input("image", (1, 3, size, size))
    for filters in channels:
        for _ in range(2):
            x = builder.relu(builder.conv(x, filters, kernel=3, padding=1))
        x = builder.max_pool(x, 2)
    x = builder.flatten(x)
    for features in (64, 48):
        x = builder.relu(builder.linear(x, features))
    return builder.build(builder.linear(x, classes))


@cache
def squeezenet() -> Graph:
    """SqueezeNet with random weights; nobody changes it."""
    return models.with_random_weights(cnnir.load(models.path("squeezenet")))


def one_layer(conv: Conv, shape: tuple[int, ...], data: tuple[int, ...], *, bias: bool = True) -> Graph:
    """A graph of one convolution."""
    graph = Graph("one")
    x = graph.add_input("x", TensorType(DType.FLOAT32, data))
    weight = graph.add_weight("w", Seeded(DType.FLOAT32, shape, 1, 2, 0.3))
    operands = [x, weight]
    if bias:
        operands.append(graph.add_weight("b", Seeded(DType.FLOAT32, shape[:1], 1, 3, 0.3)))
    graph.set_outputs([graph.add_node(conv, operands, name="layer", outputs=["y"]).output])
    return graph


# Full rank


@pytest.mark.parametrize("mode", MODES)
def test_full_rank_keeps_the_outputs_of_a_vgg(mode: str) -> None:
    graph = vgg()
    result = graph.apply("bottleneck", mode=mode, ratio=1.0)
    assert result.metrics["layers factorised"] == {"separable": 6}.get(mode, 6 if mode == "tucker" else 9)
    assert distance(graph, result.graph) < TOLERANCE
    assert [value.name for value in result.graph.outputs] == [value.name for value in graph.outputs]


@pytest.mark.parametrize("mode", ["auto", "svd"])
def test_full_rank_keeps_the_outputs_of_squeezenet(mode: str) -> None:
    result = squeezenet().apply("bottleneck", mode=mode, ratio=1.0)
    assert result.metrics["layers factorised"] == 26
    assert distance(squeezenet(), result.graph) < TOLERANCE


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("conv", "kernel"),
    [
        (Conv((2, 1), (1, 0, 2, 3), (1, 1)), (3, 3)),
        (Conv((1, 2), (2, 4, 2, 4), (2, 3)), (3, 2)),
        (Conv((2, 3), (0, 0, 0, 0), (1, 1)), (1, 1)),
        (Conv((2, 2), (1, 1, 1, 1), (1, 1)), (1, 1)),
        (Conv((2, 2), (0, 0, 0, 0), (1, 1), auto_pad="SAME_UPPER"), (3, 4)),
        (Conv((2, 2), (0, 0, 0, 0), (1, 1), auto_pad="SAME_LOWER"), (4, 3)),
        (Conv((1, 1), (0, 0, 0, 0), (2, 1), auto_pad="VALID"), (3, 3)),
        (Conv((1, 1), (0, 1, 0, 1), (1, 1)), (1, 3)),
    ],
    ids=str,
)
def test_stride_padding_and_dilation_stay_with_the_window(mode: str, conv: Conv, kernel: tuple[int, int]) -> None:
    graph = one_layer(conv, (6, 5, *kernel), (2, 5, 11, 13))
    result = graph.apply("bottleneck", mode=mode, ratio=1.0)
    if result.modified:
        assert distance(graph, result.graph) < TOLERANCE
    else:
        assert mode in ("tucker", "separable")
        assert min(kernel) == 1
        assert len(result.refusals) == 1


@pytest.mark.parametrize(
    ("op", "data", "weight"),
    [
        (Gemm(), (3, 7), (7, 5)),
        (Gemm(trans_a=True, trans_b=True, alpha=0.5, beta=2.0), (7, 3), (5, 7)),
        (MatMul(), (2, 3, 7), (7, 5)),
    ],
    ids=str,
)
def test_fully_connected_layers_in_all_forms(op: Gemm | MatMul, data: tuple[int, ...], weight: tuple[int, ...]) -> None:
    graph = Graph("fc")
    operands = [graph.add_input("x", TensorType(DType.FLOAT32, data))]
    operands.append(graph.add_weight("w", Seeded(DType.FLOAT32, weight, 0, 1, 1.0)))
    if isinstance(op, Gemm):
        operands.append(graph.add_weight("c", Seeded(DType.FLOAT32, (3, 1), 0, 2, 1.0)))
    graph.set_outputs([graph.add_node(op, operands, name="fc").output])
    for ratio, reached in ((1.0, True), (0.4, False)):
        result = graph.apply("bottleneck", ratio=ratio)
        assert (distance(graph, result.graph) < TOLERANCE) is reached
        assert len(result.graph) == 2


# Ranks


def error_of(change: str) -> float:
    return float(change.rsplit("weight error ", maxsplit=1)[1])


def test_the_reported_error_is_that_of_the_weights() -> None:
    graph = one_layer(Conv((1, 1), (1, 1, 1, 1), (1, 1)), (12, 8, 3, 3), (1, 8, 9, 9), bias=False)
    for mode, spelled in (
        ("svd", "rchw,krxy->kchw"),
        ("separable", "rchx,kryw->kchw"),
        ("tucker", "acxy,bahw,kbxy->kchw"),
    ):
        result = graph.apply("bottleneck", mode=mode, rank=3)
        factors = [value.weight.array() for value in result.graph.weights if value.weight is not None]
        weight = graph.value("w").weight
        assert weight is not None
        lost = weight.array() - np.einsum(spelled, *factors)
        error = np.linalg.norm(lost) / np.linalg.norm(weight.array())
        assert error_of(result.changes[0].what) == pytest.approx(float(error), rel=1e-3)


def test_costs_in_the_journal_are_those_of_the_graph() -> None:
    graph = vgg()
    before = costs(graph)
    for mode in MODES:
        result = graph.apply("bottleneck", mode=mode, ratio=0.5)
        after = costs(result.graph)
        assert isinstance(before.macs, int)
        assert isinstance(after.macs, int)
        assert result.metrics["macs saved"] == before.macs - after.macs
        shown = sum(int(change.what.split("MACs ")[1].split(" -> ")[1].split(", w")[0].replace(",", ""))
                    for change in result.changes if "weight error" in change.what)  # fmt: skip
        untouched = sum(
            int(str(entry.macs))
            for entry in before.nodes
            if entry.node.label in {n for r in result.refusals for n in r.nodes}
        )
        assert shown + untouched == after.macs


def test_energy_keeps_that_share_and_refuses_what_does_not_pay() -> None:
    graph = vgg()
    result = graph.apply("bottleneck", energy=0.8)
    assert result.changes
    layers = [change.what for change in result.changes if "weight error" in change.what]
    assert all(error_of(what) <= np.sqrt(0.2) + 1e-9 for what in layers)
    assert result.metrics["macs saved"] > 0
    assert len(layers) + len(result.refusals) == 9
    everything = graph.apply("bottleneck", energy=1.0)
    assert distance(graph, everything.graph) < TOLERANCE


def test_ranks_are_multiples_where_asked_for() -> None:
    result = vgg().apply("bottleneck", mode="svd", ratio=0.3, multiple=8)
    first = [node for node in result.graph.nodes if node.name.endswith("_reduce")]
    widths = [known_shape(node.output.type.shape)[1] for node in first if isinstance(node.output.type, TensorType)]
    assert len(widths) == 9
    assert all(width % 8 == 0 or width == 10 for width in widths)  # 10 is the full rank of the last layer


def test_names_choose_layers() -> None:
    graph = vgg()
    result = graph.apply("bottleneck", rank=2, nodes="conv1|fc*")
    assert result.metrics["layers factorised"] == 4
    with pytest.raises(CnnirError, match="node-unknown"):
        graph.apply("bottleneck", rank=2, nodes="conv1|nothing*")
    refused = graph.apply("bottleneck", rank=2, nodes="relu1").refusals
    assert [refusal.nodes for refusal in refused] == [("relu1 (Relu)",)]


def test_symbolic_sizes_stay_symbolic() -> None:
    builder = GraphBuilder("open")
    x = builder.input("image", ("N", 8, "H", "W"))
    graph = builder.build(builder.conv(x, 16, kernel=3, padding=1))
    result = graph.apply("bottleneck", ratio=0.5)
    assert result.graph.outputs[0].type == graph.outputs[0].type
    assert distance(graph.bind(N=1, H=9, W=9), graph.apply("bottleneck", ratio=1.0).graph.bind(N=1, H=9, W=9)) < 1e-4
    with pytest.raises(CnnirError, match="budget-unknown"):
        graph.apply("bottleneck", macs=0.5)


# Weights


def test_factors_are_lazy_and_shared_and_leave_others_alone() -> None:
    builder = GraphBuilder("twins")
    x = builder.input("image", (1, 8, 9, 9))
    first = builder.conv(x, 8, kernel=3, padding=1, name="first")
    weight = builder.graph.value("first.weight")
    op = Conv((1, 1), (1, 1, 1, 1), (1, 1))
    second = builder.op(op, first, weight, name="second")
    graph = builder.build(builder.op(op, second, weight, name="third"))
    some = graph.apply("bottleneck", nodes="first|second", rank=4).graph
    assert some.value("first.weight").uses == ((some.node("third"), 1),)
    assert some.node("first").inputs[1] is some.node("second").inputs[1]
    made = [value.weight for value in some.weights if isinstance(value.weight, Computed)]
    assert len(made) == 3
    every = graph.apply("bottleneck", rank=4).graph
    assert "first.weight" not in [value.name for value in every.weights]
    assert distance(graph, graph.apply("bottleneck", ratio=1.0).graph) < TOLERANCE


def test_what_does_not_apply_is_refused() -> None:
    graph = Graph("refused")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 4, 6, 6)))

    def weight(name: str, *shape: int) -> Value:
        return graph.add_weight(name, Seeded(DType.FLOAT32, shape, 0, 1, 1.0))

    plain = Conv((1, 1), (0, 0, 0, 0), (1, 1))
    graph.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1), group=4), [x, weight("d", 4, 1, 1, 3)], name="depthwise")
    transposed = ConvTranspose((1, 1), (0, 0, 0, 0), (1, 1), (0, 0))
    graph.add_node(transposed, [x, weight("t", 4, 4, 3, 3)], name="transposed")
    attributes = helper.make_node("LSTM", [], [], hidden_size=3).SerializeToString()
    graph.add_node(
        Opaque("", "LSTM", 14, attributes), [x, weight("l", 1, 12, 6), weight("r", 1, 12, 3)], name="recurrent"
    )
    fed = graph.add_input("fed", TensorType(DType.FLOAT32, (4, 4, 3, 3)))
    graph.add_node(plain, [x, fed], name="fed_weight")
    graph.set_outputs([node.output for node in graph.nodes])
    result = graph.apply("bottleneck", rank=1)
    reasons = {refusal.nodes[0].split()[0]: refusal.reason for refusal in result.refusals}
    assert not result.modified
    assert set(reasons) == {"depthwise", "transposed", "recurrent", "fed_weight"}
    assert "depthwise" in reasons["depthwise"]
    assert "transposed convolution" in reasons["transposed"]
    assert "LSTM" in reasons["recurrent"]
    assert "not a constant" in reasons["fed_weight"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rank": 2, "ratio": 0.5},
        {"ratio": 1.5},
        {"macs": -0.5},
        {"rank": -1},
        {"rank": 2, "multiple": 0},
        {"rank": 2, "mode": "none"},
        {"peak": "many"},
    ],
    ids=str,
)
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(CnnirError, match="option-value"):
        apply(vgg(), Bottleneck(**options))  # type: ignore[arg-type]


def test_text_form() -> None:
    text = "bottleneck{mode=tucker,nodes=conv*|fc1,macs=0.5,multiple=8}"
    assert str(Pipeline.parse(text)) == text


# Before and after


def test_cost_of_both_graphs() -> None:
    graph = vgg()
    result = graph.apply("bottleneck", macs=0.5)
    found = {(figure.name, figure.unit): figure for figure in figures(graph, result.graph)}
    assert found["params", "elements"].after == costs(result.graph).params
    assert found["MACs", ""].before == costs(graph).macs
    assert found["planned arena", "bytes"].after == result.graph.plan().arena_bytes
    before, after = found["MACs", ""].before, found["MACs", ""].after
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after <= 0.5 * before


def test_contents_without_factors_stop_the_pass() -> None:
    graph = one_layer(Conv((1, 1), (0, 0, 0, 0), (1, 1)), (4, 4, 1, 1), (1, 4, 2, 2), bias=False)
    graph.value("w").weight = Array.of(np.full((4, 4, 1, 1), np.nan, np.float32))
    with pytest.raises(CnnirError, match="weight-contents"):
        graph.apply("bottleneck", rank=1)


@pytest.mark.parametrize("mode", ["svd", "tucker", "separable"])
def test_factors_beyond_the_type_stop_the_pass(mode: str) -> None:
    """Each element is a float16, the singular values are larger: infinities would be written."""
    for scale, fits in ((200.0, True), (20_000.0, False)):
        contents = np.random.default_rng(0).standard_normal((32, 32, 3, 3)) * scale
        half = Graph("half")
        x = half.add_input("x", TensorType(DType.FLOAT16, (1, 32, 4, 4)))
        weight = half.add_weight("w", Array.of(np.clip(contents, -60_000, 60_000).astype(np.float16)))
        half.set_outputs([half.add_node(Conv((1, 1), (0, 0, 0, 0), (1, 1)), [x, weight], name="layer").output])
        if not fits:
            with pytest.raises(CnnirError, match=r"factor-range") as caught:
                half.apply("bottleneck", mode=mode, ratio=1.0, measure=False)
            assert "layer" in str(caught.value)
            continue
        feed = {"x": np.full((1, 32, 4, 4), 1e-3, np.float16)}
        result = half.apply("bottleneck", mode=mode, ratio=1.0, measure=False)
        (ours,), (theirs,) = (runtime(one, feed) for one in (half, result.graph))
        assert np.abs(ours.astype(np.float64) - theirs).max() < 0.01 * np.abs(ours.astype(np.float64)).max()
