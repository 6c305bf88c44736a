"""The only door for edits of a graph that is there: every edit keeps types, uses and order right, or changes nothing."""

from collections.abc import Mapping, Sequence

from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops.base import Op, infer
from cnnir.types import Type


class Rewriter:
    """Edits one graph. Safe while walking over ``graph.nodes``, which is a picture of the moment it was taken."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def insert(
        self,
        op: Op,
        inputs: Sequence[Value | None],
        *,
        before: Node | None = None,
        name: str | None = None,
        outputs: Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Node:
        """A new node, inferred, in front of `before` or at the end.

        Raises:
            CnnirError: ``order`` when an operand is made behind that place; from inference.
        """
        if before is not None:
            self._require(before)
            behind = self._from(before)
            for value in inputs:
                if value is not None and value.producer in behind:
                    raise CnnirError("order", f"{value.name} is made behind the place of insertion", node=before.label)
        return self.graph.add_node(op, inputs, name=name, outputs=outputs, before=before, metadata=metadata)

    def set_operand(self, node: Node, index: int, value: Value | None) -> None:
        """Another operand for a node, whose outputs must keep their types.

        Raises:
            CnnirError: ``retype`` when they would not, ``order`` when the value is made behind the node.
        """
        self._require(node)
        if value is not None and value.producer is not None and value.producer in self._from(node):
            raise CnnirError("order", f"{value.name} is made behind its reader", node=node.label)
        inputs = (*node.inputs[:index], value, *node.inputs[index + 1 :])
        self._retyped(node, node.op, inputs)
        self._connect(node, inputs)

    def replace_uses(self, old: Value, new: Value) -> None:
        """Every reader of `old`, the graph's outputs among them, reads `new` instead.

        Raises:
            CnnirError: ``retype`` when the types differ, ``order`` when `new` is made behind a reader.
        """
        for value in (old, new):
            if value not in self.graph:
                raise CnnirError("value-foreign", "not a value of this graph", got=value.name)
        if old.type != new.type:
            raise CnnirError("retype", f"{new.name} cannot stand for {old.name}", expected=old.type, got=new.type)
        behind = self._from(new.producer) if new.producer is not None else None
        readers = [node for node in old.users if node is not new.producer]
        for node in readers:
            if behind is not None and node not in behind:
                raise CnnirError("order", f"{new.name} is made behind its reader", node=node.label)
        for node in readers:
            self._connect(node, tuple(new if value is old else value for value in node.inputs))
        self.graph.set_outputs(new if value is old else value for value in self.graph.outputs)

    def replace_op(self, node: Node, op: Op, inputs: Sequence[Value | None] | None = None) -> None:
        """Another op (and other operands) for a node; its outputs stay, with their names and types.

        Raises:
            CnnirError: ``retype`` when the new op gives other types, ``order``.
        """
        self._require(node)
        operands = tuple(inputs) if inputs is not None else node.inputs
        behind = self._from(node)
        for value in operands:
            if value is not None and (value not in self.graph or value.producer in behind):
                raise CnnirError("order", f"{value.name} is not there when the node runs", node=node.label)
        self._retyped(node, op, operands)
        node.op = op
        self._connect(node, operands)

    def erase(self, node: Node) -> None:
        """Remove a node that nobody reads.

        Raises:
            CnnirError: ``in-use`` naming a reader.
        """
        self._require(node)
        for value in node.outputs:
            self._require_unread(value)
        self._connect(node, ())
        self.graph._unlink(node)
        del self.graph._nodes[node.name]
        for value in node.outputs:
            del self.graph._values[value.name]

    def erase_weight(self, value: Value) -> None:
        """Remove a weight that nobody reads.

        Raises:
            CnnirError: ``in-use`` naming a reader, ``not-a-weight``.
        """
        if value not in self.graph or value.weight is None:
            raise CnnirError("not-a-weight", "only a weight of this graph can be removed", got=value.name)
        self._require_unread(value)
        del self.graph._values[value.name]

    def rename(self, item: Value | Node, name: str) -> None:
        """Another name for a value or a node.

        Raises:
            CnnirError: ``name-taken``.
        """
        table = self.graph._values if isinstance(item, Value) else self.graph._nodes
        if item not in self.graph:
            raise CnnirError("value-foreign", "not a part of this graph", got=item.name)
        if name in table and table[name] is not item:
            raise CnnirError("name-taken", "the name is taken", got=name)
        # Rebuilt in place so that the order of the table, which is the order of printing, stays.
        renamed = {name if known is item else known.name: known for known in table.values()}
        item.name = name
        table.clear()
        table.update(renamed)  # type: ignore[arg-type]  one table holds values alone, the other nodes alone

    # Helpers

    def _require(self, node: Node) -> None:
        if node not in self.graph:
            raise CnnirError("node-foreign", "not a node of this graph", node=node.label)

    def _require_unread(self, value: Value) -> None:
        if value.uses:
            raise CnnirError("in-use", f"{value.name} is still read", node=value.users[0].label)
        if self.graph.is_output(value):
            raise CnnirError("in-use", f"{value.name} is an output of the graph")

    def _from(self, node: Node) -> set[Node | None]:
        """The node and all behind it."""
        found: set[Node | None] = set()
        current: Node | None = node
        while current is not None:
            found.add(current)
            current = current._next
        return found

    def _retyped(self, node: Node, op: Op, inputs: tuple[Value | None, ...]) -> None:
        """Check that the node would keep its output types, and take over the constraints they then rest on."""
        types, facts = infer(op, inputs, node.label)
        old: tuple[Type, ...] = tuple(value.type for value in node.outputs)
        if types != old:
            raise CnnirError(
                "retype", "the node's outputs would change their types", node=node.label,
                expected=", ".join(map(str, old)), got=", ".join(map(str, types)),
            )  # fmt: skip
        node.constraints = tuple(facts.constraints)

    def _connect(self, node: Node, inputs: tuple[Value | None, ...]) -> None:
        for index, value in enumerate(node.inputs):
            if value is not None:
                del value._uses[node, index]
        node.inputs = inputs
        for index, value in enumerate(inputs):
            if value is not None:
                value._uses[node, index] = None
