"""Taking a node out whose output is what one of its operands is already."""

from cnnir.graph import Node, Value
from cnnir.rewriter import Rewriter


def bypass(rewriter: Rewriter, node: Node, source: Value) -> str | None:
    """Remove a node: its readers read `source` instead. Outputs of the graph keep their names.

    Returns:
        Why the node stays; None when it is gone.
    """
    graph, output = rewriter.graph, node.output
    is_output = graph.is_output(output)
    if output.type != source.type:
        return f"{output.name} is {output.type}, {source.name} is {source.type}"
    if is_output and (source.producer is None or graph.is_output(source)):
        return f"{output.name} is an output, and {source.name} has a name of its own to keep"
    name = output.name
    rewriter.replace_uses(output, source)
    rewriter.erase(node)
    if is_output:
        rewriter.rename(source, name)
    return None
