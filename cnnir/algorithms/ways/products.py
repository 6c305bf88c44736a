"""Ways of matrix products and recurrent layers."""

import math
from collections.abc import Iterator

from cnnir.algorithms.base import Call
from cnnir.algorithms.ways.base import Way, Work, alternatives, kernel
from cnnir.ops import Gemm, MatMul
from cnnir.ops.recurrent import Recurrent


def _product(rows: int, inner: int, columns: int, itemsize: int) -> Work:
    """One product of matrices; with a single row or column it reads the other matrix once, and does little else."""
    if 1 in (rows, columns):
        return (("vector", itemsize * inner * max(rows, columns)), ("call", 1))
    return (("product", rows * inner * columns), ("call", 1))


@alternatives.rule(Gemm)
def gemm(op: Gemm, call: Call) -> Iterator[Way]:
    """The kernel writes the product where it belongs: there is nothing to choose."""
    rows, columns = call.output.shape
    yield kernel(op, call, _product(rows, call.input(0).elements // max(rows, 1), columns, call.output.itemsize))


@alternatives.rule(MatMul)
def matmul(op: MatMul, call: Call) -> Iterator[Way]:
    """Aside, as the kernel does, or where the result belongs."""
    left, right, out = call.input(0), call.input(1), call.output
    inner = left.shape[-1]
    columns = right.shape[-1] if len(right.shape) > 1 else 1
    stack = math.prod(right.shape[:-2])
    # One matrix for the whole stack of the others is one product of all their rows.
    single = _product(out.elements // max(columns * stack, 1), inner, columns, out.itemsize)
    work: Work = tuple((kind, amount * stack) for kind, amount in single)
    yield kernel(op, call, (*work, ("copy", out.bytes)))
    yield Way("product", 0, work)


@alternatives.rule(Recurrent)
def recurrent(op: Recurrent, call: Call) -> Iterator[Way]:
    """All products with the inputs at once, as the kernel does, or step by step in one buffer."""
    data, weight, inner = call.input(0), call.input(1), call.input(2)
    steps, batch = (data.shape[1], data.shape[0]) if op.batch_first else data.shape[:2]
    gates, hidden, itemsize = op.gates * op.hidden_size, op.hidden_size, data.itemsize
    ways, cells = op.directions, steps * batch
    macs = ways * cells * gates * (data.shape[2] + hidden)
    functions, calls = ways * cells * gates, ways * steps * 16
    made = itemsize * ways * cells * (data.shape[2] + 2 * gates + 2 * hidden)
    again = inner.bytes * steps
    shared: Work = (("product", macs), ("function", functions))
    yield kernel(op, call, (*shared, ("copy", made + again), ("call", calls)))
    # The gates of one step, from the input and from the state, and what the activations make of them.
    scratch = itemsize * batch * (2 * gates + 4 * hidden)
    yield Way("steps", scratch, (*shared, ("copy", again + weight.bytes * steps), ("call", calls + ways * steps)))
