"""Families of element types, as ONNX's operator specification lists them for its ops."""

from collections.abc import Callable
from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.ops.base import Inputs
from cnnir.types import DType


@dataclass(frozen=True, slots=True)
class Elements:
    """The element types that an operand may have.

    Attributes:
        label: For people.
        holds: Whether a type is one of them.
    """

    label: str
    holds: Callable[[DType], bool]

    def require(self, inputs: Inputs, index: int = 0) -> None:
        """The operand's element type is one of them.

        Raises:
            CnnirError: ``operand-dtype``.
        """
        dtype = inputs.tensor(index).dtype
        if not self.holds(dtype):
            message = f"{inputs.name(index)} has no element type to compute with"
            raise CnnirError("operand-dtype", message, expected=self.label, got=dtype.value)


def _is_wide(dtype: DType) -> bool:
    return dtype.is_float or dtype in (DType.INT32, DType.INT64, DType.UINT32, DType.UINT64)


FLOATS = Elements("floats", lambda dtype: dtype.is_float)
NUMBERS = Elements("floats or integers", lambda dtype: dtype.is_float or dtype.is_integer)
INTEGERS = Elements("integers of 8 bits or more", lambda dtype: dtype.is_integer and (dtype.bits or 0) >= 8)
SIGNED = Elements("floats or signed integers", lambda dtype: dtype.is_float or dtype.value.startswith("int"))
WIDE = Elements("floats, or integers of 32 or 64 bits", _is_wide)
SIGNED_WIDE = Elements("floats, int32 or int64", lambda dtype: _is_wide(dtype) and not dtype.value.startswith("u"))
BOOLS = Elements("bool", lambda dtype: dtype is DType.BOOL)
ORDERED = Elements("floats, integers or bool", lambda dtype: dtype is DType.BOOL or NUMBERS.holds(dtype))
NARROW_FLOATS = Elements("floats of 8 bits or fewer", lambda dtype: dtype.is_float and (dtype.bits or 0) <= 8)
REAL = Elements("anything but complex numbers", lambda dtype: not dtype.value.startswith("complex"))
