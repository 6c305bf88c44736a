"""Concatenation, splitting, slicing and padding."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import kernels, present
from cnnir.ops import Concat, ConstantOfShape, Pad, Slice, Split
from cnnir.weights import AnyArray


@kernels.rule(Concat)
def concat(op: Concat, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Each tensor copied into its range."""
    np.concatenate([present(inputs, index) for index in range(len(inputs))], axis=op.axis, out=outputs[0])


@kernels.rule(Split)
def split(op: Split, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Each range copied out."""
    data, start = present(inputs, 0), 0
    for part in outputs:
        size = part.shape[op.axis]
        np.copyto(part, data[(slice(None),) * op.axis + (slice(start, start + size),)])
        start += size


@kernels.rule(Slice)
def slice_(op: Slice, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """NumPy's own slicing."""
    data = present(inputs, 0)
    np.copyto(outputs[0], data[op.ranges(data.shape)])


@kernels.rule(Pad)
def pad(op: Pad, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """A constant lies around the elements that stay; in other modes what is cropped goes first, then NumPy pads."""
    data, out = present(inputs, 0), outputs[0]
    begins, ends = op.pads[: data.ndim], op.pads[data.ndim :]
    if op.mode == "constant":
        # Element i goes to begin + i. Where more is cropped on one side than there is, nothing of it stays.
        out[...] = data.dtype.type(op.value)
        pairs = list(zip(begins, data.shape, out.shape, strict=True))
        taken = tuple(slice(max(-b, 0), max(min(size, target - b), 0)) for b, size, target in pairs)
        placed = tuple(slice(max(b, 0), max(min(b + size, target), 0)) for b, size, target in pairs)
        if all(b + size > 0 and target > b for b, size, target in pairs):
            out[placed] = data[taken]
        return
    kept = data[
        tuple(slice(max(-b, 0), size - max(-e, 0)) for b, e, size in zip(begins, ends, data.shape, strict=True))
    ]
    widths = [(max(b, 0), max(e, 0)) for b, e in zip(begins, ends, strict=True)]
    np.copyto(out, np.pad(kept, widths, op.mode))


@kernels.rule(ConstantOfShape)
def constant_of_shape(op: ConstantOfShape, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """One value everywhere."""
    outputs[0][...] = op.value
