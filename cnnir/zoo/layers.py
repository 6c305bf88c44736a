"""What the networks are made of: a normalised convolution, a gate over channels, a classifier at the end."""

import math
from collections.abc import Callable
from typing import TypeAlias

from cnnir.builder import GraphBuilder, Padding
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value

Activation: TypeAlias = Callable[..., Value]
"""A method of the builder: takes a value and a name, gives a value."""


def conv_norm(
    builder: GraphBuilder,
    x: Value,
    filters: int,
    *,
    kernel: int = 1,
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
        kernel: Height and width of the window, in cells.
        stride: In cells.
        padding: In cells; half the kernel unless given, which keeps the size at stride 1.
        groups: Parts of the channels that are convolved apart.
        epsilon: Of the normalisation.
        names: Of the convolution and of the normalisation.
    """
    border = kernel // 2 if padding is None else padding
    x = builder.conv(x, filters, kernel=kernel, stride=stride, padding=border, groups=groups, bias=False, name=names[0])
    return builder.batch_norm(x, epsilon=epsilon, name=names[1])


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
