"""Activations, arithmetic, casts and means."""

from typing import Any

import numpy as np

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
from cnnir.exporters.onnx.types import CODES, dtype_of
from cnnir.graph import Node
from cnnir.ops import (
    Add,
    Cast,
    Clip,
    Div,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mul,
    Op,
    ReduceMean,
    Relu,
    Sigmoid,
    Softmax,
    Sub,
    Sum,
    Tanh,
)
from cnnir.ops.base import normalize_axis
from cnnir.types import TensorType

_PLAIN: dict[str, type[Op]] = {
    op_class.__name__: op_class for op_class in (Relu, Sigmoid, Tanh, HardSwish, Add, Sub, Mul, Div, Sum)
}


@reads(*_PLAIN)
def read_plain(source: Source) -> Read:
    """No attributes; arithmetic broadcasts as NumPy does since opset 7."""
    return _PLAIN[source.proto.op_type](), source.inputs


@writers.rule(*_PLAIN.values())
def write_plain_op(target: Target, node: Node, op: Op) -> None:
    """By its own name; HardSwish came with opset 14, and Sum broadcasts since 8."""
    if isinstance(op, HardSwish):
        require_opset(target, node, 14)
    if isinstance(op, Sum) and any(operand.type != node.output.type for operand in node.operands):
        require_opset(target, node, 8)
    write_plain(target, node, op.kind)


@reads("LeakyRelu")
def read_leaky_relu(source: Source) -> Read:
    """Since opset 1."""
    return LeakyRelu(source.attributes.number("alpha", 0.01)), source.inputs


@writers.rule(LeakyRelu)
def write_leaky_relu(target: Target, node: Node, op: LeakyRelu) -> None:
    """Since opset 1."""
    write_plain(target, node, "LeakyRelu", alpha=op.alpha)


@reads("HardSigmoid")
def read_hard_sigmoid(source: Source) -> Read:
    """Since opset 1."""
    return HardSigmoid(source.attributes.number("alpha", 0.2), source.attributes.number("beta", 0.5)), source.inputs


@writers.rule(HardSigmoid)
def write_hard_sigmoid(target: Target, node: Node, op: HardSigmoid) -> None:
    """Since opset 1."""
    write_plain(target, node, "HardSigmoid", alpha=op.alpha, beta=op.beta)


@reads("Clip")
def read_clip(source: Source) -> Read:
    """Bounds are attributes before opset 11 and operands, each optional, after."""
    bounds: list[Any] = []
    for index, name in ((1, "min"), (2, "max")):
        if source.opset < 11:
            bounds.append(source.attributes.optional_number(name))
        else:
            bounds.append(source.scalar_setting(index, name, source.dtype(0)))
    return Clip(*bounds), source.inputs[:1]


@writers.rule(Clip)
def write_clip(target: Target, node: Node, op: Clip) -> None:
    """Operands are scalars of the tensor's own element type."""
    if target.opset < 11:
        low, high = (None if bound is None else float(bound) for bound in (op.low, op.high))
        write_plain(target, node, "Clip", min=low, max=high)
        return
    type_ = node.output.type
    names = [
        "" if bound is None or not isinstance(type_, TensorType)
        else target.constant(node, key, np.asarray(bound, type_.dtype.numpy))
        for key, bound in (("min", op.low), ("max", op.high))
    ]  # fmt: skip
    write_with_settings(target, node, "Clip", names)


@reads("Softmax")
def read_softmax(source: Source) -> Read:
    """Before opset 13 it flattens to two dims at its axis (default 1) and normalises all that is behind it."""
    rank = source.tensor(0).rank
    if source.opset < 13:
        axis = normalize_axis(source.attributes.integer("axis", 1), rank)
        return Softmax(tuple(range(axis, rank))), source.inputs
    return Softmax((normalize_axis(source.attributes.integer("axis", -1), rank),)), source.inputs


@writers.rule(Softmax)
def write_softmax(target: Target, node: Node, op: Softmax) -> None:
    """Before opset 13 one axis is brought to the end, since then several are flattened into one."""
    type_ = node.output.type
    rank = type_.rank if isinstance(type_, TensorType) else 0
    trailing = op.axes == tuple(range(op.axes[0], rank)) if op.axes else False
    if target.opset < 13 and trailing:
        write_plain(target, node, "Softmax", axis=op.axes[0])
        return
    wide = [axis for axis in op.axes if not isinstance(type_, TensorType) or type_.shape[axis] != 1] or list(
        op.axes[:1]
    )
    if len(wide) == 1 and target.opset >= 13:
        write_plain(target, node, "Softmax", axis=wide[0])
        return
    if len(wide) == 1 and isinstance(type_, TensorType):
        _softmax_transposed(target, node, wide[0], type_)
        return
    require_opset(target, node, 13)
    _softmax_flattened(target, node, op, trailing=trailing)


def _softmax_transposed(target: Target, node: Node, axis: int, type_: TensorType) -> None:
    """One axis in the old form, which sums over all that is behind it: that axis comes last meanwhile."""
    if all(dim == 1 for dim in type_.shape[axis + 1 :]):
        write_plain(target, node, "Softmax", axis=axis)
        return
    order = [*(other for other in range(type_.rank) if other != axis), axis]
    turned = type_.with_shape(tuple(type_.shape[other] for other in order))
    last, summed = (target.temporary(node, key, turned) for key in ("last", "normalized"))
    target.emit(node, "Transpose", [target.name(node.inputs[0])], [last], perm=order)
    target.emit(node, "Softmax", [last], [summed], axis=type_.rank - 1)
    back = [order.index(other) for other in range(type_.rank)]
    target.emit(node, "Transpose", [summed], [target.name(node.output)], perm=back)


def _softmax_flattened(target: Target, node: Node, op: Softmax, *, trailing: bool) -> None:
    type_ = node.output.type
    if not trailing or not isinstance(type_, TensorType) or not all(is_known(dim) for dim in type_.shape):
        raise Unmapped("a Softmax over these axes cannot be said in ONNX")
    folded = type_.with_shape((product(type_.shape[: op.axes[0]]), product(type_.shape[op.axes[0] :])))
    flat, summed = (target.temporary(node, key, folded) for key in ("flat", "normalized"))
    shape = target.constant(node, "shape", int64([dim for dim in type_.shape if is_known(dim)]))
    target.emit(node, "Flatten", [target.name(node.inputs[0])], [flat], axis=op.axes[0])
    target.emit(node, "Softmax", [flat], [summed], axis=1)
    target.emit(node, "Reshape", [summed, shape], [target.name(node.output)])


@reads("Cast")
def read_cast(source: Source) -> Read:
    """Saturation and rounding matter for 8-bit floats alone, which stay opaque."""
    to = dtype_of(source.attributes.integer("to"))
    if (
        source.attributes.integer("saturate", 1) != 1
        or source.attributes.text("round_mode", "up") != "up"
        or (to.is_float and to.bits in (4, 8))
    ):
        raise Unmapped("casts to 8-bit floats are not defined here")
    return Cast(to), source.inputs


@writers.rule(Cast)
def write_cast(target: Target, node: Node, op: Cast) -> None:
    """Since opset 6."""
    write_plain(target, node, "Cast", to=CODES[op.to])


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
