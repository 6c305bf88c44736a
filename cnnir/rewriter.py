"""The only door for edits of a graph that is there: every edit keeps types, uses and order right, or changes nothing.

An edit is worked out in full, types inferred on the side, before the graph is touched; so a refusal leaves no trace.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from cnnir.constraints import Constraint
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops.base import Op, infer
from cnnir.types import TensorType, Type, UnknownType
from cnnir.weights import Weight

NamedT = TypeVar("NamedT", Value, Node)


@dataclass(frozen=True, slots=True)
class _Source:
    """A value as it will be: what inference reads of it."""

    type: Type
    weight: Weight | None


@dataclass(slots=True)
class _Edit:
    """An edit that is worked out and not yet made.

    Attributes:
        contents: New op and operands of nodes.
        types: New types of values.
        weights: Contents of values that become constant.
        constraints: Of each node that was inferred anew.
    """

    contents: dict[Node, tuple[Op, tuple[Value | None, ...]]] = field(default_factory=dict)
    types: dict[Value, Type] = field(default_factory=dict)
    weights: dict[Value, Weight] = field(default_factory=dict)
    constraints: dict[Node, tuple[Constraint, ...]] = field(default_factory=dict)

    def sources(self, inputs: tuple[Value | None, ...]) -> list[_Source | None]:
        """Operands as they will be."""
        return [
            None if value is None else _Source(self.types.get(value, value.type), self.weights.get(value, value.weight))
            for value in inputs
        ]


class Rewriter:
    """Edits one graph. Safe while walking over ``graph.nodes``, which is a picture of the moment it was taken.

    Where a method takes `allow_retype`, types stay as they are without it; with it a new type flows on to all readers.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    # Adding and removing

    def insert(
        self,
        op: Op,
        inputs: Sequence[Value | None],
        *,
        before: Node | None = None,
        after: Node | None = None,
        name: str | None = None,
        outputs: Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Node:
        """A new node, inferred: in front of `before`, behind `after`, or at the end.

        Raises:
            CnnirError: ``order`` when an operand is made behind that place, or for two places; from inference.
        """
        if before is not None and after is not None:
            raise CnnirError("order", "a node is inserted at one place", expected="before or after", got="both")
        place = before if before is not None else after
        if place is not None:
            self._require_node(place)
            before = before if before is not None else place._next
        if before is not None:
            for value in inputs:
                self._require_made(value, before)
        return self.graph.add_node(op, inputs, name=name, outputs=outputs, before=before, metadata=metadata)

    def erase(self, node: Node) -> None:
        """Remove a node that nobody reads.

        Raises:
            CnnirError: ``in-use`` naming a reader, ``node-foreign``.
        """
        self._require_node(node)
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
        listed = self.graph.provenance.listed
        self.graph.provenance.listed = tuple(name for name in listed if name != value.name)

    def remove_unused(self) -> tuple[list[Node], list[Value]]:
        """Remove every node and weight that does not reach an output.

        Inputs stay, and weights that callers may give as inputs: they are the interface.

        Returns:
            The nodes and the weights, in the order of removal.
        """
        nodes, weights = [], []
        # From the end: a node's readers stand behind it, so one walk finds whole dead chains.
        for node in reversed(self.graph.nodes):
            if not any(self._is_read(value) for value in node.outputs):
                self.erase(node)
                nodes.append(node)
        for value in self.graph.weights:
            if not self._is_read(value) and not self.graph.may_be_given(value):
                self.erase_weight(value)
                weights.append(value)
        return nodes, weights

    def freeze(self, node: Node, weights: Sequence[Weight]) -> None:
        """Make the outputs of a node weights with these contents; the node goes, the names stay.

        Readers are inferred anew: what was computed is known to them from now on, and a type may become known by it.

        Raises:
            CnnirError: ``output-count`` when there is not one weight an output, ``retype`` when a weight has another
                type than a known one, ``node-foreign``; from inference, where a reader cannot take the contents.
        """
        self._require_node(node)
        if len(weights) != len(node.outputs):
            raise CnnirError(
                "output-count", "one weight an output", node=node.label, expected=len(node.outputs), got=len(weights)
            )
        contents = dict(zip(node.outputs, weights, strict=True))
        for value, weight in contents.items():
            if isinstance(value.type, TensorType) and not _refines(weight.type, value.type):
                raise _retype(f"the contents of {value.name} have another type", value, weight.type, node)
        types: dict[Value, Type] = {value: weight.type for value, weight in contents.items()}
        edit = self._edit({}, types, contents, allow_retype=True)
        self._connect(node, ())
        self.graph._unlink(node)
        del self.graph._nodes[node.name]
        for value, weight in contents.items():
            value.producer, value.index, value.weight = None, 0, weight
        self._make(edit)

    # Changing

    def set_operand(self, node: Node, index: int, value: Value | None, *, allow_retype: bool = False) -> None:
        """Another operand for a node; one behind its last fills what lies between with absent ones.

        Raises:
            CnnirError: ``order`` when the value is made behind the node, ``operand-count``, ``retype``; from inference.
        """
        if not index >= 0:
            raise CnnirError("operand-count", "operands are counted from 0", node=node.label, got=index)
        inputs = [*node.inputs, *[None] * (index + 1 - len(node.inputs))]
        inputs[index] = value
        self.replace_node(node, node.op, inputs, allow_retype=allow_retype)

    def replace_node(
        self, node: Node, op: Op, inputs: Sequence[Value | None] | None = None, *, allow_retype: bool = False
    ) -> None:
        """Another op, and other operands unless None, for a node; its name, place and outputs stay.

        When the new op has fewer outputs, the last ones are removed; nobody may read them.

        Raises:
            CnnirError: ``order`` when an operand is made behind the node, ``output-count``, ``in-use``, ``retype``;
                from inference.
        """
        self._require_node(node)
        operands = tuple(inputs) if inputs is not None else node.inputs
        for value in operands:
            self._require_made(value, node)
        if op.num_outputs > len(node.outputs):
            raise CnnirError(
                "output-count",
                "the new op has more outputs",
                node=node.label,
                expected=len(node.outputs),
                got=op.num_outputs,
            )
        surplus = node.outputs[op.num_outputs :]
        for value in surplus:
            self._require_unread(value)
        self._make(self._edit({node: (op, operands)}, {}, {}, allow_retype=allow_retype))
        node.outputs = node.outputs[: op.num_outputs]
        for value in surplus:
            del self.graph._values[value.name]

    def replace_uses(self, old: Value, new: Value, *, keep: Iterable[Node] = (), allow_retype: bool = False) -> None:
        """Every reader of `old`, the graph's outputs among them, reads `new` instead.

        The node that makes `new` goes on reading `old`, and so do the nodes to `keep`.

        Raises:
            CnnirError: ``retype`` when the types differ, ``order`` when `new` is made behind a reader,
                ``value-foreign``.
        """
        self._require_value(old)
        self._require_value(new)
        kept = {new.producer, *keep}
        readers = [node for node in old.users if node not in kept]
        for node in readers:
            self._require_made(new, node)
        if old.type != new.type and not allow_retype:
            raise _retype(f"{new.name} cannot stand for {old.name}", old, new.type)
        contents = {node: (node.op, tuple(new if value is old else value for value in node.inputs)) for node in readers}
        self._make(self._edit(contents, {}, {}, allow_retype=allow_retype))
        self.graph.set_outputs([new if value is old else value for value in self.graph.outputs])

    def set_outputs(self, values: Iterable[Value]) -> None:
        """Make these the outputs of the graph.

        Raises:
            CnnirError: ``value-foreign``.
        """
        self.graph.set_outputs(values)

    def move(self, node: Node, before: Node) -> None:
        """Another place for a node: in front of `before`.

        Raises:
            CnnirError: ``order`` naming a node that makes an operand behind that place, or reads an output before it;
                ``node-foreign``.
        """
        self._require_node(node)
        self._require_node(before)
        if node is before:
            return
        for value in node.operands:
            self._require_made(value, before)
        for reader in (reader for value in node.outputs for reader in value.users):
            if reader is not before and _precedes(reader, before):
                raise CnnirError("order", f"{reader.label} reads it before that place", node=node.label)
        self.graph._unlink(node)
        self.graph._link(node, before)

    def set_inputs(self, values: Iterable[Value]) -> None:
        """Make these the inputs of the graph, in this order; those left out are removed, and nobody may read them.

        Raises:
            CnnirError: ``not-an-input``, ``name-taken`` for one that stands there twice, ``in-use`` naming a reader.
        """
        wanted = list(values)
        for value in wanted:
            if not any(value is known for known in self.graph._inputs):
                raise CnnirError("not-an-input", "only an input can stand among the inputs", got=value.name)
        if len(set(wanted)) != len(wanted):
            raise CnnirError("name-taken", "an input stands twice", got=", ".join(value.name for value in wanted))
        left_out = [value for value in self.graph._inputs if value not in wanted]
        for value in left_out:
            self._require_unread(value)
        for value in left_out:
            del self.graph._values[value.name]
        self.graph._inputs = wanted

    def set_type(self, value: Value, type: Type) -> None:
        """Another type for an input of the graph; it flows on to all readers.

        Raises:
            CnnirError: ``not-an-input``; from inference, where a reader cannot take it.
        """
        self._require_value(value)
        if value.producer is not None or value.weight is not None:
            raise CnnirError("not-an-input", "only the type of an input can be set", got=value.name)
        self._make(self._edit({}, {value: type}, {}, allow_retype=True))

    def rename(self, item: Value | Node, name: str) -> None:
        """Another name for a value or a node.

        Raises:
            CnnirError: ``name-taken``, ``name-empty``, ``value-foreign`` or ``node-foreign``.
        """
        if isinstance(item, Value):
            self._require_value(item)
            old, listed = item.name, self.graph.provenance.listed
            _rename(self.graph._values, item, name)
            self.graph.provenance.listed = tuple(name if one == old else one for one in listed)
        else:
            self._require_node(item)
            _rename(self.graph._nodes, item, name)
            item.constraints = tuple(dataclasses.replace(one, node=item.label) for one in item.constraints)

    # Working out

    def _edit(
        self,
        contents: dict[Node, tuple[Op, tuple[Value | None, ...]]],
        types: dict[Value, Type],
        weights: dict[Value, Weight],
        *,
        allow_retype: bool,
    ) -> _Edit:
        """Infer all nodes that new contents or types reach, in their order, on the side."""
        edit = _Edit(contents, types, weights)
        pending = {*contents, *(reader for value in types for reader in value.users)}
        # One node is the common case, and the walk ends where nothing is left to do.
        node = next(iter(pending)) if len(pending) == 1 else self.graph._first
        while pending and node is not None:
            if node in pending:
                pending.remove(node)
                self._infer(edit, node, allow_retype=allow_retype)
                pending.update(reader for value in node.outputs if value in edit.types for reader in value.users)
            node = node._next
        return edit

    def _infer(self, edit: _Edit, node: Node, *, allow_retype: bool) -> None:
        op, inputs = edit.contents.get(node, (node.op, node.inputs))
        sources = edit.sources(inputs)
        found, facts = infer(op, sources, f"{node.name} ({op.kind})")
        edit.constraints[node] = tuple(facts.constraints)
        # What is frozen stays what it was, only more is known of it.
        same = bool(edit.weights) or (
            op == node.op and [s and s.type for s in sources] == [v and v.type for v in node.inputs]
        )
        for value, type_ in zip(node.outputs, found, strict=False):
            # A declared type that inference cannot confirm holds as long as what it was declared for.
            if type_ == value.type or (same and isinstance(type_, UnknownType)):
                continue
            if not allow_retype:
                raise _retype(f"{value.name} would change its type", value, type_, node)
            edit.types[value] = type_

    def _make(self, edit: _Edit) -> None:
        for node, (op, inputs) in edit.contents.items():
            node.op = op
            self._connect(node, inputs)
        for value, type_ in edit.types.items():
            value.type = type_
        for node, constraints in edit.constraints.items():
            node.constraints = constraints

    def _connect(self, node: Node, inputs: tuple[Value | None, ...]) -> None:
        for index, value in enumerate(node.inputs):
            if value is not None:
                del value._uses[node, index]
        node.inputs = inputs
        for index, value in enumerate(inputs):
            if value is not None:
                value._uses[node, index] = None

    # Demands

    def _require_node(self, node: Node) -> None:
        if node not in self.graph:
            raise CnnirError("node-foreign", "not a node of this graph, or not any more", node=node.label)

    def _require_value(self, value: Value) -> None:
        if value not in self.graph:
            raise CnnirError("value-foreign", "not a value of this graph, or not any more", got=value.name)

    def _require_made(self, value: Value | None, node: Node) -> None:
        """The value is there when the node runs."""
        if value is None:
            return
        self._require_value(value)
        if value.producer is not None and not _precedes(value.producer, node):
            hint = f"{value.producer.label} stands there or behind it"
            raise CnnirError("order", f"{value.name} is not made before this place", node=node.label, hint=hint)

    def _is_read(self, value: Value) -> bool:
        return bool(value._uses) or self.graph.is_output(value)

    def _require_unread(self, value: Value) -> None:
        if value._uses:
            raise CnnirError(
                "in-use", f"{value.name} is still read", node=value.users[0].label, hint="replace its uses first"
            )
        if self.graph.is_output(value):
            raise CnnirError("in-use", f"{value.name} is an output of the graph", hint="set other outputs first")


def _rename(table: dict[str, NamedT], item: NamedT, name: str) -> None:
    if name == item.name:
        return
    if not name:
        raise CnnirError("name-empty", "no name cannot be told from a part that is absent", node=item.name)
    if name in table:
        raise CnnirError("name-taken", "a second one of one name", node=item.name, got=name)
    # Anew in the old order: values and weights are written out in the order of the table.
    entries = [(name if entry is item else key, entry) for key, entry in table.items()]
    item.name = name
    table.clear()
    table.update(entries)


def _precedes(first: Node, second: Node) -> bool:
    """Does the first node of a graph stand before the second? Looks both ways at once: most pairs are near."""
    ahead, behind = first._next, first._previous
    while first is not second:
        if ahead is second or behind is None:
            return True
        if behind is second or ahead is None:
            return False
        ahead, behind = ahead._next, behind._previous
    return False


def _refines(new: TensorType, old: TensorType) -> bool:
    """The same type, or one that says numbers where the other leaves them open."""
    return (
        new.dtype is old.dtype
        and len(new.shape) == len(old.shape)
        and all(
            theirs == ours or not isinstance(theirs, int) for ours, theirs in zip(new.shape, old.shape, strict=True)
        )
    )


def _retype(message: str, old: Value, new: Type, node: Node | None = None) -> CnnirError:
    hint = "allow_retype=True lets the new type flow on"
    return CnnirError(
        "retype", message, node=node.label if node is not None else None, expected=old.type, got=new, hint=hint
    )
