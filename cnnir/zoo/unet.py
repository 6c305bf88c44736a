"""U-Net: down to a small map and up again; each level adds what it knew on the way down."""

from functools import partial

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph, Value
from cnnir.zoo.registry import network

PAPER = (
    'Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation" (2015), figure 1'
)

PADDED = f"{PAPER}; with padding, so that the map of classes is as large as the image"

DEPTH = 4
"""How often the map is halved."""


def encoder_decoder(
    name: str,
    /,
    *,
    size: Size = 572,
    classes: int = 2,
    batch: Extent = 1,
    channels: int = 1,
    width: int = 64,
    padded: bool = False,
    seed: int = 0,
) -> Graph:
    """A U-Net; its output is a score for each class and cell, ``[N, classes, H - 184, W - 184]`` without padding.

    Args:
        name: Of the graph.
        size: Height and width of the input image, in pixels. Every map that is halved has to be even: with padding that
            holds for multiples of 16, without for 188, 204, ..., 572.
        classes: Number of outputs of each cell.
        batch: Images at once.
        channels: Of the image.
        width: Filters of the first level; each level below has twice as many.
        padded: Whether the 3x3 convolutions keep the size; the paper's do not.
        seed: Of the initial weights.
    """
    builder = GraphBuilder(name, seed=seed)
    x = builder.image(channels, size, batch=batch)
    border = 1 if padded else 0
    kept: list[Value] = []
    for level in range(DEPTH):
        x = _convolutions(builder, x, width * 2**level, border, f"down{level + 1}")
        if level == DEPTH - 1:
            x = builder.dropout(x, name=f"down{level + 1}.dropout")
        kept.append(x)
        x = builder.max_pool(x, 2, name=f"pool{level + 1}")
    x = _convolutions(builder, x, width * 2**DEPTH, border, "bottom")
    x = builder.dropout(x, name="bottom.dropout")
    for level in reversed(range(DEPTH)):
        path = f"up{level + 1}"
        filters = width * 2**level
        # The paper shows no nonlinearity behind the up-convolution; the authors' own network has one.
        x = builder.conv_transpose(x, filters, kernel=2, stride=2, name=f"{path}.upconv")
        x = builder.relu(x, name=f"{path}.upconv.relu")
        across = kept.pop()
        if not padded:
            across = builder.crop(across, _margin(level), name=f"{path}.crop")
        x = builder.concat(across, x, name=f"{path}.concat")
        x = _convolutions(builder, x, filters, border, path)
    x = builder.conv(x, classes, kernel=1, name="score")
    return builder.build(builder.softmax(x, name="prob"))


def _convolutions(builder: GraphBuilder, x: Value, filters: int, border: int, path: str) -> Value:
    """Two 3x3 convolutions, each with its ReLU."""
    for number in (1, 2):
        x = builder.conv(x, filters, kernel=3, padding=border, name=f"{path}.conv{number}")
        x = builder.relu(x, name=f"{path}.relu{number}")
    return x


def _margin(level: int) -> int:
    """Cells by which a level's map on the way down is larger at each border than what comes up from below it.

    Two 3x3 convolutions take two cells off each border, and a cell below is two above. So what comes up to the
    deepest level has lost 2 * 2; each level above it loses the two cells of its own way down on the level below, what
    was lost below that, and the two cells of the way up: 4, 16, 40, 88.
    """
    lost = 0
    for below in range(DEPTH - level):
        lost = 2 * (lost + (2 if below == 0 else 4))
    return lost


unet = network("unet", "U-Net", PAPER)(partial(encoder_decoder, "unet"))
unet_padded = network("unet_padded", "U-Net with padding", PADDED)(
    partial(encoder_decoder, "unet_padded", size=512, padded=True)
)
