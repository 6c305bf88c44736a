"""The classic networks by name, built with the Python builder."""

from cnnir.zoo.alexnet import alexnet, alexnet_single_tower, zfnet
from cnnir.zoo.convolutional import all_cnn_c, nin, nin_imagenet
from cnnir.zoo.densenet import densenet121, densenet169, densenet201
from cnnir.zoo.efficientnet import efficientnet_b0
from cnnir.zoo.googlenet import googlenet, googlenet_bn
from cnnir.zoo.inception import inception_v3
from cnnir.zoo.lenet import lenet5, lenet5_plain
from cnnir.zoo.mobilenet import mobilenet_v1, mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small
from cnnir.zoo.nasnet import nasnet_a_large, nasnet_a_mobile, pnasnet5_large
from cnnir.zoo.randwire import randwire_small
from cnnir.zoo.registry import NETWORKS, Network, build, find
from cnnir.zoo.resnet import resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d
from cnnir.zoo.shufflenet import shufflenet_v2
from cnnir.zoo.small import convnetjs_cifar10, nielsen
from cnnir.zoo.squeezenet import squeezenet1_0, squeezenet1_1
from cnnir.zoo.unet import unet, unet_padded
from cnnir.zoo.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "NETWORKS",
    "Network",
    "alexnet",
    "alexnet_single_tower",
    "all_cnn_c",
    "build",
    "convnetjs_cifar10",
    "densenet121",
    "densenet169",
    "densenet201",
    "efficientnet_b0",
    "find",
    "googlenet",
    "googlenet_bn",
    "inception_v3",
    "lenet5",
    "lenet5_plain",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "nasnet_a_large",
    "nasnet_a_mobile",
    "nielsen",
    "nin",
    "nin_imagenet",
    "pnasnet5_large",
    "randwire_small",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "shufflenet_v2",
    "squeezenet1_0",
    "squeezenet1_1",
    "unet",
    "unet_padded",
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
