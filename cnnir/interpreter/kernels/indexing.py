"""Sizes as values, elements by index, and elements repeated."""

from collections.abc import Sequence

import numpy as np

from cnnir.errors import CnnirError
from cnnir.interpreter.kernels.base import kernels, present
from cnnir.ops import Expand, Gather, Shape, Size, Tile
from cnnir.weights import AnyArray


@kernels.rule(Shape)
def shape(op: Shape, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Of the array itself."""
    sizes = present(inputs, 0).shape
    outputs[0][...] = [sizes[axis] for axis in op.taken(len(sizes))]


@kernels.rule(Size)
def size(op: Size, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Of the array itself."""
    outputs[0][...] = present(inputs, 0).size


@kernels.rule(Gather)
def gather(op: Gather, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """NumPy's own; an index outside the axis is an error, as the specification has it."""
    data, indices = present(inputs, 0), present(inputs, 1)
    require_inside(indices, data.shape[op.axis])
    np.copyto(outputs[0], np.take(data, indices, op.axis))


def require_inside(indices: AnyArray, count: int) -> None:
    """All indices lie in an axis of so many cells.

    Raises:
        CnnirError: ``gather-index``.
    """
    outside = (indices < -count) | (indices >= count)
    if outside.any():
        wanted = f"{-count} to {count - 1}" if count else "none, for the axis is empty"
        raise CnnirError("gather-index", "an index is outside the axis", expected=wanted, got=int(indices[outside][0]))


@kernels.rule(Expand)
def expand(op: Expand, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """NumPy broadcasts when it copies."""
    np.copyto(outputs[0], present(inputs, 0))


@kernels.rule(Tile)
def tile(op: Tile, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """NumPy's own."""
    data = present(inputs, 0)
    counts = tuple(out // size if size else 0 for out, size in zip(outputs[0].shape, data.shape, strict=True))
    np.copyto(outputs[0], np.tile(data, counts))
