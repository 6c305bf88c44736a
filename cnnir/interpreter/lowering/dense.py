"""Products of matrices, as they lie, and the distribution behind the last of them."""

from functools import partial

import numpy as np

from cnnir.interpreter.kernels.base import optional, present
from cnnir.interpreter.lowering.base import Site, Step, lowering
from cnnir.ops import Gemm, MatMul, Softmax
from cnnir.weights import AnyArray


@lowering("product").rule(Gemm)
def gemm(op: Gemm, site: Site) -> Step:
    """``alpha * A' @ B' + beta * C``: transposed as views; a single row as a product of a matrix and a vector."""
    a, b, out = _dense(site, 0), _dense(site, 1), site.target(None)
    a, b = (a.T if op.trans_a else a), (b.T if op.trans_b else b)
    if a.shape[0] == 1:
        yield partial(np.matmul, b.T, a[0], out[0])
    else:
        yield partial(np.matmul, a, b, out)
    if op.alpha != 1.0:
        yield partial(np.multiply, out, out.dtype.type(op.alpha), out)
    c = optional(site.operands, 2)
    if c is not None:
        addend = c if op.beta == 1.0 else site.form("addend", lambda: c * c.dtype.type(op.beta))
        yield partial(np.add, out, addend, out)


@lowering("product").rule(MatMul)
def matmul(op: MatMul, site: Site) -> Step:
    """NumPy's own."""
    yield partial(np.matmul, _dense(site, 0), _dense(site, 1), site.target(None))


@lowering("distribution").rule(Softmax)
def softmax(op: Softmax, site: Site) -> Step:
    """The maximum is taken off first, so that no exponential overflows."""
    x, out = present(site.operands, 0), site.target(None)
    kept = tuple(1 if axis in op.axes else size for axis, size in enumerate(x.shape))
    reduced = site.workspace.take(kept, x.dtype)
    yield partial(np.maximum.reduce, x, op.axes, None, reduced, keepdims=True)
    yield partial(np.subtract, x, reduced, out)
    yield partial(np.exp, out, out)
    yield partial(np.add.reduce, out, op.axes, None, reduced, keepdims=True)
    yield partial(np.divide, out, reduced, out)


def _dense(site: Site, index: int) -> AnyArray:
    """An operand with a stride of its own along each axis: a repeated number (stride 0) keeps BLAS from being used."""
    array = present(site.operands, index)
    if 0 not in array.strides:
        return array
    return site.form(f"dense-{index}", lambda: np.ascontiguousarray(array))


__all__ = ["gemm", "matmul", "softmax"]
