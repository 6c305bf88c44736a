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
