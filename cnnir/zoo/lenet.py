"""LeNet-5, as it was published and as it is usually taught."""

import numpy as np

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph, Value
from cnnir.weights import Fill
from cnnir.zoo.registry import network

PAPER = (
    'LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition" (1998), figure 2 and'
    " table I"
)

TAUGHT = f"{PAPER}; C3 fully connected, plain average pooling, a linear output: as in most courses"

CONNECTIONS = (
    ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1)),
    (
        (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2),
        (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    ),
    ((0, 1, 2, 3, 4, 5),),
)  # fmt: skip
"""Maps of S2 that each of the sixteen maps of C3 sees (the paper's table I): six see three, nine see four, one all."""


@network("lenet5", "LeNet-5", PAPER)
def lenet5(*, size: Size = 32, classes: int = 10, batch: Extent = 1, seed: int = 0) -> Graph:
    """The network of the paper, with its partial connections in C3 and its trainable subsampling.

    Two things are written in an equal but plainer form. The squashing function ``A tanh(S a)`` is a plain Tanh, since
    both constants can stand in the weights around it. The output units measure squared distances from the features
    to fixed codes of -1 and +1; under the softmax of their negatives the squares cancel, all codes being equally
    long, and what is left is a linear layer without biases, whose 84 weights a class are those codes.

    Args:
        size: Height and width of the input image, in pixels; grey, with the digit in the inner 20x20.
        classes: Number of outputs.
        batch: Images at once.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("lenet5", seed=seed)
    x = builder.image(1, size, batch=batch)
    x = builder.tanh(builder.conv(x, 6, kernel=5, name="C1"), name="C1.tanh")
    x = _subsample(builder, x, 6, "S2")
    x = builder.tanh(_partial(builder, x), name="C3.tanh")
    x = _subsample(builder, x, 16, "S4")
    x = builder.tanh(builder.conv(x, 120, kernel=5, name="C5"), name="C5.tanh")
    x = builder.flatten(x, name="flatten")
    x = builder.tanh(builder.linear(x, 84, name="F6"), name="F6.tanh")
    x = builder.linear(x, classes, bias=False, name="output")
    return builder.build(builder.softmax(x, name="prob"))


@network("lenet5_plain", "LeNet-5, as usually taught", TAUGHT)
def lenet5_plain(*, size: Size = 32, classes: int = 10, batch: Extent = 1, seed: int = 0) -> Graph:
    """The common simplification: every map of C3 sees all of S2, subsampling has no weights, the output is linear.

    Args:
        size: Height and width of the input image, in pixels (28x28 digits are padded to 32x32).
        classes: Number of outputs.
        batch: Images at once.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("lenet5_plain", seed=seed)
    x = builder.image(1, size, batch=batch)
    for filters, conv, pool in ((6, "C1", "S2"), (16, "C3", "S4")):
        x = builder.tanh(builder.conv(x, filters, kernel=5, name=conv), name=f"{conv}.tanh")
        x = builder.average_pool(x, 2, name=pool)
    x = builder.flatten(x, name="flatten")
    for outputs, name in ((120, "C5"), (84, "F6")):
        x = builder.tanh(builder.linear(x, outputs, name=name), name=f"{name}.tanh")
    x = builder.linear(x, classes, name="output")
    return builder.build(builder.softmax(x, name="prob"))


def _subsample(builder: GraphBuilder, x: Value, maps: int, name: str) -> Value:
    """The mean of each 2x2 cells times a trainable coefficient, plus a trainable bias, squashed: two weights a map."""
    coefficient, bias = (
        builder.graph.add_weight(f"{name}.{part}", Fill(builder.dtype, (maps, 1, 1), np.float32(start)))
        for part, start in (("coefficient", 1.0), ("bias", 0.0))
    )
    x = builder.average_pool(x, 2, name=name)
    x = builder.add(builder.mul(x, coefficient, name=f"{name}.scale"), bias, name=f"{name}.shift")
    return builder.tanh(x, name=f"{name}.tanh")


def _partial(builder: GraphBuilder, x: Value) -> Value:
    """C3: the maps of S2 are dealt out by the table; maps that see as many are the groups of one convolution."""
    maps = builder.split(x, [1] * 6, name="S2.maps")
    parts = []
    for number, sets in enumerate(CONNECTIONS, start=1):
        seen = builder.concat(*(maps[index] for chosen in sets for index in chosen), name=f"C3.{number}.maps")
        parts.append(builder.conv(seen, len(sets), kernel=5, groups=len(sets), name=f"C3.{number}"))
    return builder.concat(*parts, name="C3")
