"""The canonical text form of a graph: printing, reading back, digest and comparison."""

from cnnir.text.compare import difference, graphs_equal
from cnnir.text.parser import parse_graph
from cnnir.text.printer import digest, print_graph

__all__ = ["difference", "digest", "graphs_equal", "parse_graph", "print_graph"]
