"""Running sums and products along an axis."""

from dataclasses import dataclass
from typing import ClassVar

from cnnir.ops.base import Facts, Inputs, Op, require_front_axes
from cnnir.ops.elements import WIDE
from cnnir.types import Type


@dataclass(frozen=True)
class Running(Op):
    """Base of what takes each element together with all before it along an axis."""

    axis: int
    """Counted from the front."""
    exclusive: bool = False
    """The element itself is left out: the first result is that of nothing."""
    reverse: bool = False
    """From the last element on."""

    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        WIDE.require(inputs)
        require_front_axes((self.axis,), inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (inputs.tensor(0),)


@dataclass(frozen=True)
class CumSum(Running):
    """The sum of what is before. ONNX operator specification: CumSum."""


@dataclass(frozen=True)
class CumProd(Running):
    """The product of what is before. ONNX operator specification: CumProd."""
