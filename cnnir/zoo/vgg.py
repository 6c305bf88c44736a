"""VGG: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2014), table 1."""

from cnnir.builder import GraphBuilder
from cnnir.graph import Graph

CONFIGURATIONS: dict[str, tuple[tuple[int, int], ...]] = {
    "vgg16": ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
}
"""For each network its blocks: how many 3x3 convolutions, and with how many filters; a 2x2 pooling ends each block."""


QUOTED = (
    "the total often quoted for this network's table, 24M activation elements or 93 MB an image, is not the sum of the"
    " table's own rows"
)
"""A note for readers who compare."""


def vgg(name: str, *, size: int = 224, classes: int = 1000, batch: int = 1, seed: int = 0) -> Graph:
    """The VGG network of that configuration, with names as in the paper's figures (conv1_1, ..., pool5, fc6, fc7, fc8).

    Args:
        name: A key of `CONFIGURATIONS`.
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        seed: Of the initial weights.
    """
    builder = GraphBuilder(name, seed=seed)
    x = builder.input("data", (batch, 3, size, size))
    for block, (convolutions, filters) in enumerate(CONFIGURATIONS[name], start=1):
        for layer in range(1, convolutions + 1):
            x = builder.conv(x, filters, kernel=3, padding=1, name=f"conv{block}_{layer}")
            x = builder.relu(x, name=f"relu{block}_{layer}")
        x = builder.max_pool(x, 2, name=f"pool{block}")
    x = builder.flatten(x, name="flatten")
    for number, outputs in ((6, 4096), (7, 4096)):
        x = builder.relu(builder.linear(x, outputs, name=f"fc{number}"), name=f"relu{number}")
        x = builder.dropout(x, name=f"drop{number}")
    x = builder.linear(x, classes, name="fc8")
    return builder.build(builder.softmax(x, name="prob"))


def vgg16(*, size: int = 224, classes: int = 1000, batch: int = 1, seed: int = 0) -> Graph:
    """VGG-16: configuration D of table 1."""
    graph = vgg("vgg16", size=size, classes=classes, batch=batch, seed=seed)
    graph.notes.append(QUOTED)
    return graph
