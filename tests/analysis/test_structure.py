"""The structural view, and what is computed over it, against small algorithms of the tests' own."""

import subprocess
import sys
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

import cnnir.analysis
from cnnir.analysis import cut_nodes, generations, longest_path, networkx_view
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Add, Relu
from cnnir.types import DType, TensorType, UnknownType
from tests.random_graphs import random_graph

FLOATS = TensorType(DType.FLOAT32, (2, 3))
SEEDS = range(20)


def relu(graph: Graph, value: Value, name: str) -> Node:
    return graph.add_node(Relu(), [value], name=name)


def depths(graph: Graph) -> dict[Node, int]:
    """Nodes on the longest chain that ends at each node."""
    found: dict[Node, int] = {}
    for node in graph.nodes:
        before = [found[value.producer] for value in node.operands if value.producer is not None]
        found[node] = 1 + max(before, default=0)
    return found


def parts(graph: Graph, without: Node | None) -> int:
    """How many connected parts inputs and nodes make, one node left out; by painting neighbours."""
    things: list[Node | Value] = [*graph.inputs, *(node for node in graph.nodes if node is not without)]
    paint = {thing: number for number, thing in enumerate(things)}
    for node in graph.nodes:
        for value in node.operands:
            source = value if value in graph.inputs else value.producer
            if source is not None and node in paint and source in paint and paint[node] != paint[source]:
                old, new = paint[node], paint[source]
                paint = {thing: new if colour == old else colour for thing, colour in paint.items()}
    return len(set(paint.values()))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_use_of_a_value_is_an_edge(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed))
    view = networkx_view(graph)
    assert list(view.nodes) == [*graph.inputs, *graph.nodes]
    edges = {(source, reader, key): data["value"] for source, reader, key, data in view.edges(keys=True, data=True)}
    assert edges == {
        (value.producer or value, node, index): value.name
        for value in graph.values
        if value.weight is None
        for node, index in value.uses
    }


def test_edges_and_nodes_say_what_they_are() -> None:
    graph = Graph("named")
    x = graph.add_input("x", FLOATS)
    node = graph.add_node(Add(), [x, x], name="double")
    view = networkx_view(graph)
    assert view.graph["name"] == "named"
    assert view.nodes[x] == {"name": "x", "kind": "input"}
    assert view.nodes[node] == {"name": "double", "kind": "Add"}
    assert view.get_edge_data(x, node) == {
        0: {"value": "x", "type": FLOATS, "bytes": 24},
        1: {"value": "x", "type": FLOATS, "bytes": 24},
    }


def test_bytes_of_an_unknown_type_are_not_known() -> None:
    graph = Graph()
    x = graph.add_input("x", UnknownType())
    node = relu(graph, x, "relu")
    assert networkx_view(graph).get_edge_data(x, node)[0]["bytes"] is None


def test_the_view_cannot_be_changed() -> None:
    graph = random_graph(np.random.default_rng(0))
    view = networkx_view(graph)
    with pytest.raises(nx.NetworkXError):
        view.add_edge(graph.nodes[0], graph.nodes[1])
    with pytest.raises(nx.NetworkXError):
        view.remove_node(next(iter(view.nodes)))


@pytest.mark.parametrize("seed", SEEDS)
def test_generations_are_depths(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed), 16)
    found = {node: number for number, layer in enumerate(generations(graph), start=1) for node in layer}
    assert found == depths(graph)
    assert sum(map(len, generations(graph))) == len(graph)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_longest_path_is_a_path_and_as_long_as_the_graph_is_deep(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed), 16)
    path = longest_path(graph)
    assert len(path) == max(depths(graph).values())
    for before, after in pairwise(path):
        assert any(value.producer is before for value in after.operands)


@pytest.mark.parametrize("seed", SEEDS)
def test_cut_nodes_are_those_whose_removal_parts_the_graph(seed: int) -> None:
    graph = random_graph(np.random.default_rng(seed), 16)
    whole = parts(graph, None)
    assert list(cut_nodes(graph)) == [node for node in graph.nodes if parts(graph, node) > whole]


def test_a_diamond_is_cut_at_its_ends_alone() -> None:
    graph = Graph()
    top = relu(graph, graph.add_input("x", FLOATS), "top")
    left, right = relu(graph, top.output, "left"), relu(graph, top.output, "right")
    bottom = graph.add_node(Add(), [left.output, right.output], name="bottom")
    relu(graph, bottom.output, "end")
    assert [node.name for node in cut_nodes(graph)] == ["top", "bottom"]
    assert [[node.name for node in layer] for layer in generations(graph)] == [
        ["top"],
        ["left", "right"],
        ["bottom"],
        ["end"],
    ]


def test_a_graph_without_nodes_has_no_structure() -> None:
    graph = Graph()
    graph.add_input("x", FLOATS)
    assert (longest_path(graph), generations(graph), cut_nodes(graph)) == ((), (), ())


def test_networkx_is_imported_only_when_structure_is_asked_for() -> None:
    script = (
        "import sys, cnnir.analysis as a; a.costs; a.live_ranges; print('networkx' in sys.modules); "
        "a.cut_nodes; print('networkx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_an_unknown_name_of_the_room_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = cnnir.analysis.nothing_like_this
