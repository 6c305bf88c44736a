"""Nodes that compute nothing: their output is their operand, element by element."""

import math
from dataclasses import dataclass
from functools import singledispatch
from typing import ClassVar

import numpy as np

from cnnir.dims import is_known
from cnnir.graph import Graph, Node, Value
from cnnir.ops import (
    Add,
    AveragePool,
    Cast,
    Clip,
    Concat,
    Div,
    Dropout,
    Flatten,
    HardSigmoid,
    Identity,
    MaxPool,
    Mul,
    Op,
    Pad,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Slice,
    Softmax,
    Split,
    Squeeze,
    Sub,
    Sum,
    Transpose,
    Unsqueeze,
)
from cnnir.passes.base import Journal, Pass
from cnnir.passes.simplify.bypass import bypass
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType
from cnnir.weights import Fill

_LOOKED_AT = 65_536
"""Elements of a constant that are looked at; a larger one that is not filled with one number is hardly all zeros."""


@dataclass(frozen=True)
class RemoveIdentities(Pass):
    """Remove what computes nothing: Identity, casts to the same type, sums with zero, products with one, and such."""

    name: ClassVar[str] = "remove-identities"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        for node in graph.nodes:
            journal.at(node)
            source = _same(node.op, node) if len(node.outputs) == 1 else None
            if source is None or source.weight is not None:
                continue  # what a constant makes is a constant: `fold` sees to it
            others = [value for value in node.operands if value is not source]
            given = [value.name for value in others if graph.may_be_given(value)]
            why = f"callers may give {given[0]} as an input" if given else bypass(rewriter, node, source)
            if why is not None:
                journal.refuse(f"computes nothing, but {why}", [node])
                continue
            journal.change(f"computes nothing: {source.name} is read instead", [node])
            journal.count("nodes removed")


@singledispatch
def _same(op: Op, node: Node) -> Value | None:
    """The operand that the node's output is equal to, element by element; None where there is none."""
    return None


@_same.register
def _(op: Identity | Dropout, node: Node) -> Value | None:
    return node.operands[0]


@_same.register
def _(op: Cast | Reshape | Flatten | Squeeze | Unsqueeze, node: Node) -> Value | None:
    # A cast or a view is told by the types alone.
    return node.operands[0] if node.operands[0].type == node.output.type else None


@_same.register
def _(op: Transpose, node: Node) -> Value | None:
    return node.operands[0] if op.permutation == tuple(range(len(op.permutation))) else None


@_same.register
def _(op: Pad, node: Node) -> Value | None:
    return None if any(op.pads) else node.operands[0]


@_same.register
def _(op: Slice, node: Node) -> Value | None:
    forwards = all(step > 0 for step in op.steps)
    return node.operands[0] if forwards and node.operands[0].type == node.output.type and _is_known(node) else None


@_same.register
def _(op: Resize, node: Node) -> Value | None:
    whole = all(op.cut(axis) == (0, 1) for axis in range(len(op.scales or ())))
    return node.operands[0] if op.scales and whole and all(scale == 1 for scale in op.scales) else None


@_same.register
def _(op: Concat | Sum, node: Node) -> Value | None:
    return node.operands[0] if len(node.operands) == 1 else None


@_same.register
def _(op: Split, node: Node) -> Value | None:
    return node.operands[0]  # it has one output, so one part


@_same.register
def _(op: MaxPool | AveragePool, node: Node) -> Value | None:
    steps = (*op.kernel_shape, *op.strides)
    plain = not any(op.pads) and op.auto_pad in ("NOTSET", "VALID") and len(node.outputs) == 1
    return node.operands[0] if plain and all(step == 1 for step in steps) else None


@_same.register
def _(op: Relu, node: Node) -> Value | None:
    producer = node.operands[0].producer
    return node.operands[0] if producer is not None and is_positive(producer) else None


@_same.register
def _(op: Clip, node: Node) -> Value | None:
    producer = node.operands[0].producer
    unbounded = op.low is None and op.high is None
    return node.operands[0] if unbounded or (producer is not None and producer.op == op) else None


@_same.register
def _(op: Add, node: Node) -> Value | None:
    return _beside(node, 0, (0, 1))


@_same.register
def _(op: Mul, node: Node) -> Value | None:
    return _beside(node, 1, (0, 1))


@_same.register
def _(op: Sub, node: Node) -> Value | None:
    return _beside(node, 0, (1,))


@_same.register
def _(op: Div, node: Node) -> Value | None:
    return _beside(node, 1, (1,))


def is_positive(node: Node) -> bool:
    """True for a node that makes no negative number."""
    if isinstance(node.op, Clip):
        # Where the bounds are crossed, everything is the upper one.
        return node.op.low is not None and node.op.low >= 0 and (node.op.high is None or node.op.high >= 0)
    return isinstance(node.op, Relu | Sigmoid | HardSigmoid | Softmax)


def _beside(node: Node, number: float, places: tuple[int, ...]) -> Value | None:
    """The other operand, where one at one of these places is that number everywhere, and enlarges nothing."""
    for place in places:
        value, other = node.operands[place], node.operands[1 - place]
        if other.weight is None and other.type == node.output.type and _is_everywhere(value, number):
            return other
    return None


def _is_everywhere(value: Value, number: float) -> bool:
    weight = value.weight
    if isinstance(weight, Fill):
        return bool(weight.value == number)
    if weight is None or math.prod(weight.shape) > _LOOKED_AT or not (weight.dtype.is_float or weight.dtype.is_integer):
        return False
    return bool(np.all(weight.array() == number))


def _is_known(node: Node) -> bool:
    """True when the dims are numbers: two open dims that look alike need not have been cut alike."""
    type_ = node.output.type
    return isinstance(type_, TensorType) and all(is_known(dim) for dim in type_.shape)
