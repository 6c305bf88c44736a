"""Elements chosen by their size or by index, and elements written to places that indices name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.interpreter.kernels.indexing import require_inside
from cnnir.ops import GatherElements, GatherND, ScatterElements, ScatterND, TopK
from cnnir.weights import AnyArray


@kernels.rule(TopK)
@in_float32
def top_k(op: TopK, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """A stable sort puts equal elements in their order; for the largest ones it runs over the axis from behind."""
    data, size = present(inputs, 0), present(inputs, 0).shape[op.axis]
    if op.largest:
        ascending = np.argsort(np.flip(data, op.axis), axis=op.axis, kind="stable")
        order = size - 1 - np.flip(ascending, op.axis)
    else:
        order = np.argsort(data, axis=op.axis, kind="stable")
    places = np.take(order, np.arange(op.k), axis=op.axis)
    np.copyto(outputs[0], np.take_along_axis(data, places, op.axis))
    np.copyto(outputs[1], places)


@kernels.rule(GatherElements)
def gather_elements(op: GatherElements, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The data cut to the size of the indices but along the axis; NumPy's own."""
    data, indices = present(inputs, 0), present(inputs, 1)
    require_inside(indices, data.shape[op.axis])
    cut = tuple(slice(None) if axis == op.axis else slice(size) for axis, size in enumerate(indices.shape))
    np.copyto(outputs[0], np.take_along_axis(data[cut], indices.astype(np.int64), op.axis))


@kernels.rule(GatherND)
def gather_nd(op: GatherND, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The axes of the batch are counted through beside the indices."""
    data, indices = present(inputs, 0), present(inputs, 1)
    batch, named = op.batch_dims, indices.shape[-1]
    for place in range(named):
        require_inside(indices[..., place], data.shape[batch + place])
    grid = _grid(indices.shape[:-1])[:batch]
    np.copyto(outputs[0], data[(*grid, *(indices[..., place] for place in range(named)))])


def _grid(sizes: Sequence[int]) -> list[AnyArray]:
    """For each axis of a tensor the indices along it, in a shape that broadcasts with the tensor's."""
    return list(np.ogrid[tuple(slice(size) for size in sizes)]) if sizes else []


_COMBINED: Mapping[str, Callable[..., Any]] = {
    "add": np.add.at, "mul": np.multiply.at, "max": np.maximum.at, "min": np.minimum.at
}  # fmt: skip


def _scatter(data: AnyArray, places: tuple[AnyArray, ...], updates: AnyArray, reduction: str) -> AnyArray:
    """A copy of the data with the updates in it."""
    result = data.copy()
    if reduction == "none":
        result[places] = updates
    else:
        _COMBINED[reduction](result, places, updates)
    return result


@kernels.rule(ScatterElements)
@in_float32
def scatter_elements(op: ScatterElements, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Made aside, for the output may be the memory of any operand."""
    data, indices, updates = (present(inputs, index) for index in range(3))
    require_inside(indices, data.shape[op.axis])
    places = _grid(indices.shape)
    places[op.axis] = indices
    np.copyto(outputs[0], _scatter(data, tuple(places), updates, op.reduction))


@kernels.rule(ScatterND)
@in_float32
def scatter_nd(op: ScatterND, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Likewise."""
    data, indices, updates = (present(inputs, index) for index in range(3))
    named = indices.shape[-1]
    for place in range(named):
        require_inside(indices[..., place], data.shape[place])
    places = tuple(indices[..., place] for place in range(named))
    np.copyto(outputs[0], _scatter(data, places, updates, op.reduction))
