"""Do matched nodes read the same? Nodes that only one of the graphs has are looked through."""

from collections.abc import Container, Mapping

from cnnir.graph import Node, Value


def same_operand(
    values: Mapping[Value, Value], loose: Container[Node], value: Value | None, twin: Value | None
) -> bool:
    """Do both read the same, looking through nodes that are told of as added or removed?

    Args:
        values: Matched values of the first graph, and those of the second.
        loose: Nodes of both graphs without a partner.
        value: Operand of a node of the first graph, None where it is absent.
        twin: The same of its partner.
    """
    if value is None or twin is None:
        return value is twin
    if value.weight is not None or twin.weight is not None:
        return False
    if values.get(value) is twin:
        return True
    ours, theirs = _behind(loose, value), _behind(loose, twin)
    return (ours is not value or theirs is not twin) and values.get(ours) is theirs


def same_source(values: Mapping[Value, Value], value: Value, other: Value) -> bool:
    """Do two outputs come from the same place: a matched node's same output, the same input, equal contents?"""
    if value.weight is not None or other.weight is not None:
        return value.weight is not None and other.weight is not None and value.weight.equals(other.weight)
    return values.get(value) is other


def _behind(loose: Container[Node], value: Value) -> Value:
    """The first operand of what was added or removed in front of a reader, and so on."""
    while value.producer is not None and value.producer in loose:
        made = [operand for operand in value.producer.operands if operand.weight is None]
        if not made:
            break
        value = made[0]
    return value
