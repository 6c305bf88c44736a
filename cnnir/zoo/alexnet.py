"""AlexNet in two groups and in one tower, and ZFNet, which came of looking into it."""

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph
from cnnir.zoo.layers import fully_connected_end, proportion
from cnnir.zoo.registry import network

PAPER = (
    'Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (2012),'
    " figure 2 and section 3.5"
)

ONE_TOWER = (
    'Krizhevsky, "One Weird Trick for Parallelizing Convolutional Neural Networks" (2014); filters as in torchvision'
)

VISUALISED = 'Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2013), figure 3'


@network("alexnet", "AlexNet, two groups", PAPER)
def alexnet(
    *, size: Size = 227, classes: int = 1000, batch: Extent = 1, width: int = 96, hidden: int = 4096, seed: int = 0
) -> Graph:
    """The network of the paper, the two halves of its layers 2, 4 and 5 as groups; layers are named as in Caffe.

    The paper says 224, but an 11x11 window in steps of 4 makes its 55x55 maps of 227. Its normalisation (section
    3.3: k = 2, n = 5, alpha = 1e-4, beta = 0.75) does not divide alpha by n; ONNX does, so alpha is n times as large
    here. Caffe's k is 1.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (96); those of the other convolutions follow in proportion.
        hidden: Outputs of fc6 and fc7.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("alexnet", seed=seed)
    x = builder.image(3, size, batch=batch)
    x = builder.conv(x, proportion(96, width, 96), kernel=11, stride=4, name="conv1")
    x = builder.lrn(builder.relu(x, name="relu1"), 5, alpha=5e-4, bias=2.0, name="norm1")
    x = builder.max_pool(x, 3, 2, name="pool1")
    x = builder.conv(x, proportion(256, width, 96), kernel=5, padding=2, groups=2, name="conv2")
    x = builder.lrn(builder.relu(x, name="relu2"), 5, alpha=5e-4, bias=2.0, name="norm2")
    x = builder.max_pool(x, 3, 2, name="pool2")
    for number, filters, groups in ((3, 384, 1), (4, 384, 2), (5, 256, 2)):
        count = proportion(filters, width, 96)
        x = builder.conv(x, count, kernel=3, padding=1, groups=groups, name=f"conv{number}")
        x = builder.relu(x, name=f"relu{number}")
    x = builder.max_pool(x, 3, 2, name="pool5")
    return builder.build(fully_connected_end(builder, x, hidden, classes))


@network("alexnet_single_tower", "AlexNet, one tower", ONE_TOWER)
def alexnet_single_tower(
    *, size: Size = 224, classes: int = 1000, batch: Extent = 1, width: int = 64, hidden: int = 4096, seed: int = 0
) -> Graph:
    """The later AlexNet without groups and without normalisation.

    Torchvision puts dropout before fc6 and fc7, and an adaptive pooling before them that does nothing at 224; here
    dropout stands behind them and fc6 fits the size.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (64); those of the other convolutions follow in proportion.
        hidden: Outputs of fc6 and fc7.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("alexnet_single_tower", seed=seed)
    x = builder.image(3, size, batch=batch)
    x = builder.conv(x, proportion(64, width, 64), kernel=11, stride=4, padding=2, name="conv1")
    x = builder.max_pool(builder.relu(x, name="relu1"), 3, 2, name="pool1")
    x = builder.conv(x, proportion(192, width, 64), kernel=5, padding=2, name="conv2")
    x = builder.max_pool(builder.relu(x, name="relu2"), 3, 2, name="pool2")
    for number, filters in ((3, 384), (4, 256), (5, 256)):
        x = builder.conv(x, proportion(filters, width, 64), kernel=3, padding=1, name=f"conv{number}")
        x = builder.relu(x, name=f"relu{number}")
    x = builder.max_pool(x, 3, 2, name="pool5")
    return builder.build(fully_connected_end(builder, x, hidden, classes))


@network("zfnet", "ZFNet", VISUALISED)
def zfnet(
    *, size: Size = 224, classes: int = 1000, batch: Extent = 1, width: int = 96, hidden: int = 4096, seed: int = 0
) -> Graph:
    """AlexNet with a smaller window and stride in the first layer, and without groups.

    The figure's sizes (224, 110, 55, 26, 13, 6) ask for one cell of padding in conv1 and for windows that are cut off
    at the edge in pool1 and pool2. The contrast normalisation across maps follows pooling, with AlexNet's constants.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (96); those of the other convolutions follow in proportion.
        hidden: Outputs of fc6 and fc7.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("zfnet", seed=seed)
    x = builder.image(3, size, batch=batch)
    for number, filters, kernel, padding in ((1, 96, 7, 1), (2, 256, 5, 0)):
        count = proportion(filters, width, 96)
        x = builder.conv(x, count, kernel=kernel, stride=2, padding=padding, name=f"conv{number}")
        x = builder.max_pool(builder.relu(x, name=f"relu{number}"), 3, 2, ceil_mode=True, name=f"pool{number}")
        x = builder.lrn(x, 5, alpha=5e-4, bias=2.0, name=f"norm{number}")
    for number, filters in ((3, 384), (4, 384), (5, 256)):
        x = builder.conv(x, proportion(filters, width, 96), kernel=3, padding=1, name=f"conv{number}")
        x = builder.relu(x, name=f"relu{number}")
    x = builder.max_pool(x, 3, 2, name="pool5")
    return builder.build(fully_connected_end(builder, x, hidden, classes))
