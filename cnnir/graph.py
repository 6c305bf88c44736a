"""The typed DAG: values, nodes and the graph that owns them.

Static single assignment, and values stand in the centre: planning is about tensors. The graph is mutable, its leaves
(types, ops, weights) are immutable. A value is an input of the graph, a weight, or an output of a node. Nodes stand in
an order that is always executable; it is the file's own order until somebody changes it.

Edits go through `cnnir.rewriter`; reading models and building them goes through `add_input`, `add_weight`, `add_node`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from cnnir import constraints
from cnnir.constraints import Constraint
from cnnir.errors import CnnirError
from cnnir.names import NameTable
from cnnir.ops.base import Op, infer
from cnnir.types import Type
from cnnir.weights import AnyArray, Weight

if TYPE_CHECKING:
    from cnnir.interpreter import Program
    from cnnir.lint import Finding
    from cnnir.passes.base import Pass, PassResult
    from cnnir.plan import MemoryPlan
    from cnnir.reports import Table

NamedT = TypeVar("NamedT")


class Value:
    """A tensor (or sequence, or optional) of the graph; its identity is the object.

    Attributes:
        name: Unique among the graph's values.
        type: Never None.
        weight: The contents when the value is a weight.
        producer: The node that makes it, None for graph inputs and weights.
        index: Which output of the producer it is.
    """

    __slots__ = ("_uses", "index", "name", "producer", "type", "weight")

    def __init__(
        self, name: str, type: Type, *, weight: Weight | None = None, producer: "Node | None" = None, index: int = 0
    ) -> None:
        self.name = name
        self.type = type
        self.weight = weight
        self.producer = producer
        self.index = index
        # A dict keeps the order in which uses were added, so that every walk over them is deterministic.
        self._uses: dict[tuple[Node, int], None] = {}

    @property
    def uses(self) -> tuple[tuple["Node", int], ...]:
        """(node, operand index) of each operand that reads the value; graph outputs are not among them."""
        return tuple(self._uses)

    @property
    def users(self) -> tuple["Node", ...]:
        """The nodes that read the value, each once."""
        return tuple(dict.fromkeys(node for node, _ in self._uses))

    def __repr__(self) -> str:
        return f"<Value {self.name}: {self.type}>"


class Node:
    """One operation of the graph.

    Attributes:
        name: Unique among the graph's nodes.
        op: What it does.
        inputs: Its operands, None where an optional one is absent.
        outputs: What it makes.
        constraints: Conditions on symbolic dims that its inferred types rest on.
        metadata: What came with the node and means nothing to cnnir, to be written out again.
    """

    __slots__ = ("_next", "_previous", "constraints", "inputs", "metadata", "name", "op", "outputs")

    def __init__(self, name: str, op: Op, inputs: tuple[Value | None, ...], metadata: Mapping[str, str]) -> None:
        self.name = name
        self.op = op
        self.inputs = inputs
        self.outputs: tuple[Value, ...] = ()
        self.constraints: tuple[Constraint, ...] = ()
        self.metadata = dict(metadata)
        self._previous: Node | None = None
        self._next: Node | None = None

    @property
    def label(self) -> str:
        """How messages and reports call the node: ``conv2_1 (Conv)``."""
        return f"{self.name} ({self.op.kind})"

    @property
    def output(self) -> Value:
        """The only output.

        Raises:
            CnnirError: ``several-outputs`` when there is not exactly one.
        """
        if len(self.outputs) != 1:
            raise CnnirError("several-outputs", "one output was expected", node=self.label, got=len(self.outputs))
        return self.outputs[0]

    @property
    def operands(self) -> tuple[Value, ...]:
        """The inputs that are present."""
        return tuple(value for value in self.inputs if value is not None)

    def __repr__(self) -> str:
        return f"<Node {self.label}>"


@dataclass
class Provenance:
    """What a graph's source said about it and cnnir only carries.

    Attributes:
        ir_version: Version of the file format (ONNX ``ir_version``).
        opsets: Operator-set version of each domain.
        fields: Model- and graph-level texts (producer, doc string, ...), by name.
        metadata: The user's key-value pairs.
        listed: Weights that the source lists among the graph's inputs (IR 3, or defaults that may be overridden).
        extras: Parts of the source that have no meaning here, serialized, by name.
    """

    ir_version: int = 10
    opsets: dict[str, int] = field(default_factory=lambda: {"": 21})
    fields: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    extras: dict[str, bytes] = field(default_factory=dict)

    def copy(self) -> "Provenance":
        """An independent copy."""
        return Provenance(
            self.ir_version, dict(self.opsets), dict(self.fields), dict(self.metadata), self.listed, dict(self.extras)
        )


class Graph:
    """A network: inputs, weights, nodes in an executable order, outputs.

    Attributes:
        name: Name of the network.
        provenance: What its source said about it.
        notes: Things a reader should know, found while the graph was made; sentences for people.
        bindings: Numbers that stand for symbolic dims of the graph that this one was bound from.
    """

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self.provenance = Provenance()
        self.notes: list[str] = []
        self.bindings: dict[str, int] = {}
        self._inputs: list[Value] = []
        self._outputs: list[Value] = []
        self._values: NameTable[Value] = NameTable()
        self._nodes: NameTable[Node] = NameTable()
        self._first: Node | None = None
        self._last: Node | None = None

    # Reading

    @property
    def inputs(self) -> tuple[Value, ...]:
        """What a caller feeds, in order."""
        return tuple(self._inputs)

    @property
    def outputs(self) -> tuple[Value, ...]:
        """What a run gives, in order; a value may stand there twice."""
        return tuple(self._outputs)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes in their order, as they stand now: safe to edit the graph while walking over them."""
        return tuple(self._walk())

    @property
    def values(self) -> tuple[Value, ...]:
        """All values: inputs and weights, and the outputs of nodes."""
        return tuple(self._values.values())

    @property
    def weights(self) -> tuple[Value, ...]:
        """The values that are weights."""
        return tuple(value for value in self._values.values() if value.weight is not None)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What the symbolic dims must satisfy, duplicates and implied conditions dropped."""
        return constraints.simplify(constraint for node in self._walk() for constraint in node.constraints)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, item: object) -> bool:
        if isinstance(item, Value):
            return self._values.get(item.name) is item
        return isinstance(item, Node) and self._nodes.get(item.name) is item

    def value(self, name: str) -> Value:
        """The value of that name.

        Raises:
            CnnirError: ``value-unknown`` when there is none.
        """
        return _named(self._values, name, "value")

    def node(self, name: str) -> Node:
        """The node of that name.

        Raises:
            CnnirError: ``node-unknown`` when there is none.
        """
        return _named(self._nodes, name, "node")

    def is_output(self, value: Value) -> bool:
        """True when the value is an output of the graph."""
        return any(output is value for output in self._outputs)

    def may_be_given(self, value: Value) -> bool:
        """True for a weight that callers may give another one in the place of: part of the interface, like an input."""
        return value.weight is not None and value.name in self.provenance.listed

    def fresh_name(self, wish: str, *, node: bool = False) -> str:
        """The wished name, or the first of wish_1, wish_2, ... that no value (or node) bears yet."""
        return self._nodes.fresh(wish) if node else self._values.fresh(wish)

    # Making

    def add_input(self, name: str, type: Type) -> Value:
        """A new input, after those that are there.

        Raises:
            CnnirError: ``name-taken``.
        """
        value = self._adopt(Value(name, type))
        self._inputs.append(value)
        return value

    def add_weight(self, name: str, weight: Weight) -> Value:
        """A new weight.

        Raises:
            CnnirError: ``name-taken``.
        """
        return self._adopt(Value(name, weight.type, weight=weight))

    def add_node(
        self,
        op: Op,
        inputs: Sequence[Value | None],
        *,
        name: str | None = None,
        outputs: Sequence[str] | None = None,
        before: Node | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Node:
        """A new node, its outputs inferred; nothing is changed when that fails.

        Args:
            op: What it does.
            inputs: Values of this graph.
            name: Wished name; made unique. The first output's name when None.
            outputs: Names of the outputs; made up from the op's name when None.
            before: The node that it comes to stand before; the end when None.
            metadata: Kept with the node.

        Raises:
            CnnirError: from inference, or ``name-taken``, ``value-foreign``.
        """
        for value in inputs:
            if value is not None and value not in self:
                raise CnnirError("value-foreign", "an operand is not a value of this graph", node=name, got=value.name)
        stem = name or op.kind.rsplit("::", maxsplit=1)[-1].lower()
        names = list(outputs) if outputs is not None else self._output_names(stem, op.num_outputs)
        node_name = self.fresh_name(name or (names[0] if names else stem), node=True)
        node = Node(node_name, op, tuple(inputs), metadata or {})
        if len(names) != op.num_outputs:
            raise CnnirError(
                "output-count", "wrong number of outputs", node=node.label, expected=op.num_outputs, got=len(names)
            )
        if "" in names:
            raise CnnirError("name-empty", "a value needs a name", node=node.label, got=names)
        if taken := [new for index, new in enumerate(names) if new in self._values or new in names[:index]]:
            raise CnnirError("name-taken", "a second value of one name", node=node.label, got=taken[0])
        types, facts = infer(op, node.inputs, node.label)
        node.constraints = tuple(facts.constraints)
        node.outputs = tuple(
            self._adopt(Value(new, inferred, producer=node, index=index))
            for index, (new, inferred) in enumerate(zip(names, types, strict=True))
        )
        self._nodes[node_name] = node
        self._link(node, before)
        for index, value in enumerate(node.inputs):
            if value is not None:
                value._uses[node, index] = None
        return node

    def set_outputs(self, values: Iterable[Value]) -> None:
        """Make these the outputs.

        Raises:
            CnnirError: ``value-foreign``.
        """
        wanted = list(values)
        for value in wanted:
            if value not in self:
                raise CnnirError("value-foreign", "an output is not a value of this graph", got=value.name)
        self._outputs = wanted

    def clone(self) -> "Graph":
        """An independent graph with the same ops, types and weights; the weights are shared, not copied."""
        copy = Graph(self.name)
        copy.provenance, copy.notes = self.provenance.copy(), list(self.notes)
        copy.bindings = dict(self.bindings)
        twin = {old: copy._adopt(Value(old.name, old.type, weight=old.weight)) for old in self._values.values()}
        for node in self._walk():
            new = Node(
                node.name, node.op, tuple(twin[v] if v is not None else None for v in node.inputs), node.metadata
            )
            new.constraints = node.constraints
            new.outputs = tuple(twin[value] for value in node.outputs)
            for index, value in enumerate(new.outputs):
                value.producer, value.index = new, index
            for index, operand in enumerate(new.inputs):
                if operand is not None:
                    operand._uses[new, index] = None
            copy._nodes[new.name] = new
            copy._link(new, None)
        copy._inputs = [twin[value] for value in self._inputs]
        copy._outputs = [twin[value] for value in self._outputs]
        return copy

    # Delegations to the rooms above, imported when called

    def bind(self, /, **dims: int) -> "Graph":
        """A new graph with symbolic dims bound: ``graph.bind(N=1, H=224)``. See `cnnir.passes.bind`."""
        from cnnir.passes import bind  # noqa: PLC0415

        return bind(self, dims)

    def resize(self, shapes: Mapping[str, Sequence[int | str]]) -> "Graph":
        """A new graph whose inputs have these shapes, all else inferred anew. See `cnnir.passes.resize_inputs`."""
        from cnnir.passes import resize_inputs  # noqa: PLC0415

        return resize_inputs(self, shapes)

    def apply(self, pass_: "Pass | str", **options: Any) -> "PassResult":
        """The result of a pass, given as an object, a name or a pipeline's text. See `cnnir.passes.apply`."""
        from cnnir.passes import apply  # noqa: PLC0415

        return apply(self, pass_, **options)

    def plan(self, **options: Any) -> "MemoryPlan":
        """A checked memory plan. See `cnnir.passes.memory.plan`."""
        from cnnir.passes.memory import plan  # noqa: PLC0415

        return plan(self, **options)

    def compile(self, plan: "MemoryPlan | None" = None, **options: Any) -> "Program":
        """What runs the graph again and again: by a plan, or the fastest one, which takes options.

        See `cnnir.interpreter.Program` and `cnnir.passes.memory.fastest`.
        """
        from cnnir.interpreter import Program  # noqa: PLC0415
        from cnnir.passes.memory import fastest  # noqa: PLC0415

        return Program(self, plan if plan is not None else fastest(self, **options))

    def run(
        self,
        feed: Mapping[str, AnyArray],
        outputs: Sequence[str] | None = None,
        plan: "MemoryPlan | None" = None,
        *,
        poison: bool = False,
    ) -> dict[str, AnyArray]:
        """Values of the outputs, or of any values named. See `cnnir.interpreter.run`."""
        from cnnir.interpreter import run  # noqa: PLC0415

        return run(self, feed, outputs, plan, poison=poison)

    def table(self) -> "Table":
        """The classic per-layer table. See `cnnir.reports.table`."""
        from cnnir.reports import table  # noqa: PLC0415

        return table(self)

    def lint(self, *, select: Sequence[str] | str = (), ignore: Sequence[str] | str = ()) -> "list[Finding]":
        """Unusual or wasteful choices, by rules with stable codes. See `cnnir.lint`."""
        from cnnir.lint import lint  # noqa: PLC0415

        return lint(self, select=select, ignore=ignore)

    def _repr_html_(self) -> str:
        from cnnir.reports import graph_html  # noqa: PLC0415

        return graph_html(self)

    def __str__(self) -> str:
        from cnnir.text import print_graph  # noqa: PLC0415

        return print_graph(self)

    def __repr__(self) -> str:
        return (
            f"<Graph {self.name}: {len(self._nodes)} nodes, {len(self._inputs)} inputs, {len(self._outputs)} outputs>"
        )

    # Bookkeeping, for this module and for the rewriter

    def _walk(self) -> Iterator[Node]:
        node = self._first
        while node is not None:
            yield node
            node = node._next

    def _adopt(self, value: Value) -> Value:
        if not value.name:
            raise CnnirError("name-empty", "a value needs a name", got=value.type)
        if value.name in self._values:
            raise CnnirError("name-taken", "a second value of one name", got=value.name)
        self._values[value.name] = value
        return value

    def _output_names(self, stem: str, count: int) -> list[str]:
        if count == 1:
            return [self.fresh_name(stem)]
        return [self.fresh_name(f"{stem}_{index}") for index in range(count)]

    def _link(self, node: Node, before: Node | None) -> None:
        after = self._last if before is None else before._previous
        node._previous, node._next = after, before
        if after is None:
            self._first = node
        else:
            after._next = node
        if before is None:
            self._last = node
        else:
            before._previous = node

    def _unlink(self, node: Node) -> None:
        if node._previous is None:
            self._first = node._next
        else:
            node._previous._next = node._next
        if node._next is None:
            self._last = node._previous
        else:
            node._next._previous = node._previous
        node._previous = node._next = None


def _named(table: Mapping[str, NamedT], name: str, what: str) -> NamedT:
    if name in table:
        return table[name]
    raise CnnirError(f"{what}-unknown", f"the graph has no {what} of this name", got=name, hint=_similar(name, table))


def _similar(name: str, known: Iterable[str]) -> str | None:
    import difflib  # noqa: PLC0415  only on the way to an error

    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(found)}?" if found else None
