"""The arithmetic of convolution layers as the textbooks have it."""

import pytest

from cnnir import GraphBuilder
from cnnir.analysis import costs
from cnnir.dims import bind
from cnnir.graph import Graph, Value
from cnnir.ops import Conv, ConvTranspose, MaxPool
from cnnir.types import TensorType
from tests.ops.sources import conditions, dims, shapes, tensor


def layer(
    size: int, channels: int, *, filters: int, kernel: int, padding: int = 0, stride: int = 1, bias: bool = True
) -> Graph:
    """One convolution over a square image."""
    builder = GraphBuilder("layer")
    x = builder.input("x", (1, channels, size, size))
    return builder.build(builder.conv(x, filters, kernel=kernel, padding=padding, stride=stride, bias=bias))


def output(graph: Graph) -> tuple[object, ...]:
    """Channels, height and width of what comes out."""
    (value,) = graph.outputs
    assert isinstance(value.type, TensorType)
    return value.type.shape[1:]


def test_course_example() -> None:
    """11x11x9, F = 3, P = 0, S = 2, two filters: 5x5x2, and 82 parameters a filter."""
    graph = layer(11, 9, filters=2, kernel=3, stride=2)
    assert output(graph) == (2, 5, 5)
    assert costs(graph).params == 2 * 82
    assert costs(layer(11, 9, filters=1, kernel=3, stride=2)).params == 82 == 3 * 3 * 9 + 1


@pytest.mark.parametrize(("channels", "filters"), [(3, 1), (64, 16), (1, 1), (16, 64)])
def test_pointwise_convolution(channels: int, filters: int) -> None:
    """A 1x1 convolution keeps height and width and has k * (n + 1) parameters."""
    graph = layer(32, channels, filters=filters, kernel=1)
    assert output(graph) == (filters, 32, 32)
    assert costs(graph).params == filters * (channels + 1)


def test_colour_to_grey() -> None:
    """32x32x3 becomes 32x32x1 by a 1x1 convolution of four parameters and 3072 multiply-accumulates."""
    graph = layer(32, 3, filters=1, kernel=1)
    assert output(graph) == (1, 32, 32)
    assert (costs(graph).params, costs(graph).macs) == (4, 32 * 32 * 3)


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "stride", "expected"),
    [
        (32, 5, 2, 1, 32),
        (32, 5, 0, 1, 28),
        (227, 11, 0, 4, 55),
        (7, 3, 0, 1, 5),
        (7, 3, 0, 2, 3),
        (7, 3, 1, 3, 3),
        (224, 7, 3, 2, 112),
        (10, 3, 0, 3, 3),
    ],
)
def test_output_size(size: int, kernel: int, padding: int, stride: int, expected: int) -> None:
    """Examples of ``(W - F + 2P) / S + 1`` rounded down, from courses and papers."""
    assert output(layer(size, 3, filters=4, kernel=kernel, padding=padding, stride=stride)) == (4, expected, expected)


def test_size_by_walking() -> None:
    """The formula counts how often the window fits, for every combination of small numbers."""
    for size in range(1, 9):
        for kernel in range(1, 5):
            for padding in range(3):
                for stride in range(1, 4):
                    for dilation in (1, 2):
                        extent = dilation * (kernel - 1) + 1
                        places = range(-padding, size + padding - extent + 1, stride)
                        op = Conv((stride,), (padding, padding), (dilation,))
                        if places:
                            assert shapes(op, tensor(1, 1, size), tensor(1, 1, kernel)) == [(1, 1, len(places))]


def test_same_padding_keeps_the_size() -> None:
    """P = (F - 1) / 2 with stride 1, for odd F."""
    for kernel in (1, 3, 5, 7):
        assert output(layer(13, 2, filters=3, kernel=kernel, padding=kernel // 2)) == (3, 13, 13)


def test_transposed_convolution_undoes_the_size() -> None:
    """It gives back the size that a convolution with the same numbers came from, up to what its stride cut off."""
    for size in range(5, 12):
        for stride in (1, 2, 3):
            ((_, _, small),) = shapes(Conv((stride,), (1, 1), (1,)), tensor(1, 1, size), tensor(1, 1, 3))
            lost = (size + 2 - 3) % stride
            back = ConvTranspose((stride,), (1, 1), (1,), (lost,))
            assert shapes(back, tensor(1, 1, str(small)), tensor(1, 1, 3)) == [(1, 1, size)]


def stack(layers: int) -> tuple[Graph, Value]:
    """So many convolutions of stride 2 over an image of open size."""
    builder = GraphBuilder("stack")
    y = x = builder.input("x", ("N", 3, "H", "W"))
    for _ in range(layers):
        y = builder.conv(y, 4, kernel=3, stride=2, padding=1)
    return builder.build(y), x


def test_stack_of_strided_convolutions() -> None:
    """Five of stride 2 give (H + 31)//32, one floor division, and ask nothing of the size."""
    graph, _ = stack(5)
    (value,) = graph.outputs
    assert isinstance(value.type, TensorType)
    assert value.type.shape == dims(("N", 4, "(H + 31)//32", "(W + 31)//32"))
    assert graph.constraints == ()


@pytest.mark.parametrize("layers", range(1, 7))
def test_symbolic_stack_equals_the_numbers(layers: int) -> None:
    """Bound, the symbolic size is the one that each layer gives in turn."""
    graph, _ = stack(layers)
    (value,) = graph.outputs
    assert isinstance(value.type, TensorType)
    for height in (*range(1, 70), 224, 225):
        expected = height
        for _ in range(layers):
            expected = (expected + 2 - 3) // 2 + 1
        assert bind(value.type.shape[2], {"H": height}) == expected


def test_conditions_on_open_sizes() -> None:
    """What a layer needs is said of the symbol, in its smallest form."""
    assert conditions(Conv((1, 1), (0,) * 4, (1, 1)), tensor("N", 3, "H", 9), tensor(4, 3, 5, 5)) == ["H >= 5"]
    assert conditions(MaxPool((2, 2), (2, 2), (0,) * 4), tensor(1, 3, "H", "H//2")) == ["H >= 4"]
    assert conditions(Conv((1, 1), (0,) * 4, (1, 1)), tensor("N", "C", 9, 9), tensor(4, 3, 5, 5)) == ["C == 3"]
    padded = Conv((2, 2), (2, 2, 2, 2), (1, 1))
    assert conditions(padded, tensor(1, 3, "H", "W"), tensor(4, 3, 5, 5)) == []
