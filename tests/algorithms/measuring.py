"""What a call of a kernel allocates, measured; and nodes large enough for that to matter."""

import gc
import tracemalloc
from collections.abc import Sequence

import numpy as np

from cnnir.algorithms import Call, Tensor
from cnnir.graph import Node
from cnnir.interpreter.kernels import kernels
from cnnir.types import DType
from tests.interpreter.drawing import AnyArray, Case, Draw

HEADERS = 16 * 1024
"""Bytes that Python's own objects may take in a call: headers of arrays and views, iterators, arguments."""

_SIZES = {1: 4096, 2: 64, 3: 16, 4: 8}
"""By how much the axes of a tensor of that rank are longer than those of small ones."""


class Wide(Draw):
    """Draws larger shapes, so that arrays outweigh their headers."""

    def shape(self, least: int = 0, most: int = 4, size: int = 5) -> tuple[int, ...]:
        rank = self.number(least, most)
        return tuple(self.number(1, size) * _SIZES.get(rank, 5) for _ in range(rank))


def prepared(case: Case) -> tuple[Node, list[AnyArray | None], list[AnyArray]]:
    """The node of a case, its operands and arrays for its results."""
    graph, feed = case.graph(), case.feed()
    results = list(graph.run(feed).values())
    (node,) = graph.nodes
    operands = [
        None if value is None else feed[value.name] if value.weight is None else value.weight.array()
        for value in node.inputs
    ]
    return node, operands, results


def call_of(operands: Sequence[AnyArray | None], results: Sequence[AnyArray]) -> Call:
    """The call on these arrays, also where the graph's types leave sizes open."""
    return Call(tuple(None if x is None else _tensor(x) for x in operands), tuple(_tensor(x) for x in results))


def _tensor(array: AnyArray) -> Tensor:
    return Tensor(array.shape, DType.of(array.dtype))


def allocated(node: Node, operands: Sequence[AnyArray | None], results: Sequence[AnyArray]) -> int:
    """The most bytes that a call of the node's kernel holds at once, operands and results left out."""
    kernel = kernels[type(node.op)]
    with np.errstate(all="ignore"):
        kernel(node.op, operands, results)  # what is imported and cached on demand is there from now on
        gc.disable()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            kernel(node.op, operands, results)
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
            gc.enable()
