"""What the builder is given from outside: numbers are sizes or refused in one line."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cnnir import CnnirError, GraphBuilder
from cnnir.graph import Value
from cnnir.types import TensorType
from cnnir.zoo import vgg16

Layer = Callable[[GraphBuilder, Value], Value]


def refusal(make: Callable[[], object]) -> CnnirError:
    """The error of a call that must fail."""
    with pytest.raises(CnnirError) as caught:
        make()
    return caught.value


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ((1, -3, 8, 8), "dim-negative"),
        ((1, 3.5, 8, 8), "dim-number"),
        ((1, None, 8, 8), "dim-number"),
        ((1, "-3", 8, 8), "dim-negative"),
        ((1, "", 8, 8), "dim-syntax"),
        ((1, np.float32(3), 8, 8), "dim-number"),
        ((1, True, 8, 8), "dim-number"),
    ],
)
def test_input_shapes(shape: tuple[Any, ...], code: str) -> None:
    """Each names the input."""
    builder = GraphBuilder("bad")
    assert refusal(lambda: builder.input("image", shape)).code == code
    assert builder.graph.inputs == ()


def test_numbers_of_any_kind() -> None:
    """NumPy's integers are numbers like others, and end as Python's."""
    builder = GraphBuilder("numpy")
    x = builder.input("x", (np.int64(1), np.uint8(3), "H", 8))  # type: ignore[arg-type]
    y = builder.conv(x, np.int32(4), kernel=np.int64(3), padding=(np.int8(1), 1), groups=np.int8(1))  # type: ignore[arg-type]
    for value in (x, y):
        assert isinstance(value.type, TensorType)
        assert {type(dim) for dim in (value.type.shape[:2] + value.type.shape[3:])} == {int}
    assert str(builder.build(y))


LAYERS: dict[str, tuple[Layer, str]] = {
    "groups=0": (lambda b, x: b.conv(x, 4, kernel=3, groups=0), "dim-negative"),
    "groups=-1": (lambda b, x: b.conv(x, 4, kernel=3, groups=-1), "dim-negative"),
    "groups=2": (lambda b, x: b.conv(x, 4, kernel=3, groups=2), "conv-group"),
    "filters=-4": (lambda b, x: b.conv(x, -4, kernel=3), "dim-negative"),
    "filters=2.5": (lambda b, x: b.conv(x, 2.5, kernel=3), "dim-number"),  # type: ignore[arg-type]
    "kernel=0": (lambda b, x: b.conv(x, 4, kernel=0), "dim-negative"),
    "kernel=(3, 3, 3)": (lambda b, x: b.conv(x, 4, kernel=(3, 3, 3)), "dim-number"),  # type: ignore[arg-type]
    "stride=0": (lambda b, x: b.conv(x, 4, kernel=3, stride=0), "dim-negative"),
    "padding=-1": (lambda b, x: b.conv(x, 4, kernel=3, padding=-1), "dim-negative"),
    "dilation=0": (lambda b, x: b.conv(x, 4, kernel=3, dilation=(1, 0)), "dim-negative"),
    "padding=valid": (lambda b, x: b.conv(x, 4, kernel=3, padding="valid"), "dim-number"),  # type: ignore[arg-type]
    "pool kernel": (lambda b, x: b.max_pool(x, 1.5), "dim-number"),  # type: ignore[arg-type]
    "pool stride": (lambda b, x: b.average_pool(x, 2, 0), "dim-negative"),
    "outputs=-1": (lambda b, x: b.linear(b.flatten(x), -1), "dim-negative"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_arguments(name: str) -> None:
    """Each names the layer, and the graph has no node of it."""
    layer, code = LAYERS[name]
    builder = GraphBuilder("bad")
    x = builder.input("x", (1, 3, 8, 8))
    error = refusal(lambda: layer(builder, x))
    assert error.code == code
    assert error.node is not None
    assert error.node.rstrip("1") in ("conv", "pool", "fc")
    assert all(node.op.kind == "Flatten" for node in builder.graph.nodes)


@pytest.mark.parametrize(("options", "code"), [({"batch": -1}, "dim-negative"), ({"size": 224.0}, "dim-number")])
def test_networks_of_the_zoo(options: dict[str, Any], code: str) -> None:
    """Their options are sizes, too."""
    assert refusal(lambda: vgg16(**options)).code == code


def test_blocks() -> None:
    """Gates, shuffles and parts have the shapes, and the values, that their words say."""
    builder = GraphBuilder("blocks")
    x = builder.image(4, (5, 6), batch="N", name="x")
    left, right = builder.split(x, (1, 3))
    outputs = {
        "shuffle": builder.channel_shuffle(x, 2),
        "swish": builder.swish(x),
        "hard": builder.mul(x, builder.hard_sigmoid(x)),
        "hard_swish": builder.hard_swish(x),
        "up": builder.upsample(left, 3),
        "transposed": builder.conv_transpose(right, 2, kernel=2, stride=2),
        "padded": builder.pad(x, (1, 2, 3, 4)),
        "relu6": builder.relu6(x),
        "pooled": builder.max_pool(x, 2, ceil_mode=True),
        "mean": builder.average_pool(x, 3, 1, 1, count_padding=True),
        "conv": builder.conv(x, 3, kernel=3, padding=(0, 1, 2, 0)),
    }
    graph = builder.build(*outputs.values())
    image = np.random.default_rng(0).normal(0, 5, (2, 4, 5, 6)).astype(np.float32)
    found = dict(zip(outputs, graph.run({"x": image}).values(), strict=True))
    np.testing.assert_array_equal(found["shuffle"], image[:, [0, 2, 1, 3]])
    np.testing.assert_allclose(found["swish"], image / (1 + np.exp(-image)), rtol=1e-5)
    np.testing.assert_allclose(found["hard"], found["hard_swish"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["up"], image[:, :1].repeat(3, 2).repeat(3, 3))
    assert found["transposed"].shape == (2, 2, 10, 12)
    np.testing.assert_array_equal(found["padded"], np.pad(image, ((0, 0), (0, 0), (1, 3), (2, 4))))
    np.testing.assert_array_equal(found["relu6"], image.clip(0, 6))
    assert found["pooled"].shape == (2, 4, 3, 3)
    np.testing.assert_allclose(found["mean"][0, 0, 0, 0], image[0, 0, :2, :2].sum() / 9, rtol=1e-5)
    assert found["conv"].shape == (2, 3, 5, 5)


def test_padding_that_the_size_decides() -> None:
    """With "same" a window of 3 at stride 2 begins at the border of an even map, before that of an odd one."""
    builder = GraphBuilder("same")
    x = builder.image(1, ("H", 5), name="x")
    pooled = builder.max_pool(x, 3, 2, "same")
    means = builder.average_pool(x, 3, 2, "same")
    conv = builder.conv(x, 2, kernel=3, stride=2, padding="same", bias=False)
    graph = builder.build(pooled, means, conv)
    assert str(conv.type) == "float32[1, 2, (H + 1)//2, 3]"
    image = np.random.default_rng(0).normal(0, 5, (1, 1, 4, 5)).astype(np.float32)
    maxima, averages, sums = graph.run({"x": image}).values()
    for row, column in np.ndindex(2, 3):
        window = image[0, 0, 2 * row : 2 * row + 3, max(2 * column - 1, 0) : 2 * column + 2]
        assert maxima[0, 0, row, column] == window.max()
        np.testing.assert_allclose(averages[0, 0, row, column], window.mean(), rtol=1e-5)
    weight = graph.value("conv1.weight").weight
    assert weight is not None
    kernel = weight.array()[:, 0]
    np.testing.assert_allclose(
        sums[0, :, 0, 1], (kernel * image[0, 0, 0:3, 1:4]).sum(axis=(1, 2)), rtol=1e-5, atol=1e-5
    )


def test_crops() -> None:
    """Margins come off each border, at any size; no margin takes nothing."""
    builder = GraphBuilder("crop")
    x = builder.image(2, "H", name="x")
    cut, whole = builder.crop(x, (1, 0, 2, 3)), builder.crop(x, 0)
    graph = builder.build(cut, whole, builder.crop(builder.pad(x, 4), 4))
    image = np.random.default_rng(0).normal(0, 1, (1, 2, 7, 7)).astype(np.float32)
    parts = list(graph.run({"x": image}).values())
    np.testing.assert_array_equal(parts[0], image[:, :, 1:-2, :-3])
    np.testing.assert_array_equal(parts[1], image)
    np.testing.assert_array_equal(parts[2], image)
    assert refusal(lambda: builder.crop(x, -1)).code == "dim-negative"
