"""SqueezeNet: 1x1 convolutions squeeze the channels before 1x1 and 3x3 convolutions expand them again."""

from functools import partial

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import proportion
from cnnir.zoo.registry import network

PAPER = (
    'Iandola, Han, Moskewicz, Ashraf, Dally and Keutzer, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters'
    ' and <0.5MB model size" (2016), table 1'
)

LATER = f"{PAPER}; version 1.1 as in the authors' repository"

FIRE = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
"""Of fire2 to fire9: filters that squeeze, and filters of each of the two that expand."""

VERSIONS = {"1.0": (96, 7, (1, 4, 8)), "1.1": (64, 3, (1, 3, 5))}
"""Filters and window of conv1, and after which modules (conv1 being number 1) a pooling stands."""


def squeezenet(
    version: str,
    /,
    *,
    size: Size = 224,
    classes: int = 1000,
    batch: Extent = 1,
    width: int = 96,
    seed: int = 0,
) -> Graph:
    """A SqueezeNet, with names as in Caffe (fire2/squeeze1x1, ...).

    Pooling windows may be cut off at the edge, as there.

    Args:
        version: A key of `VERSIONS`.
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (96 in version 1.0, 64 in 1.1); those of the others follow in proportion.
        seed: Of the initial weights.
    """
    first, kernel, pooled = VERSIONS[version]
    builder = GraphBuilder(f"squeezenet{version.replace('.', '_')}", seed=seed)
    x = builder.image(3, size, batch=batch)
    x = builder.relu(builder.conv(x, width, kernel=kernel, stride=2, name="conv1"), name="relu_conv1")
    for number in range(1, 10):
        if number > 1:
            squeeze, expand = (proportion(filters, width, first) for filters in FIRE[number - 2])
            x = _fire(builder, x, squeeze, expand, f"fire{number}")
        if number in pooled:
            x = builder.max_pool(x, 3, 2, ceil_mode=True, name=f"pool{number}")
    x = builder.dropout(x, name="drop9")
    x = builder.relu(builder.conv(x, classes, kernel=1, name="conv10"), name="relu_conv10")
    x = builder.flatten(builder.global_average_pool(x, name="pool10"), name="flatten")
    return builder.build(builder.softmax(x, name="prob"))


def _fire(builder: GraphBuilder, x: Value, squeeze: int, expand: int, name: str) -> Value:
    """The module: squeeze, expand along two branches, side by side."""
    x = builder.conv(x, squeeze, kernel=1, name=f"{name}/squeeze1x1")
    x = builder.relu(x, name=f"{name}/relu_squeeze1x1")
    branches = []
    for kernel, padding in ((1, 0), (3, 1)):
        branch = builder.conv(x, expand, kernel=kernel, padding=padding, name=f"{name}/expand{kernel}x{kernel}")
        branches.append(builder.relu(branch, name=f"{name}/relu_expand{kernel}x{kernel}"))
    return builder.concat(*branches, name=f"{name}/concat")


squeezenet1_0 = network("squeezenet1_0", "SqueezeNet 1.0", PAPER)(partial(squeezenet, "1.0"))
squeezenet1_1 = network("squeezenet1_1", "SqueezeNet 1.1", LATER)(partial(squeezenet, "1.1", width=64))
