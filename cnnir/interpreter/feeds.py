"""What a caller feeds: checked against the graph's inputs, symbolic dims bound by what is fed."""

from collections.abc import Mapping

import numpy as np

from cnnir.dims import bind, is_known
from cnnir.dims import symbols as symbols_of
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.types import DType, TensorType, UnknownType
from cnnir.weights import AnyArray


def checked_feed(graph: Graph, feed: Mapping[str, AnyArray]) -> tuple[dict[Value, AnyArray], dict[str, int]]:
    """The fed arrays by input value, and the symbolic dims that they bind.

    Raises:
        CnnirError: ``input-unknown``, ``input-missing``, ``input-dtype``, ``input-shape``, or ``constraint`` when the
            sizes break a condition of the graph.
    """
    inputs = {value.name: value for value in graph.inputs}
    for name in feed:
        if name not in inputs:
            raise CnnirError(
                "input-unknown", "the graph has no input of this name", node=name, hint=f"inputs: {', '.join(inputs)}"
            )
    arrays: dict[Value, AnyArray] = {}
    bindings: dict[str, int] = {}
    for name, value in inputs.items():
        if name not in feed:
            hint = "every input needs an array"
            raise CnnirError("input-missing", "an input was not fed", node=name, expected=value.type, hint=hint)
        array = feed[name] if isinstance(value.type, UnknownType) else np.asarray(feed[name])
        if isinstance(value.type, TensorType):
            _check_array(value.name, value.type, array, bindings)
        arrays[value] = array
    for constraint in graph.constraints:
        if constraint.check(bindings) is False:
            raise CnnirError(
                "constraint", constraint.reason, node=constraint.node, expected=str(constraint), got=bindings
            )
    return arrays, bindings


def _check_array(name: str, type_: TensorType, array: AnyArray, bindings: dict[str, int]) -> None:
    if DType.of(array.dtype) is not type_.dtype:
        raise CnnirError(
            "input-dtype",
            "the array has another element type than the input",
            node=name,
            expected=type_.dtype.value,
            got=str(array.dtype),
            hint=f"convert it with .astype({type_.dtype.value!r})",
        )
    wrong = CnnirError(
        "input-shape",
        "the array has the wrong shape",
        node=name,
        expected=type_,
        got=list(array.shape),
        hint="feed an array of that shape, or resize the graph",
    )
    if array.ndim != type_.rank:
        raise wrong
    for dim, size in zip(type_.shape, array.shape, strict=True):
        names = symbols_of(dim)
        if len(names) == 1 and str(dim) in names:
            bindings.setdefault(str(dim), size)
        bound = bind(dim, bindings)
        if is_known(bound) and bound != size:
            raise wrong
