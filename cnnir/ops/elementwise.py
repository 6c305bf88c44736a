"""Elementwise arithmetic with broadcasting, and casts."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, require_numbers, require_same_dtype
from cnnir.ops.broadcasting import broadcast
from cnnir.types import DType, TensorType, Type, UnknownType


@dataclass(frozen=True)
class Arithmetic(Op):
    """Base of the ops that combine tensors of one element type, element by element."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("A"), Operand("B"))
    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        require_same_dtype(inputs, *range(len(inputs)))
        require_numbers(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        tensors = inputs.tensors()
        return (TensorType(tensors[0].dtype, broadcast([tensor.shape for tensor in tensors], facts)),)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()),)


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
class Sum(Arithmetic):
    """The sum of one or more tensors. ONNX operator specification: Sum."""

    operands: ClassVar[tuple[Operand, ...]] = (Operand("data", variadic=True),)


@dataclass(frozen=True)
class Cast(Op):
    """The same elements in another element type, texts and complex numbers excepted.

    ONNX operator specification: Cast.
    """

    to: DType

    def check(self, inputs: Inputs) -> None:
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
