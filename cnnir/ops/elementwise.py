"""Elementwise arithmetic, comparison and choice with broadcasting, and casts."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, require_same_dtype
from cnnir.ops.broadcasting import broadcast
from cnnir.ops.elements import BOOLS, FLOATS, INTEGERS, NARROW_FLOATS, NUMBERS, REAL, SIGNED_WIDE, Elements
from cnnir.types import DType, TensorType, Type, UnknownType

Rounding: TypeAlias = Literal["up", "down", "nearest"]

ROUNDINGS: tuple[Rounding, ...] = ("up", "down", "nearest")


@dataclass(frozen=True)
class Broadcasting(Op):
    """Base of the ops that combine tensors element by element.

    Class attributes:
        takes: Element types of the operands, which all have the same.
        gives: Element type of the result; None for that of the operands.
    """

    operands: ClassVar[tuple[Operand, ...]] = (Operand("A"), Operand("B"))
    takes: ClassVar[Elements] = NUMBERS
    gives: ClassVar[DType | None] = None

    def check(self, inputs: Inputs) -> None:
        require_same_dtype(inputs, *range(len(inputs)))
        self.takes.require(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        tensors = inputs.tensors()
        return (TensorType(self.gives or tensors[0].dtype, broadcast([tensor.shape for tensor in tensors], facts)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(self.gives or inputs.dtype()),)


@dataclass(frozen=True)
class Arithmetic(Broadcasting):
    """Base of the ops whose result has the operands' own element type."""

    in_place: ClassVar[bool] = True


@dataclass(frozen=True)
class Add(Arithmetic):
    """``a + b``. ONNX operator specification: Add."""


@dataclass(frozen=True)
class Sub(Arithmetic):
    """``a - b``. ONNX operator specification: Sub."""


@dataclass(frozen=True)
class Mul(Arithmetic):
    """``a * b``. ONNX operator specification: Mul."""


@dataclass(frozen=True)
class Div(Arithmetic):
    """``a / b``; integers are truncated towards zero. ONNX operator specification: Div."""


@dataclass(frozen=True)
class Mod(Arithmetic):
    """What a division leaves, with the sign of b; of a with `fmod`. ONNX operator specification: Mod."""

    fmod: bool = False


@dataclass(frozen=True)
class Pow(Arithmetic):
    """``a ** b``, in a's element type; b may have another. ONNX operator specification: Pow."""

    def check(self, inputs: Inputs) -> None:
        SIGNED_WIDE.require(inputs)
        NUMBERS.require(inputs, 1)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(0)),)


@dataclass(frozen=True)
class _Variadic(Arithmetic):
    operands: ClassVar[tuple[Operand, ...]] = (Operand("data", variadic=True),)


@dataclass(frozen=True)
class Sum(_Variadic):
    """The sum of one or more tensors. ONNX operator specification: Sum."""


@dataclass(frozen=True)
class Mean(_Variadic):
    """The mean of one or more tensors. ONNX operator specification: Mean."""

    takes: ClassVar[Elements] = FLOATS


@dataclass(frozen=True)
class Max(_Variadic):
    """The larger one of one or more tensors. ONNX operator specification: Max."""


@dataclass(frozen=True)
class Min(_Variadic):
    """The smaller one of one or more tensors. ONNX operator specification: Min."""


@dataclass(frozen=True)
class Comparison(Broadcasting):
    """Base of the ops that tell whether something holds."""

    gives: ClassVar[DType | None] = DType.BOOL


@dataclass(frozen=True)
class Equal(Comparison):
    """Whether a and b are equal. ONNX operator specification: Equal."""

    takes: ClassVar[Elements] = REAL


@dataclass(frozen=True)
class Greater(Comparison):
    """Whether ``a > b``. ONNX operator specification: Greater."""


@dataclass(frozen=True)
class GreaterOrEqual(Comparison):
    """Whether ``a >= b``. ONNX operator specification: GreaterOrEqual."""


@dataclass(frozen=True)
class Less(Comparison):
    """Whether ``a < b``. ONNX operator specification: Less."""


@dataclass(frozen=True)
class LessOrEqual(Comparison):
    """Whether ``a <= b``. ONNX operator specification: LessOrEqual."""


@dataclass(frozen=True)
class Logic(Arithmetic):
    """Base of the ops that combine truths."""

    takes: ClassVar[Elements] = BOOLS


@dataclass(frozen=True)
class And(Logic):
    """Whether both a and b. ONNX operator specification: And."""


@dataclass(frozen=True)
class Or(Logic):
    """Whether a or b. ONNX operator specification: Or."""


@dataclass(frozen=True)
class Xor(Logic):
    """Whether one of a and b. ONNX operator specification: Xor."""


@dataclass(frozen=True)
class Bits(Arithmetic):
    """Base of the ops that combine integers bit by bit."""

    takes: ClassVar[Elements] = INTEGERS


@dataclass(frozen=True)
class BitwiseAnd(Bits):
    """The bits that a and b both have. ONNX operator specification: BitwiseAnd."""


@dataclass(frozen=True)
class BitwiseOr(Bits):
    """The bits that a or b has. ONNX operator specification: BitwiseOr."""


@dataclass(frozen=True)
class BitwiseXor(Bits):
    """The bits that one of a and b has. ONNX operator specification: BitwiseXor."""


@dataclass(frozen=True)
class BitShift(Bits):
    """The bits of a moved by b places; what leaves the type is lost. ONNX operator specification: BitShift.

    A signed number keeps its sign when its bits move to the right.
    """

    direction: Literal["LEFT", "RIGHT"]

    def check(self, inputs: Inputs) -> None:
        super().check(inputs)
        if self.direction not in ("LEFT", "RIGHT"):
            raise CnnirError("shift-direction", "no such direction", expected="LEFT or RIGHT", got=self.direction)


@dataclass(frozen=True)
class Where(Broadcasting):
    """X where the condition holds, Y elsewhere. ONNX operator specification: Where."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("condition"), Operand("X"), Operand("Y"))
    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        BOOLS.require(inputs)
        require_same_dtype(inputs, 1, 2)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        shape = broadcast([tensor.shape for tensor in inputs.tensors()], facts)
        return (TensorType(inputs.tensor(1).dtype, shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype(1, 2)),)


@dataclass(frozen=True)
class Cast(Op):
    """The same elements in another element type, texts and complex numbers excepted.

    ONNX operator specification: Cast.
    """

    to: DType
    saturate: bool = True
    """Whether what is too large for a float of 8 bits becomes its largest number, else infinity or NaN; True for other
    types."""
    rounding: Rounding = "up"
    """For ``float8_e8m0fnu``, powers of two: to the next one up, or down, or to the nearest one, up from the middle;
    the default for other types."""

    def __post_init__(self) -> None:
        # One meaning, one form: ops are compared by their attributes.
        if not NARROW_FLOATS.holds(self.to) or self.to.is_packed:
            object.__setattr__(self, "saturate", True)
        if self.to is not DType.FLOAT8E8M0 and self.rounding in ROUNDINGS:
            object.__setattr__(self, "rounding", ROUNDINGS[0])

    def check(self, inputs: Inputs) -> None:
        if self.rounding not in ROUNDINGS:
            raise CnnirError("cast-rounding", "no such rounding", expected=" or ".join(ROUNDINGS), got=self.rounding)
        for dtype in (inputs.dtype(0), self.to):
            if dtype in (DType.STRING, DType.COMPLEX64, DType.COMPLEX128):
                raise CnnirError(
                    "cast-mode",
                    f"casts from or to {dtype.value} are not defined here",
                    got=f"a cast to {self.to.value}",
                )
        inputs.type(0)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (TensorType(self.to, inputs.tensor(0).shape),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        # What cannot be cast cannot whatever the shape.
        self.check(inputs)
        return (UnknownType(self.to),)
