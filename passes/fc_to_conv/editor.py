"""New nodes beside the old ones, which bear the old names in the end."""

from collections.abc import Hashable, Sequence

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Conv, Op
from cnnir.rewriter import Rewriter
from cnnir.weights import Weight


class Editor:
    """Puts the new form of a head in front of its old one, then takes the old one away.

    Attributes:
        graph: What is edited.
        rewriter: The door for edits.
        maps: For each value of the old head, the map that stands for it.
        parts: The maps of a value that several stand for, side by side.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.rewriter = Rewriter(graph)
        self.maps: dict[Value, Value] = {}
        self.parts: dict[Value, list[Value]] = {}
        self._wishes: dict[Value, str] = {}
        self._nodes: dict[Node, str] = {}
        self._weights: dict[Hashable, Value] = {}

    def map(self, value: Value) -> Value:
        """The map that stands for a value: itself, when it is one."""
        return self.maps.get(value, value)

    def several(self, value: Value) -> list[Value]:
        """The maps that stand for a value."""
        return self.parts.get(value, [self.map(value)])

    def insert(self, op: Op, inputs: Sequence[Value | None], old: Node) -> Value:
        """A node that does for maps what the old node does; it will bear the old node's name."""
        name = self.graph.fresh_name(old.outputs[0].name)
        node = self.rewriter.insert(
            op, inputs, before=old, name=f"{old.name}_conv", outputs=[name], metadata=old.metadata
        )
        self._wishes[node.output] = old.outputs[0].name
        self._nodes[node] = old.name
        return node.output

    def weight(self, weight: Weight, old: Value, form: Hashable = ()) -> Value:
        """A new weight that takes the old one's name, when that is not needed any more.

        Args:
            weight: Contents; of no use when `old` has been brought to the same form before.
            old: The weight that it is made from.
            form: What was made of it.
        """
        if weight is old.weight:
            return old
        key = (old, weight.shape, form)
        if key not in self._weights:
            value = self.graph.add_weight(self.graph.fresh_name(old.name), weight)
            self._weights[key], self._wishes[value] = value, old.name
        return self._weights[key]

    def add_bias(self, output: Value, bias: Value, old: Node) -> None:
        """Give a convolution made before a bias; it then stands for the old node."""
        node = output.producer
        if node is None or not isinstance(node.op, Conv):  # the caller has made it
            raise AssertionError(output.name)
        self.rewriter.replace_node(node, node.op, [*node.inputs[:2], bias])
        self._wishes[output] = old.outputs[0].name

    def finish(self, old: Sequence[Node], outputs: Sequence[Value]) -> None:
        """Make `outputs` the graph's outputs under the names they had, and remove the old nodes."""
        names = [value.name for value in self.graph.outputs]
        self.rewriter.set_outputs(outputs)
        weights = dict.fromkeys(value for node in old for value in node.operands if value.weight is not None)
        for node in reversed(old):
            self.rewriter.erase(node)
        for value in weights:
            if not value.uses and not self.graph.is_output(value):
                self.rewriter.erase_weight(value)
        for value, name in zip(outputs, names, strict=True):
            if value.name != name:
                self.rewriter.rename(value, name)
            self._wishes.pop(value, None)
        for value, wish in self._wishes.items():
            self.rewriter.rename(value, self.graph.fresh_name(wish) if wish != value.name else wish)
        for node, wish in self._nodes.items():
            self.rewriter.rename(node, self.graph.fresh_name(wish, node=True))
