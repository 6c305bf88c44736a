"""What works along axes: reductions, and what weighs elements against each other."""

from collections.abc import Mapping

from cnnir.dims import is_known, product
from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import (
    Read,
    Source,
    Target,
    int64,
    reads,
    require_opset,
    write_plain,
    write_with_settings,
    writers,
)
from cnnir.graph import Node
from cnnir.ops import (
    ArgMax,
    ArgMin,
    Hardmax,
    LogSoftmax,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
    Softmax,
)
from cnnir.ops.activation import Distribution
from cnnir.ops.base import normalize_axis
from cnnir.ops.elements import FLOATS
from cnnir.ops.reduction import Extreme, Reduction
from cnnir.types import TensorType

_DISTRIBUTIONS: Mapping[str, type[Distribution]] = {
    op_class.__name__: op_class for op_class in (Softmax, LogSoftmax, Hardmax)
}


@reads(*_DISTRIBUTIONS)
def read_distribution(source: Source) -> Read:
    """Before opset 13 it flattens to two dims at its axis (default 1) and normalises all that is behind it."""
    op_class = _DISTRIBUTIONS[source.proto.op_type]
    rank = source.tensor(0).rank
    if source.opset < 13:
        axis = normalize_axis(source.attributes.integer("axis", 1), rank)
        return op_class(tuple(range(axis, rank))), source.inputs
    return op_class((normalize_axis(source.attributes.integer("axis", -1), rank),)), source.inputs


@writers.rule(Distribution)
def write_distribution(target: Target, node: Node, op: Distribution) -> None:
    """Before opset 13 one axis is brought to the end, since then several are flattened into one."""
    type_ = node.output.type
    rank = type_.rank if isinstance(type_, TensorType) else 0
    trailing = op.axes == tuple(range(op.axes[0], rank)) if op.axes else False
    if target.opset < 13 and trailing:
        write_plain(target, node, op.kind, axis=op.axes[0])
        return
    wide = [axis for axis in op.axes if not isinstance(type_, TensorType) or type_.shape[axis] != 1] or list(
        op.axes[:1]
    )
    if len(wide) == 1 and target.opset >= 13:
        write_plain(target, node, op.kind, axis=wide[0])
        return
    if len(wide) == 1 and isinstance(type_, TensorType):
        _transposed(target, node, wide[0], type_)
        return
    require_opset(target, node, 13)
    _flattened(target, node, op, trailing=trailing)


def _transposed(target: Target, node: Node, axis: int, type_: TensorType) -> None:
    """One axis in the old form, which sums over all that is behind it: that axis comes last meanwhile."""
    if all(dim == 1 for dim in type_.shape[axis + 1 :]):
        write_plain(target, node, node.op.kind, axis=axis)
        return
    order = [*(other for other in range(type_.rank) if other != axis), axis]
    turned = type_.with_shape(tuple(type_.shape[other] for other in order))
    last, summed = (target.temporary(node, key, turned) for key in ("last", "normalized"))
    target.emit(node, "Transpose", [target.name(node.inputs[0])], [last], perm=order)
    target.emit(node, node.op.kind, [last], [summed], axis=type_.rank - 1)
    back = [order.index(other) for other in range(type_.rank)]
    target.emit(node, "Transpose", [summed], [target.name(node.output)], perm=back)


def _flattened(target: Target, node: Node, op: Distribution, *, trailing: bool) -> None:
    type_ = node.output.type
    if not trailing or not isinstance(type_, TensorType) or not all(is_known(dim) for dim in type_.shape):
        raise Unmapped(f"{op.kind} over these axes cannot be said in ONNX")
    folded = type_.with_shape((product(type_.shape[: op.axes[0]]), product(type_.shape[op.axes[0] :])))
    flat, summed = (target.temporary(node, key, folded) for key in ("flat", "normalized"))
    shape = target.constant(node, "shape", int64([dim for dim in type_.shape if is_known(dim)]))
    target.emit(node, "Flatten", [target.name(node.inputs[0])], [flat], axis=op.axes[0])
    target.emit(node, node.op.kind, [flat], [summed], axis=1)
    target.emit(node, "Reshape", [summed, shape], [target.name(node.output)])


_REDUCTIONS: Mapping[str, type[Reduction]] = {
    op_class.__name__: op_class
    for op_class in (
        *(ReduceMean, ReduceSum, ReduceProd, ReduceMax, ReduceMin, ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum),
        ReduceLogSumExp,
    )
}


def _moved(op_type: str) -> int:
    """The opset since which the axes are an operand."""
    return 13 if op_type == "ReduceSum" else 18


@reads(*_REDUCTIONS)
def read_reduction(source: Source) -> Read:
    """Axes are an attribute in old opsets; none given means all, or none of them."""
    op_type = source.proto.op_type
    op_class, rank = _REDUCTIONS[op_type], source.tensor(0).rank
    axes = source.ints_anywhere(1, "axes", _moved(op_type))
    keepdims = source.attributes.flag("keepdims", default=True)
    none_means_none = source.attributes.flag("noop_with_empty_axes")
    if op_class.takes is FLOATS and (dtype := source.tensor(0).dtype).is_integer:
        raise Unmapped(f"{op_type} of {dtype.value} is not defined here")
    if not axes:
        axes = () if none_means_none else tuple(range(rank))
    return op_class(tuple(sorted({normalize_axis(axis, rank) for axis in axes})), keepdims), source.inputs[:1]


@writers.rule(Reduction)
def write_reduction(target: Target, node: Node, op: Reduction) -> None:
    """A reduction over no axis can be said since axes are an operand; of a scalar no axis is all of them."""
    keepdims, moved = None if op.keepdims else 0, _moved(op.kind)
    if target.opset < moved:
        data = node.operands[0].type
        scalar = isinstance(data, TensorType) and data.rank == 0
        if not op.axes and not scalar:
            require_opset(target, node, moved)
        write_plain(target, node, op.kind, axes=op.axes or None, keepdims=keepdims)
        return
    axes = target.constant(node, "axes", int64(op.axes))
    noop = None if op.axes else 1
    write_with_settings(target, node, op.kind, [axes], keepdims=keepdims, noop_with_empty_axes=noop)


@reads("ArgMax", "ArgMin")
def read_extreme(source: Source) -> Read:
    """The last of equal ones can be asked for since opset 12."""
    op_class = ArgMax if source.proto.op_type == "ArgMax" else ArgMin
    axis = normalize_axis(source.attributes.integer("axis", 0), source.tensor(0).rank)
    keepdims = source.attributes.flag("keepdims", default=True)
    return op_class(axis, keepdims, source.attributes.flag("select_last_index")), source.inputs


@writers.rule(ArgMax, ArgMin)
def write_extreme(target: Target, node: Node, op: Extreme) -> None:
    """The axis counted from the front, which every opset takes."""
    if op.select_last_index:
        require_opset(target, node, 12)
    last = 1 if op.select_last_index else None
    write_plain(target, node, op.kind, axis=op.axis, keepdims=int(op.keepdims), select_last_index=last)
