"""Linear layers in a row: which stand behind one another, what lies between, and the layer that two become."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnnir.graph import Node, Value
from cnnir.ops import (
    Add,
    AveragePool,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Div,
    Dropout,
    Flatten,
    Gemm,
    GlobalAveragePool,
    Identity,
    MatMul,
    Mul,
    Pad,
    ReduceMean,
    Reshape,
    Squeeze,
    Sub,
    Transpose,
    Unsqueeze,
)
from cnnir.types import DType
from cnnir.weights import AnyArray, Weight

LAYERS = (Conv, ConvTranspose, Gemm, MatMul)
"""Ops that weigh their input by a constant."""

BETWEEN = (
    *(BatchNormalization, AveragePool, GlobalAveragePool, ReduceMean, Pad),
    *(Dropout, Flatten, Identity, Reshape, Squeeze, Transpose, Unsqueeze),
)
"""Other ops that are linear in their first operand."""


@dataclass(frozen=True)
class Merged:
    """The layer that two become.

    Attributes:
        op: What it does.
        shape: Of its weight.
        weight: Makes the weight's contents.
        bias: Makes the bias, None where there is none.
        filters: Elements of the bias.
        per_output: Multiply-accumulates for one element of the output.
    """

    op: Conv | Gemm | MatMul
    shape: tuple[int, ...]
    weight: Callable[[], AnyArray]
    bias: Callable[[], AnyArray] | None
    filters: int
    per_output: int


def linear_before(second: Node) -> tuple[Node, tuple[Node, ...]] | None:
    """The linear layer that a linear layer reads from, and the linear nodes between them; None where there is none."""
    if not isinstance(second.op, LAYERS):
        return None
    value, between = _data(second), list[Node]()
    while value is not None and (node := value.producer) is not None:
        if isinstance(node.op, LAYERS):
            return (node, tuple(reversed(between))) if _data(node) is not None else None
        if not isinstance(node.op, BETWEEN) and not (isinstance(node.op, Add | Sub | Mul | Div) and _data(node)):
            return None
        between.append(node)
        value = _data(node)
    return None


def _data(node: Node) -> Value | None:
    """The one operand of the first two that is no constant; None where there are two, which is not linear, or none."""
    operands = [value for value in node.inputs[:2] if value is not None]
    if isinstance(node.op, Div) and operands[0].weight is not None:
        return None
    if isinstance(node.op, BETWEEN):
        operands = operands[:1]
    varying = [value for value in operands if value.weight is None]
    return varying[0] if len(varying) == 1 else None


def unfit(merged: Merged, dtype: DType) -> str | None:
    """Why a type cannot hold the weights of a merged layer, None when it can.

    Beyond its largest number they are infinite, below its smallest normal one they lose bits, up to all: where even the
    largest weight is so small, more is lost than rounding takes.
    """
    # The step behind 1, by Kahan's 3 (4/3 - 1) - 1: numpy has no finfo of the types that it lacks.
    precision = abs(3 * (float(np.asarray(4 / 3).astype(dtype.numpy)) - 1) - 1)
    for make in (merged.weight, merged.bias):
        with np.errstate(all="ignore"):
            exact = np.zeros(0) if make is None else np.asarray(make(), np.float64)
            stored = exact.astype(dtype.numpy).astype(np.float64)
            if not np.isfinite(stored).all():
                return f"the products that its weights would be are not all finite in {dtype.value}"
            largest, lost = (float(np.abs(one).max(initial=0.0)) for one in (exact, stored - exact))
            if lost > precision * largest:
                return f"the products that its weights would be, {largest:.3g} at most, are too small for {dtype.value}"
    return None


def contents(node: Node, index: int) -> Weight | None:
    """The constant that a node reads at a place."""
    value = node.inputs[index] if len(node.inputs) > index else None
    return None if value is None else value.weight


def doubles(weight: Weight) -> AnyArray:
    """A weight's contents in double precision."""
    return np.asarray(weight.array(), np.float64)
