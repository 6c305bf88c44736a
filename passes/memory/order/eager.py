"""In which order the nodes run: the file's own, or with memory given back as early as that costs nothing.

The eager order walks along the file's, and runs a node before its turn when all its operands are there, when no more
bytes live after it than before, and when running it needs no more than has been needed already, or than the node whose
turn it is needs anyway. Such a node can only lower what lives beside the nodes that follow.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cnnir.graph import Graph, Node, Value
from cnnir.passes.memory.sharing import Sharing, known_bytes, share


def eager_order(graph: Graph) -> tuple[Node, ...]:
    """The nodes in the eager order; the file's own where nothing can be moved.

    Raises:
        CnnirError: ``size-unknown`` or ``dims-unbound`` for a value without a size.
    """
    state = _State.of(share(graph))
    waiting = dict.fromkeys(graph.nodes)
    order: list[Node] = []
    while waiting:
        node = next(iter(waiting))
        while (early := next(_free_of_charge(state, node), None)) is not None:
            order.append(_run(state, waiting, early))
        order.append(_run(state, waiting, node))
    return tuple(order)


@dataclass
class _State:
    """What lives after the nodes that have run, storage by storage.

    Attributes:
        sharing: Of the file's own order; which values share bytes.
        bytes: Size of each storage.
        pending: For each storage the nodes that have yet to read or write what it holds.
        kept: Storages that hold an output of the graph.
        begun: Storages that hold something already.
        made: Values that are there.
        live: Bytes that live now.
        peak: Most bytes that any node has needed so far.
        ready: Nodes whose operands are all there.
    """

    sharing: Sharing
    bytes: list[int]
    pending: list[set[Node]]
    kept: set[int]
    begun: set[int] = field(default_factory=set)
    made: set[Value] = field(default_factory=set)
    live: int = 0
    peak: int = 0
    ready: dict[Node, None] = field(default_factory=dict)

    @classmethod
    def of(cls, sharing: Sharing) -> "_State":
        sizes = [max(known_bytes(value) for value in storage.values) for storage in sharing.storages]
        state = cls(sharing, sizes, [set() for _ in sizes], set())
        for node in sharing.order:
            for index in state.touched(node):
                state.pending[index].add(node)
        for index, storage in enumerate(sharing.storages):
            if storage.needed >= len(sharing.order):
                state.kept.add(index)
            if storage.holds_input:
                state.begun.add(index)
                state.live += sizes[index]
        state.made.update(value for value in sharing.storage_of if value.producer is None)
        state.ready.update((node, None) for node in sharing.order if state.is_ready(node))
        return state

    def touched(self, node: Node) -> set[int]:
        """The storages that a node reads or writes."""
        of = self.sharing.storage_of
        return {of[value] for value in (*node.operands, *node.outputs) if value in of}

    def is_ready(self, node: Node) -> bool:
        return all(value in self.made or value.weight is not None for value in node.operands)

    def needs(self, node: Node) -> int:
        """Bytes that live while the node runs."""
        return self.live + sum(self.bytes[index] for index in self.touched(node) - self.begun)

    def frees(self, node: Node) -> int:
        """Bytes that nobody needs after the node."""
        return sum(
            self.bytes[index]
            for index in self.touched(node)
            if self.pending[index] == {node} and index not in self.kept
        )


def _free_of_charge(state: _State, turn: Node) -> Iterator[Node]:
    """Nodes that may run before the one whose turn it is."""
    level = max(state.peak, state.needs(turn))
    for node in state.ready:
        if node is not turn and state.needs(node) <= level and state.needs(node) - state.frees(node) <= state.live:
            yield node


def _run(state: _State, waiting: dict[Node, None], node: Node) -> Node:
    needed, freed = state.needs(node), state.frees(node)
    state.peak, state.live = max(state.peak, needed), needed - freed
    for index in state.touched(node):
        state.begun.add(index)
        state.pending[index].discard(node)
    state.made.update(node.outputs)
    del waiting[node]
    state.ready.pop(node, None)
    for value in node.outputs:
        state.ready.update((user, None) for user in value.users if user in waiting and state.is_ready(user))
    return node
