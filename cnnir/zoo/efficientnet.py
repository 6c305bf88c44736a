"""EfficientNet: a searched network that grows in depth, width and image size together. Names are torchvision's."""

import math

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import channels, classify, conv_norm, multiplier, rounded, squeeze_excite
from cnnir.zoo.registry import network

PAPER = 'Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), table 1'

STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Expansion, kernel, stride of the first block, filters and number of blocks."""


@network("efficientnet_b0", "EfficientNet-B0", PAPER)
def efficientnet_b0(
    *, size: Size = 224, classes: int = 1000, batch: Extent = 1, width: float = 1.0, depth: float = 1.0, seed: int = 0
) -> Graph:
    """EfficientNet-B0, or a larger one of the family by its multipliers.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Multiplier of all channels (1.0 for B1, 1.1 for B2, 1.2 for B3).
        depth: Multiplier of the blocks of each stage, rounded up (1.1 for B1, 1.2 for B2, 1.4 for B3).
        seed: Of the initial weights.

    Raises:
        CnnirError: ``option-value`` for multipliers that are no positive numbers.
    """
    width, depth = multiplier(width, "width", "efficientnet_b0"), multiplier(depth, "depth", "efficientnet_b0")
    builder = GraphBuilder("efficientnet_b0", seed=seed)
    x = builder.image(3, size, batch=batch)
    names = "features.0.0", "features.0.1"
    x = conv_norm(builder, x, rounded(32 * width), kernel=3, stride=2, names=names)
    x = builder.swish(x, name="features.0.2")
    for stage, (expansion, kernel, first, filters, count) in enumerate(STAGES, start=1):
        for number in range(math.ceil(count * depth)):
            stride = first if number == 0 else 1
            name = f"features.{stage}.{number}"
            x = _block(builder, x, expansion, kernel, stride, rounded(filters * width), name)
    last = len(STAGES) + 1
    x = conv_norm(builder, x, 4 * channels(x), names=(f"features.{last}.0", f"features.{last}.1"))
    return classify(builder, builder.swish(x, name=f"features.{last}.2"), classes, dropout=0.2, name="classifier.1")


def _block(builder: GraphBuilder, x: Value, expansion: int, kernel: int, stride: int, filters: int, name: str) -> Value:
    """MBConv: widen, convolve each channel, gate the channels, narrow; the gate's width follows the block's input."""
    y, expanded, index = x, channels(x) * expansion, 0
    if expansion != 1:
        y = conv_norm(builder, y, expanded, names=(f"{name}.block.0.0", f"{name}.block.0.1"))
        y, index = builder.swish(y, name=f"{name}.block.0.2"), 1
    path = f"{name}.block.{index}"
    y = conv_norm(builder, y, expanded, kernel=kernel, stride=stride, groups=expanded, names=(f"{path}.0", f"{path}.1"))
    y = builder.swish(y, name=f"{path}.2")
    squeezed = max(1, channels(x) // 4)
    y = squeeze_excite(builder, y, squeezed, builder.swish, builder.sigmoid, name=f"{name}.block.{index + 1}")
    path = f"{name}.block.{index + 2}"
    y = conv_norm(builder, y, filters, names=(f"{path}.0", f"{path}.1"))
    return builder.add(x, y, name=f"{name}.add") if stride == 1 and filters == channels(x) else y
