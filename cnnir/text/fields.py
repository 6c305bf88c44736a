"""Fields of ops as text, typed by the annotations of their dataclasses."""

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from cnnir.dims import Dim, format_dim
from cnnir.errors import CnnirError
from cnnir.ops.base import Op
from cnnir.text.tokens import Tokens
from cnnir.types import DType


class Codec(NamedTuple):
    """How values of one annotation are written and read."""

    encode: Callable[[Any], str]
    decode: Callable[[Tokens], Any]


class Field(NamedTuple):
    """One field of an op; `default` is the text of its default, None when it has none."""

    name: str
    codec: Codec
    default: str | None


class _FieldTable(dict[type[Op], tuple[Field, ...]]):
    """The fields of each op class, in order; found when they are first asked for."""

    def __missing__(self, key: type[Op]) -> tuple[Field, ...]:
        hints = typing.get_type_hints(key)
        result = []
        for item in dataclasses.fields(key):
            codec = _codec(hints[item.name], f"{key.__name__}.{item.name}")
            default = item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default
            result.append(Field(item.name, codec, None if default is dataclasses.MISSING else codec.encode(default)))
        self[key] = fields = tuple(result)
        return fields


_FIELDS = _FieldTable()


def print_fields(op: Op) -> str:
    """`` {name=value, ...}`` of the fields that are not at their default; empty when all are."""
    parts = []
    for name, codec, default in _FIELDS[type(op)]:
        text = codec.encode(getattr(op, name))
        # Texts are compared, not values: -0.0 == 0.0, and nan is not itself.
        if text != default:
            parts.append(f"{name}={text}")
    return f" {{{', '.join(parts)}}}" if parts else ""


def parse_fields(tokens: Tokens, op_class: type[Op]) -> Op:
    """The op of that class with the fields that come next, in braces or none at all."""
    known = {field.name: field for field in _FIELDS[op_class]}
    values: dict[str, Any] = {}
    open_list = tokens.accept("{") and not tokens.accept("}")
    while open_list:
        left = [name for name in known if name not in values]
        if tokens.text not in left:
            tokens.fail(f"a field of {op_class.__name__} ({', '.join(left) or 'no other'})")
        name = tokens.take("word", "a field's name")
        tokens.expect("=")
        values[name] = known[name].codec.decode(tokens)
        open_list = tokens.more("}")
    if missing := [field.name for field in known.values() if field.default is None and field.name not in values]:
        tokens.fail(f"{op_class.__name__} with {', '.join(missing)}")
    return op_class(**values)


def _codec(annotation: Any, where: str) -> Codec:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal and all(isinstance(choice, str) for choice in arguments):
        return _PLAIN[str]
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _tuple_codec(_codec(arguments[0], where))
    if origin in (Union, types.UnionType):
        parts = set(arguments) - {type(None)}
        if parts != set(arguments):
            return _optional_codec(_codec(reduce(or_, parts), where))
        if parts == set(get_args(Dim)):
            return Codec(format_dim, Tokens.dim)
        if parts <= {bool, int, float}:
            return Codec(_print_number, _parse_number)
    raise CnnirError("text-field", "a field of this type has no text form", node=where, got=annotation)


def _tuple_codec(item: Codec) -> Codec:
    encode, decode = item

    def read(tokens: Tokens) -> tuple[Any, ...]:
        tokens.expect("[")
        result: list[Any] = []
        open_list = not tokens.accept("]")
        while open_list:
            result.append(decode(tokens))
            open_list = tokens.more("]")
        return tuple(result)

    return Codec(lambda values: f"[{', '.join([encode(value) for value in values])}]", read)


def _optional_codec(item: Codec) -> Codec:
    return Codec(
        lambda value: "null" if value is None else item.encode(value),
        lambda tokens: None if tokens.accept("null") else item.decode(tokens),
    )


def _print_bool(value: Any) -> str:
    return "true" if value else "false"


def _parse_bool(tokens: Tokens) -> bool:
    if tokens.text not in ("true", "false"):
        tokens.fail("true or false")
    return tokens.take("word", "true or false") == "true"


def _print_float(value: Any) -> str:
    return repr(float(value))


def _print_number(value: Any) -> str:
    """A number whose Python type matters: bool, int and float look different."""
    plain = value.item() if hasattr(value, "item") else value
    return _print_bool(plain) if isinstance(plain, bool) else repr(plain)


def _parse_number(tokens: Tokens) -> bool | int | float:
    if tokens.text in ("true", "false"):
        return _parse_bool(tokens)
    magnitude = tokens.peek() if tokens.text == "-" else tokens.text
    return tokens.integer() if magnitude.isdigit() else tokens.real()


def parse_dtype(tokens: Tokens) -> DType:
    """The element type that comes next, by its name."""
    if tokens.text not in _DTYPES:
        tokens.fail("an element type such as float32")
    return _DTYPES[tokens.take("word", "an element type")]


_DTYPES = {dtype.value: dtype for dtype in DType}
_PLAIN: dict[Any, Codec] = {
    bool: Codec(_print_bool, _parse_bool),
    int: Codec(lambda value: str(int(value)), Tokens.integer),
    float: Codec(_print_float, Tokens.real),
    str: Codec(json.dumps, Tokens.string),
    bytes: Codec(lambda value: f'"{value.hex()}"', Tokens.hexadecimal),
    DType: Codec(lambda value: str(value.value), parse_dtype),
}
