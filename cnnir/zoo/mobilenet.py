"""MobileNet, versions 1 to 3: depthwise convolutions, and 1x1 convolutions that mix the channels.

Names of versions 2 and 3 are torchvision's.
"""

from dataclasses import dataclass
from functools import partial

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import channels, classify, conv_norm, multiplier, rounded, squeeze_excite
from cnnir.zoo.registry import network

FIRST = (
    'Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications" (2017),'
    " table 1; the last depthwise convolution has stride 1, as the sizes in the table demand"
)
SECOND = (
    'Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), table 2'
)
THIRD = 'Howard et al., "Searching for MobileNetV3" (2019), tables 1 and 2'

SEPARABLE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Version 1: filters of each 1x1 convolution, and the stride of the depthwise one before it."""


@network("mobilenet_v1", "MobileNet v1", FIRST)
def mobilenet_v1(
    *, size: Size = 224, classes: int = 1000, batch: Extent = 1, width: float = 1.0, seed: int = 0
) -> Graph:
    """MobileNet v1.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Multiplier of all channels (alpha in the paper).
        seed: Of the initial weights.

    Raises:
        CnnirError: ``option-value`` for a width that is no positive number.
    """
    width = multiplier(width, "width", "mobilenet_v1")
    builder = GraphBuilder("mobilenet_v1", seed=seed)
    x = builder.image(3, size, batch=batch)
    x = conv_norm(builder, x, int(32 * width), kernel=3, stride=2, names=("conv1", "bn1"))
    x = builder.relu(x, name="relu1")
    for number, (filters, stride) in enumerate(SEPARABLE, start=2):
        depthwise, pointwise = f"conv{number}.dw", f"conv{number}.sep"
        x = conv_norm(
            builder,
            x,
            channels(x),
            kernel=3,
            stride=stride,
            groups=channels(x),
            names=(depthwise, f"{depthwise}.bn"),
        )
        x = builder.relu(x, name=f"{depthwise}.relu")
        x = conv_norm(builder, x, int(filters * width), names=(pointwise, f"{pointwise}.bn"))
        x = builder.relu(x, name=f"{pointwise}.relu")
    return classify(builder, x, classes)


INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Version 2: expansion, filters, blocks, and the stride of the first of them."""


@network("mobilenet_v2", "MobileNet v2", SECOND)
def mobilenet_v2(
    *, size: Size = 224, classes: int = 1000, batch: Extent = 1, width: float = 1.0, seed: int = 0
) -> Graph:
    """MobileNet v2.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Multiplier of all channels; those of the last convolution are never multiplied by less than one.
        seed: Of the initial weights.

    Raises:
        CnnirError: ``option-value`` for a width that is no positive number.
    """
    width = multiplier(width, "width", "mobilenet_v2")
    builder = GraphBuilder("mobilenet_v2", seed=seed)
    x = builder.image(3, size, batch=batch)
    names = "features.0.0", "features.0.1"
    x = builder.relu6(conv_norm(builder, x, rounded(32 * width), kernel=3, stride=2, names=names), name="features.0.2")
    index = 1
    for expansion, filters, count, first in INVERTED:
        for number in range(count):
            stride = first if number == 0 else 1
            x = _inverted(builder, x, expansion, rounded(filters * width), stride, f"features.{index}")
            index += 1
    names = f"features.{index}.0", f"features.{index}.1"
    x = conv_norm(builder, x, rounded(1280 * max(width, 1.0)), names=names)
    return classify(builder, builder.relu6(x, name=f"features.{index}.2"), classes, dropout=0.2, name="classifier.1")


def _inverted(builder: GraphBuilder, x: Value, expansion: int, filters: int, stride: int, name: str) -> Value:
    """Figure 4d: widen, convolve each channel, narrow without a nonlinearity, add where the shapes allow it."""
    y, hidden, index = x, channels(x) * expansion, 0
    if expansion != 1:
        y = conv_norm(builder, y, hidden, names=(f"{name}.conv.0.0", f"{name}.conv.0.1"))
        y, index = builder.relu6(y, name=f"{name}.conv.0.2"), 1
    names = f"{name}.conv.{index}.0", f"{name}.conv.{index}.1"
    y = conv_norm(builder, y, hidden, kernel=3, stride=stride, groups=hidden, names=names)
    y = builder.relu6(y, name=f"{name}.conv.{index}.2")
    y = conv_norm(builder, y, filters, names=(f"{name}.conv.{index + 1}", f"{name}.conv.{index + 2}"))
    return builder.add(x, y, name=f"{name}.add") if stride == 1 and filters == channels(x) else y


@dataclass(frozen=True)
class Bneck:
    """A row of tables 1 and 2 of the version 3 paper.

    Attributes:
        kernel: Height and width of the depthwise window, in cells.
        expanded: Channels inside the block.
        filters: Channels of its output.
        gated: Whether it has a squeeze-and-excite.
        hard: Whether its nonlinearity is h-swish; ReLU otherwise.
        stride: Of the depthwise convolution.
    """

    kernel: int
    expanded: int
    filters: int
    gated: bool
    hard: bool
    stride: int


def _rows(text: str) -> tuple[Bneck, ...]:
    """Rows as the paper prints them: kernel, exp size, #out, SE, NL, s."""
    rows = (line.split() for line in text.strip().splitlines())
    return tuple(
        Bneck(int(kernel), int(expanded), int(filters), gated == "SE", nonlinearity == "HS", int(stride))
        for kernel, expanded, filters, gated, nonlinearity, stride in rows
    )


LARGE = _rows("""
    3  16  16 -- RE 1
    3  64  24 -- RE 2
    3  72  24 -- RE 1
    5  72  40 SE RE 2
    5 120  40 SE RE 1
    5 120  40 SE RE 1
    3 240  80 -- HS 2
    3 200  80 -- HS 1
    3 184  80 -- HS 1
    3 184  80 -- HS 1
    3 480 112 SE HS 1
    3 672 112 SE HS 1
    5 672 160 SE HS 2
    5 960 160 SE HS 1
    5 960 160 SE HS 1
""")
"""Table 1."""

SMALL = _rows("""
    3  16  16 SE RE 2
    3  72  24 -- RE 2
    3  88  24 -- RE 1
    5  96  40 SE HS 2
    5 240  40 SE HS 1
    5 240  40 SE HS 1
    5 120  48 SE HS 1
    5 144  48 SE HS 1
    5 288  96 SE HS 2
    5 576  96 SE HS 1
    5 576  96 SE HS 1
""")
"""Table 2."""

EPSILON = 1e-3
"""Of the batch normalisation in version 3."""


def mobilenet_v3(
    name: str,
    rows: tuple[Bneck, ...],
    last: int,
    /,
    *,
    size: Size = 224,
    classes: int = 1000,
    batch: Extent = 1,
    width: float = 1.0,
    seed: int = 0,
) -> Graph:
    """MobileNet v3.

    Args:
        name: Of the graph.
        rows: The blocks.
        last: Features before the classifier.
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Multiplier of all channels.
        seed: Of the initial weights.

    Raises:
        CnnirError: ``option-value`` for a width that is no positive number.
    """
    width = multiplier(width, "width", name)
    builder = GraphBuilder(name, seed=seed)
    x = builder.image(3, size, batch=batch)
    names = "features.0.0", "features.0.1"
    x = conv_norm(builder, x, rounded(16 * width), kernel=3, stride=2, epsilon=EPSILON, names=names)
    x = builder.hard_swish(x, name="features.0.2")
    for index, row in enumerate(rows, start=1):
        x = _bneck(builder, x, row, width, f"features.{index}")
    names = f"features.{len(rows) + 1}.0", f"features.{len(rows) + 1}.1"
    x = conv_norm(builder, x, 6 * channels(x), epsilon=EPSILON, names=names)
    x = builder.hard_swish(x, name=f"features.{len(rows) + 1}.2")
    x = builder.flatten(builder.global_average_pool(x, name="avgpool"), name="flatten")
    x = builder.hard_swish(builder.linear(x, rounded(last * width), name="classifier.0"), name="classifier.1")
    x = builder.linear(builder.dropout(x, 0.2, name="classifier.2"), classes, name="classifier.3")
    return builder.build(builder.softmax(x, name="prob"))


def _bneck(builder: GraphBuilder, x: Value, row: Bneck, width: float, name: str) -> Value:
    """Figure 4: the inverted residual of version 2 with squeeze-and-excite behind the depthwise convolution."""
    nonlinearity = builder.hard_swish if row.hard else builder.relu
    expanded, filters = rounded(row.expanded * width), rounded(row.filters * width)
    y, index = x, 0
    if expanded != channels(x):
        y = conv_norm(builder, y, expanded, epsilon=EPSILON, names=(f"{name}.block.0.0", f"{name}.block.0.1"))
        y, index = nonlinearity(y, name=f"{name}.block.0.2"), 1
    names = f"{name}.block.{index}.0", f"{name}.block.{index}.1"
    y = conv_norm(
        builder, y, expanded, kernel=row.kernel, stride=row.stride, groups=expanded, epsilon=EPSILON, names=names
    )
    y = nonlinearity(y, name=f"{name}.block.{index}.2")
    if row.gated:
        index += 1
        inner = rounded(expanded // 4)
        y = squeeze_excite(builder, y, inner, builder.relu, builder.hard_sigmoid, name=f"{name}.block.{index}")
    names = f"{name}.block.{index + 1}.0", f"{name}.block.{index + 1}.1"
    y = conv_norm(builder, y, filters, epsilon=EPSILON, names=names)
    return builder.add(x, y, name=f"{name}.add") if row.stride == 1 and filters == channels(x) else y


mobilenet_v3_small = network("mobilenet_v3_small", "MobileNet v3 small", THIRD)(
    partial(mobilenet_v3, "mobilenet_v3_small", SMALL, 1024)
)
mobilenet_v3_large = network("mobilenet_v3_large", "MobileNet v3 large", THIRD)(
    partial(mobilenet_v3, "mobilenet_v3_large", LARGE, 1280)
)
