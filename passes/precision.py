"""Weights stored as float16, half the bytes; the network computes in float32 as before.

Each weight becomes a float16 one and a Cast in front of its readers. Rounding to nearest keeps 11 significant bits, a
relative error of at most 2**-11 for numbers that float16 holds as normal ones (IEEE 754-2019, 3.6); smaller ones lose
more, larger ones than 65504 overflow, and a weight that holds such a number stays as it is.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Cast, Role
from cnnir.passes.base import Journal, Pass, Preserves
from cnnir.rewriter import Rewriter
from cnnir.types import DType
from cnnir.weights import AnyArray, Computed, Fill, Weight


@dataclass(frozen=True)
class HalfWeights(Pass):
    """Store float32 weights as float16."""

    name: ClassVar[str] = "half-weights"
    preserves: ClassVar[Preserves] = "interface"

    def rewrite(self, graph: Graph, journal: Journal) -> None:
        rewriter, places = Rewriter(graph), _places(graph)
        for value in graph.weights:
            weight = value.weight
            if weight is None or weight.dtype is not DType.FLOAT32 or not value.uses:
                continue
            reason, told = _rounding(weight.array())
            reason = _fixed(graph, value) or reason
            if reason:
                journal.refuse(f"weight {value.name} stays float32: {reason}", value.users)
                continue
            name = value.name
            half = graph.add_weight(graph.fresh_name(f"{name}_half"), _half(weight))
            cast = rewriter.insert(Cast(DType.FLOAT32), [half], before=min(value.users, key=places.__getitem__))
            rewriter.replace_uses(value, cast.output)
            rewriter.erase_weight(value)
            rewriter.rename(cast.output, name)
            journal.change(f"weight {name} is stored as float16: {told}")
            journal.count("weights halved")
            journal.count("bytes saved", 2 * int(np.prod(weight.shape, dtype=np.int64)))


def _places(graph: Graph) -> dict[Node, int]:
    return {node: place for place, node in enumerate(graph.nodes)}


def _fixed(graph: Graph, value: Value) -> str | None:
    """Why the value has to stay what it is."""
    if graph.is_output(value):
        return "it is an output of the network"
    if value.name in graph.provenance.listed:
        return "callers may give it as an input"
    for node, index in value.uses:
        if node.op.operand(index).role is Role.SETTING:
            return f"{node.label} is steered by it"
    return None


def _rounding(array: AnyArray) -> tuple[str | None, str]:
    """Why the contents do not fit into float16 if they don't, and what rounding does to them."""
    wide = np.asarray(array, np.float64)
    with np.errstate(all="ignore"):
        half = np.asarray(array).astype(np.float16).astype(np.float64)
        lost = np.isfinite(wide) & ~np.isfinite(half)
        if lost.any():
            return f"{np.count_nonzero(lost)} elements overflow, up to {np.abs(wide[lost]).max():.6g}", ""
        finite = np.isfinite(wide) & (wide != 0)
        errors = np.abs(wide[finite] - half[finite]) / np.abs(wide[finite])
    zeros = int(np.count_nonzero(half[finite] == 0))
    told = f"largest relative rounding error {errors.max(initial=0.0):.3g}"
    return None, f"{told}, {zeros} elements become 0" if zeros else told


def _half(weight: Weight) -> Weight:
    if isinstance(weight, Fill):
        return Fill(DType.FLOAT16, weight.shape, np.asarray(weight.value, np.float32).astype(np.float16)[()])
    return Computed(DType.FLOAT16, weight.shape, lambda: weight.array().astype(np.float16))
