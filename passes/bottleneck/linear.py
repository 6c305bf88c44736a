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


def contents(node: Node, index: int) -> Weight | None:
    """The constant that a node reads at a place."""
    value = node.inputs[index] if len(node.inputs) > index else None
    return None if value is None else value.weight


def doubles(weight: Weight) -> AnyArray:
    """A weight's contents in double precision."""
    return np.asarray(weight.array(), np.float64)
