"""Element types and value types.

A value always has a type object. What is not known is an `UnknownType` or an `UnknownDim`, never ``None``.
"""

import importlib
import operator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy as np

from cnnir.dims import (
    UNKNOWN,
    Dim,
    Shape,
    SymbolicDim,
    UnknownDim,
    ceil_div,
    format_dim,
    is_known,
    parse_dim,
    product,
)
from cnnir.errors import CnnirError

__all__ = [
    "DType",
    "OptionalType",
    "SequenceType",
    "Shape",
    "TensorType",
    "Type",
    "UnknownType",
    "known_shape",
    "outside_dim",
    "outside_int",
]


class DType(Enum):
    """An element type: all of ONNX's (onnx.proto3, ``TensorProto.DataType``), sized in bits.

    The enum's value is the name; `bits` is the size of one element in memory: sub-byte types are packed, `bool` takes
    a byte, strings have no fixed size (None).
    """

    FLOAT32 = ("float32", 32)
    FLOAT64 = ("float64", 64)
    FLOAT16 = ("float16", 16)
    BFLOAT16 = ("bfloat16", 16)
    FLOAT8E4M3FN = ("float8_e4m3fn", 8)
    FLOAT8E4M3FNUZ = ("float8_e4m3fnuz", 8)
    FLOAT8E5M2 = ("float8_e5m2", 8)
    FLOAT8E5M2FNUZ = ("float8_e5m2fnuz", 8)
    FLOAT8E8M0 = ("float8_e8m0fnu", 8)
    FLOAT6E2M3 = ("float6_e2m3fn", 6)
    FLOAT6E3M2 = ("float6_e3m2fn", 6)
    FLOAT4E2M1 = ("float4_e2m1fn", 4)
    INT8 = ("int8", 8)
    INT16 = ("int16", 16)
    INT32 = ("int32", 32)
    INT64 = ("int64", 64)
    UINT8 = ("uint8", 8)
    UINT16 = ("uint16", 16)
    UINT32 = ("uint32", 32)
    UINT64 = ("uint64", 64)
    INT4 = ("int4", 4)
    UINT4 = ("uint4", 4)
    INT2 = ("int2", 2)
    UINT2 = ("uint2", 2)
    BOOL = ("bool", 8)
    COMPLEX64 = ("complex64", 64)
    COMPLEX128 = ("complex128", 128)
    STRING = ("string", None)

    bits: int | None

    def __new__(cls, label: str, bits: int | None = None) -> Self:
        member = object.__new__(cls)
        member._value_ = label
        member.bits = bits
        return member

    @cached_property
    def is_float(self) -> bool:
        """True for the real floating-point types."""
        return str(self.value).startswith(("float", "bfloat"))

    @cached_property
    def is_integer(self) -> bool:
        """True for signed and unsigned integers; `bool` is none."""
        return str(self.value).startswith(("int", "uint"))

    @cached_property
    def is_packed(self) -> bool:
        """True where several elements share a byte."""
        return self.bits is not None and self.bits < 8

    @cached_property
    def numpy(self) -> np.dtype[np.generic]:
        """The NumPy element type; the types NumPy lacks come from ``ml_dtypes`` and are held unpacked."""
        if self is DType.STRING:
            return np.dtype(object)
        found: np.dtype[np.generic]
        try:
            found = np.dtype(str(self.value))
        except TypeError:
            # Imported on demand: few models need it, and every start would pay for it.
            extension = importlib.import_module("ml_dtypes")
            found = np.dtype(getattr(extension, self.value))
        return found

    @classmethod
    def of(cls, dtype: np.dtype[np.generic] | type[np.generic]) -> "DType":
        """The element type of a NumPy dtype.

        Raises:
            CnnirError: ``dtype-unsupported`` for a dtype that ONNX does not know.
        """
        name = np.dtype(dtype).name
        if np.dtype(dtype).kind in "OUST":
            return cls.STRING
        try:
            return cls(name)
        except ValueError:
            raise CnnirError("dtype-unsupported", "no ONNX element type for a NumPy dtype", got=name) from None


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor of known rank; each dim is an int, symbolic, or explicitly unknown."""

    dtype: DType
    shape: Shape

    @property
    def rank(self) -> int:
        """Number of dims."""
        return len(self.shape)

    @property
    def elements(self) -> Dim:
        """Number of elements; 1 for a scalar."""
        return product(self.shape)

    @property
    def bytes(self) -> Dim:
        """Bytes in memory, sub-byte elements packed; unknown for strings."""
        bits = self.dtype.bits
        if bits is None:
            return UNKNOWN
        if bits % 8 == 0:
            return self.elements * (bits // 8)
        return ceil_div(self.elements * bits, 8)

    def with_shape(self, shape: Shape) -> "TensorType":
        """The same element type in another shape."""
        return TensorType(self.dtype, shape)

    def __str__(self) -> str:
        return f"{self.dtype.value}[{', '.join(format_dim(dim) for dim in self.shape)}]"


@dataclass(frozen=True, slots=True)
class SequenceType:
    """A sequence of values of one type."""

    element: "Type"

    def __str__(self) -> str:
        return f"sequence({self.element})"


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value that may be absent at run time."""

    element: "Type"

    def __str__(self) -> str:
        return f"optional({self.element})"


@dataclass(frozen=True, slots=True)
class UnknownType:
    """Nothing is known but, perhaps, the element type of a tensor whose rank is open.

    Attributes:
        dtype: Element type when it is a tensor, None when not even that is known.
        declared: The type as its source spelled it (a serialized ``TypeProto``), carried to be exported unchanged.
    """

    dtype: DType | None = None
    declared: bytes = b""

    def __str__(self) -> str:
        parts = [self.dtype.value] if self.dtype is not None else []
        parts += [f'"{self.declared.hex()}"'] if self.declared else []
        return f"unknown({', '.join(parts)})" if parts else "unknown"


def known_shape(shape: Shape, node: str | None = None) -> tuple[int, ...]:
    """The shape as ints.

    Raises:
        CnnirError: ``dims-unbound`` when a dim is symbolic or unknown.
    """
    ints = tuple(dim for dim in shape if is_known(dim))
    if len(ints) != len(shape):
        raise CnnirError(
            "dims-unbound",
            "a shape of known dims is needed",
            node=node,
            got=list(map(str, shape)),
            hint="bind them first",
        )
    return ints


def outside_int(number: Any, what: str, *, least: int | None = 0, node: str | None = None) -> int:
    """A count from outside (a caller's argument) as an int; NumPy's integers are taken, too.

    Raises:
        CnnirError: ``dim-number`` for what is no whole number, ``dim-negative`` below `least`.
    """
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise CnnirError("dim-number", f"{what} is a whole number", node=node, got=repr(number))
    whole = operator.index(number)
    if least is not None and whole < least:
        raise CnnirError("dim-negative", f"{what} out of range", node=node, expected=f"at least {least}", got=whole)
    return whole


def outside_dim(dim: object, what: str = "a dim", *, node: str | None = None) -> Dim:
    """A dim from outside: a number of at least 0, the text of a symbol or an expression, or a dim.

    Raises:
        CnnirError: ``dim-number``, ``dim-negative`` or ``dim-syntax``.
    """
    if isinstance(dim, SymbolicDim | UnknownDim):
        return dim
    parsed = parse_dim(dim) if isinstance(dim, str) else dim
    return parsed if isinstance(parsed, SymbolicDim | UnknownDim) else outside_int(parsed, what, node=node)


Type: TypeAlias = TensorType | SequenceType | OptionalType | UnknownType
