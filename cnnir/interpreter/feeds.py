"""What a caller feeds: checked against the graph's inputs, symbolic dims bound by what is fed."""

import zlib
from collections.abc import Mapping

import numpy as np

from cnnir.dims import bind, is_known
from cnnir.dims import symbols as symbols_of
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Value
from cnnir.types import DType, TensorType, UnknownType, known_shape
from cnnir.weights import AnyArray


def seeded_feed(graph: Graph, seed: int) -> dict[str, AnyArray]:
    """Random numbers for every input. See `seeded_array`."""
    return {value.name: seeded_array(value, seed) for value in graph.inputs}


def seeded_array(value: Value, seed: int) -> AnyArray:
    """Random numbers for an input: standard normal ones, 0 to 9 for integers; each name has a stream of its own.

    Raises:
        CnnirError: ``dims-unbound`` when its shape is not known, ``feed-type`` for a type without random numbers.
    """
    if not isinstance(value.type, TensorType):
        raise CnnirError("feed-type", "random numbers make tensors only", node=value.name, got=value.type)
    shape, dtype = known_shape(value.type.shape, value.name), value.type.dtype
    generator = np.random.default_rng([seed, zlib.crc32(value.name.encode())])
    if dtype.is_float:
        return generator.standard_normal(shape).astype(dtype.numpy)
    if dtype.is_integer:
        return generator.integers(0, 10, shape).astype(dtype.numpy)
    if dtype.value == "bool":
        return generator.integers(0, 2, shape).astype(dtype.numpy)
    raise CnnirError("feed-type", "no random numbers of this element type", node=value.name, got=value.type)


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
