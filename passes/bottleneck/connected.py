"""Two fully connected layers in a row as one: matrix products, biased or not, written as Gemm or as MatMul."""

from dataclasses import dataclass

import numpy as np

from cnnir.graph import Node
from cnnir.ops import Gemm, MatMul
from cnnir.passes.bottleneck.linear import Merged, contents, doubles
from cnnir.types import TensorType
from cnnir.weights import AnyArray, Weight

MATRIX = 2
"""Axes of a matrix."""


def connected_refusal(first: Node, second: Node) -> str | None:
    """Why two fully connected layers cannot become one."""
    if isinstance(second.op, Gemm) and second.op.trans_a:
        return "the second layer transposes what the first one makes"
    for node in (first, second):
        weight, bias = contents(node, 1), contents(node, 2)
        if weight is not None and len(weight.shape) != MATRIX:
            return f"the constant of {node.label} is no matrix"
        if bias is not None and len(bias.shape) != 1:
            return "a bias that is not one number for each output is not merged"
    data = first.inputs[0]
    if data is None or not isinstance(data.type, TensorType) or data.type.rank < MATRIX:
        return "a product with a vector is no fully connected layer"
    return None


def merged_connected(first: Node, second: Node) -> Merged:
    """The layer that two fully connected ones become: a Gemm where it has a bias or transposes, else a MatMul."""
    inner, outer = _Side.of(first), _Side.of(second)
    shape = (outer.filters, inner.channels)

    def matrix() -> AnyArray:
        return np.asarray(outer.matrix() @ inner.matrix())

    def bias() -> AnyArray:
        return np.asarray(outer.matrix() @ inner.vector() + outer.vector())

    biased = inner.bias is not None or outer.bias is not None
    if not biased and not inner.op.trans_a:  # below opset 11 a Gemm has to have a bias
        return Merged(MatMul(), shape[::-1], lambda: matrix().T, None, shape[0], shape[1])
    op = Gemm(trans_a=inner.op.trans_a, trans_b=True)
    return Merged(op, shape, matrix, bias if biased else None, shape[0], shape[1])


@dataclass(frozen=True)
class _Side:
    """One fully connected layer as ``y = M x + v``."""

    op: Gemm
    weight: Weight
    bias: Weight | None

    @classmethod
    def of(cls, node: Node) -> "_Side":
        op, weight = node.op, contents(node, 1)
        assert weight is not None  # noqa: S101
        return cls(op if isinstance(op, Gemm) else Gemm(), weight, contents(node, 2))

    @property
    def filters(self) -> int:
        return self.weight.shape[0 if self.op.trans_b else 1]

    @property
    def channels(self) -> int:
        return self.weight.shape[1 if self.op.trans_b else 0]

    def matrix(self) -> AnyArray:
        contents = doubles(self.weight)
        return np.asarray(self.op.alpha * (contents if self.op.trans_b else contents.T))

    def vector(self) -> AnyArray:
        if self.bias is None:
            return np.zeros(self.filters)
        return np.broadcast_to(self.op.beta * doubles(self.bias), (self.filters,))
