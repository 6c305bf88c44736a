"""Where two networks that should compute the same begin to differ.

Names alone do not tell: a rewrite may give a name to another value (a convolution that a BatchNormalization was folded
into makes what that made), or leave nothing of the old names. So the walk goes back from the outputs that differ, in
both networks at once: a node reads what the old node of its kind, at the same place, read. What equals that is right,
and the walk stops there. Where the nodes are of different kinds, a value is right when it equals the old one of its
name, or any value that the old network makes. The first value on the way, in the new network's order, that is not what
it should be is where the difference begins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnnir.graph import Graph, Node, Value
from cnnir.interpreter import run
from cnnir.passes.checking.common_input import CommonInput
from cnnir.passes.checking.distance import difference, without_ones
from cnnir.weights import AnyArray


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where the difference begins.

    Attributes:
        value: Its name in the new network.
        partner: Its name in the old one.
        node: Label of the node that makes it in the new network; None when that is an input or a weight.
        relative: The largest difference of its elements over the largest of the old one's.
        shapes: Both shapes, old first, where they differ by more than dims of 1; None where they do not.
    """

    value: str
    partner: str
    node: str | None
    relative: float
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def __str__(self) -> str:
        name = self.value if self.value == self.partner else f"{self.value} (before: {self.partner})"
        if self.shapes is not None:
            return f"{name} has another shape, {list(self.shapes[1])} after {list(self.shapes[0])}"
        return f"{name} is off by {self.relative:.3g} of its largest element"


def first_divergence(
    before: Graph, after: Graph, given: CommonInput, outputs: Sequence[tuple[Value, Value]], tolerance: float
) -> Divergence | None:
    """Where the new network begins to differ.

    Args:
        before: The old network.
        after: The new one.
        given: What both are fed.
        outputs: Values of the old network, and the outputs of the new one that should equal them.
        tolerance: By how much values that count as equal may differ, relative to the largest element.

    Returns:
        The first value in the new network's order that differs; None when none does.
    """
    walk = _Walk(_values(before, given.before), _values(after, given.after), tolerance)
    for old, new in outputs:
        walk.visit(new, old, [old])
    places = {node: place for place, node in enumerate(after.nodes)}
    suspects = [value for value, old in walk.suspects.items() if old is not None]
    if not suspects:
        return None
    value = min(suspects, key=lambda one: -1 if one.producer is None else places[one.producer])
    return walk.told(value)


class _Walk:
    """The way back from what differs.

    Attributes:
        suspects: Values of the new network that are not right, with what they should equal; None where nobody knows.
    """

    def __init__(self, ours: Mapping[Value, AnyArray], theirs: Mapping[Value, AnyArray], tolerance: float) -> None:
        self.ours, self.theirs, self.tolerance = ours, theirs, tolerance
        self.suspects: dict[Value, Value | None] = {}
        self._names = {value.name: value for value in ours}
        self._alike: dict[tuple[int, ...], list[Value]] = {}
        for value, array in ours.items():
            self._alike.setdefault(without_ones(array), []).append(value)

    def visit(self, value: Value, wanted: Value | None, others: Sequence[Value]) -> None:
        """Suspect a value, and what it rests on, unless it equals what it should be or one of the others."""
        pending: list[tuple[Value, Value | None, Sequence[Value]]] = [(value, wanted, others)]
        while pending:
            value, wanted, others = pending.pop()
            if value in self.suspects or any(self._equal(one, value) for one in others):
                continue
            self.suspects[value] = wanted
            if value.producer is not None:
                old = wanted.producer if wanted is not None else None
                pending += self._operands(value.producer, old)

    def _operands(self, node: Node, old: Node | None) -> list[tuple[Value, Value | None, Sequence[Value]]]:
        """What a node reads, with what that should equal: what the old node of its kind reads."""
        data = [value for value in node.operands if value.weight is None]
        if old is not None and old.op.kind == node.op.kind:
            twins = [value for value in old.operands if value.weight is None]
            if len(twins) == len(data):
                return [(value, twin, twins) for value, twin in zip(data, twins, strict=True)]
        result: list[tuple[Value, Value | None, Sequence[Value]]] = []
        for value in data:
            named = self._names.get(value.name)
            alike = self._alike.get(without_ones(self.theirs[value]), []) if value in self.theirs else []
            result.append((value, named, alike if named is None else [named, *alike]))
        return result

    def _equal(self, old: Value, new: Value) -> bool:
        if old not in self.ours or new not in self.theirs:
            return False
        return difference(self.ours[old], self.theirs[new])[1] <= self.tolerance

    def told(self, value: Value) -> Divergence | None:
        """A suspect in words."""
        partner = self.suspects[value]
        if partner is None or partner not in self.ours or value not in self.theirs:
            return None
        left, right = self.ours[partner], self.theirs[value]
        label = value.producer.label if value.producer is not None else None
        shapes = None if without_ones(left) == without_ones(right) else (np.shape(left), np.shape(right))
        return Divergence(value.name, partner.name, label, difference(left, right)[1], shapes)


def _values(graph: Graph, feed: Mapping[str, AnyArray]) -> dict[Value, AnyArray]:
    """Every value that is an array."""
    values = [value for value in graph.values if value.weight is None or graph.is_output(value)]
    found = run(graph, feed, [value.name for value in values])
    return {value: found[value.name] for value in values if isinstance(found[value.name], np.ndarray)}
