"""Standardising layers."""

import math

from cnnir.dims import is_known
from cnnir.exporters.onnx.mapping.attributes import Unmapped
from cnnir.exporters.onnx.mapping.base import (
    Read,
    Source,
    Target,
    each_once,
    int64,
    known_dims,
    reads,
    require_opset,
    write_plain,
    writers,
)
from cnnir.graph import Node
from cnnir.ops import (
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    LpNormalization,
    MeanVarianceNormalization,
    RMSNormalization,
)
from cnnir.ops.base import normalize_axis
from cnnir.types import TensorType

_EPSILON = 1e-5
"""The default of all ops that have one."""


def _in_float32(source: Source) -> None:
    stash = source.attributes.integer("stash_type", 1)
    if stash != 1:
        raise Unmapped("statistics in another type than float32 are not defined here")


@reads("InstanceNormalization")
def read_instance_normalization(source: Source) -> Read:
    """Since opset 1."""
    return InstanceNormalization(source.attributes.number("epsilon", _EPSILON)), source.inputs


@writers.rule(InstanceNormalization)
def write_instance_normalization(target: Target, node: Node, op: InstanceNormalization) -> None:
    """The same in all opsets."""
    write_plain(target, node, "InstanceNormalization", epsilon=op.epsilon)


@reads("GroupNormalization")
def read_group_normalization(source: Source) -> Read:
    """Scale and bias have an element for each group in opsets 18 to 20, and one for each channel since 21."""
    _in_float32(source)
    op = GroupNormalization(
        source.attributes.integer("num_groups"),
        source.attributes.number("epsilon", _EPSILON),
        per_group=source.opset < 21,
    )
    return op, source.inputs


@writers.rule(GroupNormalization)
def write_group_normalization(target: Target, node: Node, op: GroupNormalization) -> None:
    """With elements for each group it is said by an InstanceNormalization of rows, one a group.

    Opset 18 has an op for that, which onnx's checker refuses as deprecated, and 21 gave the name another meaning. It is
    used where sizes are open.
    """
    require_opset(target, node, 18 if op.per_group else 21)
    if not op.per_group:
        write_plain(target, node, "GroupNormalization", num_groups=op.num_groups, epsilon=op.epsilon)
        return
    type_ = node.output.type
    if target.opset < 21 and not (isinstance(type_, TensorType) and all(is_known(dim) for dim in type_.shape[1:])):
        write_plain(target, node, "GroupNormalization", num_groups=op.num_groups, epsilon=op.epsilon)
        return
    if not isinstance(type_, TensorType):
        raise Unmapped("what has no known rank cannot be cut into groups")
    # The batch is copied, so that it may be open; the rest is said, since of an empty batch it could not be inferred.
    maps = known_dims(type_.shape[1:], "groups of maps")
    row = math.prod(maps) // op.num_groups
    rows_type = type_.with_shape((type_.shape[0], op.num_groups, row))
    rows, standard = (target.temporary(node, key, rows_type) for key in ("rows", "standardized"))
    cut = target.constant(node, "groups", int64([0, op.num_groups, row]))
    whole = target.constant(node, "shape", int64([0, *maps]))
    data, scale, bias = (target.name(value) for value in node.inputs)
    target.emit(node, "Reshape", [data, cut], [rows])
    target.emit(node, "InstanceNormalization", [rows, scale, bias], [standard], epsilon=op.epsilon)
    target.emit(node, "Reshape", [standard, whole], [target.name(node.output)])


@reads("LayerNormalization")
def read_layer_normalization(source: Source) -> Read:
    """Since opset 17."""
    _in_float32(source)
    axis = normalize_axis(source.attributes.integer("axis", -1), source.tensor(0).rank)
    return LayerNormalization(
        axis, source.attributes.number("epsilon", _EPSILON), len(source.outputs) - 1
    ), source.inputs


@writers.rule(LayerNormalization)
def write_layer_normalization(target: Target, node: Node, op: LayerNormalization) -> None:
    """Since opset 17."""
    require_opset(target, node, 17)
    write_plain(target, node, "LayerNormalization", axis=op.axis, epsilon=op.epsilon)


@reads("RMSNormalization")
def read_rms_normalization(source: Source) -> Read:
    """Since opset 23."""
    _in_float32(source)
    axis = normalize_axis(source.attributes.integer("axis", -1), source.tensor(0).rank)
    return RMSNormalization(axis, source.attributes.number("epsilon", _EPSILON)), source.inputs


@writers.rule(RMSNormalization)
def write_rms_normalization(target: Target, node: Node, op: RMSNormalization) -> None:
    """Since opset 23."""
    require_opset(target, node, 23)
    write_plain(target, node, "RMSNormalization", axis=op.axis, epsilon=op.epsilon)


@reads("LpNormalization")
def read_lp_normalization(source: Source) -> Read:
    """Since opset 1."""
    axis = normalize_axis(source.attributes.integer("axis", -1), source.tensor(0).rank)
    return LpNormalization(axis, source.attributes.integer("p", 2)), source.inputs


@writers.rule(LpNormalization)
def write_lp_normalization(target: Target, node: Node, op: LpNormalization) -> None:
    """The same in all opsets."""
    write_plain(target, node, "LpNormalization", axis=op.axis, p=op.p)


@reads("MeanVarianceNormalization")
def read_mean_variance_normalization(source: Source) -> Read:
    """Since opset 9; the default are all axes of a batch of images but the channels."""
    given = source.attributes.integers("axes")
    axes = each_once((0, 2, 3) if given is None else given, source.tensor(0).rank)
    return MeanVarianceNormalization(tuple(sorted(axes))), source.inputs


@writers.rule(MeanVarianceNormalization)
def write_mean_variance_normalization(target: Target, node: Node, op: MeanVarianceNormalization) -> None:
    """Since opset 9."""
    require_opset(target, node, 9)
    write_plain(target, node, "MeanVarianceNormalization", axes=op.axes)
