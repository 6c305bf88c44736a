"""What is known of every network from elsewhere: its published figures, or the arithmetic that gives them by hand.

A network of the zoo without an entry here fails the tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

TORCHVISION = "torchvision's metadata (num_params, _ops)"

CAFFE = "blobs of the model in Caffe's model zoo"

BY_HAND = "by hand, from the source's table"


@dataclass(frozen=True)
class Figures:
    """Of one network.

    Attributes:
        params: Trained parameters, each counted once.
        source: Who says so.
        macs: Multiply-accumulates for one image, exactly, where somebody says so or a hand can count them.
        gigamacs: The same as published, in thousands of millions, with as many digits as were given.
        small: Options with which the network is quickly run and keeps its structure.
    """

    params: int
    source: str
    macs: int | None = None
    gigamacs: str | None = None
    small: Mapping[str, object] = field(default_factory=dict)


def layer(filters: int, window: int, channels: int) -> int:
    """Parameters of a layer with biases: filters times what one of them holds."""
    return filters * (window * channels + 1)


_VGG = {"size": 32, "width": 8, "hidden": 64, "classes": 10}
_ALEXNET = {"size": 99, "width": 24, "hidden": 64, "classes": 10}
_SMALL_IMAGE = {"size": 64, "width": 16, "classes": 10}

FIGURES: dict[str, Figures] = {
    "vgg11": Figures(132863336, TORCHVISION, gigamacs="7.609", small=_VGG),
    "vgg13": Figures(133047848, TORCHVISION, gigamacs="11.308", small=_VGG),
    "vgg16": Figures(138357544, TORCHVISION, macs=15470264320, gigamacs="15.47", small=_VGG),
    "vgg19": Figures(143667240, TORCHVISION, gigamacs="19.632", small=_VGG),
    "vgg11_bn": Figures(132868840, TORCHVISION, gigamacs="7.609", small=_VGG),
    "vgg13_bn": Figures(133053736, TORCHVISION, gigamacs="11.308", small=_VGG),
    "vgg16_bn": Figures(138365992, TORCHVISION, gigamacs="15.47", small=_VGG),
    "vgg19_bn": Figures(143678248, TORCHVISION, gigamacs="19.632", small=_VGG),
    "lenet5": Figures(
        # 60,000 trainable ones, and the fixed codes of ten output units.
        60000 + 10 * 84,
        "LeCun et al. 1998, section II.B",
        # The section's 340,908 connections, less what is no product of a convolution or a fully connected layer: a bias
        # for each unit of C1, C3, C5 and F6, and the four inputs and the bias of each unit of S2 and S4.
        macs=340908 - (6 * 28 * 28 + 16 * 10 * 10 + 120 + 84) - 5 * (6 * 14 * 14 + 16 * 5 * 5),
    ),
    "lenet5_plain": Figures(
        layer(6, 25, 1) + layer(16, 25, 6) + layer(120, 25, 16) + layer(84, 1, 120) + layer(10, 1, 84),
        BY_HAND,
        macs=28 * 28 * 6 * 25 + 10 * 10 * 16 * 25 * 6 + 120 * 25 * 16 + 84 * 120 + 10 * 84,
    ),
    "convnetjs_cifar10": Figures(
        layer(16, 25, 3) + layer(20, 25, 16) + layer(20, 25, 20) + layer(10, 4 * 4, 20),
        BY_HAND,
        macs=32 * 32 * 16 * 25 * 3 + 16 * 16 * 20 * 25 * 16 + 8 * 8 * 20 * 25 * 20 + 10 * 4 * 4 * 20,
    ),
    "nielsen": Figures(
        layer(20, 25, 1) + layer(40, 25, 20) + layer(100, 4 * 4, 40) + layer(10, 1, 100),
        BY_HAND,
        macs=24 * 24 * 20 * 25 + 8 * 8 * 40 * 25 * 20 + 100 * 4 * 4 * 40 + 10 * 100,
    ),
    "alexnet": Figures(60965224, CAFFE, macs=724406816, small=_ALEXNET),
    "alexnet_single_tower": Figures(61100840, TORCHVISION, gigamacs="0.714", small=_ALEXNET | {"width": 16}),
    "zfnet": Figures(
        layer(96, 49, 3)
        + layer(256, 25, 96)
        + layer(384, 9, 256)
        + layer(384, 9, 384)
        + layer(256, 9, 384)
        + layer(4096, 6 * 6, 256)
        + layer(4096, 1, 4096)
        + layer(1000, 1, 4096),
        BY_HAND,
        macs=110 * 110 * 96 * 49 * 3
        + 26 * 26 * 256 * 25 * 96
        + 13 * 13 * 9 * (256 * 384 + 384 * 384 + 384 * 256)
        + 6 * 6 * 256 * 4096
        + 4096 * 4096
        + 4096 * 1000,
        small=_ALEXNET,
    ),
    "nin": Figures(
        layer(192, 25, 3)
        + layer(160, 1, 192)
        + layer(96, 1, 160)
        + layer(192, 25, 96)
        + 2 * layer(192, 1, 192)
        + layer(192, 9, 192)
        + layer(192, 1, 192)
        + layer(10, 1, 192),
        BY_HAND,
        macs=32 * 32 * (192 * 25 * 3 + 160 * 192 + 96 * 160)
        + 16 * 16 * (192 * 25 * 96 + 2 * 192 * 192)
        + 8 * 8 * (192 * 9 * 192 + 192 * 192 + 10 * 192),
        small={"width": 24},
    ),
    "nin_imagenet": Figures(
        layer(96, 121, 3)
        + 2 * layer(96, 1, 96)
        + layer(256, 25, 96)
        + 2 * layer(256, 1, 256)
        + layer(384, 9, 256)
        + 2 * layer(384, 1, 384)
        + layer(1024, 9, 384)
        + layer(1024, 1, 1024)
        + layer(1000, 1, 1024),
        BY_HAND,
        # 224 -> 54 -> pooled 27 -> pooled 13 -> pooled 6
        macs=54 * 54 * (96 * 121 * 3 + 2 * 96 * 96)
        + 27 * 27 * (256 * 25 * 96 + 2 * 256 * 256)
        + 13 * 13 * (384 * 9 * 256 + 2 * 384 * 384)
        + 6 * 6 * (1024 * 9 * 384 + 1024 * 1024 + 1000 * 1024),
        small={"size": 99, "width": 24, "classes": 10},
    ),
    "all_cnn_c": Figures(
        layer(96, 9, 3)
        + 2 * layer(96, 9, 96)
        + layer(192, 9, 96)
        + 3 * layer(192, 9, 192)
        + layer(192, 1, 192)
        + layer(10, 1, 192),
        BY_HAND,
        macs=32 * 32 * 9 * (3 * 96 + 96 * 96)
        + 16 * 16 * 9 * (96 * 96 + 96 * 192 + 192 * 192)
        + 8 * 8 * 9 * 192 * 192
        + 6 * 6 * (9 * 192 * 192 + 192 * 192 + 192 * 10),
        small={"width": 24},
    ),
    "googlenet": Figures(6998552, CAFFE, gigamacs="1.58", small=_SMALL_IMAGE),
    "googlenet_bn": Figures(6624904, TORCHVISION, gigamacs="1.498", small=_SMALL_IMAGE),
    "inception_v3": Figures(
        27161264 - 3326696,  # torchvision counts the auxiliary head
        TORCHVISION,
        gigamacs="5.713",
        small={"size": 107, "width": 8, "classes": 10},
    ),
    "squeezenet1_0": Figures(1248424, TORCHVISION, gigamacs="0.819", small=_SMALL_IMAGE),
    "squeezenet1_1": Figures(1235496, TORCHVISION, gigamacs="0.349", small=_SMALL_IMAGE),
}
"""By name; `layer(...)` sums are worked out from the source's table alone."""
