"""Functions of one tensor, element by element."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.ops.base import Facts, Inputs, Op
from cnnir.ops.elements import BOOLS, FLOATS, INTEGERS, NUMBERS, SIGNED, Elements
from cnnir.types import DType, TensorType, Type, UnknownType


@dataclass(frozen=True)
class Function(Op):
    """Base of the elementwise functions of one tensor.

    Class attributes:
        takes: Element types of the operand.
        gives: Element type of the result; None for the operand's own.
    """

    in_place: ClassVar[bool] = True
    takes: ClassVar[Elements] = FLOATS
    gives: ClassVar[DType | None] = None

    def check(self, inputs: Inputs) -> None:
        self.takes.require(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data = inputs.tensor(0)
        return (data if self.gives is None else TensorType(self.gives, data.shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(self.gives or inputs.dtype(0)),)


@dataclass(frozen=True)
class Abs(Function):
    """``|x|``. ONNX operator specification: Abs."""

    takes: ClassVar[Elements] = NUMBERS


@dataclass(frozen=True)
class Neg(Function):
    """``-x``. ONNX operator specification: Neg."""

    takes: ClassVar[Elements] = SIGNED


@dataclass(frozen=True)
class Sign(Function):
    """-1, 0 or 1. ONNX operator specification: Sign."""

    takes: ClassVar[Elements] = NUMBERS


@dataclass(frozen=True)
class Exp(Function):
    """``e ** x``. ONNX operator specification: Exp."""


@dataclass(frozen=True)
class Log(Function):
    """The natural logarithm. ONNX operator specification: Log."""


@dataclass(frozen=True)
class Sqrt(Function):
    """The square root; NaN of what is negative. ONNX operator specification: Sqrt."""


@dataclass(frozen=True)
class Reciprocal(Function):
    """``1 / x``. ONNX operator specification: Reciprocal."""


@dataclass(frozen=True)
class Floor(Function):
    """The largest whole number that is not larger. ONNX operator specification: Floor."""


@dataclass(frozen=True)
class Ceil(Function):
    """The smallest whole number that is not smaller. ONNX operator specification: Ceil."""


@dataclass(frozen=True)
class Round(Function):
    """The nearest whole number, of two the even one. ONNX operator specification: Round."""


@dataclass(frozen=True)
class Erf(Function):
    """The error function. ONNX operator specification: Erf."""


@dataclass(frozen=True)
class Sin(Function):
    """The sine. ONNX operator specification: Sin."""


@dataclass(frozen=True)
class Cos(Function):
    """The cosine. ONNX operator specification: Cos."""


@dataclass(frozen=True)
class Tan(Function):
    """The tangent. ONNX operator specification: Tan."""


@dataclass(frozen=True)
class Asin(Function):
    """The angle whose sine is x; NaN beyond 1. ONNX operator specification: Asin."""


@dataclass(frozen=True)
class Acos(Function):
    """The angle whose cosine is x; NaN beyond 1. ONNX operator specification: Acos."""


@dataclass(frozen=True)
class Atan(Function):
    """The angle whose tangent is x. ONNX operator specification: Atan."""


@dataclass(frozen=True)
class Shrink(Function):
    """``x`` moved towards zero by `bias` outside of ``-lambd .. lambd``, and 0 inside.

    ONNX operator specification: Shrink.
    """

    lambd: float = 0.5
    bias: float = 0.0

    singles: ClassVar[tuple[str, ...]] = ("lambd", "bias")
    takes: ClassVar[Elements] = NUMBERS


@dataclass(frozen=True)
class BitwiseNot(Function):
    """All bits turned over. ONNX operator specification: BitwiseNot."""

    takes: ClassVar[Elements] = INTEGERS


@dataclass(frozen=True)
class Not(Function):
    """Whether x is false. ONNX operator specification: Not."""

    takes: ClassVar[Elements] = BOOLS


@dataclass(frozen=True)
class IsNaN(Function):
    """Whether x is no number. ONNX operator specification: IsNaN."""

    in_place: ClassVar[bool] = False
    gives: ClassVar[DType | None] = DType.BOOL


@dataclass(frozen=True)
class IsInf(Function):
    """Whether x is infinite, of either sign or of one. ONNX operator specification: IsInf."""

    detect_negative: bool = True
    detect_positive: bool = True

    in_place: ClassVar[bool] = False
    gives: ClassVar[DType | None] = DType.BOOL
