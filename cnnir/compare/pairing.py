"""Which node of one graph is which of the other, whatever they are called.

Sure matches come first: nodes with the same past and the same future, then with one of the two (see `hashes`); first
with the contents of weights, then without. What edits have cut off from both is found from its neighbours: a node
beside matched ones that does the same, then one of the same kind, is the one; nodes that were added or removed between
are passed over. Then names decide, then the place between matched nodes, then the order of what is left; and what
differs then is exchanged as long as fewer edits are left (see `refining`).

Nothing depends on the order of the nodes in the file: they are walked by depth, then by what they do.
"""

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from cnnir.compare.hashes import Contents, NodeHashes
from cnnir.compare.refining import Refining
from cnnir.graph import Graph, Node, Value
from cnnir.weights import Weight

_HOLD = 0.9
"""Share of the sure matches that must bear one name for names to be believed: an insertion shifts numbered names."""

InterfacePairs = Sequence[tuple[Value | None, Value | None]]


class _Side:
    """One of the graphs, in an order that is not the file's."""

    def __init__(self, graph: Graph, contents: Contents, names: Sequence[dict[Value, str]]) -> None:
        self.graph, self.names = graph, names
        self.exact = NodeHashes(graph, contents.of, *names)
        self.loose = NodeHashes(graph, _type_text, *names)
        depth = dict[Node, int]()
        for node in graph.nodes:
            depth[node] = max((depth[one] for value in node.operands if (one := value.producer)), default=0) + 1
        keys = {
            node: (
                depth[node],
                self.loose.forward[node],
                self.exact.forward[node],
                self.exact.backward[node],
                node.name,
            )
            for node in graph.nodes
        }
        self.order = sorted(graph.nodes, key=keys.__getitem__)
        self._places = {node: place for place, node in enumerate(self.order)}
        self.digest = "".join(sorted(self.exact.forward[node] + self.exact.backward[node] for node in graph.nodes))

    def uses(self, value: Value) -> list[tuple[Node, int]]:
        """Readers of a value, in that order."""
        return sorted(value.uses, key=lambda use: (self._places[use[0]], use[1]))


class Pairing:
    """One search for the pairs of two graphs."""

    def __init__(
        self, contents: Contents, first: Graph, second: Graph, inputs: InterfacePairs, outputs: InterfacePairs
    ) -> None:
        self.contents = contents
        self.nodes: dict[Node, Node] = {}
        self.values: dict[Value, Value] = {}
        self._taken: set[Node] = set()
        self.inputs = {value: other for value, other in inputs if value is not None and other is not None}
        self.outputs = [(value, other) for value, other in outputs if value is not None and other is not None]
        self.values.update(self.inputs)
        self.ours, self.theirs = (
            _Side(graph, contents, [_numbered(inputs, side), _numbered(outputs, side)])
            for side, graph in enumerate((first, second))
        )

    @property
    def digests(self) -> tuple[str, str]:
        """A text for each graph that depends on what it computes alone."""
        return self.ours.digest, self.theirs.digest

    def match(self) -> dict[Node, Node]:
        """The node of the second graph for each matched one of the first."""
        self._match()
        search = Refining(self.ours.order, self.theirs.order, self.inputs, self.outputs, self.contents)
        return search.improve(self.nodes)

    def _unmatched(self) -> tuple[list[Node], list[Node]]:
        return (
            [node for node in self.ours.order if node not in self.nodes],
            [node for node in self.theirs.order if node not in self._taken],
        )

    # Phases

    def _match(self) -> None:
        alike: list[Callable[[Node, Node], bool]] = []
        for first, second in ((self.ours.exact, self.theirs.exact), (self.ours.loose, self.theirs.loose)):
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
            result += [
                (user.outputs[0], other) for user, _ in self.ours.uses(value) if user not in self.nodes and user.outputs
            ]
            result += [
                (value, user.outputs[0])
                for user, _ in self.theirs.uses(other)
                if user not in self._taken and user.outputs
            ]
        return result

    def _by_key(self, ours: Mapping[Node, str], theirs: Mapping[Node, str], *, backwards: bool = False) -> None:
        """Pair nodes of one key; of several, those of the same neighbours, of the same name, in the same order."""
        candidates = defaultdict[str, list[Node]](list)
        for node in reversed(self.theirs.order) if backwards else self.theirs.order:
            if node not in self._taken:
                candidates[theirs[node]].append(node)
        for node in reversed(self.ours.order) if backwards else self.ours.order:
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
            for node, index in self.ours.uses(value):
                free = [
                    twin for twin, place in self.theirs.uses(other)
                    if place == index and twin not in self._taken and node not in self.nodes and alike(node, twin)
                ]  # fmt: skip
                if free:
                    self._pair(node, self._best(node, free))
                    found = True
                    if once:
                        return True
        return found

    def _by_name(self, alike: Callable[[Node, Node], bool]) -> None:
        ours, theirs = self._unmatched()
        names = {node.name: node for node in theirs}
        for node in ours:
            other = names.get(node.name)
            if other is not None and alike(node, other):
                self._pair(node, other)

    def _by_place(self) -> None:
        """Nodes of different kinds between the same matched neighbours: one was put in the place of the other."""
        ours, theirs = self._unmatched()
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
            if self.ours.graph.is_output(value) != self.theirs.graph.is_output(twin):
                return False
        return True

    def _by_order(self) -> None:
        """What is left, where the kinds stand in the same order."""
        ours, theirs = self._unmatched()
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


def _producer(value: Value | None) -> Node | None:
    return value.producer if value is not None else None


def _same_kind(node: Node, other: Node) -> bool:
    return node.op.kind == other.op.kind and len(node.outputs) == len(other.outputs)


def _same_text(ours: Mapping[Node, str], theirs: Mapping[Node, str]) -> Callable[[Node, Node], bool]:
    return lambda node, other: ours[node] == theirs[other]


def _type_text(weight: Weight) -> str:
    return str(weight.type)


def _numbered(pairs: InterfacePairs, side: int) -> dict[Value, str]:
    """What the inputs or outputs of one graph are called in both."""
    return {value: str(number) for number, pair in enumerate(pairs) if (value := pair[side]) is not None}
