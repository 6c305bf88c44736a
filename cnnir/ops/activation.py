"""Activations: one input, one output of the same type."""

import math
from dataclasses import dataclass
from typing import ClassVar

from cnnir.errors import CnnirError
from cnnir.ops.base import Facts, Inputs, Op, require_floats, require_front_axes, require_numbers, single
from cnnir.types import Type


@dataclass(frozen=True)
class Activation(Op):
    """Base of the elementwise functions of one tensor."""

    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        require_floats(inputs)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (inputs.tensor(0),)


@dataclass(frozen=True)
class Relu(Activation):
    """``max(x, 0)``. ONNX operator specification: Relu."""

    def check(self, inputs: Inputs) -> None:
        require_numbers(inputs)


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
class Clip(Activation):
    """``min(max(x, low), high)``; a bound that is None does not bind. ONNX operator specification: Clip."""

    low: float | int | None = None
    """A float where one holds the number exactly, else an int: the same bound has one form."""
    high: float | int | None = None
    """Likewise."""

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            bound = getattr(self, name)
            if bound is not None:
                object.__setattr__(self, name, _plainest(bound))

    def check(self, inputs: Inputs) -> None:
        require_numbers(inputs)
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
class Softmax(Op):
    """``exp(x) / sum(exp(x))``, summed over `axes` together.

    ONNX before opset 13 flattens to two dims at its axis and normalises the second: the sum runs over all axes from
    there on. Since opset 13 it runs over one axis. ONNX operator specification: Softmax.
    """

    axes: tuple[int, ...]
    """Counted from the front, ascending."""

    in_place: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> None:
        require_floats(inputs)
        require_front_axes(self.axes, inputs.tensor(0).rank)

    def infer(self, inputs: Inputs, facts: Facts) -> tuple[Type, ...]:
        return (inputs.tensor(0),)
