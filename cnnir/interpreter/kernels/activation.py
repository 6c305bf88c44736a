"""Activations, written with ``out=`` so that they may run in place."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.interpreter.kernels.function import erf
from cnnir.ops import (
    Celu,
    Clip,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    PRelu,
    Relu,
    Selu,
    Sigmoid,
    Softplus,
    Softsign,
    Swish,
    Tanh,
    ThresholdedRelu,
)
from cnnir.ops.activation import Activation
from cnnir.weights import AnyArray


@kernels.rule(Relu)
def relu(op: Relu, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """``max(x, 0)``."""
    np.maximum(present(inputs, 0), 0, out=outputs[0])


@kernels.rule(LeakyRelu)
@in_float32
def leaky_relu(op: LeakyRelu, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The negative part scaled; exact for any alpha, also above 1."""
    x = present(inputs, 0)
    np.copyto(outputs[0], np.where(x < 0, x * x.dtype.type(op.alpha), x))


@kernels.rule(Clip)
def clip(op: Clip, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """First the lower bound, then the upper: where they cross the upper one wins, as ONNX says."""
    x, out = present(inputs, 0), outputs[0]
    low, high = (_scalar(bound, x.dtype) for bound in (op.low, op.high))
    if low is not None:
        np.maximum(x, low, out=out)
        x = out
    if high is not None:
        np.minimum(x, high, out=out)
    elif low is None:
        np.copyto(out, x)


def _scalar(bound: float | None, dtype: np.dtype[Any]) -> Any:
    """The bound in the tensor's element type; an integer's by way of int, which is exact."""
    return None if bound is None else dtype.type(int(bound) if np.issubdtype(dtype, np.integer) else bound)


@kernels.rule(Sigmoid)
@in_float32
def sigmoid(op: Sigmoid, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Exact to rounding on both sides."""
    np.copyto(outputs[0], _share(present(inputs, 0)))


def _share(x: AnyArray) -> AnyArray:
    """The logistic function; ``exp(-|x|)`` never overflows, and both signs follow from it."""
    decay = np.exp(-np.abs(x))
    share: AnyArray = np.where(x >= 0, x.dtype.type(1), decay) / (1 + decay)
    return share


@kernels.rule(Tanh)
@in_float32
def tanh(op: Tanh, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Hyperbolic tangent."""
    np.tanh(present(inputs, 0), out=outputs[0])


@kernels.rule(HardSigmoid)
@in_float32
def hard_sigmoid(op: HardSigmoid, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """A line, clipped to 0 .. 1."""
    x, out = present(inputs, 0), outputs[0]
    np.multiply(x, x.dtype.type(op.alpha), out=out)
    np.add(out, x.dtype.type(op.beta), out=out)
    np.clip(out, 0, 1, out=out)


@kernels.rule(HardSwish)
@in_float32
def hard_swish(op: HardSwish, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The gate is a temporary: writing it over x in place would lose x."""
    x = present(inputs, 0)
    gate = np.clip(x * x.dtype.type(1 / 6) + x.dtype.type(0.5), 0, 1)
    np.multiply(x, gate, out=outputs[0])


def _below_zero(x: AnyArray, scale: float, stretch: float = 1.0) -> AnyArray:
    """``scale * (exp(x / stretch) - 1)``, for x up to 0."""
    bent: AnyArray = scale * np.expm1(np.minimum(x, 0) / stretch)
    return bent


def _gelu(x: AnyArray, op: Gelu) -> AnyArray:
    if op.approximate == "tanh":
        bent = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
    else:
        bent = erf(x * math.sqrt(0.5))
    result: AnyArray = 0.5 * x * (1 + bent)
    return result


_FORMULAS: Mapping[type[Activation], Callable[[AnyArray, Any], AnyArray]] = {
    Elu: lambda x, op: np.where(x > 0, x, _below_zero(x, op.alpha)),
    Selu: lambda x, op: np.where(x > 0, op.gamma * x, _below_zero(x, op.gamma * op.alpha)),
    Celu: lambda x, op: np.maximum(x, 0) + np.minimum(_below_zero(x, op.alpha, op.alpha), 0),
    ThresholdedRelu: lambda x, op: np.where(x > op.alpha, x, 0),
    Softplus: lambda x, _: np.logaddexp(x, x.dtype.type(0)),
    Softsign: lambda x, _: x / (1 + np.abs(x)),
    Swish: lambda x, op: x * _share(op.alpha * x),
    Mish: lambda x, _: x * np.tanh(np.logaddexp(x, x.dtype.type(0))),
    Gelu: _gelu,
}


@kernels.rule(*_FORMULAS)
@in_float32
def activation(op: Activation, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """A formula of whole arrays; its parts are temporaries, so that x is there until the end."""
    np.copyto(outputs[0], _FORMULAS[type(op)](present(inputs, 0), op))


@kernels.rule(PRelu)
@in_float32
def parametric_relu(op: PRelu, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The negative part scaled by a slope of its own."""
    x, slope = present(inputs, 0), present(inputs, 1)
    np.copyto(outputs[0], np.where(x < 0, x * slope, x))
