"""Targets that are open: a Reshape, a Resize, an Expand to sizes that shape arithmetic gives as symbolic dims.

Such a node becomes one of ours where a file can say the sizes without numbers: by arithmetic on the dims of what the
node reads or of the graph's inputs (`cnnir.ops.formulas`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from cnnir.dims import Dim, Shape, decide_at_least, is_known
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.ops import Op, Opaque, Reshape
from cnnir.ops.formulas import Axis, copied_target, formula
from cnnir.ops.opaque import hooks
from cnnir.passes.base import Journal
from cnnir.passes.fold.shapes import Dims, listed
from cnnir.rewriter import Rewriter
from cnnir.types import DType, TensorType, Type
from cnnir.weights import Array, Weight

_TARGETS = {"Reshape": 1, "Resize": 3, "Expand": 1}
"""Which operand is the target."""

_FIRST = 1 << 20
"""Stand-in for the first element of a target; the next ones count up. No element is so large by itself."""


def define_by_target(rewriter: Rewriter, journal: Journal, node: Node, followed: Mapping[Value, Dims]) -> None:
    """Make a node whose target has been followed one of ours, or refuse it with the reason."""
    place = _TARGETS.get(node.op.kind)
    if not isinstance(node.op, Opaque) or place is None or len(node.inputs) <= place:
        return
    target, data = node.inputs[place], node.operands[0]
    if target not in followed or target is None or not isinstance(data.type, TensorType):
        return
    dims = listed(followed[target])
    shown = f"its target [{', '.join(map(str, dims))}]"
    source = _at_hand(rewriter.graph, data.type)
    try:
        if node.op.kind == "Reshape":
            reason = _reshape(rewriter, node, node.op, data.type, dims, source)
        else:
            reason = _resample(rewriter, node, node.op, place, dims, source)
    except CnnirError as error:
        reason = f"does not fit: {error.message}"
    if reason is not None:
        journal.refuse(f"{shown} {reason}", [node])
        return
    journal.change(f"no longer opaque: {shown} is worked out", [node])
    journal.count("opaque nodes defined")


def _at_hand(graph: Graph, data: TensorType) -> Shape:
    """The dims from which sizes may be computed: of what the node reads, and of the graph's inputs."""
    given = (value.type.shape for value in graph.inputs if isinstance(value.type, TensorType))
    return (*data.shape, *(dim for shape in given for dim in shape))


def _reshape(
    rewriter: Rewriter, node: Node, op: Opaque, data: TensorType, dims: Sequence[Dim], source: Shape
) -> str | None:
    """Make the node a Reshape of ours; else the reason."""
    if 0 in dims and hooks().settings(op).get("allowzero"):
        return "leaves nothing of what it reshapes"
    # What is inferred is what was computed, open or unknown as it may be: no other number fits the elements.
    shape = copied_target(data.shape, dims)
    if shape is None and not all(_can_be_said(dim, source, least=1) for dim in dims):
        return f"cannot be said by the dims of what it reshapes, {data}, or of the network's inputs"
    ours = Reshape(tuple(dims) if shape is None else shape)
    rewriter.replace_node(node, ours, node.operands[:1], allow_retype=True)
    return None


def _resample(rewriter: Rewriter, node: Node, op: Opaque, place: int, dims: Sequence[Dim], source: Shape) -> str | None:
    """Read the node with stand-ins for its target, and put the dims in their place; else the reason."""
    if not all(_can_be_said(dim, source) for dim in dims):
        return "cannot be said by the dims of what it reads or of the network's inputs"
    stand_in = _StandIn(Array.of(np.arange(_FIRST, _FIRST + len(dims), dtype=np.int64)))
    sources = tuple(stand_in if index == place else value for index, value in enumerate(node.inputs))
    found = hooks().define(op, sources, (True,))
    if isinstance(found, str):
        return f"is worked out, but it stays opaque: {found}"
    operands = [None if index is None else node.inputs[index] for index in found.operands]
    rewriter.replace_node(node, _with_dims(found.op, dims), operands, allow_retype=True)
    node.metadata.update(found.metadata)
    return None


@dataclass(frozen=True)
class _StandIn:
    """A target with numbers that only say which element stands where."""

    weight: Weight

    @property
    def type(self) -> Type:
        return TensorType(DType.INT64, self.weight.shape)


def _with_dims(op: Op, dims: Sequence[Dim]) -> Op:
    changed = {}
    for item in fields(op):
        old = getattr(op, item.name)
        if isinstance(old, tuple) and any(isinstance(part, int) and part >= _FIRST for part in old):
            changed[item.name] = tuple(
                dims[part - _FIRST] if isinstance(part, int) and part >= _FIRST else part for part in old
            )
    return replace(op, **changed)


def _can_be_said(dim: Dim, source: Shape, least: int | None = None) -> bool:
    """By a formula of the dims at hand; never below `least` where that is asked: a Reshape copies a dim where 0 is."""
    found = formula(dim, source)
    if found is None:
        return False
    return least is None or is_known(dim) or isinstance(found, Axis) or decide_at_least(dim, least) is True
