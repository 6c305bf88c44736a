"""The attributes of a node while it is read: each by its type, and each has to be taken."""

from collections.abc import Callable
from typing import TypeVar

from onnx import AttributeProto, NodeProto, SparseTensorProto, TensorProto

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.text import decoded

T = TypeVar("T")


class Unmapped(Exception):  # noqa: N818  no error: the node becomes opaque
    """The node says something that our ops do not; the text says what."""


class Attributes:
    """What is asked for has to be of the type asked for; what is never asked for was not understood."""

    def __init__(self, proto: NodeProto) -> None:
        self._left = {attribute.name: attribute for attribute in proto.attribute}
        if len(self._left) != len(proto.attribute):
            raise CnnirError("attribute", "two attributes of one name", got=[item.name for item in proto.attribute])

    @property
    def left(self) -> tuple[str, ...]:
        """Names of those that nobody has asked for."""
        return tuple(self._left)

    def integer(self, name: str, default: int | None = None) -> int:
        """One integer; required when there is no default."""
        return _given(name, self.optional_integer(name), default)

    def optional_integer(self, name: str) -> int | None:
        """One integer, None when it is absent."""
        return self._take(name, AttributeProto.INT, lambda item: int(item.i))

    def flag(self, name: str, *, default: bool = False) -> bool:
        """One integer that says no (0) or yes."""
        return bool(self.integer(name, int(default)))

    def number(self, name: str, default: float | None = None) -> float:
        """One float; required when there is no default."""
        return _given(name, self.optional_number(name), default)

    def optional_number(self, name: str) -> float | None:
        """One float, None when it is absent."""
        return self._take(name, AttributeProto.FLOAT, lambda item: float(item.f))

    def text(self, name: str, default: str) -> str:
        """One text."""
        return _given(name, self._take(name, AttributeProto.STRING, lambda item: decoded(item.s, name)), default)

    def integers(self, name: str) -> tuple[int, ...] | None:
        """A list of integers, None when it is absent."""
        return self._take(name, AttributeProto.INTS, lambda item: tuple(map(int, item.ints)))

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """A list of floats, None when it is absent."""
        return self._take(name, AttributeProto.FLOATS, lambda item: tuple(map(float, item.floats)))

    def tensor(self, name: str) -> TensorProto | None:
        """A tensor, None when it is absent."""
        return self._take(name, AttributeProto.TENSOR, lambda item: item.t)

    def sparse_tensor(self, name: str) -> SparseTensorProto | None:
        """A sparse tensor, None when it is absent."""
        return self._take(name, AttributeProto.SPARSE_TENSOR, lambda item: item.sparse_tensor)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A list of texts, None when it is absent."""
        return self._take(
            name, AttributeProto.STRINGS, lambda item: tuple(decoded(part, name) for part in item.strings)
        )

    def _take(
        self, name: str, kind: "AttributeProto.AttributeType", contents: Callable[[AttributeProto], T]
    ) -> T | None:
        attribute = self._left.pop(name, None)
        if attribute is None:
            return None
        if attribute.ref_attr_name:
            raise Unmapped(f"{name} refers to a function's attribute")
        if attribute.type != kind:
            raise CnnirError(
                "attribute", f"attribute {name} has the wrong type", expected=_kind(kind), got=_kind(attribute.type)
            )
        return contents(attribute)


def _kind(kind: int) -> str:
    return str(AttributeProto.AttributeType.Name(kind)).lower()


def _given(name: str, value: T | None, default: T | None) -> T:
    if value is not None:
        return value
    if default is None:
        raise CnnirError("attribute", f"attribute {name} is missing", hint="ONNX requires it")
    return default
