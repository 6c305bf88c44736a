"""For each rule, networks that trigger it and networks that only look like it."""

from collections.abc import Callable, Mapping

import numpy as np

from cnnir import zoo
from cnnir.builder import GraphBuilder
from cnnir.graph import Graph, Value
from cnnir.ops import Clip, MaxPool, Opaque, Relu
from cnnir.ops.pooling import AveragePool
from cnnir.types import DType, TensorType
from cnnir.weights import Fill

Layers = Callable[[GraphBuilder, Value], Value]


def net(layers: Layers, size: tuple[int, int] | int = 32, channels: int = 8) -> Graph:
    """A network of these layers over one image."""
    height, width = (size, size) if isinstance(size, int) else size
    builder = GraphBuilder("net")
    return builder.build(layers(builder, builder.input("x", (1, channels, height, width))))


def conv(kernel: int, *, size: int = 32, stride: int = 1, padding: int = 0) -> Graph:
    """One convolution."""
    return net(lambda b, x: b.conv(x, 8, kernel=kernel, stride=stride, padding=padding, name="conv"), size)


def pool(kernel: int, stride: int, padding: int | tuple[int, int, int, int] = 0, size: int = 32) -> Graph:
    """One pooling."""
    return net(lambda b, x: b.max_pool(x, kernel, stride, padding, name="pool"), size)


def head(*, pooled: bool) -> Graph:
    """A fully connected layer over a flattened map, or over what a global average leaves of it."""

    def layers(b: GraphBuilder, x: Value) -> Value:
        x = b.conv(x, 16, kernel=3, padding=1)
        return b.softmax(b.linear(b.flatten(b.global_average_pool(x) if pooled else x), 10, name="fc"))

    return net(layers, 8)


def wide(*, reduced: bool) -> Graph:
    """The issue's module: 28x28x192 to 5x5x32, behind a 1x1 convolution or not."""

    def layers(b: GraphBuilder, x: Value) -> Value:
        x = b.relu(b.conv(x, 192, kernel=1, name="one")) if reduced else b.max_pool(x, 3, 1, 1)
        return b.conv(x, 32, kernel=5, padding=2, name="five")

    return net(layers, 28, channels=192)


def halves(size: int) -> Graph:
    """Three poolings that halve."""

    def layers(b: GraphBuilder, x: Value) -> Value:
        for number in (1, 2, 3):
            x = b.max_pool(b.conv(x, 8, kernel=3, padding=1), 2, name=f"pool{number}")
        return x

    return net(layers, size)


def averaged(layers_before: int, *, gate: bool = False) -> Graph:
    """3x3 convolutions and a global average, as a head or as a gate."""

    def layers(b: GraphBuilder, x: Value) -> Value:
        for _ in range(layers_before):
            x = b.relu(b.conv(x, 8, kernel=3, padding=1))
        mean = b.global_average_pool(x, name="mean")
        return b.mul(x, b.sigmoid(mean)) if gate else b.softmax(b.conv(mean, 8, kernel=1))

    return net(layers, 16)


def deep(*, residual: bool) -> Graph:
    """Sixteen 3x3 convolutions over 12 pixels, with shortcuts or without."""

    def layers(b: GraphBuilder, x: Value) -> Value:
        for number in range(16):
            y = b.conv(x, 8, kernel=3, padding=1, name=f"conv{number}")
            x = b.relu(b.add(x, y) if residual else y)
        return x

    return net(layers, 12)


def early(*, stride: int) -> Graph:
    """Wide maps in front, narrow ones behind."""

    def layers(b: GraphBuilder, x: Value) -> Value:
        x = b.relu(b.conv(x, 64, kernel=3, padding=1, stride=stride, name="front1"))
        x = b.max_pool(b.relu(b.conv(x, 64, kernel=3, padding=1, name="front2")), 2, name="pool")
        x = b.max_pool(x, 2)
        for _ in range(6 if stride == 1 else 1):
            x = b.relu(b.conv(x, 64, kernel=3, padding=1))
        return x

    return net(layers, 64, channels=3)


def normalised(*, bias: bool) -> Graph:
    """A convolution and its batch normalisation."""
    return net(lambda b, x: b.batch_norm(b.conv(x, 8, kernel=3, padding=1, bias=bias, name="conv"), name="bn"))


def shared_bias() -> Graph:
    """The convolution is read besides: there its bias counts."""

    def layers(b: GraphBuilder, x: Value) -> Value:
        y = b.conv(x, 8, kernel=3, padding=1, name="conv")
        return b.add(y, b.batch_norm(y))

    return net(layers)


def twice(first: str, second: str, between: str = "") -> Graph:
    """Two activations, or an activation and a layer between."""

    def layers(b: GraphBuilder, x: Value) -> Value:
        y: Value = getattr(b, first)(x, name="first")
        y = b.max_pool(y) if between == "pool" else b.conv(y, 8, kernel=1) if between == "conv" else y
        z: Value = getattr(b, second)(y, name="second")
        return z

    return net(layers)


def scores(ending: str) -> Graph:
    """A classifier with an ending, or a map."""

    def layers(b: GraphBuilder, x: Value) -> Value:
        if ending == "map":
            return b.conv(x, 8, kernel=1)
        if ending == "pooled":
            return b.global_average_pool(b.conv(x, 8, kernel=1, name="last"))
        y = b.linear(b.flatten(b.global_average_pool(x)), 1 if ending == "one" else 10, name="last")
        return b.softmax(y) if ending == "softmax" else b.sigmoid(y) if ending == "sigmoid" else y

    return net(layers)


def loose(*, given: bool) -> Graph:
    """Two nodes beside the network's output, given out or not."""
    builder = GraphBuilder("loose")
    x = builder.input("x", (1, 8, 8, 8))
    side = builder.relu(builder.conv(x, 8, kernel=1, name="side"), name="end")
    y = builder.relu(x)
    return builder.build(y, side) if given else builder.build(y)


def indexed() -> Graph:
    """An optional output that nobody reads is no layer."""
    builder = GraphBuilder("indexed")
    x = builder.input("x", (1, 1, 8, 8))
    node = builder.graph.add_node(MaxPool((2, 2), (2, 2), (0, 0, 0, 0), with_indices=True), [x])
    return builder.build(node.outputs[0])


def opaque() -> Graph:
    """A network with an op that nobody defines, of a known shape."""
    graph = Graph("odd")
    x = graph.add_input("x", TensorType(DType.FLOAT32, (1, 8, 16, 16)))
    weight = graph.add_weight("w", Fill(DType.FLOAT32, (4,), np.float32(1)))
    odd = graph.add_node(Opaque("acme", "Mystery", 1), [x, weight], name="odd")
    odd.outputs[0].type = TensorType(DType.FLOAT32, (1, 8, 16, 16))
    graph.set_outputs(graph.add_node(Relu(), odd.outputs).outputs)
    return graph


TRIGGERS: Mapping[str, Mapping[str, Callable[[], Graph]]] = {
    "C001": {"flattened": lambda: head(pooled=False), "vgg16": zoo.vgg16},
    "C002": {"inception": lambda: wide(reduced=False)},
    "C003": {"12 filters": lambda: net(lambda b, x: b.conv(b.conv(x, 12, kernel=3), 8, kernel=3))},
    "L001": {"bias": lambda: normalised(bias=True)},
    "L002": {
        "relu relu": lambda: twice("relu", "relu"),
        "softmax sigmoid": lambda: twice("softmax", "sigmoid"),
        "through a pooling": lambda: twice("relu", "relu", "pool"),
    },
    "L003": {"linear": lambda: scores("nothing"), "averaged": lambda: scores("pooled")},
    "L004": {"left behind": lambda: loose(given=False)},
    "M001": {"wide in front": lambda: early(stride=1), "vgg16": zoo.vgg16},
    "P001": {
        "3x3/3": lambda: pool(3, 3, size=33),
        "2x2/1": lambda: pool(2, 1),
        "5x5/2": lambda: pool(5, 2),
        "4x4/4": lambda: pool(4, 4),
        "one window, not over all": lambda: pool(4, 4, size=5),
    },
    "P002": {"padded by 2": lambda: pool(2, 2, (2, 2, 2, 2)), "at the end": lambda: pool(2, 2, (0, 0, 2, 2))},
    "S001": {"28 three times": lambda: halves(28)},
    "S002": {"two layers": lambda: averaged(2)},
    "S003": {"sixteen layers": lambda: deep(residual=False), "vgg16 at 32": lambda: zoo.vgg16(size=32)},
    "W001": {"AlexNet at 224": lambda: conv(11, size=224, stride=4), "2x2 on odd": lambda: pool(2, 2, size=33)},
    "W002": {"valid": lambda: conv(5), "half a padding": lambda: conv(5, padding=1)},
    "W003": {"4x4": lambda: conv(4, padding=1)},
    "W004": {
        "convolution": lambda: net(lambda b, x: b.conv(x, 8, kernel=3, stride=2, padding=(0, 0, 1, 1), name="conv")),
        "pooling": lambda: pool(3, 2, (1, 1, 0, 0)),
    },
}
"""By code and name; each gives a finding of the code."""

QUIET: Mapping[str, Mapping[str, Callable[[], Graph]]] = {
    "C001": {"pooled": lambda: head(pooled=True), "resnet50": lambda: zoo.build("resnet50")},
    "C002": {
        "reduced": lambda: wide(reduced=True),
        "as many out as in": lambda: net(lambda b, x: b.conv(x, 64, kernel=3, padding=1), channels=64),
    },
    "C003": {
        "16 filters": lambda: net(lambda b, x: b.conv(b.conv(x, 16, kernel=3), 8, kernel=3)),
        "ten classes": lambda: scores("softmax"),
    },
    "L001": {"no bias": lambda: normalised(bias=False), "read besides": shared_bias},
    "L002": {
        "a layer between": lambda: twice("relu", "relu", "conv"),
        "hard swish": lambda: net(lambda b, x: b.mul(x, b.hard_sigmoid(x))),
        "other values": lambda: net(lambda b, x: b.op(Clip(0.0, 6.0), b.add(x, b.relu(x)))),
    },
    "L003": {name: (lambda name=name: scores(name)) for name in ("softmax", "sigmoid", "map", "one")},  # type: ignore[misc]
    "L004": {"given out": lambda: loose(given=True), "indices": indexed},
    "M001": {"strided": lambda: early(stride=4), "resnet50": lambda: zoo.build("resnet50")},
    "P001": {
        "2x2/2": lambda: pool(2, 2),
        "3x3/2": lambda: pool(3, 2, 1),
        "3x3/1": lambda: pool(3, 1, 1),
        "global": lambda: pool(32, 32),
        "a row": lambda: net(lambda b, x: b.max_pool(x, (1, 2)), 32),
    },
    "P002": {"padded by 1": lambda: pool(3, 2, 1)},
    "S001": {
        "32 three times": lambda: halves(32),
        "made for odd maps": lambda: pool(3, 2, size=27),
        "rounded up": lambda: net(lambda b, x: b.max_pool(x, 3, 2, ceil_mode=True), 27),
        "open": lambda: net_open(lambda b, x: b.max_pool(x, 2)),
    },
    "S002": {"eight layers": lambda: averaged(8), "a gate": lambda: averaged(2, gate=True), "a map": lambda: conv(3)},
    "S003": {"shortcuts": lambda: deep(residual=True), "vgg16 at 224": zoo.vgg16},
    "W001": {
        "AlexNet at 227": lambda: conv(11, size=227, stride=4),
        "only padding is left": lambda: conv(7, size=224, stride=2, padding=3),
        "rounded up": lambda: net(lambda b, x: b.max_pool(x, 2, ceil_mode=True), 33),
        "cells skipped on purpose": lambda: conv(1, size=56, stride=2),
        "open": lambda: net_open(lambda b, x: b.max_pool(x, 2)),
    },
    "W002": {
        "padded": lambda: conv(5, padding=2),
        "strided": lambda: conv(5, stride=2),
        "over the whole map": lambda: conv(7, size=7),
        "padded by a node": lambda: net(lambda b, x: b.conv(b.pad(x, 1), 8, kernel=3)),
    },
    "W003": {
        "5x5": lambda: conv(5, padding=2),
        "4x4 of stride 2": lambda: conv(4, stride=2, padding=1),
        "patches": lambda: conv(4, stride=4),
        "over the whole map": lambda: conv(6, size=6),
    },
    "W004": {
        "symmetric": lambda: conv(3, padding=1),
        "the last window completed": lambda: pool(3, 2, (0, 0, 1, 1)),
        "average over all": lambda: net(lambda b, x: b.op(AveragePool((7, 7), (1, 1), (0, 0, 1, 1)), x), 6),
    },
}
"""By code and name; none gives a finding of the code."""


def net_open(layers: Layers) -> Graph:
    """The same over an image of open size."""
    builder = GraphBuilder("open")
    return builder.build(layers(builder, builder.input("x", ("N", 8, "H", "W"))))
