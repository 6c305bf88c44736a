"""Activations: one input, one output of the same type."""

import math
from dataclasses import dataclass
from typing import ClassVar

from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, Operand, Role, require_front_axes, require_same_dtype, single
from cnnir.ops.broadcasting import broadcast
from cnnir.ops.elements import FLOATS, NUMBERS, WIDE, Elements
from cnnir.ops.function import Function
from cnnir.types import Type, UnknownType


@dataclass(frozen=True)
class Activation(Function):
    """Base of the functions that bend what a layer gives."""


@dataclass(frozen=True)
class Relu(Activation):
    """``max(x, 0)``. ONNX operator specification: Relu."""

    takes: ClassVar[Elements] = NUMBERS


@dataclass(frozen=True)
class LeakyRelu(Activation):
    """``x`` where it is positive, ``alpha * x`` elsewhere. ONNX operator specification: LeakyRelu."""

    alpha: float = single(0.01)

    singles: ClassVar[tuple[str, ...]] = ("alpha",)


@dataclass(frozen=True)
class Sigmoid(Activation):
    """``1 / (1 + exp(-x))``. ONNX operator specification: Sigmoid."""


@dataclass(frozen=True)
class Tanh(Activation):
    """Hyperbolic tangent. ONNX operator specification: Tanh."""


@dataclass(frozen=True)
class HardSigmoid(Activation):
    """``max(0, min(1, alpha * x + beta))``. ONNX operator specification: HardSigmoid."""

    alpha: float = single(0.2)
    beta: float = 0.5

    singles: ClassVar[tuple[str, ...]] = ("alpha", "beta")


@dataclass(frozen=True)
class HardSwish(Activation):
    """``x * max(0, min(1, x / 6 + 1 / 2))``. ONNX operator specification: HardSwish."""


@dataclass(frozen=True)
class Elu(Activation):
    """``x`` where it is positive, ``alpha * (exp(x) - 1)`` elsewhere. ONNX operator specification: Elu."""

    alpha: float = 1.0

    singles: ClassVar[tuple[str, ...]] = ("alpha",)


@dataclass(frozen=True)
class Selu(Activation):
    """``gamma * x`` where x is positive, ``gamma * alpha * (exp(x) - 1)`` elsewhere.

    ONNX operator specification: Selu.
    """

    alpha: float = single(1.6732632423543772)
    gamma: float = single(1.0507009873554805)

    singles: ClassVar[tuple[str, ...]] = ("alpha", "gamma")


@dataclass(frozen=True)
class Celu(Activation):
    """``x`` where it is positive, ``alpha * (exp(x / alpha) - 1)`` elsewhere. ONNX operator specification: Celu."""

    alpha: float = 1.0

    singles: ClassVar[tuple[str, ...]] = ("alpha",)


@dataclass(frozen=True)
class ThresholdedRelu(Activation):
    """``x`` where it is above alpha, 0 elsewhere. ONNX operator specification: ThresholdedRelu."""

    alpha: float = 1.0

    singles: ClassVar[tuple[str, ...]] = ("alpha",)


@dataclass(frozen=True)
class Softplus(Activation):
    """``log(1 + exp(x))``. ONNX operator specification: Softplus."""


@dataclass(frozen=True)
class Softsign(Activation):
    """``x / (1 + |x|)``. ONNX operator specification: Softsign."""


@dataclass(frozen=True)
class Swish(Activation):
    """``x * sigmoid(alpha * x)``. ONNX operator specification: Swish."""

    alpha: float = 1.0

    singles: ClassVar[tuple[str, ...]] = ("alpha",)


@dataclass(frozen=True)
class Mish(Activation):
    """``x * tanh(log(1 + exp(x)))``. ONNX operator specification: Mish."""


@dataclass(frozen=True)
class Gelu(Activation):
    """``x`` times the normal distribution's share below it, exact or by tanh. ONNX operator specification: Gelu."""

    approximate: str = "none"
    """``none`` or ``tanh``."""

    def check(self, inputs: Inputs) -> None:
        super().check(inputs)
        if self.approximate not in ("none", "tanh"):
            raise CnnirError("gelu-mode", "no such approximation", expected="none or tanh", got=self.approximate)


@dataclass(frozen=True)
class PRelu(Op):
    """``x`` where it is positive, ``slope * x`` elsewhere; the slope broadcasts to x.

    ONNX operator specification: PRelu.
    """

    operands: ClassVar[tuple[Operand, ...]] = (Operand("X"), Operand("slope", Role.WEIGHT))
    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        require_same_dtype(inputs, 0, 1)
        WIDE.require(inputs)
        inputs.rank(1, 0, inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        data, slope = inputs.tensors()
        for found, wanted in zip(broadcast((data.shape, slope.shape), facts), data.shape, strict=True):
            facts.require_equal(found, wanted, "prelu-slope", f"the slope {slope} does not broadcast to {data}")
        return (data,)

    def infer_unknown(self, inputs: Inputs) -> tuple[Type, ...]:
        return (UnknownType(inputs.dtype()),)


@dataclass(frozen=True)
class Clip(Activation):
    """``min(max(x, low), high)``; a bound that is None does not bind. ONNX operator specification: Clip."""

    low: float | int | None = None
    """A float where one holds the number exactly, else an int: the same bound has one form."""
    high: float | int | None = None
    """Likewise."""

    takes: ClassVar[Elements] = NUMBERS

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            bound = getattr(self, name)
            if bound is not None:
                object.__setattr__(self, name, _plainest(bound))

    def check(self, inputs: Inputs) -> None:
        super().check(inputs)
        dtype = inputs.tensor(0).dtype
        if not dtype.is_integer or dtype.bits is None:
            return
        least = 0 if dtype.value.startswith("u") else -(2 ** (dtype.bits - 1))
        for bound in (self.low, self.high):
            if bound is not None and not (bound % 1 == 0 and least <= bound < least + 2**dtype.bits):
                raise CnnirError(
                    "clip-bound", "a bound that the element type does not hold", expected=dtype.value, got=bound
                )


def _plainest(bound: float) -> float | int:
    """The number as a float, or as an int where a float would round it."""
    try:
        return float(bound) if float(bound) == bound or math.isnan(bound) else int(bound)
    except OverflowError:
        return int(bound)


@dataclass(frozen=True)
class Distribution(Op):
    """Base of the functions that weigh the elements along some axes against each other.

    ONNX before opset 13 flattens to two dims at its axis and works along the second: over all axes from there on,
    together. Since opset 13 it works over one axis.
    """

    axes: tuple[int, ...]
    """Counted from the front, ascending."""

    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        FLOATS.require(inputs)
        require_front_axes(self.axes, inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (inputs.tensor(0),)


@dataclass(frozen=True)
class Softmax(Distribution):
    """``exp(x) / sum(exp(x))``, summed over `axes` together. ONNX operator specification: Softmax."""


@dataclass(frozen=True)
class LogSoftmax(Distribution):
    """``x - log(sum(exp(x)))``, summed over `axes` together. ONNX operator specification: LogSoftmax."""


@dataclass(frozen=True)
class Hardmax(Distribution):
    """1 for the first largest element over `axes` together, 0 elsewhere. ONNX operator specification: Hardmax."""
