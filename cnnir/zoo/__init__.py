"""The classic networks by name, built with the Python builder."""

from cnnir.zoo.alexnet import alexnet, alexnet_single_tower, zfnet
from cnnir.zoo.convolutional import all_cnn_c, nin, nin_imagenet
from cnnir.zoo.googlenet import googlenet, googlenet_bn
from cnnir.zoo.inception import inception_v3
from cnnir.zoo.lenet import lenet5, lenet5_plain
from cnnir.zoo.registry import NETWORKS, Network, build, find
from cnnir.zoo.small import convnetjs_cifar10, nielsen
from cnnir.zoo.squeezenet import squeezenet1_0, squeezenet1_1
from cnnir.zoo.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "NETWORKS",
    "Network",
    "alexnet",
    "alexnet_single_tower",
    "all_cnn_c",
    "build",
    "convnetjs_cifar10",
    "find",
    "googlenet",
    "googlenet_bn",
    "inception_v3",
    "lenet5",
    "lenet5_plain",
    "nielsen",
    "nin",
    "nin_imagenet",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "zfnet",
]
