"""The invariants of a graph, checked from nothing: what every pass must leave as it found it."""

from typing import NoReturn

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops.base import infer
from cnnir.types import UnknownType

_CONTEXT = 5
"""Nodes shown on either side of the culprit."""


def verify(graph: Graph) -> None:
    """Check use lists, names, order, ownership, and every type by inferring it anew.

    Raises:
        CnnirError: ``verify-…`` naming the node, with the nodes around it; the code of inference where a node does
            not take its operands any more.
    """
    nodes = _walked(graph)
    _verify_tables(graph, nodes)
    _verify_values(graph)
    defined = {value for value in graph.values if value.producer is None}
    for position, node in enumerate(nodes):
        for value in node.operands:
            if value not in graph:
                _fail(nodes, position, "verify-foreign", f"operand {value.name} is not a value of the graph")
            if value not in defined:
                _fail(nodes, position, "verify-order", f"operand {value.name} is not made before it is read")
        _verify_node(graph, nodes, position)
        defined.update(node.outputs)
    _verify_uses(graph, nodes)
    for kind, values in (("input", graph.inputs), ("output", graph.outputs)):
        for value in values:
            if value not in graph:
                raise CnnirError("verify-foreign", f"an {kind} is not a value of the graph", got=value.name)


def _walked(graph: Graph) -> tuple[Node, ...]:
    """The nodes in their order, both ways the same, and not without end."""
    nodes: list[Node] = []
    node = graph._first
    while node is not None and len(nodes) <= len(graph):
        if node._previous is not (nodes[-1] if nodes else None):
            raise CnnirError("verify-nodes", "the node does not know what stands before it", node=node.label)
        nodes.append(node)
        node = node._next
    if graph._last is not (nodes[-1] if nodes else None):
        raise CnnirError("verify-nodes", "the list of nodes does not end at its last", got=len(nodes))
    return tuple(nodes)


def _verify_tables(graph: Graph, nodes: tuple[Node, ...]) -> None:
    if set(nodes) != set(graph._nodes.values()) or len(nodes) != len(graph._nodes):
        raise CnnirError(
            "verify-nodes", "the list of nodes and their table differ", expected=len(graph._nodes), got=len(nodes)
        )
    for kind, table in (("value", graph._values), ("node", graph._nodes)):
        for name, item in table.items():
            if item.name != name:
                raise CnnirError(
                    "verify-names", f"a {kind} is registered under another name", expected=item.name, got=name
                )


def _verify_values(graph: Graph) -> None:
    if len(set(graph.inputs)) != len(graph.inputs):
        raise CnnirError("verify-names", "an input stands twice", got=", ".join(value.name for value in graph.inputs))
    inputs = set(graph.inputs)
    for value in graph.values:
        node, given = value.producer, (value in inputs) + (value.weight is not None)
        if node is not None and node not in graph:
            raise CnnirError("verify-producer", f"{value.name} is made by a node that is gone", node=node.label)
        if node is not None and (value.index >= len(node.outputs) or node.outputs[value.index] is not value):
            raise CnnirError("verify-producer", f"{value.name} is not what the node makes", node=node.label)
        if given + (node is not None) != 1:
            raise CnnirError("verify-producer", "a value is one of input, weight and made", got=value.name)
        if value.weight is not None and value.weight.type != value.type:
            raise CnnirError(
                "verify-types", "a weight has another type than its value", node=value.name,
                expected=value.weight.type, got=value.type,
            )  # fmt: skip


def _verify_node(graph: Graph, nodes: tuple[Node, ...], position: int) -> None:
    node = nodes[position]
    for index, value in enumerate(node.outputs):
        if value.producer is not node or value.index != index:
            _fail(nodes, position, "verify-producer", f"output {value.name} does not know its producer")
        if value not in graph:
            _fail(nodes, position, "verify-foreign", f"output {value.name} is not a value of the graph")
    try:
        types, facts = infer(node.op, node.inputs, node.label)
    except CnnirError as error:
        _fail(nodes, position, error.code, error.message, error.expected, error.got)
    if len(types) != len(node.outputs):
        _fail(nodes, position, "verify-types", f"{len(types)} outputs are inferred, {len(node.outputs)} are there")
    for value, type_ in zip(node.outputs, types, strict=True):
        if value.type != type_ and not isinstance(type_, UnknownType):
            _fail(nodes, position, "verify-types", f"{value.name} is {value.type}, inferred is {type_}")
    if set(facts.constraints) != set(node.constraints):
        _fail(nodes, position, "verify-constraints", "the node's constraints are not those that inference finds")


def _verify_uses(graph: Graph, nodes: tuple[Node, ...]) -> None:
    found: dict[Value, set[tuple[Node, int]]] = {value: set() for value in graph.values}
    for node in nodes:
        for index, value in enumerate(node.inputs):
            if value is not None:
                found[value].add((node, index))
    for value, uses in found.items():
        if set(value.uses) != uses:
            raise CnnirError(
                "verify-uses", f"the use list of {value.name} is wrong", expected=len(uses), got=len(value.uses)
            )


def _fail(
    nodes: tuple[Node, ...], position: int, code: str, message: str, expected: object = None, got: object = None
) -> NoReturn:
    around = nodes[max(0, position - _CONTEXT) : position + _CONTEXT + 1]
    shown = " -> ".join(f"*{node.name}*" if node is nodes[position] else node.name for node in around)
    hint = f"around it: {shown}"
    raise CnnirError(code, message, node=nodes[position].label, expected=expected, got=got, hint=hint)
