"""How ops that compute nothing move elements about, said once more in NumPy alone."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnir.graph import Node
from cnnir.types import TensorType

Labels = NDArray[np.int64]


def moved(node: Node, operands: list[Labels]) -> list[Labels] | None:
    """The labels of the outputs, from those of the operands; None for an op that computes.

    Args:
        node: All its sizes known.
        operands: With one axis more than the operands have, the bytes of an element; it stays the last.
    """
    op: Any = node.op
    (first, *_) = operands
    if op.kind in {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"}:
        return [first.reshape(*_sizes(node, 0), first.shape[-1])]
    if op.kind == "Concat":
        return [np.concatenate(operands, op.axis)]
    if op.kind == "Transpose":
        return [np.transpose(first, (*op.permutation, first.ndim - 1))]
    if op.kind == "Split":
        ends = list(itertools.accumulate(_sizes(node, index)[op.axis] for index in range(len(node.outputs))))
        return list(np.split(first, ends[:-1], op.axis))
    if op.kind == "Slice":
        for start, end, axis, step in zip(op.starts, op.ends, op.axes, op.steps, strict=True):
            first = np.take(first, _indices(first.shape[axis], start, end, step), axis)
        return [first]
    return None


def _sizes(node: Node, index: int) -> tuple[int, ...]:
    found = node.outputs[index].type
    assert isinstance(found, TensorType)
    return tuple(int(str(dim)) for dim in found.shape)


def _indices(size: int, start: int, end: int, step: int) -> list[int]:
    """Of a range, as the specification of Slice puts it: count from the back, then cut to what there is."""
    low, high = (0, size) if step > 0 else (-1, size - 1)
    first = min(max(start + size if start < 0 else start, max(low, 0)), high)
    stop = min(max(end + size if end < 0 else end, low), high)
    return list(range(first, stop, step))
