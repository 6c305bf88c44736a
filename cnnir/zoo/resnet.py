"""ResNet and ResNeXt: each block adds what it computes to what it was given.

The stride of a block lies in its 3x3 convolution, as in torchvision; the paper has it in the first 1x1, with the same
number of parameters. Names are torchvision's.
"""

from dataclasses import dataclass
from functools import partial

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import channels, classify, conv_norm
from cnnir.zoo.registry import network

PAPER = (
    'He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition" (2015), table 1;'
    " the stride in the 3x3 convolutions as in torchvision"
)

AGGREGATED = (
    'Xie, Girshick, Dollár, Tu and He, "Aggregated Residual Transformations for Deep Neural Networks" (2016), table 1'
)

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of each stage, by the number of layers with weights."""

EXPANSION = 4
"""A bottleneck block gives that many times the channels that its stage is counted by."""


@dataclass(frozen=True)
class Block:
    """What the blocks of a network have in common.

    Attributes:
        bottleneck: Whether a block is 1x1, 3x3, 1x1 with four times the channels, or two 3x3.
        groups: Of the 3x3 convolution in a bottleneck (the cardinality of the ResNeXt paper).
        inner: Channels of that convolution, as a multiple of those that the stage is counted by.
    """

    bottleneck: bool
    groups: int = 1
    inner: int = 1

    def __call__(self, builder: GraphBuilder, x: Value, filters: int, stride: int, name: str) -> Value:
        """The block's output, ``[N, filters, H / stride, W / stride]``, four times the filters for a bottleneck."""

        def layer(y: Value, number: int, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> Value:
            names = f"{name}.conv{number}", f"{name}.bn{number}"
            return conv_norm(builder, y, filters, kernel=kernel, stride=stride, groups=groups, names=names)

        outer = filters * EXPANSION if self.bottleneck else filters
        shortcut = x
        if stride != 1 or channels(x) != outer:
            names = f"{name}.downsample.0", f"{name}.downsample.1"
            shortcut = conv_norm(builder, x, outer, stride=stride, names=names)
        if self.bottleneck:
            inner = filters * self.inner
            y = builder.relu(layer(x, 1, inner, 1), name=f"{name}.relu1")
            y = builder.relu(layer(y, 2, inner, 3, stride, self.groups), name=f"{name}.relu2")
            y = layer(y, 3, outer, 1)
        else:
            y = builder.relu(layer(x, 1, filters, 3, stride), name=f"{name}.relu1")
            y = layer(y, 2, filters, 3)
        return builder.relu(builder.add(y, shortcut, name=f"{name}.add"), name=f"{name}.relu")


def residual(
    name: str,
    blocks: tuple[int, ...],
    block: Block,
    /,
    *,
    size: Size = 224,
    classes: int = 1000,
    batch: Extent = 1,
    width: int = 64,
    seed: int = 0,
) -> Graph:
    """A residual network.

    Args:
        name: Of the graph.
        blocks: Of each stage.
        block: What they have in common.
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer; each stage counts twice as many as the one before.
        seed: Of the initial weights.
    """
    builder = GraphBuilder(name, seed=seed)
    x = builder.image(3, size, batch=batch)
    x = conv_norm(builder, x, width, kernel=7, stride=2, names=("conv1", "bn1"))
    x = builder.max_pool(builder.relu(x, name="relu"), 3, 2, 1, name="maxpool")
    for stage, count in enumerate(blocks):
        for number in range(count):
            stride = 2 if stage > 0 and number == 0 else 1
            x = block(builder, x, width * 2**stage, stride, f"layer{stage + 1}.{number}")
    return classify(builder, x, classes)


resnet18 = network("resnet18", "ResNet-18", PAPER)(partial(residual, "resnet18", BLOCKS[18], Block(bottleneck=False)))
resnet34 = network("resnet34", "ResNet-34", PAPER)(partial(residual, "resnet34", BLOCKS[34], Block(bottleneck=False)))
resnet50 = network("resnet50", "ResNet-50", PAPER)(partial(residual, "resnet50", BLOCKS[50], Block(bottleneck=True)))
resnet101 = network("resnet101", "ResNet-101", PAPER)(
    partial(residual, "resnet101", BLOCKS[101], Block(bottleneck=True))
)
resnet152 = network("resnet152", "ResNet-152", PAPER)(
    partial(residual, "resnet152", BLOCKS[152], Block(bottleneck=True))
)
resnext50_32x4d = network("resnext50_32x4d", "ResNeXt-50 (32x4d)", AGGREGATED)(
    partial(residual, "resnext50_32x4d", BLOCKS[50], Block(bottleneck=True, groups=32, inner=2))
)
