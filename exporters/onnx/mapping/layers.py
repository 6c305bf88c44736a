"""Convolution, pooling, matrix products and normalisation."""

from typing import Any

from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import (
    OUTPUT_NAME,
    Read,
    Source,
    Target,
    reads,
    require_opset,
    write_plain,
    writers,
)
from cnnir.graph import Node
from cnnir.ops import (
    LRN,
    AveragePool,
    BatchNormalization,
    Conv,
    ConvTranspose,
    Gemm,
    GlobalAveragePool,
    GlobalLpPool,
    GlobalMaxPool,
    LpPool,
    MatMul,
    MaxPool,
    TrainingBatchNormalization,
)
from cnnir.ops.window import AUTO_PADS, AutoPad


def _auto_pad(source: Source) -> AutoPad:
    value = source.attributes.text("auto_pad", "NOTSET") or "NOTSET"
    if value not in AUTO_PADS:
        raise Unmapped(f"auto_pad {value} is not known")
    return value


def window(source: Source, axes: int) -> dict[str, Any]:
    """The attributes that all windows share, with their defaults spelled out."""
    found: dict[str, Any] = {
        "strides": source.attributes.integers("strides") or (1,) * axes,
        "pads": source.attributes.integers("pads") or (0,) * (2 * axes),
        "dilations": source.attributes.integers("dilations") or (1,) * axes,
        "auto_pad": _auto_pad(source),
    }
    if found["auto_pad"] != "NOTSET" and any(found["pads"]):
        raise Unmapped("auto_pad beside explicit pads")
    return found


def stated_window(source: Source, weight: int = 1) -> None:
    """The attribute repeats what the weight's shape says; where it does not, the node means something else."""
    stated = source.attributes.integers("kernel_shape")
    actual = source.tensor(weight).shape[2:]
    if stated is not None and stated != actual:
        raise Unmapped(f"kernel_shape {list(stated)} beside a weight of {list(actual)}")


@reads("Conv")
def read_conv(source: Source) -> Read:
    """Since opset 1."""
    stated_window(source)
    return Conv(**window(source, source.tensor(0).rank - 2), group=source.attributes.integer("group", 1)), source.inputs


@writers.rule(Conv)
def write_conv(target: Target, node: Node, op: Conv) -> None:
    """With everything spelled out, as most exporters do."""
    write_plain(
        target, node, "Conv", kernel_shape=kernel_shape(node), strides=op.strides, dilations=op.dilations,
        group=op.group, **padding(op.auto_pad, op.pads),
    )  # fmt: skip


def kernel_shape(node: Node, operand: int = 1) -> list[int]:
    """The window that the weight among a node's operands says."""
    weight = node.inputs[operand]
    return [int(size) for size in weight.type.shape[2:]] if weight is not None else []  # type: ignore[union-attr,arg-type]


def padding(auto_pad: AutoPad, pads: tuple[int, ...]) -> dict[str, Any]:
    """Padding as it was said: by number or by rule."""
    return {"pads": pads} if auto_pad == "NOTSET" else {"auto_pad": auto_pad}


@reads("ConvTranspose")
def read_conv_transpose(source: Source) -> Read:
    """Since opset 1; an output_shape may name all axes or the spatial ones."""
    stated_window(source)
    axes = source.tensor(0).rank - 2
    output_shape = source.attributes.integers("output_shape")
    op = ConvTranspose(
        **window(source, axes),
        output_padding=source.attributes.integers("output_padding") or (0,) * axes,
        group=source.attributes.integer("group", 1),
        output_shape=output_shape[-axes:] if output_shape else None,
    )
    return op, source.inputs


@writers.rule(ConvTranspose)
def write_conv_transpose(target: Target, node: Node, op: ConvTranspose) -> None:
    """Since opset 1."""
    write_plain(
        target, node, "ConvTranspose", kernel_shape=kernel_shape(node), strides=op.strides, dilations=op.dilations,
        group=op.group, output_padding=op.output_padding if any(op.output_padding) else None,
        output_shape=op.output_shape, **padding(op.auto_pad, op.pads),
    )  # fmt: skip


def _pool_window(source: Source) -> dict[str, Any]:
    kernel = source.attributes.integers("kernel_shape")
    if kernel is None:
        raise Unmapped("kernel_shape is missing")
    return {"kernel_shape": kernel, **window(source, len(kernel)), "ceil_mode": source.attributes.flag("ceil_mode")}


@reads("MaxPool")
def read_max_pool(source: Source) -> Read:
    """Indices and storage_order since 8, ceil_mode and dilations since 10."""
    common = _pool_window(source)
    storage_order = source.attributes.integer("storage_order", 0)
    op = MaxPool(**common, with_indices=len(source.outputs) > 1, storage_order=storage_order)
    return op, source.inputs


@writers.rule(MaxPool)
def write_max_pool(target: Target, node: Node, op: MaxPool) -> None:
    """Attributes that older opsets lack are written only where they say something."""
    dilated = any(step != 1 for step in op.window.dilations)
    if op.ceil_mode or dilated:
        require_opset(target, node, 10)
    elif op.with_indices:
        require_opset(target, node, 8)
    write_plain(
        target, node, "MaxPool", kernel_shape=op.kernel_shape, strides=op.strides,
        ceil_mode=1 if op.ceil_mode else None,
        dilations=op.dilations if dilated else None, storage_order=op.storage_order or None,
        **padding(op.auto_pad, op.pads),
    )  # fmt: skip


@reads("AveragePool")
def read_average_pool(source: Source) -> Read:
    """count_include_pad since 7, ceil_mode since 10, dilations since 19."""
    common = _pool_window(source)
    return AveragePool(**common, count_include_pad=source.attributes.flag("count_include_pad")), source.inputs


@writers.rule(AveragePool)
def write_average_pool(target: Target, node: Node, op: AveragePool) -> None:
    """Attributes that older opsets lack are written only where they say something."""
    dilated = any(step != 1 for step in op.window.dilations)
    if dilated or op.ceil_mode:
        require_opset(target, node, 19 if dilated else 10)
    write_plain(
        target, node, "AveragePool", kernel_shape=op.kernel_shape, strides=op.strides,
        ceil_mode=1 if op.ceil_mode else None, dilations=op.dilations if dilated else None,
        count_include_pad=1 if op.count_include_pad else None, **padding(op.auto_pad, op.pads),
    )  # fmt: skip


@reads("LpPool")
def read_lp_pool(source: Source) -> Read:
    """ceil_mode and dilations since 18."""
    return LpPool(**_pool_window(source), p=source.attributes.integer("p", 2)), source.inputs


@writers.rule(LpPool)
def write_lp_pool(target: Target, node: Node, op: LpPool) -> None:
    """Attributes that older opsets lack are written only where they say something."""
    if op.dilations or op.ceil_mode:
        require_opset(target, node, 18)
    write_plain(
        target, node, "LpPool", kernel_shape=op.kernel_shape, strides=op.strides, p=op.p,
        ceil_mode=1 if op.ceil_mode else None, dilations=op.dilations or None, **padding(op.auto_pad, op.pads),
    )  # fmt: skip


@reads("GlobalLpPool")
def read_global_lp_pool(source: Source) -> Read:
    """Since opset 2."""
    return GlobalLpPool(source.attributes.integer("p", 2)), source.inputs


@writers.rule(GlobalLpPool)
def write_global_lp_pool(target: Target, node: Node, op: GlobalLpPool) -> None:
    """Since opset 2."""
    write_plain(target, node, "GlobalLpPool", p=op.p)


@reads("GlobalAveragePool", "GlobalMaxPool")
def read_global_pool(source: Source) -> Read:
    """Since opset 1."""
    average = source.proto.op_type == "GlobalAveragePool"
    return GlobalAveragePool() if average else GlobalMaxPool(), source.inputs


@writers.rule(GlobalAveragePool, GlobalMaxPool, MatMul)
def write_by_name(target: Target, node: Node, op: object) -> None:
    """No attributes in any opset."""
    write_plain(target, node, type(op).__name__)


@reads("Gemm")
def read_gemm(source: Source) -> Read:
    """Since opset 7 without a broadcast attribute; C may be absent since 11."""
    op = Gemm(
        alpha=source.attributes.number("alpha", 1.0),
        beta=source.attributes.number("beta", 1.0),
        trans_a=source.attributes.flag("transA"),
        trans_b=source.attributes.flag("transB"),
    )
    return op, source.inputs


@writers.rule(Gemm)
def write_gemm(target: Target, node: Node, op: Gemm) -> None:
    """Before opset 11 the bias is not optional."""
    if len(node.operands) < 3:
        require_opset(target, node, 11)
    write_plain(
        target,
        node,
        "Gemm",
        alpha=op.alpha,
        beta=op.beta,
        transA=1 if op.trans_a else None,
        transB=1 if op.trans_b else None,
    )


@reads("MatMul")
def read_matmul(source: Source) -> Read:
    """Since opset 1."""
    return MatMul(), source.inputs


@reads("BatchNormalization")
def read_batch_normalization(source: Source) -> Read:
    """An attribute says whether it trains since opset 14; before, it trains where it has more outputs than one."""
    if source.tensor(0).rank < 2:
        raise Unmapped("its input has no axis of channels")
    if source.opset < 9 and source.attributes.integer("spatial", 1) != 1:
        raise Unmapped("it normalises each position apart")
    numbers = source.attributes.number("epsilon", 1e-5), source.attributes.number("momentum", 0.9)
    if source.opset < 14:
        training = len(source.outputs) > 1
        # What the backward pass is helped by: the specification does not say what of the variance is kept.
        for index, name in ((4, "saved_var"), (3, "saved_mean")):
            source.drop_output(index, name)
    else:
        training = source.attributes.flag("training_mode")
    if not training:
        return BatchNormalization(*numbers), source.inputs
    return TrainingBatchNormalization(*numbers), source.inputs


@writers.rule(BatchNormalization)
def write_batch_normalization(target: Target, node: Node, op: BatchNormalization) -> None:
    """The same in all opsets, in inference form."""
    write_plain(target, node, "BatchNormalization", epsilon=op.epsilon, momentum=op.momentum)


@writers.rule(TrainingBatchNormalization)
def write_training_batch_normalization(target: Target, node: Node, op: TrainingBatchNormalization) -> None:
    """With five outputs before opset 14, whose number says that it trains."""
    outputs = [target.name(value) for value in node.outputs]
    for name, like in (("saved_mean", node.outputs[1]), ("saved_var", node.outputs[2])) if target.opset < 14 else ():
        known = node.metadata.get(OUTPUT_NAME + name)
        outputs.append(target.temporary(node, name, like.type) if known is None else known)
        target.declare(outputs[-1], like.type)
    inputs = [target.name(value) for value in node.inputs]
    training = 1 if target.opset >= 14 else None
    target.emit(
        node, "BatchNormalization", inputs, outputs, epsilon=op.epsilon, momentum=op.momentum, training_mode=training
    )


@reads("LRN")
def read_lrn(source: Source) -> Read:
    """Since opset 1."""
    op = LRN(
        source.attributes.integer("size"),
        source.attributes.number("alpha", 1e-4),
        source.attributes.number("beta", 0.75),
        source.attributes.number("bias", 1.0),
    )
    return op, source.inputs


@writers.rule(LRN)
def write_lrn(target: Target, node: Node, op: LRN) -> None:
    """Since opset 1."""
    write_plain(target, node, "LRN", size=op.size, alpha=op.alpha, beta=op.beta, bias=op.bias)
