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
from cnnir.ops import Hardmax, LogSoftmax, ReduceMean, Softmax
from cnnir.ops.activation import Distribution
from cnnir.ops.base import normalize_axis
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


@reads("ReduceMean")
def read_reduce_mean(source: Source) -> Read:
    """Axes are an attribute before opset 18; none given means all, or none of them."""
    rank = source.tensor(0).rank
    axes = source.ints_anywhere(1, "axes", 18)
    keepdims = source.attributes.flag("keepdims", default=True)
    none_means_none = source.attributes.flag("noop_with_empty_axes")
    if not axes:
        axes = () if none_means_none else tuple(range(rank))
    return ReduceMean(tuple(sorted({normalize_axis(axis, rank) for axis in axes})), keepdims), source.inputs[:1]


@writers.rule(ReduceMean)
def write_reduce_mean(target: Target, node: Node, op: ReduceMean) -> None:
    """A mean over no axis can be said since opset 18."""
    keepdims = None if op.keepdims else 0
    if target.opset < 18:
        if not op.axes:
            require_opset(target, node, 18)
        write_plain(target, node, "ReduceMean", axes=op.axes, keepdims=keepdims)
        return
    axes = target.constant(node, "axes", int64(op.axes))
    noop = None if op.axes else 1
    write_with_settings(target, node, "ReduceMean", [axes], keepdims=keepdims, noop_with_empty_axes=noop)
