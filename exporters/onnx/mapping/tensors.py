"""Ops that move elements: shapes, slices, concatenation, padding."""

import numpy as np
from onnx import TensorProto

from cnnir.dims import decide_equal, is_known
from cnnir.errors import CnnirError
from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import (
    OUTPUT_NAME,
    Read,
    Source,
    Target,
    each_once,
    int64,
    known_dims,
    reads,
    require_opset,
    write_plain,
    write_with_settings,
    writers,
)
from cnnir.exporters.onnx.tensors import element_of
from cnnir.exporters.onnx.types import CODES
from cnnir.graph import Node
from cnnir.ops import (
    Concat,
    ConstantOfShape,
    Dropout,
    Flatten,
    Identity,
    Pad,
    Slice,
    Split,
    Squeeze,
    Transpose,
    Unsqueeze,
)
from cnnir.ops.base import normalize_axis
from cnnir.types import TensorType


@reads("Flatten")
def read_flatten(source: Source) -> Read:
    """Since opset 1; negative axes since 11."""
    return Flatten(source.attributes.integer("axis", 1)), source.inputs


@writers.rule(Flatten)
def write_flatten(target: Target, node: Node, op: Flatten) -> None:
    """Counted from the front, which every opset takes."""
    type_ = node.inputs[0].type if node.inputs[0] is not None else None
    rank = type_.rank if isinstance(type_, TensorType) else 0
    write_plain(target, node, "Flatten", axis=op.axis if op.axis >= 0 or target.opset >= 11 else op.axis + rank)


@reads("Squeeze", "Unsqueeze")
def read_squeeze(source: Source) -> Read:
    """Axes are an attribute before opset 13."""
    axes = source.ints_anywhere(1, "axes", 13)
    if source.proto.op_type == "Squeeze":
        return Squeeze(axes or None), source.inputs[:1]
    return Unsqueeze(axes or ()), source.inputs[:1]


@writers.rule(Squeeze, Unsqueeze)
def write_squeeze(target: Target, node: Node, op: Squeeze | Unsqueeze) -> None:
    """Negative axes since opset 11."""
    if op.axes is not None and any(axis < 0 for axis in op.axes):
        require_opset(target, node, 11)
    if target.opset < 13 or op.axes is None:
        write_plain(target, node, op.kind, axes=op.axes)
    else:
        write_with_settings(target, node, op.kind, [target.constant(node, "axes", int64(op.axes))])


@reads("Transpose")
def read_transpose(source: Source) -> Read:
    """Since opset 1; reversed by default."""
    permutation = source.attributes.integers("perm")
    return Transpose(tuple(range(source.tensor(0).rank))[::-1] if permutation is None else permutation), source.inputs


@writers.rule(Transpose)
def write_transpose(target: Target, node: Node, op: Transpose) -> None:
    """Since opset 1."""
    write_plain(target, node, "Transpose", perm=op.permutation)


@reads("Identity")
def read_identity(source: Source) -> Read:
    """Since opset 1; sequences since 14, optionals since 16."""
    return Identity(), source.inputs


@writers.rule(Identity)
def write_identity(target: Target, node: Node, op: Identity) -> None:
    """Since opset 1."""
    write_plain(target, node, "Identity")


@reads("Dropout")
def read_dropout(source: Source) -> Read:
    """The ratio is an attribute before opset 12; seed and training_mode came with it. The mask is boolean since 10.

    In training a ratio of 0 drops nothing, and what is kept is multiplied by 1.
    """
    seed = None
    if source.opset < 12:
        ratio = source.attributes.number("ratio", 0.5)
    else:
        stated, seed = source.scalar_setting(1, "ratio"), source.attributes.optional_integer("seed")
        ratio = 0.5 if stated is None else float(stated)
        if ratio and source.scalar_setting(2, "training_mode"):
            raise Unmapped("it drops elements at random")
    if source.opset < 10:
        source.drop_output(1, "mask")
    return Dropout(ratio, with_mask=len(source.outputs) > 1, seed=seed), source.inputs[:1]


@writers.rule(Dropout)
def write_dropout(target: Target, node: Node, op: Dropout) -> None:
    """A mask that nobody reads is written again as it came."""
    inputs = [target.name(node.inputs[0])]
    outputs = [target.name(value) for value in node.outputs]
    if op.seed is not None:
        require_opset(target, node, 12)
    if op.with_mask:
        require_opset(target, node, 10)
    elif OUTPUT_NAME + "mask" in node.metadata and target.opset < 10:
        outputs.append(node.metadata[OUTPUT_NAME + "mask"])
        target.declare(outputs[-1], node.output.type)
    if target.opset < 12:
        target.emit(node, "Dropout", inputs, outputs, ratio=op.ratio)
        return
    if op.ratio != 0.5:
        inputs.append(target.constant(node, "ratio", np.asarray(op.ratio, np.float32)))
    target.emit(node, "Dropout", inputs, outputs, seed=op.seed)


@reads("Concat")
def read_concat(source: Source) -> Read:
    """Since opset 4 the axis is required."""
    return Concat(normalize_axis(source.attributes.integer("axis"), source.tensor(0).rank)), source.inputs


@writers.rule(Concat)
def write_concat(target: Target, node: Node, op: Concat) -> None:
    """Since opset 4."""
    write_plain(target, node, "Concat", axis=op.axis)


@reads("Split")
def read_split(source: Source) -> Read:
    """Sizes are an attribute before opset 13; without them the parts are equal, the last one smaller since 18."""
    data = source.tensor(0)
    axis = normalize_axis(source.attributes.integer("axis", 0), data.rank)
    sizes = source.ints_anywhere(1, "split", 13)
    count = source.attributes.integer("num_outputs", len(source.outputs))
    if sizes is not None and len(sizes) != len(source.outputs):
        raise Unmapped("it has more parts than outputs")
    if sizes is not None:
        return Split(axis, sizes), source.inputs[:1]
    if count < 1:
        raise CnnirError("split-sizes", "num_outputs must be positive", got=count)
    if count != len(source.outputs):
        raise Unmapped("it has more parts than outputs")
    whole = data.shape[axis]
    if source.opset < 18 and is_known(whole) and whole % count:
        raise CnnirError("split-sizes", "before opset 18 equal parts have to be equal", got=f"{whole} in {count} parts")
    return Split(axis, parts=count), source.inputs[:1]


@writers.rule(Split)
def write_split(target: Target, node: Node, op: Split) -> None:
    """With sizes, or for equal parts without: before opset 18 runtimes refuse a last one that is smaller."""
    if op.parts:
        shapes = [part.type.shape for part in node.outputs if isinstance(part.type, TensorType)]
        if target.opset < 18 and shapes and decide_equal(shapes[0][op.axis], shapes[-1][op.axis]) is False:
            require_opset(target, node, 18)
        write_plain(target, node, "Split", axis=op.axis, num_outputs=op.parts if target.opset >= 18 else None)
        return
    sizes = known_dims(op.sizes, "a Split")
    if target.opset < 13:
        write_plain(target, node, "Split", axis=op.axis, split=sizes)
    else:
        write_with_settings(target, node, "Split", [target.constant(node, "split", int64(sizes))], axis=op.axis)


@reads("Slice")
def read_slice(source: Source) -> Read:
    """Ranges are attributes before opset 10."""
    rank = source.tensor(0).rank
    if source.opset < 10:
        starts, ends, axes = (source.attributes.integers(name) for name in ("starts", "ends", "axes"))
        steps = None
    else:
        starts, ends, axes, steps = (
            source.int_setting(index, name) for index, name in enumerate(("starts", "ends", "axes", "steps"), start=1)
        )
    if starts is None or ends is None:
        raise Unmapped("its range is missing")
    axes = tuple(normalize_axis(axis, rank) for axis in axes) if axes is not None else tuple(range(len(starts)))
    return Slice(starts, ends, axes, steps or (1,) * len(starts)), source.inputs[:1]


@writers.rule(Slice)
def write_slice(target: Target, node: Node, op: Slice) -> None:
    """Steps came with opset 10."""
    stepped = any(step != 1 for step in op.steps)
    if target.opset < 10:
        if stepped:
            require_opset(target, node, 10)
        write_plain(target, node, "Slice", starts=op.starts, ends=op.ends, axes=op.axes)
        return
    parts = [("starts", op.starts), ("ends", op.ends), ("axes", op.axes), *([("steps", op.steps)] if stepped else [])]
    write_with_settings(target, node, "Slice", [target.constant(node, key, int64(part)) for key, part in parts])


@reads("Pad")
def read_pad(source: Source) -> Read:
    """Pads are an attribute before opset 11; axes came with 18, wrap with 19."""
    data = source.tensor(0)
    pads = source.ints_anywhere(1, "pads", 11)
    axes = source.int_setting(3, "axes")
    if source.opset < 11:
        value: bool | int | float | None = source.attributes.number("value", 0.0)
    else:
        value = source.scalar_setting(2, "value", data.dtype)
    if pads is None:
        raise CnnirError("pad", "its pads are missing")
    if axes is not None:
        where = each_once(axes, data.rank)
        if len(pads) != 2 * len(where):
            raise CnnirError("pad", "two pads an axis are needed", expected=2 * len(where), got=list(pads))
        spread = [0] * (2 * data.rank)
        for index, axis in enumerate(where):
            spread[axis], spread[axis + data.rank] = pads[index], pads[index + len(where)]
        pads = tuple(spread)
    return Pad(pads, source.attributes.text("mode", "constant"), 0.0 if value is None else value), source.inputs[:1]  # type: ignore[arg-type]


@writers.rule(Pad)
def write_pad(target: Target, node: Node, op: Pad) -> None:
    """For all axes, which every opset takes."""
    if op.mode == "wrap":
        require_opset(target, node, 19)
    mode = None if op.mode == "constant" else op.mode
    if target.opset < 11:
        write_plain(target, node, "Pad", pads=op.pads, mode=mode, value=float(op.value))
        return
    settings = [target.constant(node, "pads", int64(op.pads))]
    type_ = node.output.type
    if op.value:
        if not isinstance(type_, TensorType):
            raise Unmapped("a filling for what has no known type")
        settings.append(target.constant(node, "value", np.asarray(op.value, type_.dtype.numpy)))
    write_with_settings(target, node, "Pad", settings, mode=mode)


@reads("ConstantOfShape")
def read_constant_of_shape(source: Source) -> Read:
    """With a computed shape; a constant one makes a weight."""
    dtype, element = element_of(source.attributes.tensor("value"))
    return ConstantOfShape(dtype, element.item()), source.inputs


@writers.rule(ConstantOfShape)
def write_constant_of_shape(target: Target, node: Node, op: ConstantOfShape) -> None:
    """Since opset 9."""
    require_opset(target, node, 9)
    value = TensorProto(data_type=CODES[op.dtype], dims=[1], raw_data=np.asarray([op.value], op.dtype.numpy).tobytes())
    write_plain(target, node, "ConstantOfShape", value=value)
