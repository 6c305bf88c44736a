"""What is applied to a result before it is written: point by point, with branches of its own, LRN too."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cnnir.graph import Graph, Node, Value
from cnnir.passes.memory.forming.kinds import is_epilogue, is_pointwise, shape_like, stored_operands


@dataclass(frozen=True, slots=True)
class Growth:
    """Nodes absorbed behind a value, up to the last place where one value alone is needed further on.

    Attributes:
        nodes: In executable order; none where nothing can be absorbed.
        result: What is needed further on.
    """

    nodes: tuple[Node, ...]
    result: Value


@dataclass
class Epilogues:
    """Looks behind values, while nodes are fused.

    Attributes:
        graph: All dims known.
        taken: Nodes that belong to a step already.
        unstored: Values that are never stored.
        pointwise: Whether nothing but what is applied point by point is taken, not LRN.
    """

    graph: Graph
    taken: set[Node] = field(default_factory=set)
    unstored: set[Value] = field(default_factory=set)
    pointwise: bool = False

    def __post_init__(self) -> None:
        self.outputs = frozenset(self.graph.outputs)
        self.position = {node: index for index, node in enumerate(self.graph.nodes)}

    def grow(self, start: Value, *, alone: bool = False) -> Growth:
        """Everything behind a value that can be applied before it is written; `alone`: reading nothing else stored."""
        inside: dict[Value, None] = {start: None}
        region: list[Node] = []
        committed = Growth((), start)
        while (node := self._absorbable(inside, region, alone=alone)) is not None:
            region.append(node)
            inside[node.output] = None
            open_values = [value for value in inside if self._escapes(value, region)]
            if open_values == [node.output]:
                committed = Growth(tuple(region), node.output)
        return committed

    def _absorbable(self, inside: dict[Value, None], region: Sequence[Node], *, alone: bool) -> Node | None:
        if any(value in self.outputs for value in inside):
            return None
        users = {user for value in inside for user in value.users if user not in region and user not in self.taken}
        for user in sorted(users, key=self.position.__getitem__):
            takes = is_pointwise if self.pointwise else is_epilogue
            if takes(user) and self._fits(user, inside, alone=alone):
                return user
        return None

    def _fits(self, node: Node, inside: dict[Value, None], *, alone: bool) -> bool:
        """What it reads of the region has its output's shape, and whatever else it reads is smaller."""
        for value in stored_operands(node):
            if value in inside:
                if not shape_like(value, node.output):
                    return False
            elif alone or shape_like(value, node.output) or value in self.unstored:
                return False
        return True

    def _escapes(self, value: Value, region: Sequence[Node]) -> bool:
        return value in self.outputs or any(user not in region for user in value.users)


__all__ = ["Epilogues", "Growth"]
