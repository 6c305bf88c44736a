"""Are two graphs equal, and if not, where is the first difference?"""

from collections.abc import Iterator, Sequence

from cnnir.graph import Graph, Node, Value
from cnnir.text.printer import print_op


def difference(first: Graph, second: Graph, *, provenance: bool = True) -> str | None:
    """None when the graphs are equal, else their first difference as a sentence.

    Equal are graphs with the same inputs, weights, nodes (in their order) and outputs, by name, type, op, operands,
    metadata and contents. The order of the weights is free, notes are not compared.

    Args:
        first: A graph.
        second: Another.
        provenance: Whether the graphs' names, and what their sources said about them, count too.
    """
    return next(_differences(first, second, provenance=provenance), None)


def _differences(first: Graph, second: Graph, *, provenance: bool) -> Iterator[str]:
    if provenance:
        yield from _provenance(first, second)
    yield from _values("input", first.inputs, second.inputs)
    yield from _weights(first, second)
    for ours, theirs in zip(first.nodes, second.nodes, strict=False):
        yield from _nodes(ours, theirs)
    if len(first) != len(second):
        longer = first if len(first) > len(second) else second
        extra, where = longer.nodes[min(len(first), len(second))], "first" if longer is first else "second"
        yield f"there are {len(first)} and {len(second)} nodes; {extra.label} is in the {where} graph only"
    yield from _values("output", first.outputs, second.outputs)


def _provenance(first: Graph, second: Graph) -> Iterator[str]:
    if first.name != second.name:
        yield f"the graphs are called {first.name!r} and {second.name!r}"
    for name, ours in vars(first.provenance).items():
        theirs = getattr(second.provenance, name)
        if ours != theirs:
            yield f"provenance.{name} is {ours!r} and {theirs!r}"


def _values(what: str, first: Sequence[Value], second: Sequence[Value]) -> Iterator[str]:
    ours, theirs = [value.name for value in first], [value.name for value in second]
    if ours != theirs:
        yield f"the {what}s are {ours} and {theirs}"
    for value, other in zip(first, second, strict=False):
        yield from _types(what, value, other)


def _types(what: str, value: Value, other: Value) -> Iterator[str]:
    if value.type != other.type:
        yield f"{what} {value.name} is {value.type} and {other.type}"


def _weights(first: Graph, second: Graph) -> Iterator[str]:
    ours, theirs = ({value.name: value for value in graph.weights} for graph in (first, second))
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        if name not in theirs or name not in ours:
            yield f"weight {name} is in {'the first' if name in ours else 'the second'} graph only"
            continue
        yield from _types("weight", ours[name], theirs[name])
        left, right = ours[name].weight, theirs[name].weight
        if left is not None and right is not None and not left.equals(right):
            yield f"weight {name} has other contents"


def _nodes(ours: Node, theirs: Node) -> Iterator[str]:
    if ours.name != theirs.name:
        yield f"node {ours.label} stands where {theirs.label} stands in the second graph"
    if (left := print_op(ours.op)) != (right := print_op(theirs.op)):
        yield f"node {ours.name} is {left} and {right}"
    left_names, right_names = ([v.name if v is not None else None for v in node.inputs] for node in (ours, theirs))
    if left_names != right_names:
        yield f"node {ours.label} reads {left_names} and {right_names}"
    yield from _values(f"{ours.label} output", ours.outputs, theirs.outputs)
    if ours.metadata != theirs.metadata:
        yield f"node {ours.label} has the metadata {ours.metadata} and {theirs.metadata}"
    if ours.constraints != theirs.constraints:
        yield f"node {ours.label} rests on {list(map(str, ours.constraints))} and {list(map(str, theirs.constraints))}"
