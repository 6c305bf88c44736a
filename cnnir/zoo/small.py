"""Small networks that people learn from: ConvNetJS's CIFAR-10 demonstration, and Nielsen's for handwritten digits."""

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.graph import Graph
from cnnir.types import outside_int
from cnnir.zoo.layers import proportion
from cnnir.zoo.registry import network

CONVNETJS = 'Karpathy, "ConvNetJS CIFAR-10 demo" (2014), the network that the page starts with'

NIELSEN = (
    'Nielsen, "Neural Networks and Deep Learning" (2015), chapter 6, two convolutional layers and one hidden layer'
)


@network("convnetjs_cifar10", "ConvNetJS CIFAR-10 demo", CONVNETJS)
def convnetjs_cifar10(
    *, size: Size = 32, classes: int = 10, batch: Extent = 1, width: int = 16, seed: int = 0
) -> Graph:
    """Three times 5x5 convolution, ReLU and 2x2 pooling, then the scores.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer (16); the two others follow in proportion (20).
        seed: Of the initial weights.
    """
    builder = GraphBuilder("convnetjs_cifar10", seed=seed)
    x = builder.image(3, size, batch=batch)
    for number, filters in enumerate((16, 20, 20), start=1):
        x = builder.conv(x, proportion(filters, width, 16), kernel=5, padding=2, name=f"conv{number}")
        x = builder.max_pool(builder.relu(x, name=f"relu{number}"), 2, name=f"pool{number}")
    x = builder.linear(builder.flatten(x, name="flatten"), classes, name="fc")
    return builder.build(builder.softmax(x, name="prob"))


@network("nielsen", "Nielsen, chapter 6", NIELSEN)
def nielsen(
    *,
    size: Size = 28,
    classes: int = 10,
    batch: Extent = 1,
    width: int = 20,
    hidden: int = 100,
    layers: int = 1,
    seed: int = 0,
) -> Graph:
    """Twice 5x5 convolution and 2x2 pooling, then hidden layers, with ReLU.

    The book pools before it adds the bias and applies the activation; the maximum of sums with one bias, and of a
    monotone function of them, is the same. The chapter's last and best network is this one with ``hidden=1000`` and
    ``layers=2``.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Filters of the first layer; the second has twice as many.
        hidden: Outputs of each hidden layer.
        layers: Number of hidden layers.
        seed: Of the initial weights.
    """
    builder = GraphBuilder("nielsen", seed=seed)
    x = builder.image(1, size, batch=batch)
    for number, filters in enumerate((20, 40), start=1):
        x = builder.conv(x, proportion(filters, width, 20), kernel=5, name=f"conv{number}")
        x = builder.relu(builder.max_pool(x, 2, name=f"pool{number}"), name=f"relu{number}")
    x = builder.flatten(x, name="flatten")
    for number in range(3, 3 + outside_int(layers, "layers")):
        x = builder.relu(builder.linear(x, hidden, name=f"fc{number}"), name=f"relu{number}")
        x = builder.dropout(x, name=f"drop{number}")
    x = builder.linear(x, classes, name="scores")
    return builder.build(builder.softmax(x, name="prob"))
