"""Padding as the window's own: a Pad of zeros before a convolution is the convolution's padding.

For an average the zeros count, so it must count its padding; a maximum never takes padding, so that zeros before it are
the same only where nothing is negative.
"""

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import ClassVar

from cnnir.graph import Graph, Node
from cnnir.ops import AveragePool, Conv, MaxPool, Op, Pad
from cnnir.passes.base import Journal, Pass
from cnnir.passes.simplify.redundant import is_positive
from cnnir.rewriter import Rewriter


@dataclass(frozen=True)
class FoldPads(Pass):
    """Fold a Pad into the convolutions and poolings that read it."""

    name: ClassVar[str] = "fold-pads"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter = Rewriter(graph)
        for node in graph.nodes:
            if not isinstance(node.op, Pad):
                continue
            journal.at(node)
            for reader, index in node.output.uses:
                why = _spatial(node.op) or (_absorb(rewriter, node, reader) if index == 0 else "it pads no data of it")
                if why is None:
                    journal.change(f"padded by itself: {node.label} is not needed for it", [reader])
                    journal.count("pads folded")
                else:
                    journal.refuse(f"its padding stays apart from {reader.label}: {why}", [node])
            if not node.output.uses and not graph.is_output(node.output):
                rewriter.erase(node)


def _spatial(op: Pad) -> str | None:
    """Why the Pad is nothing that a window could do by itself."""
    rank = len(op.pads) // 2
    if op.mode != "constant":
        return f"its mode is {op.mode}"
    if any(pad < 0 for pad in op.pads):
        return "it crops"
    if any(op.pads[:2]) or any(op.pads[rank : rank + 2]):
        return "it pads the batch or the channels"
    return None


def _absorb(rewriter: Rewriter, node: Node, reader: Node) -> str | None:
    """Give the reader the Pad's padding; the reason where it cannot have it."""
    if not isinstance(reader.op, Conv | AveragePool | MaxPool) or not isinstance(node.op, Pad):
        return f"{reader.op.kind} does not pad"
    if reader.op.auto_pad not in ("NOTSET", "VALID"):
        return f"it pads by {reader.op.auto_pad}"
    rank = len(node.op.pads) // 2
    added = (*node.op.pads[2:rank], *node.op.pads[rank + 2 :])
    old = reader.op.pads if reader.op.auto_pad == "NOTSET" else (0,) * len(added)
    found = _padded(reader.op, node, tuple(a + b for a, b in zip(old, added, strict=True)))
    if isinstance(found, str):
        return found
    rewriter.replace_node(reader, found, [node.operands[0], *reader.inputs[1:]])
    return None


@singledispatch
def _padded(op: Op, node: Node, pads: tuple[int, ...]) -> Op | str:
    """The op with this padding in the place of a Pad, or why it cannot have it."""
    return f"{op.kind} does not pad"


@_padded.register
def _(op: Conv, node: Node, pads: tuple[int, ...]) -> Op | str:
    if _filling(node) != 0:
        return f"it pads with {_filling(node)}"
    return replace(op, pads=pads, auto_pad="NOTSET")


@_padded.register
def _(op: AveragePool, node: Node, pads: tuple[int, ...]) -> Op | str:
    if _filling(node) != 0:
        return f"it pads with {_filling(node)}"
    if any(op.pads) and not op.count_include_pad:
        return "of its own padding it counts nothing"
    if op.ceil_mode:
        return "its last window may reach beyond the padding"
    return _too_wide(op, pads) or replace(op, pads=pads, auto_pad="NOTSET", count_include_pad=True)


@_padded.register
def _(op: MaxPool, node: Node, pads: tuple[int, ...]) -> Op | str:
    producer = node.operands[0].producer
    lowest = _filling(node) == float("-inf")
    if not lowest and not (_filling(node) == 0 and producer is not None and is_positive(producer)):
        return f"{_filling(node)} may be larger than what it stands beside"
    if op.ceil_mode:
        return "its last window may reach beyond the padding"
    return _too_wide(op, pads) or replace(op, pads=pads, auto_pad="NOTSET")


def _too_wide(op: AveragePool | MaxPool, pads: tuple[int, ...]) -> str | None:
    """A window that lies in padding alone is not allowed everywhere."""
    if any(pad >= size for pad, size in zip(pads, (*op.kernel_shape, *op.kernel_shape), strict=True)):
        return "a window would lie in padding alone"
    return None


def _filling(node: Node) -> float:
    return float(node.op.value) if isinstance(node.op, Pad) else 0.0
