"""Running sums and products along an axis."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import CumProd, CumSum
from cnnir.ops.running import Running
from cnnir.weights import AnyArray


@kernels.rule(CumSum, CumProd)
@in_float32
def running(op: Running, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """NumPy's own, turned round where it runs from behind, and moved by one where the element itself is left out."""
    data, combine = present(inputs, 0), np.add if isinstance(op, CumSum) else np.multiply
    turned = np.moveaxis(np.flip(data, op.axis) if op.reverse else data, op.axis, 0)
    found = combine.accumulate(turned, axis=0, dtype=data.dtype)
    if op.exclusive:
        nothing = np.full_like(found[:1], combine.identity)
        found = np.concatenate([nothing, found[:-1]])
    result = np.moveaxis(found, 0, op.axis)
    np.copyto(outputs[0], np.flip(result, op.axis) if op.reverse else result)
