"""What the kernels that reduce, normalise or standardise allocate."""

import math

from cnnir.algorithms.base import Call, in_float32, kept_dims, workspaces
from cnnir.ops import (
    LRN,
    BatchNormalization,
    GroupNormalization,
    Hardmax,
    InstanceNormalization,
    LayerNormalization,
    LogSoftmax,
    LpNormalization,
    MeanVarianceNormalization,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMean,
    ReduceSumSquare,
    RMSNormalization,
    Softmax,
    TrainingBatchNormalization,
)
from cnnir.ops.reduction import Extreme, Reduction


@workspaces.rule(Reduction)
@in_float32
def reduction(op: Reduction, call: Call) -> int:
    """The result is made aside; of some it is the result of functions of all elements."""
    data, out = call.input(0), call.output
    functions = {ReduceL1: (1, 1), ReduceL2: (1, 2), ReduceSumSquare: (1, 1), ReduceLogSum: (0, 2)}
    wholes, results = functions.get(type(op), (0, 1))
    return wholes * data.bytes + results * out.bytes + call.buffers(1)


@workspaces.rule(ReduceLogSumExp)
@in_float32
def log_sum_exp(op: ReduceLogSumExp, call: Call) -> int:
    """What is left when the maximum is taken off, and its exponentials."""
    return 2 * call.input(0).bytes + 4 * call.output.bytes + call.output.elements + call.buffers(1)


@workspaces.rule(ReduceMean)
@in_float32
def reduce_mean(op: ReduceMean, call: Call) -> int:
    """Of integers wholes and rests in 64 bits; of floats the result alone."""
    data, out = call.input(0), call.output
    if data.dtype.is_integer and op.axes:
        return 24 * data.elements + 48 * out.elements + call.buffers(1)
    return out.bytes + call.buffers(1) + call.cast_buffers(out.elements)


@workspaces.rule(Extreme)
@in_float32
def extreme(op: Extreme, call: Call) -> int:
    """The tensor with the axis at its end, and the places, counted from behind at times."""
    return call.input(0).bytes + 16 * call.output.elements


@workspaces.rule(Softmax)
@in_float32
def softmax(op: Softmax, call: Call) -> int:
    """A maximum, then a sum, for all that is weighed together."""
    data = call.input(0)
    return data.itemsize * kept_dims(data.shape, op.axes) + call.buffers(1)


@workspaces.rule(LogSoftmax)
@in_float32
def log_softmax(op: LogSoftmax, call: Call) -> int:
    """The exponentials, their sums and those's logarithms."""
    data = call.input(0)
    return data.bytes + 2 * data.itemsize * kept_dims(data.shape, op.axes) + call.buffers(1)


@workspaces.rule(Hardmax)
def hardmax(op: Hardmax, call: Call) -> int:
    """The tensor with the axes at its end, and in each row a truth for each place."""
    data = call.input(0)
    rows = kept_dims(data.shape, op.axes)
    few = 8 * (rows + data.elements // max(rows, 1))
    return data.bytes + data.elements + few + call.cast_buffers(data.elements)


@workspaces.rule(BatchNormalization)
@in_float32
def batch_normalization(op: BatchNormalization, call: Call) -> int:
    """A few numbers a channel, in float64."""
    return 8 * 8 * call.input(1).elements + call.buffers(1)


@workspaces.rule(TrainingBatchNormalization)
@in_float32
def training_batch_normalization(op: TrainingBatchNormalization, call: Call) -> int:
    """What is left when the mean is taken off, and its squares."""
    return 2 * call.input(0).bytes + 16 * 8 * call.input(1).elements + 8 * 8192 + call.buffers(1)


@workspaces.rule(LRN)
@in_float32
def lrn(op: LRN, call: Call) -> int:
    """The squares, and their sums over the window."""
    return 2 * call.input(0).bytes


@workspaces.rule(InstanceNormalization)
@in_float32
def instance_normalization(op: InstanceNormalization, call: Call) -> int:
    """What is left when the mean is taken off, and its squares or what it is scaled to; a few numbers a map."""
    data = call.input(0)
    return 2 * data.bytes + 6 * data.itemsize * math.prod(data.shape[:2]) + call.buffers(1)


@workspaces.rule(GroupNormalization)
@in_float32
def group_normalization(op: GroupNormalization, call: Call) -> int:
    """Likewise, and the channels' scales beside it."""
    data = call.input(0)
    few = data.shape[0] * op.num_groups * 6 + 2 * data.shape[1]
    return 3 * data.bytes + data.itemsize * few + call.buffers(1)


@workspaces.rule(LayerNormalization)
@in_float32
def layer_normalization(op: LayerNormalization, call: Call) -> int:
    """Likewise, with what the scale and the bias make of it."""
    data = call.input(0)
    return 3 * data.bytes + 5 * data.itemsize * math.prod(data.shape[: op.axis]) + call.buffers(1)


@workspaces.rule(RMSNormalization)
@in_float32
def rms_normalization(op: RMSNormalization, call: Call) -> int:
    """The squares; then the inputs scaled twice."""
    data = call.input(0)
    return 2 * data.bytes + 4 * data.itemsize * math.prod(data.shape[: op.axis]) + call.buffers(1)


@workspaces.rule(LpNormalization)
@in_float32
def lp_normalization(op: LpNormalization, call: Call) -> int:
    """Sizes or squares, the quotients, and what is chosen of them."""
    data = call.input(0)
    return 3 * data.bytes + (2 * data.itemsize + 1) * kept_dims(data.shape, (op.axis,)) + call.buffers(2)


@workspaces.rule(MeanVarianceNormalization)
@in_float32
def mean_variance_normalization(op: MeanVarianceNormalization, call: Call) -> int:
    """What is left when the mean is taken off, and its squares."""
    data = call.input(0)
    return 2 * data.bytes + 4 * data.itemsize * kept_dims(data.shape, op.axes) + call.buffers(1)
