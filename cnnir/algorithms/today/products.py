"""What the kernels of matrix products and recurrent layers allocate; BLAS's own packing buffers are its process's."""

from cnnir.algorithms.base import UFUNC_BUFFER, Call, Tensor, in_float32, workspaces
from cnnir.ops import Gemm, MatMul
from cnnir.ops.recurrent import Recurrent


def _copied(tensor: Tensor) -> int:
    """Bytes that an operand takes in a form in which BLAS takes it."""
    return tensor.bytes if tensor.repeated or tensor.strided else 0


@workspaces.rule(Gemm)
@in_float32
def gemm(op: Gemm, call: Call) -> int:
    """The product is made in place; a factor of the bias makes a copy of that."""
    a, b = call.input(0), call.input(1)
    fraction = not (float(op.alpha).is_integer() and float(op.beta).is_integer())
    if call.output.dtype.is_integer and fraction:
        # All in float64, and the bias once more.
        return 8 * (sum(tensor.elements for tensor in call.present) + call.output.elements) + _bias(op, call, 8)
    return _copied(a) + _copied(b) + _bias(op, call, call.output.itemsize)


def _bias(op: Gemm, call: Call, itemsize: int) -> int:
    if not call.has(2):
        return 0
    bias = call.input(2)
    buffers = call.buffers(1) if bias.elements < call.output.elements or bias.repeated else 0
    return buffers + (itemsize * bias.elements if op.beta != 1.0 else 0)


@workspaces.rule(MatMul)
@in_float32
def matmul(op: MatMul, call: Call) -> int:
    """The product is made aside."""
    return call.output.bytes + _copied(call.input(0)) + _copied(call.input(1))


@workspaces.rule(Recurrent)
@in_float32
def recurrent(op: Recurrent, call: Call) -> int:
    """One direction after the other: its input in its order, the products with all inputs, the states at all steps."""
    data, weight = call.input(0), call.input(1)
    steps, batch, features = data.shape
    steps, batch = (batch, steps) if op.batch_first else (steps, batch)
    hidden, itemsize, ways = op.hidden_size, data.itemsize, op.directions
    cells, gates = steps * batch, op.gates * op.hidden_size
    state, given = itemsize * cells * hidden, itemsize * cells * gates
    order = 3 * 8 * cells + 2 * cells
    ordered = itemsize * cells * features
    # NumPy buffers the indices along each of three axes.
    gathered = 3 * 8 * min(UFUNC_BUFFER, cells * max(features, hidden))
    one_step = itemsize * batch * (2 * gates + 8 * hidden)
    weights = _copied(weight) + _copied(call.input(2)) + itemsize * (2 * gates + 3 * hidden)
    running = max(ordered + max(given, gathered), 2 * given, given + state + max(one_step, state))
    found = ways * state
    ends = 6 * ways * itemsize * batch * hidden
    # The products of the direction before are still there while those of the next one are made.
    before = given + state if ways > 1 else 0
    return order + weights + ends + max(before + (ways - 1) * state + running, given + state + 2 * found) + gathered
