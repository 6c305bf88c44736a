"""Activations, written with ``out=`` so that they may run in place."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import Clip, HardSigmoid, HardSwish, LeakyRelu, Relu, Sigmoid, Tanh
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
    """``exp(-|x|)`` never overflows; both signs follow from it."""
    x, out = present(inputs, 0), outputs[0]
    positive = x >= 0
    decay = np.exp(-np.abs(x))
    np.divide(np.where(positive, x.dtype.type(1), decay), 1 + decay, out=out)


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
