"""What several families share: filters in proportion, and the fully connected end of AlexNet and its heirs."""

from cnnir.builder import GraphBuilder, Pair
from cnnir.errors import CnnirError
from cnnir.graph import Value
from cnnir.types import outside_int


def proportion(filters: int, width: int, full: int) -> int:
    """Filters of a layer in a network made narrower or wider.

    Args:
        filters: Of the layer in the paper.
        width: Filters that the first layer shall have.
        full: Filters of the first layer in the paper.

    Raises:
        CnnirError: ``dim-number`` or ``dim-negative`` for a width that is none, ``zoo-width`` for one that leaves a
            layer without filters.
    """
    scaled = filters * outside_int(width, "width", least=1) // full
    if not scaled:
        raise CnnirError(
            "zoo-width",
            "a layer would have no filters",
            expected=f"a width of at least {-(-full // filters)}",
            got=width,
            hint=f"the paper's width is {full}",
        )
    return scaled


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


def normalised_conv(
    builder: GraphBuilder,
    x: Value,
    filters: int,
    name: str,
    *,
    kernel: Pair = 1,
    stride: int = 1,
    padding: Pair = 0,
    epsilon: float = 1e-3,
) -> Value:
    """Convolution without bias, batch normalisation, ReLU: ``NAME.conv``, ``NAME.bn`` and ``NAME.relu``.

    Args:
        builder: Of the network.
        x: ``[N, C, H, W]``.
        filters: Of the convolution.
        name: Of the three together.
        kernel: Window of the convolution.
        stride: Its steps.
        padding: Cells around the map.
        epsilon: Of the normalisation; the Inception networks take more than PyTorch's own 1e-5.
    """
    x = builder.conv(x, filters, kernel=kernel, stride=stride, padding=padding, bias=False, name=f"{name}.conv")
    return builder.relu(builder.batch_norm(x, epsilon=epsilon, name=f"{name}.bn"), name=f"{name}.relu")
