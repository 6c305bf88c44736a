"""What is said of the outputs: the error end to end, by layers, and in narrow types; measured anew by ONNX Runtime."""

import numpy as np
import pytest

from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import seeded_feed
from cnnir.ops import Conv
from cnnir.passes import PassResult
from cnnir.passes.bottleneck import Bottleneck, data_aware, end_to_end
from cnnir.types import DType, TensorType
from cnnir.weights import AnyArray, Array
from tests.passes.test_bottleneck import error_of, runtime, vgg


def stated(result: PassResult) -> tuple[float, float]:
    """The norm's share and the largest element's, as the journal has them."""
    (text,) = [change.what for change in result.changes if "end to end" in change.what]
    return float(text.split(": ")[1].split()[0]), float(text.split("at most ")[1].split()[0])


def judged(before: Graph, after: Graph, feeds: list[dict[str, AnyArray]]) -> tuple[float, float]:
    ours, theirs = (np.concatenate([runtime(graph, feed)[0] for feed in feeds]) for graph in (before, after))
    norm = np.linalg.norm(ours - theirs) / np.linalg.norm(ours)
    return float(norm), float(np.abs(ours - theirs).max() / np.abs(ours).max())


@pytest.mark.parametrize("options", [{"mode": "svd", "ratio": 0.5}, {"macs": 0.3}, {"mode": "tucker", "energy": 0.7}])
def test_the_error_end_to_end_is_that_of_the_outputs(options: dict[str, object]) -> None:
    graph = vgg(16, (8, 12))
    result = graph.apply("bottleneck", **options)
    expected = judged(graph, result.graph, [seeded_feed(graph, 0)])
    assert stated(result) == pytest.approx(expected, rel=1e-3)
    assert expected[0] > 0.01
    layers = [change.what for change in result.changes if "weight error" in change.what]
    assert len(layers) == result.metrics["layers factorised"]
    assert stated(graph.apply("bottleneck", mode="svd", ratio=1.0))[1] < 1e-4


def test_samples_are_what_it_is_measured_on() -> None:
    graph = vgg(16, (8, 12))
    rng = np.random.default_rng(3)
    feeds = [{"image": rng.standard_normal((1, 3, 16, 16)).astype(np.float32)} for _ in range(3)]
    result = data_aware(graph, feeds, Bottleneck(ratio=0.5))
    assert "on the samples" in result.changes[-1].what
    assert stated(result) == pytest.approx(judged(graph, result.graph, feeds), rel=1e-3)


def test_it_can_be_left_out_and_a_reason_stands_where_it_is_not_known() -> None:
    graph = vgg(16, (8, 12))
    quiet = graph.apply("bottleneck", ratio=0.5, measure=False)
    assert not any("end to end" in str(entry) for entry in (*quiet.changes, *quiet.refusals))
    assert not any("end to end" in entry.what for entry in graph.apply("bottleneck", macs=1.0).changes)
    builder = GraphBuilder("open")
    x = builder.input("image", ("N", 8, "H", "W"))
    result = builder.build(builder.conv(x, 16, kernel=3)).apply("bottleneck", ratio=0.5)
    (reason,) = [refusal.reason for refusal in result.refusals]
    assert "end to end is not measured" in reason
    graph.value("fc3.bias").weight = Array.of(np.full(10, np.inf, np.float32))
    (reason,) = [refusal.reason for refusal in graph.apply("bottleneck", ratio=0.5).refusals]
    assert "infinities" in reason


def test_the_worst_of_several_outputs_counts() -> None:
    builder = GraphBuilder("two")
    x = builder.input("x", (1, 8, 6, 6))
    graph = builder.build(
        builder.conv(x, 8, kernel=1, name="kept"), builder.conv(x, 8, kernel=1, bias=False, name="cut")
    )
    result = graph.apply("bottleneck", rank=1, nodes="cut")
    found = end_to_end(graph, result.graph)
    assert found.output == "cut"
    feed = seeded_feed(graph, 0)
    ours, theirs = runtime(graph, feed)[1], runtime(result.graph, feed)[1]
    assert found.norm == pytest.approx(float(np.linalg.norm(ours - theirs) / np.linalg.norm(ours)), rel=1e-4)
    with pytest.raises(CnnirError, match="outputs-missing"):
        end_to_end(Graph("nothing"), Graph("nothing"))


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.FLOAT64, DType.BFLOAT16])
@pytest.mark.parametrize("mode", ["svd", "tucker", "separable"])
def test_other_floats(mode: str, dtype: DType) -> None:
    """Factors are worked out in double precision and rounded once, to the weight's own type."""
    rng = np.random.default_rng(11)
    contents = rng.normal(0, 0.2, (12, 8, 3, 3)).astype(dtype.numpy)
    graph = Graph("narrow")
    x = graph.add_input("x", TensorType(dtype, (1, 8, 9, 9)))
    weight = graph.add_weight("w", Array.of(contents))
    conv = Conv((1, 1), (1, 1, 1, 1), (1, 1))
    graph.set_outputs([graph.add_node(conv, [x, weight], name="layer").output])
    full = graph.apply("bottleneck", mode=mode, ratio=1.0, measure=False)
    factors = [value.weight for value in full.graph.weights if value.weight is not None]
    assert all(factor.dtype is dtype for factor in factors)
    steps = {DType.FLOAT16: 2.0**-11, DType.FLOAT64: 2.0**-53, DType.BFLOAT16: 2.0**-8}
    spelled = {"svd": "rchw,krxy->kchw", "separable": "rchx,kryw->kchw", "tucker": "acxy,bahw,kbxy->kchw"}
    rebuilt = np.einsum(spelled[mode], *(factor.array().astype(np.float64) for factor in factors))
    exact = contents.astype(np.float64)
    # Each of two or three factors is off by half a step at most; sums of such errors grow with their root.
    assert np.linalg.norm(rebuilt - exact) < 4 * steps[dtype] * np.linalg.norm(exact) + 1e-12
    text = full.changes[0].what
    assert ("rounded to" in text) is (dtype is not DType.FLOAT64)
    if dtype is DType.FLOAT16:  # ONNX Runtime has no convolution of the others here
        below = graph.apply("bottleneck", mode=mode, rank=4)
        assert distance_of(graph, below.graph) == pytest.approx(stated(below)[1], rel=0.2)
        error = error_of(below.changes[0].what.split(" before")[0])
        assert 0 < error < 1


def distance_of(before: Graph, after: Graph) -> float:
    """Of ONNX Runtime's outputs, on the journal's own inputs."""
    feed = seeded_feed(before, 0)
    ours, theirs = (np.asarray(runtime(graph, feed)[0], np.float64) for graph in (before, after))
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())
