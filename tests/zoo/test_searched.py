"""NASNet, PNASNet and RandWire: every connection of the cells and of the random graphs."""

import networkx
import pytest

from cnnir import CnnirError, zoo
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, AveragePool, Conv, MaxPool, Relu
from cnnir.zoo.randwire import watts_strogatz

NORMAL = {
    0: {"5x5 5x5 current", "3x3 3x3 previous"},
    1: {"5x5 5x5 previous", "3x3 3x3 previous"},
    2: {"average current", "previous"},
    3: {"average previous"},
    4: {"3x3 3x3 current", "current"},
}
"""NASNet, figure 4, left: the pairs whose sums go into the concatenation, with the hidden state before last."""

REDUCTION = {
    0: {"5x5/2 5x5 current", "7x7/2 7x7 previous"},
    1: {"max/2 current", "7x7/2 7x7 previous"},
    2: {"average/2 current", "5x5/2 5x5 previous"},
    3: {"average 0", "1"},
    4: {"3x3 3x3 0", "max/2 current"},
}
"""Figure 4, right."""

PROGRESSIVE = {
    0: {"5x5 5x5 previous", "max previous"},
    1: {"7x7 7x7 current", "max current"},
    2: {"5x5 5x5 current", "3x3 3x3 current"},
    3: {"3x3 3x3 2", "max current"},
    4: {"3x3 3x3 previous", "current"},
}
"""PNASNet, figure 1, left."""

PROGRESSIVE_REDUCTION = {
    0: {"5x5/2 5x5 previous", "max/2 previous"},
    1: {"7x7/2 7x7 current", "max/2 current"},
    2: {"5x5/2 5x5 current", "3x3/2 3x3 current"},
    3: {"3x3 3x3 2", "max/2 current"},
    4: {"3x3/2 3x3 previous", "1x1/2 current"},
}
"""The same with stride 2 on what comes from outside; the shortcut is a convolution then."""


def described(value: Value, cell: str) -> str:
    """The operations on the way up from a block's operand to an input of the cell, or to another block."""
    node = value.producer
    assert node is not None
    if node.name.startswith(f"{cell}.comb_iter_") and isinstance(node.op, Add):
        return node.name.removeprefix(f"{cell}.comb_iter_")
    if node.name.startswith(f"{cell}.conv_1x1."):
        return "current"
    if node.name.startswith(f"{cell}.conv_prev_1x1."):
        return "previous"
    above = described(node.operands[0], cell)
    word = ""
    if isinstance(node.op, MaxPool | AveragePool):
        word = "max" if isinstance(node.op, MaxPool) else "average"
        word += "/2" if node.op.strides == (2, 2) else ""
    elif isinstance(node.op, Conv) and "pointwise" not in node.name:
        kernel = str(node.inputs[1].type)[-5:-1].replace(", ", "x")  # type: ignore[union-attr]
        word = kernel.strip() + ("/2" if node.op.strides == (2, 2) else "")
    if not word:
        return above
    *words, source = above.split(" ")
    return " ".join([*words, word, source])


def blocks(graph: Graph, cell: str) -> dict[int, set[str]]:
    """What each block of a cell adds."""
    return {
        number: {described(value, cell) for value in graph.value(f"{cell}.comb_iter_{number}").producer.operands}  # type: ignore[union-attr]
        for number in range(5)
    }


def joined(graph: Graph, cell: str) -> list[str]:
    """What the cell's output puts side by side."""
    node = graph.value(f"{cell}.concat").producer
    assert node is not None
    return [described(value, cell) for value in node.operands]


def reads(graph: Graph, cell: str) -> list[str]:
    """The cells that a cell reads: as the older and as the newer of its inputs."""
    return [
        graph.value(f"{cell}.{path}.relu").producer.operands[0].name.removesuffix(".concat")  # type: ignore[union-attr]
        for path in ("conv_prev_1x1", "conv_1x1")
    ]


def test_cells_of_nasnet() -> None:
    """Every cell is that of the figure."""
    graph = zoo.nasnet_a_large()
    for index in range(18):
        assert blocks(graph, f"cell_{index}") == NORMAL
        assert joined(graph, f"cell_{index}") == ["previous", "0", "1", "2", "3", "4"]
    for cell in ("cell_stem_1", "reduction_cell_0", "reduction_cell_1"):
        assert blocks(graph, cell) == REDUCTION
        assert joined(graph, cell) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("name", "behind"), [("nasnet_a_large", -2), ("nasnet_a_mobile", -1)])
def test_inputs_of_the_cells_of_nasnet(name: str, behind: int) -> None:
    """Each reads the two before it; behind a reduction the large network goes back one further."""
    graph = zoo.build(name, cells=2, width=8)
    assert reads(graph, "cell_0") == ["cell_stem_0", "cell_stem_1"]
    assert reads(graph, "cell_1") == ["cell_stem_1", "cell_0"]
    assert reads(graph, "reduction_cell_0") == ["cell_0", "cell_1"]
    assert reads(graph, "cell_2") == [("cell_0", "cell_1")[behind], "reduction_cell_0"]
    assert reads(graph, "cell_3") == ["reduction_cell_0", "cell_2"]


def test_maps_of_nasnet() -> None:
    """331 pixels: 165, 83, 42, 21 and 11 cells; 6 times 672 channels before the classifier."""
    graph = zoo.nasnet_a_large()
    expected = {"conv0.bn": (96, 165), "cell_stem_0.concat": (4 * 42, 83), "cell_stem_1.concat": (4 * 84, 42)}
    expected |= {"cell_5.concat": (6 * 168, 42), "reduction_cell_0.concat": (4 * 336, 21)}
    expected |= {"cell_11.concat": (6 * 336, 21), "reduction_cell_1.concat": (4 * 672, 11), "relu": (4032, 11)}
    for name, (channels, size) in expected.items():
        assert str(graph.value(name).type) == f"float32[1, {channels}, {size}, {size}]"


def test_cells_of_pnasnet() -> None:
    """One cell throughout, at stride 2 in three places; each reads the two before it."""
    graph = zoo.pnasnet5_large()
    order = ["cell_stem_0", "cell_stem_1", *(f"cell_{index}" for index in range(12))]
    for cell in order[1:]:
        wanted = PROGRESSIVE_REDUCTION if cell in ("cell_stem_1", "cell_4", "cell_8") else PROGRESSIVE
        assert blocks(graph, cell) == wanted
        assert joined(graph, cell) == ["0", "1", "2", "3", "4"]
    for older, newer, cell in zip(order, order[1:], order[2:], strict=False):
        assert reads(graph, cell) == [older, newer]
    assert str(graph.value("relu").type) == "float32[1, 4320, 11, 11]"


def test_what_a_smaller_map_is_made_of() -> None:
    """The factorised reduction takes even rows and columns, and beside them the odd ones."""
    graph = zoo.pnasnet5_large(size=75, cells=1, width=8, stem=8)
    path = "cell_0.conv_prev_1x1"
    assert [str(graph.value(f"{path}.path_{number}.conv").type) for number in (1, 2)] == ["float32[1, 4, 10, 10]"] * 2
    assert graph.value(f"{path}.path_1.avgpool").producer.operands[0].name == f"{path}.relu"  # type: ignore[union-attr]
    crop = graph.value(f"{path}.path_2.crop").producer
    assert crop is not None
    assert crop.op.starts == (1, 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["nasnet_a_large", "nasnet_a_mobile", "pnasnet5_large"])
def test_sizes_of_searched_networks(name: str) -> None:
    """Even and odd maps, also one cell alone, fit together; what cannot be built is refused."""
    for size in (63, 64, 65, 66, 99):
        graph = zoo.build(name, size=(size, 75), cells=1, width=4, stem=4)
        assert str(graph.outputs[0].type) == "float32[1, 1000]"
    for options, code in (
        ({"width": 6}, "option-value"),
        ({"width": 0}, "dim-negative"),
        ({"width": "wide"}, "dim-number"),
        ({"cells": 0}, "dim-negative"),
    ):
        with pytest.raises(CnnirError) as caught:
            zoo.build(name, **options)
        assert (caught.value.code, caught.value.node) == (code, name)


def test_rings() -> None:
    """Nothing moved: the ring of networkx, each node with its neighbours."""
    for nodes, neighbours in ((8, 4), (32, 4), (11, 6)):
        wiring = watts_strogatz(nodes, neighbours, 0, (0, 0))
        edges = {(source, node) for node, sources in enumerate(wiring.sources) for source in sources}
        ring = networkx.watts_strogatz_graph(nodes, neighbours, 0)
        assert edges == {(min(edge), max(edge)) for edge in ring.edges}


def test_small_worlds() -> None:
    """No edge is lost, none is doubled, every node keeps half of its edges; about three in four have moved."""
    moved = 0
    for seed in range(50):
        wiring = watts_strogatz(32, 4, 0.75, (seed, 0))
        edges = [(source, node) for node, sources in enumerate(wiring.sources) for source in sources]
        assert len(edges) == len(set(edges)) == 32 * 4 // 2
        assert all(source < node for source, node in edges)
        degree = [sum(node in edge for edge in edges) for node in range(32)]
        assert min(degree) >= 2
        assert wiring.sinks == tuple(node for node in range(32) if all(source != node for source, _ in edges))
        moved += sum((node - source) % 32 not in (1, 2, 30, 31) for source, node in edges)
    # An edge that moves ends beside its node in 4 of 31 cases at most, most of which are taken.
    assert 0.65 < moved / (50 * 64) < 0.78


def test_the_wiring_is_in_the_network() -> None:
    """Each node of each stage reads what the random graph says, the sinks are summed, and the seed decides."""
    graph = zoo.randwire_small(wiring=3)
    for stage in range(3):
        wiring = watts_strogatz(32, 4, 0.75, (3, stage))
        path = f"conv{stage + 3}"
        for node, sources in enumerate(wiring.sources):
            first = graph.value(f"{path}.{node}.relu").producer
            assert first is not None
            found = gathered(first.operands[0])
            assert found == ([f"{path}.{source}.bn" for source in sources] or gathered(graph.value(_entry(stage))))
        assert gathered(graph.value(f"{path}.mean")) == [f"{path}.{node}.bn" for node in wiring.sinks]
    assert str(graph) == str(zoo.randwire_small(wiring=3))
    assert watts_strogatz(32, 4, 0.75, (3, 0)) != watts_strogatz(32, 4, 0.75, (3, 1))


def _entry(stage: int) -> str:
    return "bn2" if stage == 0 else f"conv{stage + 2}.mean"


def gathered(value: Value) -> list[str]:
    """The normalisations that are scaled and summed into a value, in order."""
    node: Node | None = value.producer
    assert node is not None
    if node.op.kind == "BatchNormalization":
        return [node.name]
    assert node.op.kind in ("Add", "Mul")
    return [name for operand in node.operands if operand.weight is None for name in gathered(operand)]


def test_published_size_of_randwire() -> None:
    """Table 2 of the paper over its random graphs: 5.6 +- 0.1 million parameters, 583 +- 6.2 million multiply-adds."""
    totals = [zoo.randwire_small(wiring=wiring).table().totals for wiring in range(5)]
    for figure, mean, spread in (("params", 5.6, 0.1), ("macs", 583.0, 6.2)):
        unit = 1e6
        found = [getattr(total, figure) / unit for total in totals]
        assert abs(sum(found) / len(found) - mean) < spread
    assert all(isinstance(total.params, int) for total in totals)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"neighbours": 3}, "option-value"),
        ({"nodes": 4}, "option-value"),
        ({"probability": 1.5}, "option-value"),
        ({"probability": "often"}, "option-value"),
        ({"nodes": 8.5}, "dim-number"),
        ({"width": "wide"}, "dim-number"),
        ({"wiring": -1}, "dim-negative"),
    ],
)
def test_refused_wirings(options: dict[str, object], code: str) -> None:
    """One line, naming the network."""
    with pytest.raises(CnnirError) as caught:
        zoo.build("randwire_small", **options)
    assert (caught.value.code, caught.value.node) == (code, "randwire_small")


def test_a_complete_graph() -> None:
    """As many neighbours as there can be: no other end is left, and each node reads all before it."""
    wiring = watts_strogatz(5, 4, 1.0, (0,))
    assert wiring.sources == tuple(tuple(range(node)) for node in range(5))
    graph = zoo.randwire_small(size=32, width=4, nodes=5, probability=1.0)
    assert sum(isinstance(node.op, Relu) for node in graph.nodes) == 1 + 3 * 5 + 2
