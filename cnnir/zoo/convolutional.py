"""Networks without fully connected layers: Network in Network, and All-CNN, which does without pooling as well."""

from collections.abc import Iterable

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import proportion
from cnnir.zoo.registry import network

NIN = 'Lin, Chen and Yan, "Network In Network" (2013), figure 2'

NIN_CIFAR10 = f"{NIN}; layers as in the authors' Caffe model for CIFAR-10"

NIN_IMAGENET = f"{NIN}; layers as in the authors' Caffe model for ImageNet"

ALL_CNN = (
    'Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for Simplicity: The All Convolutional Net" (2014),'
    " tables 1 and 2"
)


@network("nin", "NiN for CIFAR-10", NIN_CIFAR10)
def nin(*, size: Size = 32, classes: int = 10, batch: Extent = 1, width: int = 192, seed: int = 0) -> Graph:
    """Three convolutions, each followed by two of 1x1 (a small network at every position), then a global average.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (192); those of the others follow in proportion.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("nin", seed=seed)

    def wide(*filters: int) -> list[int]:
        return [proportion(count, width, 192) for count in filters]

    x = _convolved(builder, builder.image(3, size, batch=batch), wide(192)[0], kernel=5, padding=2, name="conv1")
    x = _at_every_position(builder, x, zip((1, 2), wide(160, 96), strict=True))
    x = builder.dropout(builder.max_pool(x, 3, 2, ceil_mode=True, name="pool1"), name="drop1")
    x = _convolved(builder, x, wide(192)[0], kernel=5, padding=2, name="conv2")
    x = _at_every_position(builder, x, zip((3, 4), wide(192, 192), strict=True))
    x = builder.dropout(builder.average_pool(x, 3, 2, ceil_mode=True, name="pool2"), name="drop2")
    x = _convolved(builder, x, wide(192)[0], kernel=3, padding=1, name="conv3")
    x = _at_every_position(builder, x, ((5, wide(192)[0]), (6, classes)))
    return _average(builder, x, "pool3")


@network("nin_imagenet", "NiN for ImageNet", NIN_IMAGENET)
def nin_imagenet(*, size: Size = 224, classes: int = 1000, batch: Extent = 1, width: int = 96, seed: int = 0) -> Graph:
    """The same for larger images: four convolutions, the first as in AlexNet.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (96); those of the others follow in proportion.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("nin_imagenet", seed=seed)
    x = builder.image(3, size, batch=batch)
    blocks = ((96, 11, 4, 0), (256, 5, 1, 2), (384, 3, 1, 1))
    for number, (filters, kernel, stride, padding) in enumerate(blocks, start=1):
        count = proportion(filters, width, 96)
        x = _convolved(builder, x, count, kernel=kernel, stride=stride, padding=padding, name=f"conv{number}")
        x = _at_every_position(builder, x, ((2 * number - 1, count), (2 * number, count)))
        x = builder.max_pool(x, 3, 2, ceil_mode=True, name=f"pool{number}")
    x = builder.dropout(x, name="drop")
    filters = proportion(1024, width, 96)
    x = _convolved(builder, x, filters, kernel=3, padding=1, name="conv4")
    x = _at_every_position(builder, x, ((7, filters), (8, classes)))
    return _average(builder, x, "pool4")


@network("all_cnn_c", "All-CNN-C", ALL_CNN)
def all_cnn_c(*, size: Size = 32, classes: int = 10, batch: Extent = 1, width: int = 96, seed: int = 0) -> Graph:
    """3x3 convolutions, two of them in steps of 2 where others pool, then 1x1, then a global average.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (96); those of the others follow in proportion.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("all_cnn_c", seed=seed)
    x = builder.dropout(builder.image(3, size, batch=batch), 0.2, name="drop0")
    for block, filters in enumerate((96, 192), start=1):
        count = proportion(filters, width, 96)
        for layer, stride in enumerate((1, 1, 2), start=1):
            x = _convolved(builder, x, count, kernel=3, stride=stride, padding=1, name=f"conv{block}_{layer}")
        x = builder.dropout(x, name=f"drop{block}")
    x = _convolved(builder, x, proportion(192, width, 96), kernel=3, name="conv3_1")
    x = _convolved(builder, x, proportion(192, width, 96), kernel=1, name="conv3_2")
    x = _convolved(builder, x, classes, kernel=1, name="conv3_3")
    return _average(builder, x, "pool")


def _convolved(
    builder: GraphBuilder, x: Value, filters: int, *, kernel: int, stride: int = 1, padding: int = 0, name: str
) -> Value:
    """A convolution and its ReLU; ``conv1`` is followed by ``relu1``, ``cccp1`` by ``cccp1.relu``."""
    x = builder.conv(x, filters, kernel=kernel, stride=stride, padding=padding, name=name)
    return builder.relu(x, name=name.replace("conv", "relu") if name.startswith("conv") else f"{name}.relu")


def _at_every_position(builder: GraphBuilder, x: Value, layers: Iterable[tuple[int, int]]) -> Value:
    """1x1 convolutions, given as number and filters: the paper's cascaded cross-channel parametric pooling (cccp)."""
    for number, filters in layers:
        x = _convolved(builder, x, filters, kernel=1, name=f"cccp{number}")
    return x


def _average(builder: GraphBuilder, x: Value, name: str) -> Graph:
    """One score a map, and their softmax."""
    x = builder.flatten(builder.global_average_pool(x, name=name), name="flatten")
    return builder.build(builder.softmax(x, name="prob"))
