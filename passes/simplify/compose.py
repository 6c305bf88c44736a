"""Ops that were taken apart: exporters for old opsets write an activation in the nodes that it is made of.

A pattern fits where each constant is the one of the formula and nobody else reads what lies between. An op is put
together only where the file's opset knows it, so that what is written needs no newer one.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np

from cnnir.graph import Graph, Node, Value
from cnnir.ops import (
    Add,
    Clip,
    Div,
    Erf,
    Gelu,
    GlobalAveragePool,
    HardSigmoid,
    HardSwish,
    Mul,
    Op,
    ReduceMean,
    Sigmoid,
    Swish,
)
from cnnir.passes.base import Journal, Pass
from cnnir.passes.rules.patterns import Match, Pattern, constant, either, match, node, value
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType


@dataclass(frozen=True)
class Composite:
    """An op and what it is made of.

    Attributes:
        pattern: What stands for it; its operand is named ``x``.
        op: What it is.
        since: The first opset that has it.
    """

    pattern: Pattern
    op: Op
    since: int


@dataclass(frozen=True)
class ComposeOps(Pass):
    """Put HardSwish, HardSigmoid, Gelu, Swish and global pooling together that were taken apart."""

    name: ClassVar[str] = "compose-ops"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        opset = graph.provenance.opsets.get("", _UNSAID)
        for composite in COMPOSITES:
            # From the outputs backwards: a whole is found before a part of it could be.
            for root in reversed(graph.nodes):
                found = match(composite.pattern, root) if root in graph else None
                if found is not None:
                    _compose(rewriter, journal, composite, found, opset)


def _compose(rewriter: Rewriter, journal: Journal, composite: Composite, found: Match, opset: int) -> None:
    root, inner = found.root, [part for part in dict.fromkeys(found.covered) if part is not found.root]
    journal.at(root)
    kind = composite.op.kind
    if opset < composite.since:
        journal.refuse(f"{kind}, which opset {composite.since} has and {opset} has not", [root])
        return
    readers = found.read_elsewhere(rewriter.graph)
    if readers:
        journal.refuse(f"{kind}, but {readers[0].label} is read by others too", [root])
        return
    source = found.value("x")
    if source.type != root.output.type and not isinstance(composite.op, GlobalAveragePool):
        journal.refuse(f"{kind}, but its constants enlarge the operand", [root])
        return
    rewriter.replace_node(root, composite.op, [source])
    for part in sorted(inner, key=rewriter.graph.nodes.index, reverse=True):
        rewriter.erase(part)
    journal.change(f"{kind}, put together", [root])
    journal.count("nodes removed", len(inner))


def _number(number: float) -> Pattern:
    """A constant that is this number everywhere, up to the rounding of its type."""

    def fits(found: Value) -> bool:
        weight = found.weight
        if weight is None or not weight.dtype.is_float or not 0 < np.prod(weight.shape, dtype=int) <= 1:
            return False
        return bool(
            np.isclose(float(weight.array().reshape(-1)[0]), number, rtol=2e-3 if weight.dtype.bits == 16 else 1e-6)
        )

    return constant(where=fits)


def _gate(found: Node) -> bool:
    """The HardSigmoid of HardSwish: slope 1/6."""
    return found.op == HardSigmoid(alpha=1 / 6, beta=0.5)


def _whole(found: Node) -> bool:
    """A mean over all rows and columns that keeps its dims."""
    data = found.operands[0].type
    op = found.op
    return (
        isinstance(op, ReduceMean)
        and op.keepdims
        and isinstance(data, TensorType)
        and data.rank > 2
        and tuple(op.axes) == tuple(range(2, data.rank))
    )


def _six(found: Node) -> bool:
    return found.op == Clip(0.0, 6.0)


_X = value("x", where=lambda found: found.weight is None)

_RAMP = node(Clip, node(Add, _X, _number(3)), where=_six)
"""``min(max(x + 3, 0), 6)``."""

_SHARE = node(Add, node(Erf, either(node(Div, _X, _number(sqrt(2))), node(Mul, _X, _number(sqrt(0.5))))), _number(1))
"""``1 + erf(x / sqrt(2))``."""

COMPOSITES: tuple[Composite, ...] = (
    Composite(node(Mul, _X, node(HardSigmoid, _X, where=_gate)), HardSwish(), 14),
    Composite(
        either(
            node(Div, node(Mul, _X, _RAMP), _number(6)),
            node(Mul, node(Mul, _X, _RAMP), _number(1 / 6)),
            node(Mul, _X, node(Div, _RAMP, _number(6))),
            node(Mul, _X, node(Mul, _RAMP, _number(1 / 6))),
        ),
        HardSwish(),
        14,
    ),
    Composite(
        either(node(Div, _RAMP, _number(6)), node(Mul, _RAMP, _number(1 / 6))), HardSigmoid(alpha=1 / 6, beta=0.5), 6
    ),
    Composite(
        either(
            node(Mul, node(Mul, _X, _SHARE), _number(0.5)),
            node(Mul, node(Mul, _X, _number(0.5)), _SHARE),
            node(Mul, _X, node(Mul, _SHARE, _number(0.5))),
        ),
        Gelu(),
        20,
    ),
    Composite(node(Mul, _X, node(Sigmoid, _X)), Swish(), 24),
    Composite(node(ReduceMean, _X, where=_whole), GlobalAveragePool(), 1),
)
"""Wholes before their parts."""

_UNSAID = 21
"""Opset of a graph that was made in Python, and is written in it."""
