"""Two graphs matched: which input, output, node and value of the one is which of the other."""

from collections.abc import Callable, Iterable

from cnnir.compare.hashes import Contents
from cnnir.compare.pairing import InterfacePairs, Pairing
from cnnir.graph import Graph, Node, Value


class Matching:
    """Pairs of nodes and values of two graphs.

    Attributes:
        nodes: The node of the second graph for each matched one of the first.
        values: The same for inputs and for outputs of nodes.
        inputs: Pairs of inputs; None where one has no partner.
        outputs: Pairs of outputs, likewise.
    """

    def __init__(self, first: Graph, second: Graph) -> None:
        self.first, self.second = first, second
        self.values: dict[Value, Value] = {}
        self.inputs = _interface(first.inputs, second.inputs)
        self.outputs = _interface(first.outputs, second.outputs)
        self.values.update((ours, theirs) for ours, theirs in self.inputs if ours is not None and theirs is not None)
        contents = Contents()
        there = Pairing(contents, first, second, self.inputs, self.outputs)
        back = Pairing(contents, second, first, _turned(self.inputs), _turned(self.outputs))
        # One of the two always goes first, so that both directions tell the same.
        if there.digests[0] <= there.digests[1]:
            self.nodes = there.match()
        else:
            self.nodes = {node: other for other, node in back.match().items()}
        self._taken = set(self.nodes.values())
        for node, other in self.nodes.items():
            self.values.update(zip(node.outputs, other.outputs, strict=False))

    def unmatched(self) -> tuple[list[Node], list[Node]]:
        """Nodes without a partner, of the first graph and of the second."""
        return (
            [node for node in self.first.nodes if node not in self.nodes],
            [node for node in self.second.nodes if node not in self._taken],
        )


def _turned(pairs: InterfacePairs) -> InterfacePairs:
    return [(other, value) for value, other in pairs]


def _interface(ours: Iterable[Value], theirs: Iterable[Value]) -> list[tuple[Value | None, Value | None]]:
    """Pairs by name; those left over by type, in order, then what is left in order; the rest alone."""
    first, second = list(ours), list(theirs)
    pairs: list[tuple[Value | None, Value | None]] = []
    tests: tuple[Callable[[Value, Value], bool], ...] = (
        lambda value, other: value.name == other.name,
        lambda value, other: value.type == other.type,
        lambda _value, _other: True,
    )
    partner: dict[int, int] = {}
    for test in tests:
        for index, value in enumerate(first):
            free = [place for place in range(len(second)) if place not in partner.values()]
            if index not in partner:
                fitting = [place for place in free if test(value, second[place])]
                if fitting:
                    partner[index] = fitting[0]
    pairs += [(value, second[partner[index]] if index in partner else None) for index, value in enumerate(first)]
    pairs += [(None, other) for place, other in enumerate(second) if place not in partner.values()]
    return pairs
