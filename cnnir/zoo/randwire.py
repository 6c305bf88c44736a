"""RandWire: networks whose wiring is drawn at random, by Watts and Strogatz's model of small worlds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnir.builder import Extent, GraphBuilder, Size
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.types import DType, outside_int
from cnnir.weights import Fill
from cnnir.zoo.layers import channels, classify, conv_norm
from cnnir.zoo.registry import network

PAPER = (
    'Xie, Kirillov, Girshick and He, "Exploring Randomly Wired Neural Networks for Image Recognition" (2019),'
    " table 1, small regime; WS(4, 0.75)"
)

STAGES = 3
"""Random graphs, one behind the other; each halves the map."""

FEATURES = 1280
"""Channels before the classifier."""

GATE = 0.5
"""Weight of each edge before training: the sigmoid of zero."""


@dataclass(frozen=True)
class Wiring:
    """A directed graph without cycles.

    Attributes:
        sources: For each node, the nodes that it reads, all with smaller numbers; none for those that read the input.
    """

    sources: tuple[tuple[int, ...], ...]

    @property
    def sinks(self) -> tuple[int, ...]:
        """The nodes that no node reads."""
        read = {source for sources in self.sources for source in sources}
        return tuple(node for node in range(len(self.sources)) if node not in read)


def watts_strogatz(nodes: int, neighbours: int, probability: float, seed: Sequence[int]) -> Wiring:
    """A random graph, its edges directed from the smaller number to the larger.

    Watts and Strogatz, "Collective dynamics of 'small-world' networks", 1998; section 3.3 of the paper. The nodes stand
    in a ring, each with an edge to `neighbours` / 2 nodes on both sides. Then for each distance, and clockwise for each
    node, the edge to the node at that distance is given another end with a probability: any node but the node itself
    and those that it has an edge with.

    Args:
        nodes: How many; more than `neighbours`.
        neighbours: Of each node in the ring, an even number.
        probability: That an edge is given another end, 0 to 1.
        seed: Of the random numbers.

    Raises:
        CnnirError: ``option-value`` for numbers that give no ring, ``dim-number`` or ``dim-negative`` for counts that
            are none.
    """
    nodes, neighbours = (
        outside_int(count, option, least=2, node="randwire_small")
        for count, option in ((nodes, "nodes"), (neighbours, "neighbours"))
    )
    likely = isinstance(probability, int | float) and 0 <= probability <= 1
    if neighbours % 2 or nodes <= neighbours or not likely:
        raise CnnirError(
            "option-value",
            "these numbers give no small world",
            node="randwire_small",
            expected="an even number of neighbours, fewer than nodes, and a probability of 0 to 1",
            got=f"{nodes} nodes, {neighbours} neighbours, {probability}",
        )
    generator = np.random.Generator(np.random.PCG64(list(seed)))
    steps = range(1, neighbours // 2 + 1)
    linked = [{(node + sign * step) % nodes for step in steps for sign in (-1, 1)} for node in range(nodes)]
    for step in steps:
        for node in range(nodes):
            others = [other for other in range(nodes) if other != node and other not in linked[node]]
            if generator.random() >= probability or not others:
                continue
            old, new = (node + step) % nodes, others[int(generator.random() * len(others))]
            linked[node].remove(old)
            linked[old].remove(node)
            linked[node].add(new)
            linked[new].add(node)
    return Wiring(tuple(tuple(sorted(other for other in linked[node] if other < node)) for node in range(nodes)))


@network("randwire_small", "RandWire-WS small", PAPER)
def randwire_small(
    *,
    size: Size = 224,
    classes: int = 1000,
    batch: Extent = 1,
    width: int = 78,
    nodes: int = 32,
    neighbours: int = 4,
    probability: float = 0.75,
    wiring: int = 0,
    seed: int = 0,
) -> Graph:
    """A randomly wired network of the small regime.

    Args:
        size: Height and width of the input image, in pixels.
        classes: Number of outputs.
        batch: Images at once.
        width: Channels of the nodes of the first random graph (C in the paper), an even number; twice as many in each
            that follows.
        nodes: Of each random graph (N in the paper).
        neighbours: Of each node before edges are moved (K in the paper).
        probability: That an edge is moved (P in the paper).
        wiring: Seed of the random graphs.
        seed: Of the initial weights.

    Raises:
        CnnirError: ``option-value`` for numbers that give no ring, ``dim-number`` or ``dim-negative`` for counts that
            are none.
    """
    width = outside_int(width, "width", least=2, node="randwire_small")
    wiring = outside_int(wiring, "wiring", least=0, node="randwire_small")
    builder = GraphBuilder("randwire_small", seed=seed)
    x = builder.image(3, size, batch=batch)
    x = conv_norm(builder, x, width // 2, kernel=3, stride=2, names=("conv1", "bn1"))
    x = builder.relu(x, name="relu2")
    x = conv_norm(builder, x, width, kernel=3, stride=2, names=("conv2", "bn2"))
    for stage in range(STAGES):
        graph = watts_strogatz(nodes, neighbours, probability, (wiring, stage))
        x = _stage(builder, x, graph, width * 2**stage, f"conv{stage + 3}")
    x = conv_norm(builder, builder.relu(x, name="relu6"), FEATURES, names=("conv6", "bn6"))
    # Without a nonlinearity here, this convolution and the classifier would be one linear map.
    return classify(builder, builder.relu(x, name="relu7"), classes)


def _stage(builder: GraphBuilder, x: Value, wiring: Wiring, filters: int, path: str) -> Value:
    """Section 3.2: nodes without a source read the stage's input, and halve it; those that none reads are averaged.

    The number by which the average multiplies is a constant, so it counts as one parameter of the stage.
    """
    made: list[Value] = []
    for node, sources in enumerate(wiring.sources):
        name = f"{path}.{node}"
        gathered = _weighted_sum(builder, [made[source] for source in sources], name) if sources else x
        made.append(_transformed(builder, gathered, filters, 1 if sources else 2, name))
    ends = [made[node] for node in wiring.sinks]
    if len(ends) == 1:
        return ends[0]
    total = ends[0]
    for number, value in enumerate(ends[1:], start=1):
        total = builder.add(total, value, name=f"{path}.sum{number}")
    share = _scalar(builder, 1 / len(ends), f"{path}.share")
    return builder.mul(total, share, name=f"{path}.mean")


def _weighted_sum(builder: GraphBuilder, values: Sequence[Value], name: str) -> Value:
    """Each value times a positive weight, and the sum; a single value needs no weight.

    The weights stand in the graph as inference sees them, behind the sigmoid that keeps them positive in training.
    """
    if len(values) == 1:
        return values[0]
    parts = [
        builder.mul(value, _scalar(builder, GATE, f"{name}.gate{number}"), name=f"{name}.weighted{number}")
        for number, value in enumerate(values)
    ]
    total = parts[0]
    for number, part in enumerate(parts[1:], start=1):
        total = builder.add(total, part, name=f"{name}.sum{number}")
    return total


def _transformed(builder: GraphBuilder, x: Value, filters: int, stride: int, name: str) -> Value:
    """ReLU, a 3x3 depthwise and a 1x1 convolution, normalisation."""
    x = builder.relu(x, name=f"{name}.relu")
    count = channels(x)
    x = builder.conv(x, count, kernel=3, stride=stride, padding=1, groups=count, bias=False, name=f"{name}.depthwise")
    return conv_norm(builder, x, filters, names=(f"{name}.pointwise", f"{name}.bn"))


def _scalar(builder: GraphBuilder, value: float, name: str) -> Value:
    return builder.graph.add_weight(name, Fill(DType.FLOAT32, (), np.float32(value)))
