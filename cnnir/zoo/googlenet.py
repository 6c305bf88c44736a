"""GoogLeNet: four branches side by side, nine times. As in the paper, and as torchvision has it."""

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import classify, normalised_conv, proportion
from cnnir.zoo.registry import network

PAPER = (
    'Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and Rabinovich, "Going Deeper with Convolutions"'
    " (2014), table 1"
)

NORMALISED = f"{PAPER}; batch normalisation, and 3x3 in place of 5x5, as in torchvision"

MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Filters, in the table's order: 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; projection behind pooling."""


@network("googlenet", "GoogLeNet", PAPER)
def googlenet(*, size: Size = 224, classes: int = 1000, batch: Extent = 1, width: int = 64, seed: int = 0) -> Graph:
    """The network of the paper, without its two auxiliary heads, which serve training alone; names as in Caffe.

    Pooling windows may be cut off at the edge: only so are the maps 112, 56, 28, 14 and 7 wide. The paper does not say
    how it normalises; the constants are Caffe's (n = 5, alpha = 1e-4, beta = 0.75, k = 1).

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (64); those of the others follow in proportion.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("googlenet", seed=seed)
    x = builder.image(3, size, batch=batch)
    x = _conv(builder, x, proportion(64, width, 64), "conv1/7x7_s2", kernel=7, stride=2)
    x = builder.max_pool(x, 3, 2, ceil_mode=True, name="pool1/3x3_s2")
    x = builder.lrn(x, name="pool1/norm1")
    x = _conv(builder, x, proportion(64, width, 64), "conv2/3x3_reduce")
    x = _conv(builder, x, proportion(192, width, 64), "conv2/3x3", kernel=3)
    x = builder.max_pool(builder.lrn(x, name="conv2/norm2"), 3, 2, ceil_mode=True, name="pool2/3x3_s2")
    for module, counts in MODULES.items():
        x = _module(builder, x, [proportion(count, width, 64) for count in counts], f"inception_{module}")
        if module in ("3b", "4e"):
            x = builder.max_pool(x, 3, 2, ceil_mode=True, name=f"pool{module[0]}/3x3_s2")
    x = builder.flatten(builder.global_average_pool(x, name="pool5/7x7_s1"), name="pool5/flatten")
    x = builder.dropout(x, 0.4, name="pool5/drop_7x7_s1")
    x = builder.linear(x, classes, name="loss3/classifier")
    return builder.build(builder.softmax(x, name="prob"))


def _conv(builder: GraphBuilder, x: Value, filters: int, name: str, *, kernel: int = 1, stride: int = 1) -> Value:
    """A convolution that keeps the map up to its stride, and its ReLU: ``conv2/3x3`` and ``conv2/relu_3x3``."""
    group, _, layer = name.partition("/")
    x = builder.conv(x, filters, kernel=kernel, stride=stride, padding=kernel // 2, name=name)
    return builder.relu(x, name=f"{group}/relu_{layer.removesuffix('_s2')}")


def _module(builder: GraphBuilder, x: Value, counts: list[int], name: str) -> Value:
    """The paper's figure 2b."""
    ones, reduced_threes, threes, reduced_fives, fives, projected = counts
    one = _conv(builder, x, ones, f"{name}/1x1")
    three = _conv(builder, x, reduced_threes, f"{name}/3x3_reduce")
    three = _conv(builder, three, threes, f"{name}/3x3", kernel=3)
    five = _conv(builder, x, reduced_fives, f"{name}/5x5_reduce")
    five = _conv(builder, five, fives, f"{name}/5x5", kernel=5)
    pooled = builder.max_pool(x, 3, 1, 1, name=f"{name}/pool")
    pooled = _conv(builder, pooled, projected, f"{name}/pool_proj")
    return builder.concat(one, three, five, pooled, name=f"{name}/output")


@network("googlenet_bn", "GoogLeNet with batch normalisation", NORMALISED)
def googlenet_bn(*, size: Size = 224, classes: int = 1000, batch: Extent = 1, width: int = 64, seed: int = 0) -> Graph:
    """Torchvision's variant, with its names: each convolution normalised (epsilon 0.001) and without bias.

    The branch with two layers of 3x3 where the paper has 5x5 came from TensorFlow's weights; the last pooling between
    modules is 2x2.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (64); those of the others follow in proportion.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("googlenet_bn", seed=seed)
    x = builder.image(3, size, batch=batch)
    x = normalised_conv(builder, x, proportion(64, width, 64), "conv1", kernel=7, stride=2, padding=3)
    x = builder.max_pool(x, 3, 2, ceil_mode=True, name="maxpool1")
    x = normalised_conv(builder, x, proportion(64, width, 64), "conv2")
    x = normalised_conv(builder, x, proportion(192, width, 64), "conv3", kernel=3, padding=1)
    x = builder.max_pool(x, 3, 2, ceil_mode=True, name="maxpool2")
    for module, counts in MODULES.items():
        x = _normalised_module(builder, x, [proportion(count, width, 64) for count in counts], f"inception{module}")
        if module == "3b":
            x = builder.max_pool(x, 3, 2, ceil_mode=True, name="maxpool3")
        if module == "4e":
            x = builder.max_pool(x, 2, 2, ceil_mode=True, name="maxpool4")
    return classify(builder, x, classes, dropout=0.2)


def _normalised_module(builder: GraphBuilder, x: Value, counts: list[int], name: str) -> Value:
    """The module with 3x3 in two of its branches."""
    ones, reduced_threes, threes, reduced_fives, fives, projected = counts
    one = normalised_conv(builder, x, ones, f"{name}.branch1")
    branches = [one]
    for number, reduced, expanded in ((2, reduced_threes, threes), (3, reduced_fives, fives)):
        branch = normalised_conv(builder, x, reduced, f"{name}.branch{number}.0")
        branches.append(normalised_conv(builder, branch, expanded, f"{name}.branch{number}.1", kernel=3, padding=1))
    pooled = builder.max_pool(x, 3, 1, 1, ceil_mode=True, name=f"{name}.branch4.0")
    branches.append(normalised_conv(builder, pooled, projected, f"{name}.branch4.1"))
    return builder.concat(*branches, name=name)
