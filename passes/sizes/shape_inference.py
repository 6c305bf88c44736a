"""Shape inference: every type derived anew from the inputs, for other input shapes or bound symbols too.

Types are inferred whenever a node is made, so a graph is always typed. This pass derives them all again, which is how
a new input size reaches the whole network, and how a contradiction is found and named.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnnir.constraints import Constraint
from cnnir.dims import bind as bind_dim
from cnnir.dims import symbols
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.ops.base import infer
from cnnir.passes.base import Journal, Pass
from cnnir.passes.sizes.reshapes import ResizedReshapes
from cnnir.types import OptionalType, SequenceType, TensorType, Type, UnknownType, outside_dim, outside_int


@dataclass(frozen=True)
class InferShapes(Pass):
    """Derive and check every type."""

    name: ClassVar[str] = "infer-shapes"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        _rederive(graph, journal, keep_declared=True)


def resize_inputs(graph: Graph, shapes: Mapping[str, Sequence[int | str]]) -> Graph:
    """A new graph whose named inputs have these shapes, all else inferred anew.

    Args:
        graph: Left as it is.
        shapes: For each input, one entry a dim: an int, or text for a symbol or an expression.

    Raises:
        CnnirError: ``input-unknown``, ``rank``, ``dim-number``, ``dim-negative``; or from a node that does not take the
            new size.
    """
    result = graph.clone()
    inputs = {value.name: value for value in result.inputs}
    for name, shape in shapes.items():
        value = _input(inputs, name)
        if not isinstance(value.type, TensorType):
            raise CnnirError("operand-type", "only a tensor input has a shape", node=name, got=value.type)
        dims = tuple(outside_dim(dim, "a size", node=name) for dim in shape)
        if len(dims) != value.type.rank:
            raise CnnirError("rank", "the new shape has another rank", node=name, expected=value.type, got=list(shape))
        value.type = value.type.with_shape(dims)
    _rederive(result, Journal(), keep_declared=False, reshapes=ResizedReshapes(graph))
    return result


def retype_inputs(graph: Graph, types: Mapping[Value, Type], journal: Journal, *, resized: bool = True) -> None:
    """Other types for inputs, all at once and in this graph itself; all else is inferred anew.

    Args:
        graph: Changed in place.
        types: For inputs of the graph.
        journal: Told of each change.
        resized: Whether Reshapes have to follow the new sizes, or be tied to the old ones; else they stay as they are.

    Raises:
        CnnirError: from a node that does not take the new types; the graph is then of no use.
    """
    reshapes = ResizedReshapes(graph) if resized else None
    for value, type_ in types.items():
        value.type = type_
    _rederive(graph, journal, keep_declared=False, reshapes=reshapes)


def bind(graph: Graph, dims: Mapping[str, int]) -> Graph:
    """A new graph with symbolic dims bound to numbers; other symbols stay.

    Raises:
        CnnirError: ``symbol-unknown`` for a name that no input has, ``dim-number`` for what is no whole number,
            ``constraint`` when the graph's conditions forbid it.
    """
    known = graph_symbols(graph)
    for name, number in dims.items():
        if name not in known:
            hint = f"symbolic dims: {', '.join(known)}" if known else "the graph has no symbolic dims"
            raise CnnirError("symbol-unknown", "no dim of this name", got=name, hint=hint)
        if outside_int(number, "a size", least=None, node=name) < 1:
            raise CnnirError("constraint", f"{name} stands for a size", expected="at least 1", got=number)
    dims = {name: operator.index(number) for name, number in dims.items()}
    check_constraints(graph.constraints, dims)
    result = graph.clone()
    result.bindings.update(dims)
    for value in result.values:
        if value.producer is None:
            value.type = _bind_type(value.type, dims)
    for node in result.nodes:
        node.op = node.op.bound(dims)
        for value in node.outputs:
            value.type = _bind_type(value.type, dims)
    _rederive(result, Journal(), keep_declared=True)
    return result


def graph_symbols(graph: Graph) -> tuple[str, ...]:
    """Names of the symbolic dims of the inputs, in the order in which they appear."""
    found: dict[str, None] = {}
    for value in graph.inputs:
        if isinstance(value.type, TensorType):
            found.update(dict.fromkeys(name for dim in value.type.shape for name in sorted(symbols(dim))))
    return tuple(found)


def check_constraints(constraints: Sequence[Constraint], dims: Mapping[str, int]) -> None:
    """Check conditions under a binding.

    Raises:
        CnnirError: ``constraint`` naming the node that the condition comes from.
    """
    for constraint in constraints:
        if constraint.check(dims) is False:
            bound = ", ".join(f"{name}={dims[name]}" for name in sorted(constraint.symbols) if name in dims)
            raise CnnirError("constraint", constraint.reason, node=constraint.node, expected=str(constraint), got=bound)


def _input(inputs: Mapping[str, Value], name: str) -> Value:
    if name not in inputs:
        raise CnnirError(
            "input-unknown", "the graph has no input of this name", got=name, hint=f"inputs: {', '.join(inputs)}"
        )
    return inputs[name]


def _rederive(graph: Graph, journal: Journal, *, keep_declared: bool, reshapes: ResizedReshapes | None = None) -> None:
    """Derive every node's types from its operands'.

    Args:
        graph: Changed in place.
        journal: Told of each value whose type changes.
        keep_declared: Where inference knows nothing, trust the type that is there. It must not be trusted when the
            inputs have changed, since it was declared for the old ones.
        reshapes: What becomes of Reshapes where the inputs have other sizes.
    """
    for node in graph.nodes:
        followed = reshapes.follow(node) if reshapes is not None else None
        if followed is not None:
            node.op = followed
            journal.change(f"names the size {' x '.join(map(str, followed.shape[-2:]))}", [node])
        types, facts = infer(node.op, node.inputs, node.label)
        node.constraints = tuple(facts.constraints)
        for value, type_ in zip(node.outputs, types, strict=True):
            if keep_declared and isinstance(type_, UnknownType):
                continue
            if type_ != value.type:
                journal.change(f"{value.name}: {value.type} becomes {type_}", [node])
                value.type = type_
        if reshapes is not None:
            reshapes.check(node)


def _bind_type(type_: Type, dims: Mapping[str, int]) -> Type:
    if isinstance(type_, TensorType):
        return type_.with_shape(tuple(bind_dim(dim, dims) for dim in type_.shape))
    if isinstance(type_, SequenceType):
        return SequenceType(_bind_type(type_.element, dims))
    if isinstance(type_, OptionalType):
        return OptionalType(_bind_type(type_.element, dims))
    return type_
