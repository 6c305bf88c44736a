"""What a caller feeds: checked against the graph's inputs, symbolic dims bound by what is fed."""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from cnnir.dims import Symbol, SymbolicDim, bind, is_known
from cnnir.errors import CnnirError, within_memory
from cnnir.graph import Graph, Value
from cnnir.types import DType, TensorType, known_shape
from cnnir.weights import AnyArray


def seeded_feed(graph: Graph, seed: int) -> dict[str, AnyArray]:
    """Random numbers for every input. See `seeded_array`."""
    return {value.name: seeded_array(value, seed) for value in graph.inputs}


def seeded_array(value: Value, seed: int) -> AnyArray:
    """Random numbers for an input: standard normal ones, 0 to 9 for integers; each name has a stream of its own.

    Raises:
        CnnirError: ``dims-unbound`` when its shape is not known, ``feed-type`` for a type without random numbers,
            ``memory``.
    """
    if not isinstance(value.type, TensorType):
        raise CnnirError("feed-type", "random numbers make tensors only", node=value.name, got=value.type)
    shape, dtype = known_shape(value.type.shape, value.name), value.type.dtype
    generator = np.random.default_rng([seed, zlib.crc32(value.name.encode())])
    with within_memory(value.name, math.prod(shape) * 8):  # they are drawn as numbers of eight bytes
        if dtype.is_float:
            return generator.standard_normal(shape).astype(dtype.numpy)
        if dtype.is_integer:
            return generator.integers(0, 10, shape).astype(dtype.numpy)
        if dtype.value == "bool":
            return generator.integers(0, 2, shape).astype(dtype.numpy)
    raise CnnirError("feed-type", "no random numbers of this element type", node=value.name, got=value.type)


def checked_feed(graph: Graph, feed: Mapping[str, AnyArray]) -> tuple[dict[str, AnyArray], dict[str, int]]:
    """What was fed by input name, and the symbolic dims that it binds.

    Tensors are arrays; sequences, optionals and what is of unknown type stay as they were fed.

    Raises:
        CnnirError: ``input-unknown``, ``input-missing``, ``input-array``, ``input-dtype`` or ``input-shape``.
    """
    inputs = {value.name: value for value in graph.inputs}
    for name in feed:
        if name not in inputs:
            raise CnnirError(
                "input-unknown", "the graph has no input of this name", node=name, hint=f"inputs: {', '.join(inputs)}"
            )
    fed: dict[str, AnyArray] = {}
    for name, value in inputs.items():
        if name not in feed:
            hint = "every input needs an array"
            raise CnnirError("input-missing", "an input was not fed", node=name, expected=value.type, hint=hint)
        fed[name] = _array(value.type, feed[name], name) if isinstance(value.type, TensorType) else feed[name]
    types = {name: value.type for name, value in inputs.items() if isinstance(value.type, TensorType)}
    # All symbols first: an expression may stand before the symbol that it is made of.
    bindings: dict[str, int] = {}
    for name, type_ in types.items():
        _bind_symbols(type_, fed[name].shape, bindings)
    for name, type_ in types.items():
        _check_shape(name, type_, fed[name], bindings)
    return fed, bindings


def _array(type_: TensorType, given: object, name: str) -> AnyArray:
    """What was fed as an array of the type's elements and rank."""
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise CnnirError(
            "input-array", "what was fed is no array", node=name, expected=type_, got=error, hint="rows of one length"
        ) from None
    if DType.of(array.dtype) is not type_.dtype:
        raise CnnirError(
            "input-dtype",
            "the array has another element type than the input",
            node=name,
            expected=type_.dtype.value,
            got=str(array.dtype),
            hint=f"convert it with .astype({type_.dtype.value!r})",
        )
    if array.ndim != type_.rank:
        raise _wrong_shape(name, type_, array)
    return array


def _wrong_shape(name: str, type_: TensorType, array: AnyArray) -> CnnirError:
    return CnnirError(
        "input-shape",
        "the array has the wrong shape",
        node=name,
        expected=type_,
        got=list(array.shape),
        hint="feed an array of that shape, or resize the graph",
    )


def _bind_symbols(type_: TensorType, shape: Sequence[int], bindings: dict[str, int]) -> None:
    """Bind every dim that is a symbol and nothing else, whatever its name is."""
    for dim, size in zip(type_.shape, shape, strict=True):
        match dim:
            case SymbolicDim(terms=(((Symbol(name),), 1),)):
                bindings.setdefault(name, size)


def _check_shape(name: str, type_: TensorType, array: AnyArray, bindings: Mapping[str, int]) -> None:
    for dim, size in zip(type_.shape, array.shape, strict=True):
        bound = bind(dim, bindings)
        if is_known(bound) and bound != size:
            raise _wrong_shape(name, type_, array)
