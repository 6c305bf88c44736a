"""ShuffleNet v2: half of the channels pass each unit untouched, then all are shuffled. Names are torchvision's."""

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.zoo.layers import channels, classify, conv_norm
from cnnir.zoo.registry import network

PAPER = (
    'Ma, Zhang, Zheng and Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design" (2018),'
    " table 5 and figure 3"
)

UNITS = (4, 8, 4)
"""Of stages 2, 3 and 4."""

FILTERS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
"""Of stages 2, 3 and 4 and of the last convolution, by the network's width."""


@network("shufflenet_v2", "ShuffleNet v2", PAPER)
def shufflenet_v2(
    *, size: Size = 224, classes: int = 1000, batch: Extent = 1, width: float = 1.0, seed: int = 0
) -> Graph:
    """ShuffleNet v2.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: A key of `FILTERS`.
        seed: Of the initial weights.

    Raises:
        CnnirError: ``option-value`` for another width.
    """
    if width not in FILTERS:
        known = ", ".join(map(str, FILTERS))
        raise CnnirError(
            "option-value", "the paper has no such width", node="shufflenet_v2", expected=f"one of {known}", got=width
        )
    builder = GraphBuilder("shufflenet_v2", seed=seed)
    x = builder.image(3, size, batch=batch)
    x = conv_norm(builder, x, 24, kernel=3, stride=2, names=("conv1.0", "conv1.1"))
    x = builder.max_pool(builder.relu(x, name="conv1.2"), 3, 2, 1, name="maxpool")
    *stages, last = FILTERS[width]
    for stage, (units, filters) in enumerate(zip(UNITS, stages, strict=True), start=2):
        x = _halved(builder, x, filters, f"stage{stage}.0")
        for number in range(1, units):
            x = _unit(builder, x, f"stage{stage}.{number}")
    x = builder.relu(conv_norm(builder, x, last, names=("conv5.0", "conv5.1")), name="conv5.2")
    return classify(builder, x, classes)


def _unit(builder: GraphBuilder, x: Value, name: str) -> Value:
    """Figure 3c: one half is convolved, the other is not."""
    half = channels(x) // 2
    kept, changed = builder.split(x, (half, half), name=f"{name}.split")
    changed = _branch(builder, changed, half, 1, f"{name}.branch2")
    return _joined(builder, kept, changed, name)


def _halved(builder: GraphBuilder, x: Value, filters: int, name: str) -> Value:
    """Figure 3d: both branches read all channels and halve the size."""
    path = f"{name}.branch1"
    kept = _depthwise(builder, x, 2, (f"{path}.0", f"{path}.1"))
    kept = builder.relu(conv_norm(builder, kept, filters // 2, names=(f"{path}.2", f"{path}.3")), name=f"{path}.4")
    return _joined(builder, kept, _branch(builder, x, filters // 2, 2, f"{name}.branch2"), name)


def _branch(builder: GraphBuilder, x: Value, filters: int, stride: int, path: str) -> Value:
    """1x1, depthwise 3x3, 1x1."""
    x = builder.relu(conv_norm(builder, x, filters, names=(f"{path}.0", f"{path}.1")), name=f"{path}.2")
    x = _depthwise(builder, x, stride, (f"{path}.3", f"{path}.4"))
    return builder.relu(conv_norm(builder, x, filters, names=(f"{path}.5", f"{path}.6")), name=f"{path}.7")


def _depthwise(builder: GraphBuilder, x: Value, stride: int, names: tuple[str, str]) -> Value:
    return conv_norm(builder, x, channels(x), kernel=3, stride=stride, groups=channels(x), names=names)


def _joined(builder: GraphBuilder, kept: Value, changed: Value, name: str) -> Value:
    joined = builder.concat(kept, changed, name=f"{name}.concat")
    return builder.channel_shuffle(joined, 2, name=f"{name}.shuffle")
