"""VGG-16: every row of the classic table, and what follows from it."""

import numpy as np
import pytest

import cnnir
from cnnir import CnnirError, zoo
from cnnir.verify import verify

CLASSIC = [
    # name, height x width x channels, weights
    ("data", (224, 224, 3), 0),
    ("conv1_1", (224, 224, 64), (3 * 3 * 3) * 64),
    ("conv1_2", (224, 224, 64), (3 * 3 * 64) * 64),
    ("pool1", (112, 112, 64), 0),
    ("conv2_1", (112, 112, 128), (3 * 3 * 64) * 128),
    ("conv2_2", (112, 112, 128), (3 * 3 * 128) * 128),
    ("pool2", (56, 56, 128), 0),
    ("conv3_1", (56, 56, 256), (3 * 3 * 128) * 256),
    ("conv3_2", (56, 56, 256), (3 * 3 * 256) * 256),
    ("conv3_3", (56, 56, 256), (3 * 3 * 256) * 256),
    ("pool3", (28, 28, 256), 0),
    ("conv4_1", (28, 28, 512), (3 * 3 * 256) * 512),
    ("conv4_2", (28, 28, 512), (3 * 3 * 512) * 512),
    ("conv4_3", (28, 28, 512), (3 * 3 * 512) * 512),
    ("pool4", (14, 14, 512), 0),
    ("conv5_1", (14, 14, 512), (3 * 3 * 512) * 512),
    ("conv5_2", (14, 14, 512), (3 * 3 * 512) * 512),
    ("conv5_3", (14, 14, 512), (3 * 3 * 512) * 512),
    ("pool5", (7, 7, 512), 0),
    ("fc6", (1, 1, 4096), 7 * 7 * 512 * 4096),
    ("fc7", (1, 1, 4096), 4096 * 4096),
    ("fc8", (1, 1, 1000), 4096 * 1000),
]


def test_rows() -> None:
    """The rows that take memory are those of the table: shape, activation memory, weights, biases, MACs."""
    rows = [row for row in zoo.vgg16().table().rows if row.elements != 0]
    assert [row.name for row in rows] == [name for name, _, _ in CLASSIC]
    for row, (name, (height, width, channels), weights) in zip(rows, CLASSIC, strict=True):
        assert row.shape is not None
        spatial = (height, width) if len(row.shape) == 4 else ()
        assert row.shape == (1, channels, *spatial), name
        assert row.elements == height * width * channels
        assert row.bytes == 4 * height * width * channels
        assert row.weights == weights
        assert row.biases == (channels if weights else 0)
        assert row.params == (weights + channels if weights else 0)
        assert row.macs == weights * (height * width if spatial else 1)


def test_rows_without_memory() -> None:
    """ReLU, Dropout and Softmax stand in place of what they read; Flatten looks at it."""
    silent = {row.name: row.shares for row in zoo.vgg16().table().rows if row.elements == 0}
    assert silent["relu1_1"] == "in place of conv1_1"
    assert silent["flatten"] == "view of pool5"
    assert silent["drop6"] == "view of relu6"
    assert silent["prob"] == "in place of fc8"
    assert len(silent) == 13 + 1 + 2 + 2 + 1


def test_totals() -> None:
    """The true sums; the one that is often quoted is not theirs."""
    totals = zoo.vgg16().table().totals
    assert (totals.elements, totals.bytes) == (15237608, 60950432)
    assert totals.training_bytes == 2 * 60950432
    assert (totals.weights, totals.params) == (138344128, 138357544)
    assert totals.weight_bytes == 4 * 138357544
    assert totals.macs == 15470264320
    assert totals.elements == sum(height * width * channels for _, (height, width, channels), _ in CLASSIC)


def test_plan() -> None:
    """The two first maps of 64 channels live together; nothing needs more."""
    graph = zoo.vgg16()
    verify(graph)
    plan = graph.plan()
    assert plan.arena_bytes == 2 * 64 * 224 * 224 * 4
    assert plan.status == "optimal"


def test_another_size_and_batch() -> None:
    """Size, classes and batch reach the network."""
    graph = zoo.vgg16(size=64, classes=10, batch=2)
    assert str(graph.outputs[0].type) == "float32[2, 10]"
    feed = {"data": np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)}
    (scores,) = graph.run(feed).values()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(graph.run(feed, plan=graph.plan())["prob"], scores)
    with pytest.raises(CnnirError, match=r"fc6 \(Gemm\)"):
        graph.resize({"data": (1, 3, 96, 96)})


def test_weights_follow_from_the_seed() -> None:
    """The same seed gives the same weights, another seed others."""
    weights = [zoo.vgg16(size=32, seed=seed).value("conv1_1.weight").weight for seed in (0, 0, 1)]
    first, again, other = (weight.array() for weight in weights if weight is not None)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert abs(float(first.std()) - np.sqrt(2 / 27)) < 0.02


def test_by_name() -> None:
    """The zoo gives networks by name, and says what it has."""
    assert cnnir.zoo.build("vgg16").name == "vgg16"
    assert (
        cnnir.zoo.build("VGG-16{size=64x32, classes=7}").inputs[0].type == cnnir.zoo.vgg16(size=(64, 32)).inputs[0].type
    )
    with pytest.raises(CnnirError, match=r"it has .*vgg16.* \[zoo-unknown\]"):
        cnnir.zoo.build("vgg61")
