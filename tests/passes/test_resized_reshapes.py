"""Another size for a network with Reshapes: what the network made at that size is, or a refusal that names the node."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import cnnir
from cnnir import zoo
from cnnir.builder import GraphBuilder
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops import AveragePool, Flatten, Relu, Reshape, Transpose
from cnnir.text import print_graph
from cnnir.types import TensorType, known_shape
from tests import models

Size = tuple[int, int]
Make = Callable[["Draw", Value], Value]


class Draw:
    """One network, drawn anew for each size: the same choices, with that size's numbers in the targets."""

    def __init__(self, seed: int, size: Size) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = GraphBuilder("drawn")
        self.size = size

    def graph(self, layers: int) -> Graph:
        x = self.builder.input("x", (1, 4, *self.size))
        for number in range(layers):
            # How a layer reads its operand is drawn by rank, which is the same at every size.
            makers = MAKERS[len(shape(x))]
            x = makers[int(self.rng.integers(len(makers)))](self, x)
            x = self.builder.op(Relu(), x, name=f"act{number}")
        return self.builder.build(x)

    def reshape(self, x: Value, *target: int) -> Value:
        """One of the dims, perhaps the batch, is now and then left open or copied."""
        said = list(target)
        place = int(self.rng.integers(len(said) * 2))
        if place < len(said):
            said[place] = -1
        if self.rng.random() < 0.3 and said[0] == shape(x)[0]:
            said[0] = 0
        return self.builder.op(Reshape(tuple(said)), x)


def shape(value: Value) -> tuple[int, ...]:
    assert isinstance(value.type, TensorType)
    return known_shape(value.type.shape)


def convolved(draw: Draw, x: Value) -> Value:
    return draw.builder.conv(x, 4, kernel=3, padding=1)


def exchanged(draw: Draw, x: Value) -> Value:
    n, c, h, w = shape(x)
    return draw.reshape(x, n, c, w, h)


def parts_in_front(draw: Draw, x: Value) -> Value:
    n, c, h, w = shape(x)
    return draw.reshape(x, n * c, h, w)


def flat(draw: Draw, x: Value) -> Value:
    n, c, h, w = shape(x)
    return draw.reshape(x, n, c * h * w)


def flattened(draw: Draw, x: Value) -> Value:
    return draw.builder.op(Flatten(1), x)


def positions(draw: Draw, x: Value) -> Value:
    n, c, h, w = shape(x)
    return draw.reshape(x, n, c, h * w)


def scores(draw: Draw, x: Value) -> Value:
    """As detectors write it: one row for each position and anchor."""
    n, c, h, w = shape(x)
    return draw.reshape(draw.builder.op(Transpose((0, 2, 3, 1)), x), n, h * w * 2, c // 2)


def shuffled(draw: Draw, x: Value) -> Value:
    n, c, h, w = shape(x)
    grouped = draw.reshape(x, n, 2, c // 2, h, w)
    return draw.reshape(draw.builder.op(Transpose((0, 2, 1, 3, 4)), grouped), n, c, h, w)


def windows(draw: Draw, x: Value) -> Value:
    n, c, h, w = shape(x)
    parts = draw.builder.op(Reshape((n, c, h // 2, 2, w // 2, 2)), x)
    return draw.reshape(draw.builder.op(Transpose((0, 1, 3, 5, 2, 4)), parts), n, c * 4, h // 2, w // 2)


def turned(draw: Draw, x: Value) -> Value:
    return draw.builder.op(Transpose((0, 2, 1)), x)


def rows(draw: Draw, x: Value) -> Value:
    a, b, c = shape(x)
    return draw.reshape(x, a * b, c)


def map_again(draw: Draw, x: Value) -> Value:
    """Maps of the image's own height and width, as far as the elements allow it."""
    count = int(np.prod(shape(x)))
    height, width = draw.size
    if count % (height * width):
        return draw.builder.op(Relu(), x)
    return draw.reshape(x, 1, count // (height * width), height, width)


MAKERS: dict[int, list[Make]] = {
    4: [exchanged, parts_in_front, flat, flattened, positions, scores, shuffled, shuffled, windows],
    3: [turned, rows, map_again],
    2: [map_again],
}

SIZES: tuple[Size, ...] = ((4, 8), (8, 4), (2, 16), (8, 8), (4, 12), (6, 10), (16, 8))


def test_sizes_of_drawn_networks() -> None:
    """600 networks: at another size each is the one made at that size, in types and in values, or it is refused."""
    found: Counter[str] = Counter()
    for seed in range(600):
        old, new = (SIZES[(seed // step) % len(SIZES)] for step in (1, len(SIZES)))
        layers = 1 + seed % 3
        if old[0] == old[1]:
            continue  # height and width exchanged cannot be told there from height and width kept
        try:
            graph, wanted = Draw(seed, old).graph(layers), Draw(seed, new).graph(layers)
        except CnnirError:
            continue  # no such network at that size: halves that do not divide
        try:
            result = graph.apply("set-size", size=f"{new[0]}x{new[1]}").graph
        except CnnirError as error:
            assert error.node is not None, error  # noqa: PT017  one of two ways
            found["refused"] += 1
            continue
        if old == new:
            assert print_graph(result) == print_graph(graph)
            continue
        found["changed"] += 1
        feed = {"x": np.random.default_rng(seed).standard_normal((1, 4, *new)).astype(np.float32)}
        made, expected = (next(iter(one.run(feed).values())) for one in (result, wanted))
        types = [{value.name: value.type for value in one.values} for one in (result, wanted)]
        assert types[0] == types[1], f"seed {seed}: {old} to {new}\n{print_graph(graph)}"
        assert np.array_equal(made, expected)
    assert found["refused"] > 50
    assert found["changed"] > 50


def test_symbols_are_no_way_around() -> None:
    """What is tied to a size is refused for an open one, before that could be bound to a size of as many elements."""
    for seed in range(200):
        graph = Draw(seed, (4, 8)).graph(2)
        try:
            result = graph.apply("set-size{size=HxW}").graph.bind(H=8, W=4)
        except CnnirError as error:
            assert error.node is not None, error  # noqa: PT017  one of two ways
            continue
        wanted = Draw(seed, (8, 4)).graph(2)
        assert {value.name: value.type for value in result.values} == {v.name: v.type for v in wanted.values}


def named(*target: int, source: tuple[int, ...] = (1, 4, 4, 8), allowzero: bool = False) -> Graph:
    builder = GraphBuilder("named")
    return builder.build(builder.op(Reshape(target, allowzero), builder.input("x", source), name="view"))


@pytest.mark.parametrize("target", [(4, 4, 8), (-1, 4, 8), (1, 4, 8, 4), (0, 4, 2, -1), (1, 4, 2, 2, 8)])
def test_what_is_tied(target: tuple[int, ...]) -> None:
    """The node and what it was made for, though the elements would fit."""
    with pytest.raises(CnnirError, match=r"view \(Reshape\)") as caught:
        named(*target).apply("set-size{size=8x4}")
    assert caught.value.code == "reshape-tied"
    assert caught.value.got == "[1, 4, 8, 4]"
    assert "0 or -1" in str(caught.value)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ((1, 128), "1, 128"),
        ((1, 4, 32), "1, 4, 32"),
        ((0, 0, -1), "1, 4, 32"),
        ((1, 2, 2, 4, 8), "1, 2, 2, 8, 4"),
        ((1, 2, -1), "1, 2, 64"),
        ((0, 0, 0, 0), "1, 4, 8, 4"),
    ],
)
def test_what_is_not(target: tuple[int, ...], shown: str) -> None:
    """All that changes goes into one dim, or height and width follow."""
    assert str(named(*target).apply("set-size{size=8x4}").graph.outputs[0].type) == f"float32[{shown}]"


def judged(graph: Graph, source: str, image: np.ndarray[tuple[int, ...], np.dtype[np.float32]], path: Path) -> None:
    """ONNX Runtime gives what NumPy gives."""
    cnnir.save(graph, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found, (expected,) = session.run(None, {source: image}), graph.run({source: image}).values()
    assert np.ptp(expected) > 0
    assert np.abs(found[0] - expected).max() <= 1e-5 * np.abs(expected).max()


def test_shufflenet(tmp_path: Path) -> None:
    """The real file at another size, and what stands before its head at others, named or open."""
    graph = models.with_random_weights(cnnir.load(models.path("shufflenet")))
    (source,) = (value.name for value in graph.inputs)
    groups = [node for node in graph.nodes if isinstance(node.op, Reshape) and len(node.op.shape) == 5]
    assert len(groups) == 16
    pool = next(node for node in graph.nodes if isinstance(node.op, AveragePool) and node.op.kernel_shape == (7, 7))
    body = cnnir.passes.cut(graph, to=[pool.operands[0].name])
    open_size = body.apply("set-size{size=HxW}").graph
    for one, size in ((graph, (200, 216)), (body, (96, 160)), (open_size, (96, 160)), (open_size, (160, 96))):
        resized = one if one is open_size else one.apply("set-size", size=f"{size[0]}x{size[1]}").graph
        image = np.random.default_rng(0).standard_normal((1, 3, *size)).astype(np.float32)
        judged(resized, source, image, tmp_path / "resized.onnx")
    with pytest.raises(CnnirError, match="window-too-large"):
        graph.apply("set-size{size=192x256}")


def test_shufflenet_of_any_size(tmp_path: Path) -> None:
    """Channel shuffles follow open sizes too: one file runs at two sizes, and is that of the zoo at each."""
    graph = zoo.build("shufflenet_v2", size=224, classes=10, width=0.5).apply("set-size{size=HxW}").graph
    for height, width in ((64, 96), (96, 64)):
        assert print_graph(graph.bind(H=height, W=width)) == print_graph(
            zoo.build("shufflenet_v2", size=(height, width), classes=10, width=0.5)
        )
        image = np.random.default_rng(0).standard_normal((1, 3, height, width)).astype(np.float32)
        judged(graph, "data", image, tmp_path / "open.onnx")
