"""Which values a table shows to share storage: views, and elementwise results written over an operand that dies.

A plan decides that anew, and by more (`cnnir.passes.memory.forming`); but it needs sizes. A table may have none: this
rests on types alone, each node a step in the order in which it stands. The result is a set of storages, each a chain of
values that lie in the same bytes one after the other (in place) or at once (views). Weights take no storage.

- The only output of a view op (Reshape, Flatten, Dropout without mask, ...) lies where its operand lies.
- The output of an elementwise op takes over the bytes of an operand of the same type when nothing in those bytes is
  read any more, and they hold no graph input (it belongs to the caller) and no graph output (it is kept to the end).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cnnir.analysis import live_ranges
from cnnir.graph import Graph, Node, Value


@dataclass(slots=True)
class Shared:
    """One storage in the making.

    Attributes:
        values: What lies in it, in the order in which it is written.
        needed: Position of the last node that reads what it holds now; one past the last node for a graph output.
        holds_input: It belongs to the caller and is never written over.
    """

    values: list[Value]
    needed: int
    holds_input: bool = False


@dataclass(frozen=True)
class Sharing:
    """The decision for one graph and one order.

    Attributes:
        order: The nodes in the order that was assumed.
        storages: The storages in the order in which they are first written, inputs first.
        storage_of: Index of the storage in which each value lies.
        donations: For a node's output, the operand whose bytes it takes over.
        views: Outputs that are a view of their node's first operand.
    """

    order: tuple[Node, ...]
    storages: list[Shared] = field(default_factory=list)
    storage_of: dict[Value, int] = field(default_factory=dict)
    donations: dict[Value, Value] = field(default_factory=dict)
    views: set[Value] = field(default_factory=set)

    def opens(self, value: Value) -> bool:
        """True when the value is the first in its storage: it takes memory of its own."""
        return self.storages[self.storage_of[value]].values[0] is value


def share(graph: Graph, order: Sequence[Node] | None = None, *, in_place: bool = True) -> Sharing:
    """Decide which values share storage.

    Args:
        graph: Its dims may be symbolic; types need only be equal to be shared.
        order: An executable order of all nodes; the graph's own when None.
        in_place: Whether elementwise results may be written over operands.

    Raises:
        CnnirError: ``order-nodes`` or ``order-dependency`` for an order that cannot run.
    """
    sharing = Sharing(tuple(order) if order is not None else graph.nodes)
    needed = _needed_until(graph, sharing.order)
    for value in graph.inputs:
        _open(sharing, value, needed[value], holds_input=True)
    for position, node in enumerate(sharing.order):
        for value in node.outputs:
            source = _viewed(node, value, sharing.storage_of)
            if source is not None:
                _join(sharing, value, source, needed[value], view=True)
                continue
            donor = _donor(node, value, sharing, position) if in_place else None
            if donor is not None:
                _join(sharing, value, donor, needed[value], view=False)
            else:
                _open(sharing, value, needed[value])
    return sharing


def _needed_until(graph: Graph, order: Sequence[Node]) -> Mapping[Value, int]:
    """Position of each value's last reader; -1 where there is none, behind the last node for an output."""
    ranges = live_ranges(graph, order).values()
    last = {entry.value: -1 if entry.last_use is None else entry.last_use for entry in ranges}
    last.update((value, len(order)) for value in graph.outputs)
    return last


def _open(sharing: Sharing, value: Value, needed: int, *, holds_input: bool = False) -> None:
    sharing.storage_of[value] = len(sharing.storages)
    sharing.storages.append(Shared([value], needed, holds_input))


def _join(sharing: Sharing, value: Value, source: Value, needed: int, *, view: bool) -> None:
    index = sharing.storage_of[source]
    storage = sharing.storages[index]
    storage.values.append(value)
    storage.needed = max(storage.needed, needed)
    sharing.storage_of[value] = index
    if view:
        sharing.views.add(value)
    else:
        sharing.donations[value] = source


def _viewed(node: Node, value: Value, storage_of: Mapping[Value, int]) -> Value | None:
    """The operand that the output is a view of; a node with more to make is computed, its first output too."""
    if not node.op.view or len(node.outputs) != 1 or node.inputs[0] not in storage_of:
        return None
    return node.inputs[0]


def _donor(node: Node, value: Value, sharing: Sharing, position: int) -> Value | None:
    """The first operand whose bytes the output may take over."""
    if not node.op.in_place or len(node.outputs) != 1:
        return None
    for operand in node.operands:
        if operand.type != value.type or operand not in sharing.storage_of:
            continue
        index = sharing.storage_of[operand]
        storage = sharing.storages[index]
        # An operand that is a view of the same bytes would be read while they are written.
        alone = all(other is operand or sharing.storage_of.get(other) != index for other in node.operands)
        if alone and storage.needed <= position and not storage.holds_input:
            return operand
    return None
