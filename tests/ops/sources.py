"""Operands for inference without a graph."""

from dataclasses import dataclass

import numpy as np

from cnnir.constraints import simplify
from cnnir.dims import Shape, parse_dim
from cnnir.ops import Facts, Op, infer
from cnnir.types import DType, SequenceType, TensorType, Type
from cnnir.weights import Array, Weight

ShapeText = tuple[int | str, ...]
"""A shape whose symbolic dims are written as text."""


@dataclass(frozen=True)
class Given:
    """An operand."""

    type: Type
    weight: Weight | None = None


def tensor(*shape: int | str, dtype: DType = DType.FLOAT32) -> Given:
    """A tensor of this shape."""
    return Given(TensorType(dtype, dims(shape)))


def dims(shape: ShapeText) -> Shape:
    """The shape with its text read."""
    return tuple(parse_dim(dim) if isinstance(dim, str) else dim for dim in shape)


def constant(*numbers: int) -> Given:
    """A constant vector of int64."""
    weight = Array.of(np.asarray(numbers, np.int64))
    return Given(weight.type, weight)


SEQUENCE = Given(SequenceType(TensorType(DType.FLOAT32, (2,))))
"""No tensor."""


def inferred(op: Op, *operands: Given | None) -> tuple[tuple[Type, ...], Facts]:
    """The outputs' types, and what they rest on."""
    return infer(op, operands, "node")


def shapes(op: Op, *operands: Given | None) -> list[Shape]:
    """Shapes of the outputs."""
    types, _ = inferred(op, *operands)
    assert all(isinstance(type_, TensorType) for type_ in types)
    return [type_.shape for type_ in types if isinstance(type_, TensorType)]


def conditions(op: Op, *operands: Given | None) -> list[str]:
    """The constraints on symbolic dims, as they are printed."""
    _, facts = inferred(op, *operands)
    return [str(constraint) for constraint in simplify(facts.constraints)]
