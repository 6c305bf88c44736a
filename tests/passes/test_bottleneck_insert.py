"""1x1 convolutions put around others, for networks still to be trained: shapes, weights, interface, costs."""

import numpy as np
import pytest

from cnnir.analysis import costs
from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.ops import Add, Conv, Relu
from cnnir.verify import verify
from cnnir.weights import Fill, Seeded
from tests import models
from tests.passes.test_bottleneck import runtime, vgg


def net() -> Graph:
    """A strided, padded 5x5 in the middle of two others."""
    builder = GraphBuilder("net")
    x = builder.conv(builder.input("image", (2, 3, 17, 17)), 24, kernel=3, padding=1, name="first")
    x = builder.conv(builder.relu(x), 16, kernel=5, stride=2, padding=2, name="middle")
    return builder.build(builder.conv(builder.relu(x), 16, kernel=3, padding=1, name="last"))


def weights_of(graph: Graph) -> dict[str, tuple[int, ...]]:
    return {value.name: value.weight.shape for value in graph.weights if value.weight is not None}


def test_googlenet_style() -> None:
    graph = net()
    result = graph.apply("bottleneck", mode="reduce", channels=6, nodes="middle")
    ops = [(node.name, type(node.op)) for node in result.graph.nodes]
    assert ops[2:5] == [("middle_reduce", Conv), ("middle_reduce_relu", Relu), ("middle", Conv)]
    shapes = weights_of(result.graph)
    assert shapes["middle_reduce.weight"] == (6, 24, 1, 1)
    assert shapes["middle_window.weight"] == (16, 6, 5, 5)
    assert "middle.weight" not in shapes
    assert result.graph.node("middle").op == graph.node("middle").op
    assert result.graph.node("middle").inputs[2] is result.graph.value("middle.bias")
    assert result.graph.outputs[0].type == graph.outputs[0].type


def test_resnet_style_with_a_residual_sum() -> None:
    graph = net()
    result = graph.apply("bottleneck", mode="reduce", style="resnet", ratio=0.25, residual=True, nodes="last")
    kinds = [type(node.op) for node in result.graph.nodes][-6:]
    assert kinds == [Conv, Relu, Conv, Relu, Conv, Add]
    shapes = weights_of(result.graph)
    assert [shapes[f"last_{part}.weight"] for part in ("reduce", "window", "expand")] == [
        (4, 16, 1, 1),
        (4, 4, 3, 3),
        (16, 4, 1, 1),
    ]
    assert result.graph.outputs[0].name == "last"
    feed = models.random_input(graph)
    values = result.graph.run(feed, ["last", "last_expand", "relu2"])
    assert np.allclose(values["last"], values["last_expand"] + values["relu2"])
    assert np.allclose(runtime(result.graph, feed)[0], values["last"], atol=1e-4)


@pytest.mark.parametrize("channels", [1, 4, 40])
def test_a_single_one_reduces_raises_or_fuses(channels: int) -> None:
    graph = net()
    result = graph.apply("bottleneck", mode="reduce", style="single", channels=channels, nodes="middle")
    assert len(result.graph) == len(graph) + 1
    assert weights_of(result.graph)["middle_reduce.weight"] == (channels, 24, 1, 1)
    feed = models.random_input(graph)
    assert np.allclose(runtime(result.graph, feed)[0], result.graph.run(feed)["last"], atol=1e-3)
    if channels == 1:
        values = result.graph.run(feed, ["relu1", "middle_reduce"])
        weight = result.graph.value("middle_reduce.weight").weight
        assert weight is not None
        fused = np.einsum("nchw,c->nhw", values["relu1"], weight.array()[0, :, 0, 0])
        assert np.allclose(values["middle_reduce"][:, 0], fused, atol=1e-5)


def test_weights_are_drawn_by_he_and_lazily() -> None:
    results = [
        net().apply("bottleneck", mode="reduce", channels=64, nodes="middle", draw=draw).graph for draw in (0, 0, 1)
    ]
    drawn = [graph.value("middle_window.weight").weight for graph in results]
    assert all(isinstance(weight, Seeded) for weight in drawn)
    first, again, other = (weight.array() for weight in drawn if weight is not None)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.std() == pytest.approx(np.sqrt(2 / (64 * 25)), rel=0.05)
    bias = results[0].value("middle_reduce.bias").weight
    assert isinstance(bias, Fill)
    assert not bias.array().any()


def test_without_names_only_what_becomes_narrower() -> None:
    graph = vgg()
    result = graph.apply("bottleneck", mode="reduce", channels=8, multiple=8)
    refused = {refusal.nodes[0]: refusal.reason for refusal in result.refusals}
    narrow = [label.split()[0] for label, reason in refused.items() if "fewer" in reason]
    assert narrow == ["conv1", "conv2", "conv3"]  # of 3, 8 and 8 channels
    assert [label.split()[0] for label, reason in refused.items() if "convolutions alone" in reason] == [
        "fc1",
        "fc2",
        "fc3",
    ]
    assert result.metrics["bottlenecks inserted"] == 3
    before, after = costs(graph), costs(result.graph)
    assert isinstance(before.macs, int)
    assert isinstance(after.macs, int)
    assert result.metrics["macs saved"] == before.macs - after.macs > 0
    verify(result.graph)


def test_what_does_not_apply_is_refused() -> None:
    builder = GraphBuilder("refused")
    x = builder.input("image", (1, 8, 9, 9))
    x = builder.conv(x, 8, kernel=3, padding=1, groups=8, name="depthwise")
    x = builder.conv(x, 16, kernel=1, name="pointwise")
    x = builder.conv(x, 16, kernel=3, stride=2, name="strided")
    graph = builder.build(x)
    result = graph.apply("bottleneck", mode="reduce", channels=2, residual=True)
    reasons = [refusal.reason for refusal in result.refusals]
    assert len(reasons) == 3
    assert all(word in reason for word, reason in zip(("groups", "1x1", "cannot be added"), reasons, strict=True))
    assert not result.modified
    assert graph.apply("bottleneck", mode="reduce", channels=2, nodes="p*", style="single").modified


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "reduce"},
        {"mode": "reduce", "channels": 2, "ratio": 0.5},
        {"mode": "reduce", "channels": -2},
        {"mode": "reduce", "channels": 2, "style": "none"},
        {"mode": "reduce", "channels": 2, "macs": 0.5},
        {"mode": "svd", "rank": 2, "channels": 2},
        {"mode": "svd", "rank": 2, "residual": True},
    ],
    ids=str,
)
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(CnnirError, match="option-value"):
        net().apply("bottleneck", **options)
