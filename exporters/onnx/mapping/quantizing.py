"""Quantisation, and layers on integers."""

from cnnir.errors import CnnirError
from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import Read, Source, Target, reads, require_opset, write_plain, writers
from cnnir.exporters.onnx.mapping.layers import kernel_shape, padding, stated_window, window
from cnnir.exporters.onnx.types import CODES, dtype_of
from cnnir.graph import Node
from cnnir.ops import (
    ConvInteger,
    DequantizeLinear,
    DynamicQuantizeLinear,
    MatMulInteger,
    Op,
    QLinearConv,
    QLinearMatMul,
    QuantizeLinear,
)
from cnnir.ops.base import normalize_axis
from cnnir.ops.integers import IntegerConvolution
from cnnir.ops.quantization import Granular
from cnnir.types import DType, TensorType

_PLAIN: dict[str, type[Op]] = {
    op_class.__name__: op_class for op_class in (DynamicQuantizeLinear, MatMulInteger, QLinearMatMul)
}


def _granularity(source: Source) -> tuple[int, int]:
    """Axis and size of blocks; an axis says nothing beside one scale for all."""
    axis, block = source.attributes.integer("axis", 1), source.attributes.integer("block_size", 0)
    if source.tensor(1).rank == 0:
        return 0, 0
    rank = source.tensor(0).rank
    if source.tensor(1).shape == (1,) and not block and not -rank <= axis < rank:
        return 0, 0
    return normalize_axis(axis, rank), block


@reads("QuantizeLinear")
def read_quantize(source: Source) -> Read:
    """Axes since opset 13, floats of 8 bits since 19, blocks and ``output_dtype`` since 21, ``precision`` since 23."""
    to = _result_type(source)
    saturate, precision = source.attributes.flag("saturate", default=True), source.attributes.integer("precision", 0)
    op = QuantizeLinear(to, *_granularity(source), saturate, dtype_of(precision) if precision else None)
    return op, source.inputs


def _result_type(source: Source) -> DType:
    """That of the zero point or of ``output_dtype``, which agree; uint8 where there is neither."""
    stated, given = source.attributes.integer("output_dtype", 0), source.dtype(2)
    if given is None:
        if source.has(2) and not stated:
            raise Unmapped("the element type of its zero point is not known")
        return dtype_of(stated) if stated else DType.UINT8
    if stated and dtype_of(stated) is not given:
        message, got = "output_dtype is another type than that of the zero point", dtype_of(stated).value
        raise CnnirError("dtype-mismatch", message, expected=given.value, got=got)
    return given


@reads("DequantizeLinear")
def read_dequantize(source: Source) -> Read:
    """Axes since opset 13, blocks since 21, ``output_dtype`` since 23."""
    stated = source.attributes.integer("output_dtype", 0)
    to = dtype_of(stated) if stated else source.dtype(1)
    if to is None:
        raise Unmapped("the element type of its scale is not known")
    return DequantizeLinear(to, *_granularity(source)), source.inputs


@writers.rule(QuantizeLinear)
def write_quantize(target: Target, node: Node, op: QuantizeLinear) -> None:
    """The result's type is that of the zero point, or said by an attribute since opset 21."""
    says = len(node.operands) < 3 and op.to is not DType.UINT8
    precision = None if op.precision is None else CODES[op.precision]
    least = 23 if precision is not None else 21 if says else 10
    _write_granular(target, node, op, least, says=says, saturate=None if op.saturate else 0, precision=precision)


@writers.rule(DequantizeLinear)
def write_dequantize(target: Target, node: Node, op: DequantizeLinear) -> None:
    """The result's type is that of the scale, or said by an attribute since opset 23."""
    scale = node.operands[1].type
    says = isinstance(scale, TensorType) and scale.dtype is not op.to
    _write_granular(target, node, op, 23 if says else 10, says=says)


def _write_granular(
    target: Target, node: Node, op: Granular, least: int, *, says: bool, **attributes: int | None
) -> None:
    scale = node.operands[1].type
    one = not isinstance(scale, TensorType) or scale.rank == 0
    require_opset(target, node, max(least, 10 if one else 21 if op.block_size else 13))
    write_plain(
        target, node, op.kind, axis=None if one else op.axis, block_size=op.block_size or None,
        output_dtype=CODES[op.to] if says else None, **attributes,
    )  # fmt: skip


@reads("ConvInteger", "QLinearConv")
def read_integer_conv(source: Source) -> Read:
    """Since opset 10."""
    op_class: type[IntegerConvolution] = ConvInteger if source.proto.op_type == "ConvInteger" else QLinearConv
    stated_window(source, op_class.weight)
    axes = source.tensor(0).rank - 2
    return op_class(**window(source, axes), group=source.attributes.integer("group", 1)), source.inputs


@writers.rule(ConvInteger, QLinearConv)
def write_integer_conv(target: Target, node: Node, op: IntegerConvolution) -> None:
    """Since opset 10."""
    require_opset(target, node, 10)
    write_plain(
        target, node, op.kind, kernel_shape=kernel_shape(node, op.weight), strides=op.strides, dilations=op.dilations,
        group=op.group, **padding(op.auto_pad, op.pads),
    )  # fmt: skip


@reads(*_PLAIN)
def read_by_name(source: Source) -> Read:
    """No attributes."""
    return _PLAIN[source.proto.op_type](), source.inputs


@writers.rule(*_PLAIN.values())
def write_by_name(target: Target, node: Node, op: Op) -> None:
    """Products since opset 10, quantisation by a tensor's own range since 11."""
    require_opset(target, node, 11 if isinstance(op, DynamicQuantizeLinear) else 10)
    write_plain(target, node, op.kind)
