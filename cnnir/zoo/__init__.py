"""The classic networks by name, built with the Python builder."""

from cnnir.zoo.registry import NETWORKS, Network, build, find
from cnnir.zoo.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "NETWORKS",
    "Network",
    "build",
    "find",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]
