"""Live ranges: from which step to which a value has to be there.

Steps are positions in an order of the nodes. A value that a node makes is there from that node's step on; it is needed
until the last node that reads it has run, an output until the end. A value that nobody reads needs its own step alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value


@dataclass(frozen=True, slots=True)
class LiveRange:
    """When one value is live.

    Attributes:
        value: Whose range.
        first: Step that makes it; 0 for an input, which is there before the first node runs.
        last: Last step at which it is needed, included.
        last_use: Step of the last node that reads it, None when none does.
    """

    value: Value
    first: int
    last: int
    last_use: int | None

    def overlaps(self, other: "LiveRange") -> bool:
        """True when both are live in some step."""
        return self.first <= other.last and other.first <= self.last


def live_ranges(graph: Graph, order: Sequence[Node] | None = None) -> Mapping[Value, LiveRange]:
    """Live ranges of the inputs and of all that nodes make, in the order in which they begin.

    Args:
        graph: Left as it is.
        order: All its nodes in an order that can run; the graph's own when None.

    Raises:
        CnnirError: ``order-nodes`` when the order is not made of the graph's nodes, each once; ``order-dependency``
            when a node would run before one that it reads from.
    """
    steps = _steps(graph, graph.nodes if order is None else order)
    end = max(len(steps) - 1, 0)
    outputs = set(graph.outputs)
    ranges: dict[Value, LiveRange] = {}
    made = [value for node in steps for value in node.outputs]
    for value in (*graph.inputs, *made):
        first = steps[value.producer] if value.producer is not None else 0
        last_use = max((steps[node] for node in value.users), default=None)
        last = end if value in outputs else first if last_use is None else last_use
        ranges[value] = LiveRange(value, first, last, last_use)
    return ranges


def _steps(graph: Graph, order: Sequence[Node]) -> dict[Node, int]:
    """The step of each node, in order."""
    steps = {node: step for step, node in enumerate(order)}
    if len(order) != len(graph) or len(steps) != len(graph) or any(node not in graph for node in steps):
        foreign = next((node.label for node in order if node not in graph), None)
        raise CnnirError(
            "order-nodes",
            "an order names every node of the graph once",
            node=foreign,
            expected=f"{len(graph)} nodes",
            got=f"{len(steps)} different ones in {len(order)}",
        )
    for node, step in steps.items():
        for value in node.operands:
            if value.producer is not None and steps[value.producer] >= step:
                message = f"it would run before {value.producer.label}, which makes {value.name}"
                raise CnnirError("order-dependency", message, node=node.label)
    return steps
