"""From matched nodes to what differs."""

import dataclasses
from collections.abc import Mapping

from cnnir.compare.figures import figures
from cnnir.compare.matching import Matching
from cnnir.compare.measure import distance
from cnnir.compare.model import FieldChange, GraphDiff, InterfaceChange, NodeChange, OperandChange, WeightChange
from cnnir.compare.numeric import numeric
from cnnir.compare.wiring import same_operand, same_source
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.text.printer import print_op
from cnnir.weights import AnyArray, Weight


def diff(
    before: Graph, after: Graph, feeds: Mapping[str, AnyArray] | None = None, *, seed: int | None = None
) -> GraphDiff:
    """How the second network differs from the first, whatever its nodes and values are called.

    Args:
        before: A network.
        after: Another.
        feeds: Run both on these arrays, named as the first one's inputs, and compare the outputs.
        seed: Run both on random inputs of this seed.

    Returns:
        The comparison. Its figures hold cost and planned memory of both; what is not known is None with the reason.
    """
    pairs = Matching(before, after)
    removed, added = pairs.unmatched()
    compared = _Nodes(pairs)
    changed = [change for node, other in _in_order(before, pairs) if (change := compared.change(node, other))]
    made = [(value, other) for value, other in pairs.values.items() if value.producer is not None]
    return GraphDiff(
        before.name,
        after.name,
        tuple(node.label for node in added),
        tuple(node.label for node in removed),
        tuple(changed),
        (
            *_interface("input", pairs, before, after),
            *_offered(pairs, before, after),
            *_interface("output", pairs, before, after),
        ),
        len(pairs.nodes),
        sum(node.name != other.name for node, other in pairs.nodes.items()),
        sum(value.type != other.type for value, other in made),
        _opsets(before, after),
        figures(before, after),
        None if feeds is None and seed is None else numeric(pairs, feeds, seed or 0),
    )


def _in_order(graph: Graph, pairs: Matching) -> list[tuple[Node, Node]]:
    return [(node, pairs.nodes[node]) for node in graph.nodes if node in pairs.nodes]


class _Nodes:
    """Compares matched nodes; each pair of weights is told once."""

    def __init__(self, pairs: Matching) -> None:
        self.pairs = pairs
        removed, added = pairs.unmatched()
        self.loose = {*removed, *added}
        self.told: set[tuple[Value, Value]] = set()

    def change(self, node: Node, other: Node) -> NodeChange | None:
        """What differs, None when nothing does."""
        fields = _fields(node, other)
        operands: list[OperandChange] = []
        weights: list[WeightChange] = []
        for index in range(max(len(node.inputs), len(other.inputs))):
            value, twin = _operand(node, index), _operand(other, index)
            if value is not None and twin is not None and value.weight is not None and twin.weight is not None:
                if (value, twin) not in self.told and (found := _weight(value, value.weight, twin, twin.weight)):
                    weights.append(found)
                self.told.add((value, twin))
            elif not same_operand(self.pairs.values, self.loose, value, twin):
                name = node.op.operand(index).name if node.op.operands else str(index)
                operands.append(OperandChange(name, value.name if value else None, twin.name if twin else None))
        if not (fields or operands or weights):
            return None
        return NodeChange(node.label, other.label, fields, tuple(operands), tuple(weights))


def _operand(node: Node, index: int) -> Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


def _fields(node: Node, other: Node) -> tuple[FieldChange, ...]:
    if print_op(node.op) == print_op(other.op):
        return ()
    if type(node.op) is not type(other.op):
        return (FieldChange("op", print_op(node.op), print_op(other.op)),)
    names = [item.name for item in dataclasses.fields(node.op)]
    values = [(name, getattr(node.op, name), getattr(other.op, name)) for name in names]
    # By their texts: nan is not itself, and -0.0 is 0.0.
    return tuple(FieldChange(name, str(old), str(new)) for name, old, new in values if repr(old) != repr(new))


def _weight(value: Value, weight: Weight, twin: Value, other: Weight) -> WeightChange | None:
    if weight.equals(other):
        return None
    names = (value.name, twin.name, str(weight.type), str(other.type))
    if weight.shape != other.shape:
        return WeightChange(*names, reason="the shapes differ")
    try:
        found = distance(weight.array(), other.array())
    except CnnirError as error:
        return WeightChange(*names, reason=str(error))
    if found is None:
        return WeightChange(*names, reason="the elements are no real numbers")
    reason = "" if found.elements or weight.dtype is not other.dtype else "the bits differ, the numbers do not"
    return WeightChange(*names, found.absolute, found.relative, found.elements, reason)


def _interface(kind: str, matched: Matching, before: Graph, after: Graph) -> list[InterfaceChange]:
    """Inputs or outputs that are not the same at the same place, or do not come from there."""
    pairs = matched.inputs if kind == "input" else matched.outputs
    first, second = (before.inputs, after.inputs) if kind == "input" else (before.outputs, after.outputs)
    same_order = [value for value, _ in pairs if value is not None] == list(first) and [
        other for _, other in pairs if other is not None
    ] == list(second)
    result = []
    for value, other in pairs:
        what = []
        if value is None or other is None:
            what = ["added" if value is None else "removed"]
        else:
            what += ["renamed"] if value.name != other.name else []
            what += ["retyped"] if value.type != other.type else []
            moved = not same_order and first.index(value) != second.index(other)
            what += ["moved"] if moved else []
            what += ["rewired"] if kind == "output" and not same_source(matched.values, value, other) else []
        if what:
            result.append(
                InterfaceChange(
                    kind,
                    value.name if value is not None else None,
                    other.name if other is not None else None,
                    str(value.type) if value is not None else None,
                    str(other.type) if other is not None else None,
                    ", ".join(what),
                )
            )
    return result


def _offered(matched: Matching, before: Graph, after: Graph) -> list[InterfaceChange]:
    """Weights that callers of one network may give, and those of the other not, or of another type or elsewhere."""
    weights, others = ({weight.name: weight for weight in graph.weights} for graph in (before, after))
    result = []
    for name in dict.fromkeys((*before.provenance.listed, *after.provenance.listed)):
        value = weights.get(name) if name in before.provenance.listed else None
        other = others.get(name) if name in after.provenance.listed else None
        if value is None or other is None:
            what = ["added"] if other is not None else ["removed"] if value is not None else []
        else:
            what = ["retyped"] if value.type != other.type else []
            read = {(matched.nodes.get(node), index) for node, index in value.uses}
            what += ["rewired"] if read != set(other.uses) else []
        if what:
            result.append(
                InterfaceChange(
                    "input with a default",
                    None if value is None else name,
                    None if other is None else name,
                    None if value is None else str(value.type),
                    None if other is None else str(other.type),
                    ", ".join(what),
                )
            )
    return result


def _opsets(before: Graph, after: Graph) -> tuple[tuple[str, int | None, int | None], ...]:
    ours, theirs = before.provenance.opsets, after.provenance.opsets
    return tuple(
        (domain, ours.get(domain), theirs.get(domain))
        for domain in dict.fromkeys((*ours, *theirs))
        if ours.get(domain) != theirs.get(domain)
    )
