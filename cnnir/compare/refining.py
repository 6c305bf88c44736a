"""A matching made better: pairs that differ are exchanged as long as fewer edits are left to tell.

What is counted is what `diff` would list: nodes that only one graph has, ops, attributes, weights and operands that
differ, outputs that come from elsewhere. This is a local search, as graph edit distance is NP-hard (Zeng and others,
"Comparing Stars: On Approximating Graph Edit Distance", 2009); names decide between equals.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cnnir.compare.hashes import Contents
from cnnir.compare.wiring import same_operand, same_source
from cnnir.graph import Node, Value
from cnnir.text.printer import print_op

_WORK = 100_000
"""Nodes looked at in all exchanges that are tried: networks that have little in common are not worth more."""

_ALONE, _WIRED, _KIND, _ATTRIBUTES, _WEIGHTS = 4, 4, 4, 3, 2
"""What a node without a partner, another operand or source, another op, other attributes and other weights cost.

A node that differs in attributes and weights is still the same node, rather than one removed and one added.
"""

Pairs = dict[Node, Node]
Cost = tuple[int, int]
"""Of what differs, and how many names differ."""


@dataclass(frozen=True, slots=True)
class _Face:
    """What a node is by itself."""

    kind: str
    op: str
    weights: tuple[str | None, ...]
    outputs: int


class Refining:
    """The search over matchings of two lists of nodes."""

    def __init__(
        self,
        first: Sequence[Node],
        second: Sequence[Node],
        inputs: Mapping[Value, Value],
        outputs: Sequence[tuple[Value, Value]],
        contents: Contents,
    ) -> None:
        """Set up a search.

        Args:
            first: Nodes of the first graph, in an order that does not depend on the file's.
            second: Nodes of the second, likewise.
            inputs: Matched inputs.
            outputs: Pairs of outputs.
            contents: Digests of weights.
        """
        self.first, self.second, self.inputs, self.outputs = first, second, inputs, outputs
        self.faces = {node: _face(node, contents) for node in (*first, *second)}
        self.work = _WORK

    def improve(self, pairs: Pairs) -> Pairs:
        """The best matching that exchanges lead to; the same one where none helps."""
        cost = self.cost(pairs)
        while cost[0] and (better := self._better(pairs, cost)) is not None:
            pairs, cost = better
        return pairs

    def _better(self, pairs: Pairs, cost: Cost) -> tuple[Pairs, Cost] | None:
        """The first exchange that helps."""
        for candidate in self._exchanges(pairs):
            self.work -= len(pairs)
            if self.work < 0:
                return None
            if (found := self.cost(candidate, cost)) < cost:
                return candidate, found
        return None

    def cost(self, pairs: Pairs, bound: Cost | None = None) -> Cost:
        """What is left to tell; counted no further than a bound that it reaches."""
        taken = set(pairs.values())
        loose = {node for node in self.first if node not in pairs} | {node for node in self.second if node not in taken}
        values = dict(self.inputs)
        for node, other in pairs.items():
            values.update(zip(node.outputs, other.outputs, strict=False))
        edits, names = _ALONE * len(loose), 0
        for node, other in pairs.items():
            edits += self._difference(node, other, values, loose)
            names += node.name != other.name
            if bound is not None and edits > bound[0]:
                return edits, names
        edits += _WIRED * sum(not same_source(values, value, other) for value, other in self.outputs)
        return edits, names

    def _difference(self, node: Node, other: Node, values: Mapping[Value, Value], loose: set[Node]) -> int:
        ours, theirs = self.faces[node], self.faces[other]
        edits, weights = 0, False
        if ours.op != theirs.op:
            edits = _ATTRIBUTES if ours.kind == theirs.kind else _KIND
        for index in range(max(len(node.inputs), len(other.inputs))):
            value = node.inputs[index] if index < len(node.inputs) else None
            twin = other.inputs[index] if index < len(other.inputs) else None
            if value is not None and twin is not None and value.weight is not None and twin.weight is not None:
                weights |= ours.weights[index] != theirs.weights[index]
            else:
                edits += _WIRED * (not same_operand(values, loose, value, twin))
        return edits + _WEIGHTS * weights

    def _exchanges(self, pairs: Pairs) -> Iterator[Pairs]:
        """Matchings that differ in one pair, or in two that swap their partners; only where something differs."""
        back = {other: node for node, other in pairs.items()}
        ours, theirs = self._differing(pairs, back)
        for node in ours:
            for other in theirs:
                if pairs.get(node) is other:
                    yield {one: two for one, two in pairs.items() if one is not node}
                    continue
                if not self._may_pair(node, other) or not self._is_near(node, other, pairs):
                    continue
                old, rival = pairs.get(node), back.get(other)
                alone = {one: two for one, two in pairs.items() if one is not rival}
                alone[node] = other
                if old is not None and rival is not None and self._may_pair(rival, old):
                    yield {**alone, rival: old}
                yield alone

    def _differing(self, pairs: Pairs, back: Pairs) -> tuple[list[Node], list[Node]]:
        """Nodes without a partner or unlike it, and what stands right beside those."""
        values = dict(self.inputs)
        for node, other in pairs.items():
            values.update(zip(node.outputs, other.outputs, strict=False))
        loose = {node for node in self.first if node not in pairs} | {node for node in self.second if node not in back}
        ours = {node for node in self.first if node in loose or self._difference(node, pairs[node], values, loose)}
        theirs = {node for node in self.second if node in loose or back[node] in ours}
        ours |= {back[near] for node in theirs for near in _beside(node) if near in back}
        theirs |= {pairs[near] for node in ours for near in _beside(node) if near in pairs}
        theirs |= {pairs[node] for node in ours if node in pairs}
        return [node for node in self.first if node in ours], [node for node in self.second if node in theirs]

    def _is_near(self, node: Node, other: Node, pairs: Pairs) -> bool:
        """The same by itself or by name, without a partner both, or beside nodes that are pairs."""
        if self.faces[node] == self.faces[other] or node.name == other.name:
            return True
        if node not in pairs and other not in pairs.values():
            return True
        beside = set(_beside(other))
        return any(pairs.get(near) in beside for near in _beside(node))

    def _may_pair(self, node: Node, other: Node) -> bool:
        """Of one kind, or one put in the place of the other."""
        ours, theirs = self.faces[node], self.faces[other]
        return ours.outputs == theirs.outputs and (ours.kind == theirs.kind or _shape(ours) == _shape(theirs))


def _shape(face: _Face) -> tuple[object, ...]:
    return (face.outputs, *(weight is None for weight in face.weights))


def _beside(node: Node) -> Iterator[Node]:
    for value in node.operands:
        if value.producer is not None:
            yield value.producer
    for value in node.outputs:
        yield from value.users


def _face(node: Node, contents: Contents) -> _Face:
    weights = tuple(
        contents.of(value.weight) if value is not None and value.weight is not None else None for value in node.inputs
    )
    return _Face(node.op.kind, print_op(node.op), weights, len(node.outputs))
