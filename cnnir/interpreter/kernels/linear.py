"""Matrix products; BLAS does the work."""

from collections.abc import Sequence

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, optional, present
from cnnir.ops import Gemm, MatMul
from cnnir.weights import AnyArray


@kernels.rule(Gemm)
@in_float32
def gemm(op: Gemm, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """``alpha * A' @ B' + beta * C``; integers times a fraction are floats, rounded towards zero at the end."""
    a, b, c, out = present(inputs, 0), present(inputs, 1), optional(inputs, 2), outputs[0]
    if np.issubdtype(out.dtype, np.integer) and not (op.alpha.is_integer() and op.beta.is_integer()):
        result = np.empty(out.shape, np.float64)
        gemm(op, [array if array is None else array.astype(np.float64) for array in inputs], [result])
        np.copyto(out, result, casting="unsafe")
        return
    a, b = (dense(a).T if op.trans_a else dense(a)), (dense(b).T if op.trans_b else dense(b))
    np.matmul(a, b, out=out)
    if op.alpha != 1.0:
        np.multiply(out, out.dtype.type(op.alpha), out=out)
    if c is not None:
        np.add(out, c if op.beta == 1.0 else c * c.dtype.type(op.beta), out=out)


@kernels.rule(MatMul)
@in_float32
def matmul(op: MatMul, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """NumPy's own."""
    outputs[0][...] = np.matmul(dense(present(inputs, 0)), dense(present(inputs, 1)))


def dense(array: AnyArray) -> AnyArray:
    """The array with a stride of its own along each axis: a broadcast fill (stride 0) keeps BLAS from being used."""
    return np.ascontiguousarray(array) if 0 in array.strides else array
