"""What is known of every network from elsewhere: its published figures, or the arithmetic that gives them by hand.

A network of the zoo without an entry here fails the tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from cnnir.zoo.randwire import watts_strogatz

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


PRETRAINED = "Cadene's pretrained models; Keras's trainable parameters; the multiply-adds are the paper's"


def layer(filters: int, window: int, channels: int) -> int:
    """Parameters of a layer with biases: filters times what one of them holds."""
    return filters * (window * channels + 1)


def normalised(filters: int, window: int, channels: int = 1) -> int:
    """Parameters of a convolution without bias and of its normalisation; a depthwise one reads one channel."""
    return filters * (window * channels + 2)


def randwire() -> int:
    """Parameters of RandWire's small regime, from its random graphs and table 1."""
    total = normalised(39, 9, 3) + normalised(78, 9, 39) + normalised(1280, 1, 312) + layer(1000, 1, 1280)
    for stage, (before, filters) in enumerate(((78, 78), (78, 156), (156, 312))):
        wiring = watts_strogatz(32, 4, 0.75, (0, stage))
        for sources in wiring.sources:
            channels = filters if sources else before
            gates = len(sources) if len(sources) > 1 else 0
            total += 9 * channels + normalised(filters, 1, channels) + gates
        total += 1  # by which the mean of the stage is taken
    return total


_VGG = {"size": 32, "width": 8, "hidden": 64, "classes": 10}
_ALEXNET = {"size": 99, "width": 24, "hidden": 64, "classes": 10}
_SMALL_IMAGE = {"size": 64, "width": 16, "classes": 10}

_RESNET = {"size": 64, "width": 8, "classes": 10}
_DENSENET = {"size": 64, "growth": 4, "classes": 10}
_MOBILENET = {"size": 64, "width": 0.25, "classes": 10}
_SEARCHED = {"size": 75, "cells": 2, "width": 8, "stem": 8, "classes": 10}  # maps of 37, 19, 10, 5 and 3 cells

_MOBILENET_V1 = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
"""Channels between the layers of table 1."""

_UNET = (
    layer(64, 9, 1)
    + layer(64, 9, 64)
    + sum(layer(2 * c, 9, c) + layer(2 * c, 9, 2 * c) for c in (64, 128, 256, 512))
    + sum(layer(c, 4, 2 * c) + layer(c, 9, 2 * c) + layer(c, 9, c) for c in (512, 256, 128, 64))
    + layer(2, 1, 64)
)

_UNET_MACS = (
    # Sizes of figure 1, down, up-convolutions (each cell gives four), up.
    9 * (570**2 * 64 + 568**2 * 64 * 64 + 282**2 * 64 * 128 + 280**2 * 128 * 128)
    + 9 * (138**2 * 128 * 256 + 136**2 * 256 * 256 + 66**2 * 256 * 512 + 64**2 * 512 * 512)
    + 9 * (30**2 * 512 * 1024 + 28**2 * 1024 * 1024)
    + 4 * (28**2 * 1024 * 512 + 52**2 * 512 * 256 + 100**2 * 256 * 128 + 196**2 * 128 * 64)
    + 9 * (54**2 * 1024 * 512 + 52**2 * 512 * 512 + 102**2 * 512 * 256 + 100**2 * 256 * 256)
    + 9 * (198**2 * 256 * 128 + 196**2 * 128 * 128 + 390**2 * 128 * 64 + 388**2 * 64 * 64)
    + 388**2 * 64 * 2
)

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
    "resnet18": Figures(11689512, TORCHVISION, macs=1814073344, gigamacs="1.814", small=_RESNET),
    "resnet34": Figures(21797672, TORCHVISION, gigamacs="3.664", small=_RESNET),
    "resnet50": Figures(25557032, TORCHVISION, macs=4089184256, gigamacs="4.089", small=_RESNET),
    "resnet101": Figures(44549160, TORCHVISION, gigamacs="7.801", small=_RESNET),
    "resnet152": Figures(60192808, TORCHVISION, gigamacs="11.514", small=_RESNET),
    "resnext50_32x4d": Figures(25028904, TORCHVISION, macs=4230479872, gigamacs="4.23", small=_SMALL_IMAGE),
    "densenet121": Figures(7978856, TORCHVISION, macs=2834161664, gigamacs="2.834", small=_DENSENET),
    "densenet169": Figures(14149480, TORCHVISION, gigamacs="3.36", small=_DENSENET),
    "densenet201": Figures(20013928, TORCHVISION, gigamacs="4.291", small=_DENSENET),
    "mobilenet_v1": Figures(
        # Keras gives 4,253,864 with means and variances of 10,944 channels.
        normalised(32, 9, 3)
        + sum(normalised(c, 9) + normalised(f, 1, c) for c, f in pairwise(_MOBILENET_V1))
        + layer(1000, 1, 1024),
        BY_HAND,
        gigamacs="0.569",
        small=_MOBILENET,
    ),
    "mobilenet_v2": Figures(3504872, TORCHVISION, macs=300774272, gigamacs="0.301", small=_MOBILENET),
    "mobilenet_v3_small": Figures(2542856, TORCHVISION, macs=56510400, gigamacs="0.057", small=_MOBILENET),
    "mobilenet_v3_large": Figures(5483032, TORCHVISION, gigamacs="0.217", small=_MOBILENET),
    "shufflenet_v2": Figures(2278604, TORCHVISION, macs=144907992, gigamacs="0.145", small=_MOBILENET | {"width": 0.5}),
    "efficientnet_b0": Figures(5288548, TORCHVISION, macs=385814752, gigamacs="0.386", small=_MOBILENET),
    "nasnet_a_large": Figures(88753150, PRETRAINED, gigamacs="23.8", small=_SEARCHED),
    "nasnet_a_mobile": Figures(5289978, PRETRAINED, gigamacs="0.564", small=_SEARCHED),
    "pnasnet5_large": Figures(86057668, PRETRAINED, macs=24937395792, small=_SEARCHED),
    "randwire_small": Figures(randwire(), BY_HAND, small={"size": 64, "width": 8, "classes": 10}),
    "unet": Figures(_UNET, BY_HAND, macs=_UNET_MACS, small={"size": 188, "width": 4}),
    "unet_padded": Figures(_UNET, BY_HAND, small={"size": 64, "width": 4}),
}
"""By name; `layer(...)` sums are worked out from the source's table alone."""
