"""The table of NumPy kernels, and what a kernel promises."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from cnnir.errors import CnnirError
from cnnir.ops.rules import RuleTable
from cnnir.weights import AnyArray

Kernel: TypeAlias = Callable[[Any, Sequence[AnyArray | None], Sequence[AnyArray]], None]
"""``kernel(op, inputs, outputs)`` writes the results into `outputs`, which have the inferred shapes and element types.

Inputs may be read-only, broadcast or strided views. Outputs are writable and may be strided. For an op that is
`in_place` an output may be the very memory of an input of the same shape and element type; a kernel never
writes to an input otherwise. No Python loop over pixels or channels; loops over the cells of a kernel window are fine.
Results are in the element type of the outputs: float32 is computed in float32, float64 in float64.
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


def optional(inputs: Sequence[AnyArray | None], index: int) -> AnyArray | None:
    """An operand that may be absent."""
    return inputs[index] if index < len(inputs) else None
