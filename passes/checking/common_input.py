"""The same input for a network before and after a rewrite, as far as there is one.

An input of both must have one element type and sizes that can be the same, dims of 1 apart: a number meets itself, a
symbol meets a number or an expression. What stays open is bound to small sizes that the conditions of both networks
allow. An input that only the new network has (a cut made it) is fed with the value of that name in the old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cnnir.constraints import Constraint, equal
from cnnir.dims import Dim, UnknownDim, bind, is_known, symbol, symbols
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.interpreter import run, seeded_array
from cnnir.passes.checking.trial_sizes import trial_sizes
from cnnir.types import Shape, TensorType
from cnnir.weights import AnyArray


@dataclass(frozen=True)
class CommonInput:
    """What both networks are fed.

    Attributes:
        before: For the old one, by name.
        after: For the new one, by name.
        sizes: Numbers that the symbolic dims of both were bound to.
    """

    before: Mapping[str, AnyArray]
    after: Mapping[str, AnyArray]
    sizes: Mapping[str, int] = field(default_factory=dict)


def common_sizes(before: Graph, after: Graph, seed: int = 0) -> dict[str, int]:
    """Numbers for the symbolic dims of both at which the same input fits both.

    Raises:
        CnnirError: ``value-check`` naming an input that cannot be the same; ``sizes-not-found``.
    """
    twins = {value.name: value for value in before.inputs}
    found = [*before.constraints, *after.constraints]
    names: set[str] = set()
    for graph in (before, after):
        for value in graph.inputs:
            names |= {name for dim in _shape(value) for name in symbols(dim)}
    for value in after.inputs:
        if value.name in twins:
            found += _meeting(twins[value.name], value)
    return trial_sizes(names, found, seed)


def common_input(before: Graph, after: Graph, seed: int = 0) -> CommonInput:
    """Seeded random input for both.

    Raises:
        CnnirError: as `common_sizes`; ``feed-type`` for an input without random numbers; from running `before`.
    """
    twins = {value.name: value for value in before.inputs}
    if missing := [value.name for value in after.inputs if value.name not in {one.name for one in before.values}]:
        raise CnnirError("value-check", "an input that the network did not have before", node=missing[0])
    sizes = common_sizes(before, after, seed)
    ours = {value.name: seeded_array(_bound(value, sizes), seed) for value in before.inputs}
    inner = [value.name for value in after.inputs if value.name not in twins]
    made = run(before, ours, inner) if inner else {}
    theirs = {
        value.name: made[value.name] if value.name in made else _laid_out(ours[value.name], value, sizes)
        for value in after.inputs
    }
    return CommonInput(ours, theirs, sizes)


def _meeting(value: Value, other: Value) -> list[Constraint]:
    """The conditions under which two inputs are the same."""
    if not isinstance(value.type, TensorType) or not isinstance(other.type, TensorType):
        if value.type == other.type:
            return []
        raise _other_type(value, other)
    dims, twins = _shape(value), _shape(other)
    if len(dims) != len(twins):
        dims, twins = (tuple(dim for dim in shape if dim != 1) for shape in (dims, twins))
    if value.type.dtype is not other.type.dtype or len(dims) != len(twins):
        raise _other_type(value, other)
    found = []
    for dim, twin in zip(dims, twins, strict=True):
        outcome = equal(dim, twin, f"input {value.name} is the same before and after")
        if outcome is False:
            raise _other_type(value, other)
        if isinstance(outcome, Constraint):
            found.append(outcome)
    return found


def _other_type(value: Value, other: Value) -> CnnirError:
    return CnnirError(
        "value-check",
        f"no input fits both, {value.name} was {value.type} and is {other.type}",
        hint="values can be compared on the same input only",
    )


def _shape(value: Value) -> Shape:
    """The shape with a symbol of its own for each dim of which nothing is known; empty for what is no tensor."""
    if not isinstance(value.type, TensorType):
        return ()
    return tuple(_named(dim, value, axis) for axis, dim in enumerate(value.type.shape))


def _named(dim: Dim, value: Value, axis: int) -> Dim:
    return symbol(f"{value.name}.{axis}") if isinstance(dim, UnknownDim) else dim


def _bound(value: Value, sizes: Mapping[str, int]) -> Value:
    """An input of the same name and with these sizes."""
    if not isinstance(value.type, TensorType):
        return value
    return Value(value.name, value.type.with_shape(tuple(bind(dim, sizes) for dim in _shape(value))))


def _laid_out(array: AnyArray, value: Value, sizes: Mapping[str, int]) -> AnyArray:
    """The array in the shape that the new network takes; it differs in dims of 1 at most."""
    type_ = _bound(value, sizes).type
    if not isinstance(type_, TensorType):
        return array
    return array.reshape([dim for dim in type_.shape if is_known(dim)])
