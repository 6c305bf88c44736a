"""Which node of one graph is which of the other, whatever they are called.

Sure matches come first: nodes with the same past and the same future, then with one of the two (see `hashes`); first
with the contents of weights, then without. What edits have cut off from both is found from its neighbours: a node
beside matched ones that does the same, then one of the same kind, is the one; nodes that were added or removed between
are passed over. Then names decide, then the place between matched nodes, then the order of what is left.
"""

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from cnnir.compare.hashes import Contents, NodeHashes
from cnnir.graph import Graph, Node, Value
from cnnir.weights import Weight

_HOLD = 0.9
"""Share of the sure matches that must bear one name for names to be believed: an insertion shifts numbered names."""


class Matching:
    """Pairs of nodes and values of two graphs.

    Attributes:
        nodes: The node of the second graph for each matched one of the first.
        values: The same for inputs and for outputs of nodes.
        inputs: Pairs of inputs; None where one has no partner.
        outputs: Pairs of outputs, likewise.
        contents: Digests of weights.
    """

    def __init__(self, first: Graph, second: Graph) -> None:
        self.first, self.second = first, second
        self.nodes: dict[Node, Node] = {}
        self.values: dict[Value, Value] = {}
        self.contents = Contents()
        self._taken: set[Node] = set()
        self.inputs = _interface(first.inputs, second.inputs)
        self.outputs = _interface(first.outputs, second.outputs)
        self.values.update((ours, theirs) for ours, theirs in self.inputs if ours is not None and theirs is not None)
        self._match()

    def unmatched(self) -> tuple[list[Node], list[Node]]:
        """Nodes without a partner, of the first graph and of the second."""
        return (
            [node for node in self.first.nodes if node not in self.nodes],
            [node for node in self.second.nodes if node not in self._taken],
        )

    # Phases

    def _match(self) -> None:
        alike: list[Callable[[Node, Node], bool]] = []
        for weights in (self.contents.of, _type_text):
            first, second = self._hashes(weights)
            pairs = {node: first.forward[node] + first.backward[node] for node in first.own}
            twins = {node: second.forward[node] + second.backward[node] for node in second.own}
            self._by_key(pairs, twins)
            self._by_key(first.forward, second.forward)
            self._by_key(first.backward, second.backward, backwards=True)
            alike.append(_same_text(first.own, second.own))
        alike.append(_same_kind)
        kept = sum(node.name == other.name for node, other in self.nodes.items())
        if self.nodes and kept >= _HOLD * len(self.nodes):
            # Names that hold where structure can tell are believed where it cannot.
            self._by_name(_same_kind)
        self._spread(alike)
        self._by_name(_same_kind)
        self._spread(alike)
        self._by_place()
        self._by_name(self._same_operands)
        self._by_order()

    def _hashes(self, weights: Callable[[Weight], str]) -> tuple[NodeHashes, NodeHashes]:
        sides = []
        for side, graph in enumerate((self.first, self.second)):
            inputs, outputs = (
                {pair[side]: str(number) for number, pair in enumerate(pairs)} for pairs in (self.inputs, self.outputs)
            )
            sides.append(NodeHashes(graph, weights, _without_none(inputs), _without_none(outputs)))
        return sides[0], sides[1]

    def _spread(self, alike: Sequence[Callable[[Node, Node], bool]]) -> None:
        """Pair neighbours of pairs until there are none left to pair.

        What does the same comes first, and after each guess (a changed node) that is looked for again. Only then is a
        node passed over, as one that was added or removed.
        """
        exact, *guesses = alike
        while (
            self._by_neighbours(exact)
            or any(self._by_neighbours(guess, once=True) for guess in guesses)
            or any(self._by_readers(self._passed_over(), test, once=True) for test in alike)
        ):
            pass

    def _passed_over(self) -> list[tuple[Value, Value]]:
        """Matched values, with one unmatched reader of the one or the other passed over."""
        result = []
        for value, other in self.values.items():
            result += [(user.outputs[0], other) for user in value.users if user not in self.nodes and user.outputs]
            result += [(value, user.outputs[0]) for user in other.users if user not in self._taken and user.outputs]
        return result

    def _by_key(self, ours: Mapping[Node, str], theirs: Mapping[Node, str], *, backwards: bool = False) -> None:
        """Pair nodes of one key; of several, those of the same neighbours, of the same name, in the same order."""
        candidates = defaultdict[str, list[Node]](list)
        for node in reversed(self.second.nodes) if backwards else self.second.nodes:
            if node not in self._taken:
                candidates[theirs[node]].append(node)
        for node in reversed(self.first.nodes) if backwards else self.first.nodes:
            if node in self.nodes:
                continue
            free = [other for other in candidates[ours[node]] if other not in self._taken]
            if free:
                self._pair(node, self._best(node, free))

    def _best(self, node: Node, candidates: Sequence[Node]) -> Node:
        """The first of those with the most in common."""
        if len(candidates) == 1:
            return candidates[0]
        return max(candidates, key=lambda other: (self._in_common(node, other), node.name == other.name))

    def _in_common(self, node: Node, other: Node) -> int:
        """How many neighbours of the two are pairs."""
        before = sum(
            1 for value, twin in zip(node.inputs, other.inputs, strict=False)
            if value is not None and twin is not None and self.values.get(value) is twin
        )  # fmt: skip
        behind = {user for value in other.outputs for user in value.users}
        return before + sum(1 for value in node.outputs for user in value.users if self.nodes.get(user) in behind)

    def _by_neighbours(self, alike: Callable[[Node, Node], bool], *, once: bool = False) -> bool:
        """Pair nodes that read a matched value, or make what a matched node reads, and are alike.

        Args:
            alike: Whether two nodes may be a pair.
            once: Stop after the first pair, for a better kind of match may follow from it.

        Returns:
            Whether a pair was found.
        """
        if self._by_readers(list(self.values.items()), alike, once=once):
            return True
        found = False
        for node, other in list(self.nodes.items()):
            for value, twin in zip(node.inputs, other.inputs, strict=False):
                ours, theirs = _producer(value), _producer(twin)
                if ours is None or theirs is None or ours in self.nodes or theirs in self._taken:
                    continue
                if value is not None and twin is not None and value.index == twin.index and alike(ours, theirs):
                    self._pair(ours, theirs)
                    found = True
                    if once:
                        return True
        return found

    def _by_readers(
        self, pairs: Iterable[tuple[Value, Value]], alike: Callable[[Node, Node], bool], *, once: bool
    ) -> bool:
        found = False
        for value, other in pairs:
            for node, index in value.uses:
                free = [
                    twin for twin, place in other.uses
                    if place == index and twin not in self._taken and node not in self.nodes and alike(node, twin)
                ]  # fmt: skip
                if free:
                    self._pair(node, self._best(node, free))
                    found = True
                    if once:
                        return True
        return found

    def _by_name(self, alike: Callable[[Node, Node], bool]) -> None:
        ours, theirs = self.unmatched()
        names = {node.name: node for node in theirs}
        for node in ours:
            other = names.get(node.name)
            if other is not None and alike(node, other):
                self._pair(node, other)

    def _by_place(self) -> None:
        """Nodes of different kinds between the same matched neighbours: one was put in the place of the other."""
        ours, theirs = self.unmatched()
        for node in ours:
            for other in theirs:
                if other not in self._taken and self._same_place(node, other):
                    self._pair(node, other)
                    break

    def _same_operands(self, node: Node, other: Node) -> bool:
        operands, twins = (
            [value for value in one.inputs if value is not None and value.weight is None] for one in (node, other)
        )
        return len(node.outputs) == len(other.outputs) and [self.values.get(value) for value in operands] == twins

    def _same_place(self, node: Node, other: Node) -> bool:
        if not self._same_operands(node, other):
            return False
        for value, twin in zip(node.outputs, other.outputs, strict=True):
            if {self.nodes.get(user) for user in value.users} != set(twin.users):
                return False
            if self.first.is_output(value) != self.second.is_output(twin):
                return False
        return True

    def _by_order(self) -> None:
        """What is left, where the kinds stand in the same order."""
        ours, theirs = self.unmatched()
        kinds = [[node.op.kind for node in side] for side in (ours, theirs)]
        for block in difflib.SequenceMatcher(None, kinds[0], kinds[1], autojunk=False).get_matching_blocks():
            for step in range(block.size):
                node, other = ours[block.a + step], theirs[block.b + step]
                if _same_kind(node, other):
                    self._pair(node, other)

    def _pair(self, node: Node, other: Node) -> None:
        self.nodes[node] = other
        self._taken.add(other)
        self.values.update(zip(node.outputs, other.outputs, strict=False))


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


def _producer(value: Value | None) -> Node | None:
    return value.producer if value is not None else None


def _same_kind(node: Node, other: Node) -> bool:
    return node.op.kind == other.op.kind and len(node.outputs) == len(other.outputs)


def _same_text(ours: Mapping[Node, str], theirs: Mapping[Node, str]) -> Callable[[Node, Node], bool]:
    return lambda node, other: ours[node] == theirs[other]


def _type_text(weight: Weight) -> str:
    return str(weight.type)


def _without_none(names: Mapping[Value | None, str]) -> dict[Value, str]:
    return {value: name for value, name in names.items() if value is not None}
