"""Shape arithmetic: what becomes of dims that are not bound, as exporters write it around a Reshape.

A view to ``(x.size(0), -1)`` is exported as Shape -> Gather -> Unsqueeze -> Concat -> Reshape. With an open batch none
of that is a constant, but each element is a dim, a polynomial of symbols. Such small integer tensors are followed here
as arrays of dims, element by element:

- ops that read a shape give dims;
- ops that only *move* elements are run by the interpreter on the elements' numbers, and what comes out says which
  element went where: so attributes, axes and negative indices mean exactly what they mean to the interpreter;
- arithmetic is that of `cnnir.dims`; where a division, a minimum or a comparison is not decided for all sizes, the
  element is unknown.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnir.dims import UNKNOWN, Dim, ceil_div, decide_at_least, decide_equal, is_known, product
from cnnir.errors import CnnirError
from cnnir.graph import Node, Value
from cnnir.interpreter import evaluate
from cnnir.ops import Cast, Opaque
from cnnir.types import DType, TensorType, UnknownType
from cnnir.weights import AnyArray

Dims: TypeAlias = NDArray[np.object_]
"""An integer tensor, each element an int or a symbolic dim; booleans where a comparison was decided."""

_ELEMENTS = 64
"""Larger tensors are data, no shapes."""

_MOVING = (
    "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose",
    "Unsqueeze",
)  # fmt: skip
"""Ops whose results are elements of their operands; all but Concat have settings behind the first."""


def dims_of(value: Value | None, followed: Mapping[Value, Dims]) -> Dims | None:
    """A value as dims, from what has been followed or from a small constant; None when it is neither."""
    if value is None:
        return None
    if value in followed:
        return followed[value]
    weight = value.weight
    if weight is None or not (weight.dtype.is_integer or weight.dtype is DType.BOOL):
        return None
    return _objects(weight.array()) if np.prod(weight.shape, dtype=object) <= _ELEMENTS else None


def follow(node: Node, followed: Mapping[Value, Dims]) -> list[Dims] | None:
    """The outputs of a node as dims.

    Args:
        node: Any node.
        followed: What is known of other values.

    Returns:
        One array an output; None when the node is no shape arithmetic, or its operands are not known as dims.
    """
    if isinstance(node.op, Opaque) and (node.op.domain or node.op.captures or not all(node.op.present)):
        return None
    try:
        found = _outputs(node, followed)
    except CnnirError:
        return None  # the node contradicts itself; it is not for this pass to say so
    return found if found is not None and all(map(_is_held, found, node.outputs)) else None


def _outputs(node: Node, followed: Mapping[Value, Dims]) -> list[Dims] | None:
    kind = node.op.kind
    if kind in ("Shape", "Size"):
        return _of_shape(node, kind)
    if not any(value in followed for value in node.operands):
        return None
    operands = [dims_of(value, followed) for value in node.inputs]
    if kind in _MOVING:
        return _moved(node, operands)
    given = [operand for operand in operands if operand is not None]
    if kind not in _RULES or len(given) != len(operands):
        return None
    found = _RULES[kind](node, given)
    return None if found is None else [found]


def _is_held(dims: Dims, value: Value) -> bool:
    """Whether the element type holds each number: one that overflows becomes another."""
    dtype = value.type.dtype if isinstance(value.type, TensorType | UnknownType) else None
    if dtype is DType.BOOL:
        return True
    limits = np.iinfo(np.int32 if dtype is DType.INT32 else np.int64)
    return all(limits.min <= dim <= limits.max for dim in listed(dims) if is_known(dim))


def listed(dims: Dims) -> list[Dim]:
    """The elements in their order."""
    found: list[Dim] = dims.reshape(-1).tolist()
    return found


def contents(dims: Dims, dtype: DType) -> AnyArray | None:
    """The tensor as plain numbers; None while one of them is open."""
    if not all(isinstance(dim, int | bool) for dim in dims.flat):
        return None
    return dims.astype(dtype.numpy)


def range_length(node: Node, followed: Mapping[Value, Dims]) -> Dim | None:
    """How many numbers a Range has whose limits are dims; None where that is not decided for all sizes."""
    operands = [dims_of(value, followed) for value in node.inputs]
    given = [listed(operand) for operand in operands if operand is not None]
    if len(given) < 3 or any(len(dims) != 1 for dims in given):
        return None
    (start,), (limit,), (step,) = given
    if not is_known(step) or step == 0:
        return None
    distance, stride = (limit - start, step) if step > 0 else (start - limit, -step)
    if decide_at_least(distance, 0):
        return ceil_div(distance, stride)
    return 0 if decide_at_least(-distance, 0) else None


def _objects(array: AnyArray) -> Dims:
    """The array with Python's own numbers."""
    found: Dims = array.astype(object)
    return found


def _of_shape(node: Node, kind: str) -> list[Dims] | None:
    if len(node.operands) != 1:  # an opaque node of the name, which a file may give operands as it likes
        return None
    value = node.operands[0]
    if not isinstance(value.type, TensorType):
        return None
    shape = value.type.shape
    if kind == "Size":
        return [_single(product(shape), ())]
    # A tensor whose axes are as long as their numbers: its shape says which axes are read.
    stand_in = np.broadcast_to(np.zeros((), np.float32), tuple(range(len(shape))))
    (axes,) = evaluate(node, [stand_in])
    return [_picked(_row(shape), axes)]


def _moved(node: Node, operands: Sequence[Dims | None]) -> list[Dims] | None:
    """Run the node on the elements' numbers, of 64 bits: booleans and bytes have no room for all of them."""
    moving = len(operands) if node.op.kind == "Concat" else 1
    elements: list[Dim] = []
    numbered: list[AnyArray | None] = []
    for index, (value, dims) in enumerate(zip(node.inputs, operands, strict=True)):
        if value is None:
            numbered.append(None)
            continue
        if dims is None:
            return None
        if index < moving:
            numbered.append(np.arange(len(elements), len(elements) + dims.size, dtype=np.int64).reshape(dims.shape))
            elements += listed(dims)
            continue
        setting = contents(dims, value.type.dtype if isinstance(value.type, TensorType) else DType.INT64)
        if setting is None:
            return None
        numbered.append(setting)
    # On its own, with results of whatever type the numbers have.
    apart = Node(node.name, node.op, (), {})
    apart.outputs = tuple(Value(value.name, UnknownType()) for value in node.outputs)
    results = evaluate(apart, numbered)
    if any(result.size > _ELEMENTS for result in results):
        return None
    return [_picked(_row(elements), result) for result in results]


def _row(dims: Sequence[Dim]) -> Dims:
    row = np.empty(len(dims), object)
    for index, dim in enumerate(dims):
        row[index] = dim
    return row


def _picked(elements: Dims, places: AnyArray) -> Dims:
    return elements[places.reshape(-1)].reshape(places.shape)


def _single(dim: Dim, shape: tuple[int, ...]) -> Dims:
    return _row([dim]).reshape(shape)


# Arithmetic

_Rule: TypeAlias = Callable[[Node, Sequence[Dims]], "Dims | None"]


def _elementwise(function: Callable[..., Dim | bool], count: int = 2) -> _Rule:
    """The function of `count` elements, operands broadcast; of two at a time, from the left, where there are more."""
    applied: Any = np.frompyfunc(function, count, 1)

    def rule(node: Node, operands: Sequence[Dims]) -> Dims | None:
        if count == 2:
            found = operands[0]
            for operand in operands[1:]:
                found = applied(found, operand)
        else:
            found = applied(*operands)
        result = np.asarray(found, object)
        return result if result.size <= _ELEMENTS else None

    return rule


def _divide(dim: Dim, divisor: Dim) -> Dim:
    """Truncated, which is rounded down where neither is negative."""
    if decide_at_least(dim, 0) and decide_at_least(divisor, 1):
        return dim // divisor
    if is_known(dim) and is_known(divisor) and divisor:
        return -(-dim // divisor) if (dim < 0) != (divisor < 0) else dim // divisor
    return UNKNOWN


def _remainder(dim: Dim, divisor: Dim) -> Dim:
    return dim % divisor if decide_at_least(dim, 0) and decide_at_least(divisor, 1) else UNKNOWN


def _largest(dim: Dim, other: Dim) -> Dim:
    if decide_at_least(dim, other):
        return dim
    return other if decide_at_least(other, dim) else UNKNOWN


def _smallest(dim: Dim, other: Dim) -> Dim:
    return -_largest(-dim, -other)


def _equal(dim: Dim, other: Dim) -> Dim | bool:
    decided = decide_equal(dim, other)
    return UNKNOWN if decided is None else decided


def _chosen(condition: Dim | bool, dim: Dim, other: Dim) -> Dim:
    if isinstance(condition, bool):
        return dim if condition else other
    return dim if dim == other else UNKNOWN


def _cast(node: Node, operands: Sequence[Dims]) -> Dims | None:
    # Sizes fit into 32 bits, as exporters take for granted too; a float would have to be followed as one.
    wide = isinstance(node.op, Cast) and node.op.to in (DType.INT32, DType.INT64)
    return operands[0] if wide and not any(isinstance(dim, bool) for dim in operands[0].flat) else None


def _product(node: Node, operands: Sequence[Dims]) -> Dims | None:
    type_ = node.output.type
    if operands[0].ndim != 1 or not isinstance(type_, TensorType) or type_.shape not in ((), (1,)):
        return None
    return _single(product(listed(operands[0])), (1,) * type_.rank)


_RULES: Mapping[str, _Rule] = {
    "Add": _elementwise(lambda a, b: a + b),
    "Sub": _elementwise(lambda a, b: a - b),
    "Mul": _elementwise(lambda a, b: a * b),
    "Div": _elementwise(_divide),
    "Mod": _elementwise(_remainder),
    "Neg": _elementwise(lambda a: -a, 1),
    "Max": _elementwise(_largest),
    "Min": _elementwise(_smallest),
    "Equal": _elementwise(_equal),
    "Where": _elementwise(_chosen, 3),
    "Cast": _cast,
    "ReduceProd": _product,
}
