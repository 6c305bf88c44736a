"""The graph as networkx sees it: for algorithms, never for storage.

The view is a frozen picture of the moment it was made. Its nodes are the graph's own `Node` objects and, as sources,
the `Value` objects of its inputs; its edges are the uses of values. Weights are no part of it.
"""

from typing import TYPE_CHECKING, TypeAlias

import networkx as nx

from cnnir.graph import Graph, Node, Value
from cnnir.types import TensorType

if TYPE_CHECKING:
    View: TypeAlias = nx.MultiDiGraph[Node | Value]


def networkx_view(graph: Graph) -> "View":
    """A read-only multigraph of nodes and inputs.

    Nodes carry ``name`` and ``kind`` (``input``, or the op's name). An edge leads from the producer to a reader for
    each operand, keyed by its index, and carries ``value`` (name), ``type`` and
    ``bytes`` (a dim; None where not a tensor).

    Raises:
        networkx.NetworkXError: from the view, on any attempt to change it.
    """
    view: View = nx.MultiDiGraph(name=graph.name)
    for value in graph.inputs:
        view.add_node(value, name=value.name, kind="input")
    for node in graph.nodes:
        view.add_node(node, name=node.name, kind=node.op.kind)
    for node in graph.nodes:
        for index, operand in enumerate(node.inputs):
            if operand is None or operand.weight is not None:
                continue
            size = operand.type.bytes if isinstance(operand.type, TensorType) else None
            source = operand if operand.producer is None else operand.producer
            view.add_edge(source, node, key=index, value=operand.name, type=operand.type, bytes=size)
    nx.freeze(view)
    return view


def generations(graph: Graph) -> tuple[tuple[Node, ...], ...]:
    """The nodes in layers: each reads from earlier layers alone, and could not stand in an earlier one."""
    layers = nx.topological_generations(_of_nodes(graph))
    place = {node: step for step, node in enumerate(graph.nodes)}
    return tuple(tuple(sorted(layer, key=place.__getitem__)) for layer in layers)


def longest_path(graph: Graph) -> tuple[Node, ...]:
    """The longest chain of nodes, each reading from the one before it: the network's depth. Empty without nodes."""
    return tuple(nx.dag_longest_path(_of_nodes(graph)))


def cut_nodes(graph: Graph) -> tuple[Node, ...]:
    """Nodes without which the network, its inputs included, falls apart; in the graph's order.

    These are the articulation points of the undirected graph (Hopcroft and Tarjan, "Algorithm 447", 1973).
    """
    points = set(nx.articulation_points(nx.Graph(networkx_view(graph))))
    return tuple(node for node in graph.nodes if node in points)


def _of_nodes(graph: Graph) -> "nx.DiGraph[Node]":
    """Nodes alone, each edge once."""
    result: nx.DiGraph[Node] = nx.DiGraph()
    result.add_nodes_from(graph.nodes)
    result.add_edges_from((producer, node) for node in graph.nodes for producer in _producers(node))
    return result


def _producers(node: Node) -> list[Node]:
    return [value.producer for value in node.operands if value.producer is not None]
