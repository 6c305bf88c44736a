"""VGG: 3x3 convolutions all the way, a 2x2 pooling whenever the channels double, three fully connected layers."""

from functools import partial

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph
from cnnir.zoo.layers import fully_connected_end, proportion
from cnnir.zoo.registry import network

PAPER = 'Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2014), table 1'

NORMALISED = f"{PAPER}; batch normalisation as in torchvision"

FILTERS = (64, 128, 256, 512, 512)
"""Of the convolutions of each block; a 2x2 pooling ends each block."""

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""How many of them each block has, by the number of layers with weights: configurations A, B, D and E."""

QUOTED = (
    "the total often quoted for this network's table, 24M activation elements or 93 MB an image, is not the sum of the"
    " table's own rows"
)
"""A note for readers who compare."""


def vgg(
    layers: int,
    /,
    *,
    size: Size = 224,
    classes: int = 1000,
    batch: Extent = 1,
    width: int = 64,
    hidden: int = 4096,
    normalised: bool = False,
    seed: int = 0,
) -> Graph:
    """A VGG network, with names as in the paper's figures (conv1_1, ..., pool5, fc6, fc7, fc8).

    Args:
        layers: A key of `CONVOLUTIONS`.
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first block; those of the others follow in the paper's proportion.
        hidden: Outputs of fc6 and fc7.
        normalised: Whether each convolution is followed by batch normalisation.
        seed: Of the initial weights.
    """
    builder = GraphBuilder(f"vgg{layers}_bn" if normalised else f"vgg{layers}", seed=seed)
    x = builder.image(3, size, batch=batch)
    for block, (convolutions, filters) in enumerate(zip(CONVOLUTIONS[layers], FILTERS, strict=True), start=1):
        for layer in range(1, convolutions + 1):
            x = builder.conv(
                x, proportion(filters, width, FILTERS[0]), kernel=3, padding=1, name=f"conv{block}_{layer}"
            )
            x = builder.batch_norm(x, name=f"bn{block}_{layer}") if normalised else x
            x = builder.relu(x, name=f"relu{block}_{layer}")
        x = builder.max_pool(x, 2, name=f"pool{block}")
    graph = builder.build(fully_connected_end(builder, x, hidden, classes))
    if layers == 16:
        graph.notes.append(QUOTED)
    return graph


vgg11 = network("vgg11", "VGG-11", PAPER)(partial(vgg, 11))
vgg13 = network("vgg13", "VGG-13", PAPER)(partial(vgg, 13))
vgg16 = network("vgg16", "VGG-16", PAPER)(partial(vgg, 16))
vgg19 = network("vgg19", "VGG-19", PAPER)(partial(vgg, 19))
vgg11_bn = network("vgg11_bn", "VGG-11 with batch normalisation", NORMALISED)(partial(vgg, 11, normalised=True))
vgg13_bn = network("vgg13_bn", "VGG-13 with batch normalisation", NORMALISED)(partial(vgg, 13, normalised=True))
vgg16_bn = network("vgg16_bn", "VGG-16 with batch normalisation", NORMALISED)(partial(vgg, 16, normalised=True))
vgg19_bn = network("vgg19_bn", "VGG-19 with batch normalisation", NORMALISED)(partial(vgg, 19, normalised=True))
