"""What the sources say of single networks, beyond their totals."""

import numpy as np
import pytest

from cnnir import CnnirError, zoo
from cnnir.ops import AveragePool, BatchNormalization, Conv, Relu
from cnnir.types import TensorType
from tests.models import random_input, with_random_weights

SIDES = {
    "lenet5": {"C1": 28, "S2": 14, "C3": 10, "S4": 5, "C5": 1},
    "convnetjs_cifar10": {"pool1": 16, "pool2": 8, "pool3": 4},
    "nielsen": {"conv1": 24, "pool1": 12, "conv2": 8, "pool2": 4},
    "alexnet": {"conv1": 55, "pool1": 27, "pool2": 13, "pool5": 6},
    "alexnet_single_tower": {"conv1": 55, "pool1": 27, "pool2": 13, "pool5": 6},
    "zfnet": {"conv1": 110, "pool1": 55, "conv2": 26, "pool2": 13, "pool5": 6},
    "nin": {"pool1": 16, "pool2": 8, "cccp6": 8},
    "nin_imagenet": {"conv1": 54, "pool1": 27, "pool2": 13, "cccp8": 6},
    "all_cnn_c": {"conv1_3": 16, "conv2_3": 8, "conv3_1": 6, "conv3_3": 6},
    "googlenet": {"conv1/7x7_s2": 112, "conv2/3x3": 56, "inception_3a/output": 28, "inception_4e/output": 14,
                  "inception_5b/output": 7},
    "googlenet_bn": {"conv1.conv": 112, "conv3.conv": 56, "inception3a": 28, "inception4e": 14, "inception5b": 7},
    "inception_v3": {"Conv2d_1a_3x3.conv": 149, "maxpool1": 73, "maxpool2": 35, "Mixed_5d": 35, "Mixed_6e": 17,
                     "Mixed_7c": 8},
    "squeezenet1_0": {"conv1": 109, "pool1": 54, "pool4": 27, "pool8": 13, "conv10": 13},
    "squeezenet1_1": {"conv1": 111, "pool1": 55, "pool3": 27, "pool5": 13, "conv10": 13},
}  # fmt: skip
"""Height and width of maps, as the papers' figures and tables and the models in Caffe and torchvision have them."""

TABLE_I = """
    X...XXX..XXXX.XX
    XX...XXX..XXXX.X
    XXX...XXX..X.XXX
    .XXX..XXXX..X.XX
    ..XXX..XXXX.XX.X
    ...XXX..XXXX.XXX
"""
"""Rows are maps of S2, columns maps of C3, as printed in the paper."""


@pytest.mark.parametrize("name", SIDES)
def test_sides_of_maps(name: str) -> None:
    """Maps are as large as the source says."""
    graph = zoo.build(name)
    for value, side in SIDES[name].items():
        found = graph.value(value).type
        assert isinstance(found, TensorType)
        assert found.shape[2:] == (side, side), value


def test_lenet5_sees_what_table_1_says() -> None:
    """A change of one map of S2 changes just those maps of C3 that the paper's table connects with it."""
    part = with_random_weights(zoo.lenet5()).apply("cut{from=S2.tanh,to=C3}").graph
    maps = np.random.default_rng(0).standard_normal((1, 6, 14, 14)).astype(np.float32)
    before = part.run({"S2.tanh": maps})["C3"]
    for index, row in enumerate(TABLE_I.split()):
        changed = maps.copy()
        changed[:, index] += 1
        difference = np.abs(part.run({"S2.tanh": changed})["C3"] - before).max(axis=(0, 2, 3))
        assert "".join("X" if apart else "." for apart in difference > 0) == row


def test_lenet5_layers() -> None:
    """Trainable parameters of each layer, as the paper counts them in section II.B."""
    counts: dict[str, int] = {}
    for row in zoo.lenet5().table().rows:
        stem = row.name.split(".")[0]
        assert isinstance(row.params, int)
        counts[stem] = counts.get(stem, 0) + row.params
    expected = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48120, "F6": 10164, "output": 840}
    assert {name: count for name, count in counts.items() if count} == expected


@pytest.mark.parametrize("name", ["alexnet", "zfnet"])
def test_normalisation(name: str) -> None:
    """Section 3.3 of the AlexNet paper: x / (k + alpha * (sum over five maps of x^2)) ^ beta."""
    graph = with_random_weights(zoo.build(name, size=99, width=12, hidden=8))
    before = graph.node("norm1").operands[0].name
    found = graph.run(random_input(graph), [before, "norm1"])
    x = found[before].astype(np.float64)
    square = np.pad(x * x, ((0, 0), (2, 2), (0, 0), (0, 0)))
    sums = sum(square[:, shift : shift + x.shape[1]] for shift in range(5))
    np.testing.assert_allclose(found["norm1"], x / (2 + 1e-4 * sums) ** 0.75, rtol=1e-6)


@pytest.mark.parametrize("name", ["googlenet_bn", "inception_v3"])
def test_normalised_convolutions(name: str) -> None:
    """Torchvision's BasicConv2d: no bias, an epsilon of 0.001, ReLU; averages count the padding."""
    nodes = list(zoo.build(name).nodes)
    convolutions = [node for node in nodes if isinstance(node.op, Conv)]
    normalisations = [node.op for node in nodes if isinstance(node.op, BatchNormalization)]
    assert all(len(node.operands) == 2 for node in convolutions)
    assert len(normalisations) == len(convolutions) == sum(isinstance(node.op, Relu) for node in nodes)
    assert {np.float32(op.epsilon) for op in normalisations} == {np.float32(0.001)}
    assert all(node.op.count_include_pad for node in nodes if isinstance(node.op, AveragePool))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("vgg16{width=many}", "dim-number"),
        ("googlenet{width=0.5}", "dim-number"),
        ("googlenet{width=0}", "dim-negative"),
        ("googlenet{width=1}", "option-value"),
        ("nielsen{layers=some}", "dim-number"),
        ("alexnet{hidden=0}", "dim-negative"),
        ("nin{seed=random}", "dim-number"),
        ("alexnet{size=64}", "window-too-large"),
    ],
)
def test_refusals(name: str, code: str) -> None:
    """What makes no network is refused in one line."""
    with pytest.raises(CnnirError) as caught:
        zoo.build(name)
    assert caught.value.code == code
