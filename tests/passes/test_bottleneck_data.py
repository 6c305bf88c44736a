"""Factors that know the data: smaller output errors on samples that were held out."""

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.ops import Conv, Gemm, MatMul
from cnnir.passes.bottleneck import Bottleneck, batched, data_aware
from cnnir.types import DType, TensorType
from cnnir.weights import AnyArray, Array, Seeded
from tests import models
from tests.passes.test_bottleneck import distance


def images(seed: int, count: int, channels: int = 3, size: int = 16) -> AnyArray:
    """Smooth images: sums of a few waves, with a mean that is far from zero and channels that go together."""
    rng = np.random.default_rng(seed)
    places = np.arange(size) / size
    result = np.zeros((count, channels, size, size))
    for _ in range(4):
        across, down, phase = rng.uniform(0, 2, (3, count, 1, 1))
        wave = np.sin(2 * np.pi * (across * places[None, None, :] + down * places[None, :, None] + phase))
        result += wave[:, None] * rng.normal(1, 0.2, (count, channels, 1, 1))
    return (result + 1.5 + 0.05 * rng.standard_normal(result.shape)).astype(np.float32)


def net(batch: int = 4) -> Graph:
    builder = GraphBuilder("net")
    x = builder.input("image", (batch, 3, 16, 16))
    x = builder.relu(builder.conv(x, 16, kernel=3, padding=1, name="one"))
    x = builder.relu(builder.conv(x, 16, kernel=3, stride=2, padding=1, name="two"))
    x = builder.relu(builder.conv(x, 24, kernel=1, bias=False, name="three"))
    x = builder.flatten(builder.max_pool(x, 4))
    return models.with_random_weights(builder.build(builder.linear(x, 10, name="four")))


def output_error(before: Graph, after: Graph, feeds: list[dict[str, AnyArray]]) -> float:
    """Norm of the difference over the norm of the outputs, all feeds together."""
    lost, whole = 0.0, 0.0
    for feed in feeds:
        (ours,), (theirs,) = before.run(feed).values(), after.run(feed).values()
        lost, whole = lost + float(np.square(ours - theirs).sum()), whole + float(np.square(ours).sum())
    return float(np.sqrt(lost / whole))


@pytest.mark.parametrize("mode", ["svd", "tucker", "separable", "auto"])
@pytest.mark.parametrize("ratio", [0.25, 0.5])
def test_smaller_error_on_held_out_samples_at_equal_rank(mode: str, ratio: float) -> None:
    graph = net()
    seen, held_out = (list(batched("image", images(seed, 32), 4)) for seed in (1, 2))
    options = Bottleneck(mode=mode, ratio=ratio)
    plain, aware = graph.apply(options), data_aware(graph, seen, options)
    assert [node.op for node in aware.graph.nodes] == [node.op for node in plain.graph.nodes]
    errors = [output_error(graph, result.graph, held_out) for result in (plain, aware)]
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize("mode", ["svd", "tucker", "separable"])
def test_full_rank_is_exact_whatever_the_samples(mode: str) -> None:
    graph = net()
    seen = list(batched("image", images(3, 8), 4))
    result = data_aware(graph, seen, Bottleneck(mode=mode, ratio=1.0))
    assert distance(graph, result.graph) < 1e-4
    nothing = {"image": np.zeros((4, 3, 16, 16), np.float32)}
    assert distance(graph, data_aware(graph, nothing, Bottleneck(mode=mode, ratio=1.0)).graph) < 1e-4


def test_the_mean_of_the_outputs_is_kept() -> None:
    """What is lost on average goes into the bias, also where there was none."""
    builder = GraphBuilder("one")
    x = builder.input("image", (16, 3, 16, 16))
    graph = builder.build(builder.conv(x, 8, kernel=3, bias=False, name="only"))
    feed = {"image": images(4, 16)}
    result = data_aware(graph, feed, Bottleneck(mode="svd", rank=1))
    means = [one.run(feed)["only"].mean(axis=(0, 2, 3)) for one in (graph, result.graph)]
    plain = graph.apply("bottleneck", mode="svd", rank=1).graph.run(feed)["only"].mean(axis=(0, 2, 3))
    assert np.abs(means[1] - means[0]).max() < 0.05 * np.abs(plain - means[0]).max()


@pytest.mark.parametrize(
    ("op", "data", "weight", "bias"),
    [
        (Gemm(trans_b=True), (40, 12), (9, 12), (9,)),
        (Gemm(trans_a=True, alpha=0.5), (12, 40), (12, 9), (40, 1)),
        (MatMul(), (4, 10, 12), (12, 9), None),
    ],
    ids=str,
)
def test_fully_connected_layers_in_all_forms(
    op: Gemm | MatMul, data: tuple[int, ...], weight: tuple[int, ...], bias: tuple[int, ...] | None
) -> None:
    graph = Graph("fc")
    operands = [graph.add_input("x", TensorType(DType.FLOAT32, data))]
    operands.append(graph.add_weight("w", Seeded(DType.FLOAT32, weight, 0, 1, 1.0)))
    if bias is not None:
        operands.append(graph.add_weight("c", Seeded(DType.FLOAT32, bias, 0, 2, 1.0)))
    graph.set_outputs([graph.add_node(op, operands, name="fc").output])
    rng = np.random.default_rng(6)
    spread = rng.standard_normal((12, 12)) * np.geomspace(3, 0.03, 12)

    def feed() -> dict[str, AnyArray]:
        rows = rng.standard_normal((40, 12)) @ spread.T
        trans = isinstance(op, Gemm) and op.trans_a
        return {"x": (rows.T if trans else rows.reshape(data)).astype(np.float32)}

    result = data_aware(graph, feed(), Bottleneck(rank=3))
    plain = graph.apply("bottleneck", rank=3)
    held_out = [feed()]
    assert output_error(graph, result.graph, held_out) < 0.8 * output_error(graph, plain.graph, held_out)


def test_dilated_strided_unevenly_padded_windows() -> None:
    graph = Graph("odd")
    x = graph.add_input("image", TensorType(DType.FLOAT32, (4, 3, 16, 16)))
    weight = graph.add_weight("w", Seeded(DType.FLOAT32, (12, 3, 3, 2), 0, 1, 0.3))
    graph.set_outputs([graph.add_node(Conv((2, 1), (2, 0, 1, 1), (2, 3)), [x, weight], name="odd").output])
    seen, held_out = (list(batched("image", images(seed, 16), 4)) for seed in (1, 2))
    for mode in ("svd", "separable"):
        options = Bottleneck(mode=mode, rank=2)
        errors = [
            output_error(graph, result.graph, held_out)
            for result in (graph.apply(options), data_aware(graph, seen, options))
        ]
        assert errors[1] < 0.9 * errors[0]


def test_a_budget_with_samples() -> None:
    graph = net()
    seen, held_out = (list(batched("image", images(seed, 32), 4)) for seed in (1, 2))
    plain = graph.apply("bottleneck", macs=0.5)
    aware = data_aware(graph, seen, Bottleneck(macs=0.5))
    assert aware.metrics["macs saved"] >= plain.metrics["macs saved"] * 0.9
    assert output_error(graph, aware.graph, held_out) < 0.7 * output_error(graph, plain.graph, held_out)
    assert "weighed by the samples" in aware.changes[-2].what
    assert "on the samples" in aware.changes[-1].what


def test_what_cannot_be_is_refused() -> None:
    graph = net()
    with pytest.raises(CnnirError, match="samples-missing"):
        data_aware(graph, [], Bottleneck(rank=2))
    with pytest.raises(CnnirError, match="option-value"):
        data_aware(graph, {"image": images(1, 4)}, Bottleneck(mode="reduce", channels=2))
    feed = {"image": images(1, 4)}
    feed["image"][0, 0, 0, 0] = np.inf
    with pytest.raises(CnnirError, match=r"one \(Conv\).*samples-contents"):
        data_aware(graph, feed, Bottleneck(rank=2))
    graph.value("one.weight").weight = Array.of(np.full((16, 3, 3, 3), np.nan, np.float32))
    with pytest.raises(CnnirError, match="weight-contents"):
        data_aware(graph, {"image": images(1, 4)}, Bottleneck(rank=2))
