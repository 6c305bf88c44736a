"""DenseNet: each layer reads the outputs of all layers before it in its block. Names are torchvision's."""

from functools import partial

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import channels, classify, conv_norm
from cnnir.zoo.registry import network

PAPER = 'Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks" (2016), table 1'

LAYERS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
"""Layers of each dense block, by the number of layers with weights."""

BOTTLENECK = 4
"""The 1x1 convolution of a layer gives that many times the channels that the layer adds."""


def densenet(
    layers: int,
    /,
    *,
    size: Size = 224,
    classes: int = 1000,
    batch: Extent = 1,
    growth: int = 32,
    seed: int = 0,
) -> Graph:
    """A DenseNet-BC: bottlenecks in the layers, half the channels behind each block.

    Args:
        layers: A key of `LAYERS`.
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        growth: Channels that each layer adds; the first convolution gives twice as many.
        seed: Of the initial weights.
    """
    builder = GraphBuilder(f"densenet{layers}", seed=seed)
    x = builder.image(3, size, batch=batch)
    x = conv_norm(builder, x, 2 * growth, kernel=7, stride=2, names=("features.conv0", "features.norm0"))
    x = builder.max_pool(builder.relu(x, name="features.relu0"), 3, 2, 1, name="features.pool0")
    for number, count in enumerate(LAYERS[layers], start=1):
        x = _block(builder, x, count, growth, f"features.denseblock{number}")
        if number < len(LAYERS[layers]):
            x = _transition(builder, x, f"features.transition{number}")
    x = builder.relu(builder.batch_norm(x, name="features.norm5"), name="relu")
    return classify(builder, x, classes, name="classifier")


def _block(builder: GraphBuilder, x: Value, count: int, growth: int, name: str) -> Value:
    """Section 3, "Dense connectivity": layer l reads ``[x0, x1, ..., x(l-1)]``, the block gives them all."""
    features = [x]
    for number in range(1, count + 1):
        layer = f"{name}.denselayer{number}"
        y = features[0] if number == 1 else builder.concat(*features, name=f"{layer}.concat")
        y = builder.relu(builder.batch_norm(y, name=f"{layer}.norm1"), name=f"{layer}.relu1")
        y = conv_norm(builder, y, BOTTLENECK * growth, names=(f"{layer}.conv1", f"{layer}.norm2"))
        y = builder.relu(y, name=f"{layer}.relu2")
        features.append(builder.conv(y, growth, kernel=3, padding=1, bias=False, name=f"{layer}.conv2"))
    return builder.concat(*features, name=f"{name}.concat")


def _transition(builder: GraphBuilder, x: Value, name: str) -> Value:
    """Half the channels, half the height and width."""
    y = builder.relu(builder.batch_norm(x, name=f"{name}.norm"), name=f"{name}.relu")
    y = builder.conv(y, channels(x) // 2, kernel=1, bias=False, name=f"{name}.conv")
    return builder.average_pool(y, 2, name=f"{name}.pool")


densenet121 = network("densenet121", "DenseNet-121", PAPER)(partial(densenet, 121))
densenet169 = network("densenet169", "DenseNet-169", PAPER)(partial(densenet, 169))
densenet201 = network("densenet201", "DenseNet-201", PAPER)(partial(densenet, 201))
