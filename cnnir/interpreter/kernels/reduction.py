"""Means and Softmax."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import kernels, present
from cnnir.ops import ReduceMean, Softmax
from cnnir.weights import AnyArray


@kernels.rule(ReduceMean)
def reduce_mean(op: ReduceMean, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The mean over the axes, in the tensor's own element type."""
    data = present(inputs, 0)
    if not op.axes:
        np.copyto(outputs[0], data)
    else:
        outputs[0][...] = data.mean(axis=op.axes, keepdims=op.keepdims, dtype=data.dtype)


@kernels.rule(Softmax)
def softmax(op: Softmax, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """The maximum is taken off first, so that no exponential overflows."""
    x, out = present(inputs, 0), outputs[0]
    if x.size == 0:
        return
    np.subtract(x, x.max(axis=op.axes, keepdims=True), out=out)
    np.exp(out, out=out)
    np.divide(out, out.sum(axis=op.axes, keepdims=True), out=out)
