"""What the networks are made of: normalised convolutions, a gate over channels, classifiers, counts of channels."""

import math
from collections.abc import Callable
from typing import TypeAlias

from cnnir.builder import GraphBuilder, Padding, Pair
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.types import outside_int

Activation: TypeAlias = Callable[..., Value]
"""A method of the builder: takes a value and a name, gives a value."""

INCEPTION_EPSILON = 1e-3
"""Of the normalisations in torchvision's GoogLeNet and Inception v3, whose weights came from TensorFlow."""


def conv_norm(
    builder: GraphBuilder,
    x: Value,
    filters: int,
    *,
    kernel: Pair = 1,
    stride: int = 1,
    padding: Padding | None = None,
    groups: int = 1,
    epsilon: float = 1e-5,
    names: tuple[str, str],
) -> Value:
    """A convolution without bias and the batch normalisation of its outputs.

    Args:
        builder: Of the graph.
        x: ``[N, C, H, W]``.
        filters: Channels of the output.
        kernel: The window, in cells.
        stride: In cells.
        padding: In cells; half the kernel unless given, which keeps the size at stride 1.
        groups: Parts of the channels that are convolved apart.
        epsilon: Of the normalisation.
        names: Of the convolution and of the normalisation.
    """
    height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    border = (height // 2, width // 2) if padding is None else padding
    x = builder.conv(x, filters, kernel=kernel, stride=stride, padding=border, groups=groups, bias=False, name=names[0])
    return builder.batch_norm(x, epsilon=epsilon, name=names[1])


def normalised_conv(
    builder: GraphBuilder,
    x: Value,
    filters: int,
    name: str,
    *,
    kernel: Pair = 1,
    stride: int = 1,
    padding: Padding = 0,
) -> Value:
    """`conv_norm` and ReLU as the Inception networks have them: ``NAME.conv``, ``NAME.bn``, ``NAME.relu``.

    Args:
        builder: Of the graph.
        x: ``[N, C, H, W]``.
        filters: Channels of the output.
        name: Of the three together.
        kernel: The window, in cells.
        stride: In cells.
        padding: In cells; none unless given.
    """
    names = (f"{name}.conv", f"{name}.bn")
    x = conv_norm(
        builder, x, filters, kernel=kernel, stride=stride, padding=padding, epsilon=INCEPTION_EPSILON, names=names
    )
    return builder.relu(x, name=f"{name}.relu")


def channels(x: Value) -> int:
    """Size of axis 1."""
    return int(str(x.type.shape[1]))  # type: ignore[union-attr]


def squeeze_excite(
    builder: GraphBuilder, x: Value, squeezed: int, activation: Activation, gate: Activation, *, name: str
) -> Value:
    """Each channel times a factor that is worked out from the means of all channels.

    Hu et al., "Squeeze-and-Excitation Networks", 2017, figure 2.

    Args:
        builder: Of the graph.
        x: ``[N, C, H, W]``.
        squeezed: Channels between the two layers that work the factor out.
        activation: Between those layers.
        gate: Behind them.
        name: Of the block; its layers are ``NAME.fc1`` and ``NAME.fc2``.
    """
    means = builder.global_average_pool(x, name=f"{name}.avgpool")
    inner = activation(builder.conv(means, squeezed, kernel=1, name=f"{name}.fc1"), name=f"{name}.activation")
    factor = gate(builder.conv(inner, channels(x), kernel=1, name=f"{name}.fc2"), name=f"{name}.gate")
    return builder.mul(x, factor, name=f"{name}.scale")


def classify(builder: GraphBuilder, x: Value, classes: int, *, dropout: float | None = None, name: str = "fc") -> Graph:
    """The graph: global average pooling, one fully connected layer and Softmax behind `x`.

    Args:
        builder: Of the graph.
        x: Features ``[N, C, H, W]``, of any height and width.
        classes: Number of outputs.
        dropout: Ratio of the dropout before the layer; None for no dropout.
        name: Of the fully connected layer.
    """
    x = builder.flatten(builder.global_average_pool(x, name="avgpool"), name="flatten")
    x = x if dropout is None else builder.dropout(x, dropout, name="dropout")
    return builder.build(builder.softmax(builder.linear(x, classes, name=name), name="prob"))


def fully_connected_end(builder: GraphBuilder, x: Value, hidden: int, classes: int) -> Value:
    """Two hidden layers with dropout, then the scores and their softmax: fc6, fc7, fc8 and prob.

    Args:
        builder: Of the network.
        x: ``[N, C, H, W]``.
        hidden: Outputs of fc6 and of fc7.
        classes: Outputs of fc8.

    Returns:
        Probabilities ``[N, classes]``.
    """
    x = builder.flatten(x, name="flatten")
    for number in (6, 7):
        x = builder.relu(builder.linear(x, hidden, name=f"fc{number}"), name=f"relu{number}")
        x = builder.dropout(x, name=f"drop{number}")
    return builder.softmax(builder.linear(x, classes, name="fc8"), name="prob")


def rounded(count: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to a number of channels, but no less than nine tenths of it.

    Howard et al., "Searching for MobileNetV3", 2019, use the rule; it stands in the authors' code alone.
    """
    nearest = max(divisor, int(count + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * count else nearest + divisor


def multiplier(value: float, option: str, node: str) -> float:
    """A multiplier that was given from outside.

    Args:
        value: What was given.
        option: Under which name.
        node: To which network.

    Raises:
        CnnirError: ``option-value`` for what is no positive number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise CnnirError(
            "option-value", f"{option} is a multiplier", node=node, expected="a positive number", got=value
        )
    return value


def proportion(filters: int, width: int, full: int) -> int:
    """Filters of a layer in a network made narrower or wider.

    Args:
        filters: Of the layer in the paper.
        width: Filters that the first layer shall have.
        full: Filters of the first layer in the paper.

    Raises:
        CnnirError: ``dim-number`` or ``dim-negative`` for a width that is none, ``option-value`` for one that leaves a
            layer without filters.
    """
    scaled = filters * outside_int(width, "width", least=1) // full
    if not scaled:
        raise CnnirError(
            "option-value",
            "a layer would have no filters",
            expected=f"a width of at least {-(-full // filters)}",
            got=width,
            hint=f"the paper's width is {full}",
        )
    return scaled
