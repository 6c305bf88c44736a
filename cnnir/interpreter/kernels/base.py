"""The table of NumPy kernels, and what a kernel promises."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from cnnir.errors import CnnirError
from cnnir.ops.rules import RuleTable
from cnnir.types import DType
from cnnir.weights import AnyArray

Kernel: TypeAlias = Callable[[Any, Sequence[AnyArray | None], Sequence[AnyArray]], None]
"""``kernel(op, inputs, outputs)`` writes the results into `outputs`, which have the inferred shapes and element types.

Inputs may be read-only, broadcast or strided views. Outputs are writable and may be strided. For an op that is
`in_place` an output may be the very memory of an input of the same shape and element type; a kernel never
writes to an input otherwise. No Python loop over pixels or channels; loops over the cells of a kernel window are fine.
Results are in the element type of the outputs: float32 is computed in float32, float64 in float64, narrower floats in
float32 (see `in_float32`).
"""

kernels: RuleTable[Kernel] = RuleTable("NumPy kernel")


def present(inputs: Sequence[AnyArray | None], index: int) -> AnyArray:
    """An operand that cannot be absent.

    Raises:
        CnnirError: ``operand-missing``; shape inference has seen to it that this does not happen.
    """
    array = inputs[index] if index < len(inputs) else None
    if array is None:
        raise CnnirError("operand-missing", f"operand {index} is missing")
    return array


def in_float32(kernel: Kernel) -> Kernel:
    """Decorator: floats of fewer than 32 bits are computed in float32 and rounded once, when they are written.

    Sums of 16-bit numbers stall or overflow long before the result does, and what steps between would round is lost.
    In place is safe: nothing is written before all is computed.
    """

    @functools.wraps(kernel)
    def widened(op: Any, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
        if not any(is_narrow(array.dtype) for array in (*inputs, *outputs) if array is not None):
            kernel(op, inputs, outputs)
            return
        wide = [array if array is None or not is_narrow(array.dtype) else array.astype(np.float32) for array in inputs]
        results = [np.empty(array.shape, np.float32) if is_narrow(array.dtype) else array for array in outputs]
        kernel(op, wide, results)
        for place, result in zip(outputs, results, strict=True):
            if place is not result:
                np.copyto(place, result, casting="unsafe")

    return widened


def is_narrow(dtype: np.dtype[Any]) -> bool:
    """True for floats of fewer than 32 bits, also those that NumPy itself lacks."""
    return dtype.itemsize < 4 and DType.of(dtype).is_float


def optional(inputs: Sequence[AnyArray | None], index: int) -> AnyArray | None:
    """An operand that may be absent."""
    return inputs[index] if index < len(inputs) else None
