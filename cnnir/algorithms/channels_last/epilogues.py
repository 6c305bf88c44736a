"""What is applied to rows of a result before they are left: where each of its values lies meanwhile."""

from collections import Counter
from collections.abc import Mapping, Sequence

from cnnir.graph import Node, Value
from cnnir.ops import (
    Add,
    BatchNormalization,
    Clip,
    Dropout,
    HardSigmoid,
    HardSwish,
    Identity,
    LeakyRelu,
    Mul,
    Relu,
    Sigmoid,
    Sub,
    Sum,
    Swish,
    Tanh,
)
from cnnir.ops.base import Op

ELEMENTWISE = (
    *(Add, BatchNormalization, Clip, Dropout, HardSigmoid, HardSwish, Identity, LeakyRelu, Mul, Relu, Sigmoid, Sub),
    *(Sum, Swish, Tanh),
)
"""Ops that are worked out on any part of a map by calls that allocate nothing."""

TARGET = 0
"""The place of what is written in the end."""


def temporaries(op: Op) -> int:
    """Arrays of the result's size that such an op takes beside it."""
    return int(isinstance(op, HardSwish | Swish | LeakyRelu))


def places(head: Value, epilogue: Sequence[Node]) -> Mapping[Value, int]:
    """A place for each value of an epilogue, `TARGET` for the last one; others are numbered from one on.

    Args:
        head: What the epilogue is applied to; it begins in the target.
        epilogue: In executable order.
    """
    readers = Counter(value for node in epilogue for value in set(node.operands))
    found, held = {head: TARGET}, {head: TARGET}
    for node in epilogue:
        readers.subtract(set(node.operands))
        gone = {value for value in node.operands if value in held and not readers[value]}
        dying = [value for value in node.operands if value in gone]
        if node is epilogue[-1]:
            place = TARGET
        elif dying:
            place = held[dying[0]]
        else:
            place = next(number for number in range(len(held) + 1) if number not in {*held.values()})
        held = {value: where for value, where in held.items() if value not in gone}
        held[node.output] = found[node.output] = place
    return found


def strips(head: Value, epilogue: Sequence[Node]) -> int:
    """Arrays as large as the rows that are worked on, beside the result itself.

    One of them holds the rows where the epilogue reads a stored map: the result may lie in that map's bytes.
    """
    found = places(head, epilogue)
    own = max((temporaries(node.op) for node in epilogue), default=0)
    return max(found.values()) + own + bool(map_readers(head, epilogue))


def map_readers(head: Value, epilogue: Sequence[Node]) -> list[Node]:
    """The nodes of an epilogue that read a stored value of the result's size."""
    made = {head, *(node.output for node in epilogue)}
    size = getattr(head.type, "shape", None)
    return [
        node
        for node in epilogue
        if any(
            value not in made and value.weight is None and getattr(value.type, "shape", None) == size
            for value in node.operands
        )
    ]


__all__ = ["ELEMENTWISE", "TARGET", "map_readers", "places", "strips", "temporaries"]
