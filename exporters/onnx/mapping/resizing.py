"""Resize and its older name, Upsample."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from cnnir.dims import Dim
from cnnir.errors import CnnirError
from cnnir.exporters.onnx.mapping.base import (
    Read,
    Source,
    Target,
    each_once,
    reads,
    require_opset,
    write_plain,
    write_with_settings,
    writers,
)
from cnnir.exporters.onnx.mapping.computed import dims_operand
from cnnir.graph import Node
from cnnir.ops import Resize
from cnnir.types import TensorType

T = TypeVar("T")


@reads("Resize", "Upsample")
def read_resize(source: Source) -> Read:
    """Upsample and Resize before opset 11 take positions as they are and round down."""
    mode: Any = source.attributes.text("mode", "nearest")
    if source.opset < 11:
        scales = source.attributes.numbers("scales") if source.opset < 9 else source.float_setting(1, "scales")
        if scales is None:
            raise CnnirError("resize-target", "its scales are missing")
        return Resize(scales, None, mode, "asymmetric", "floor"), source.inputs[:1]
    rank, axes = source.tensor(0).rank, source.attributes.integers("axes")
    where = each_once(axes, rank) if axes else list(range(rank))
    coordinates: Any = source.attributes.text("coordinate_transformation_mode", "half_pixel")
    rounding: Any = source.attributes.text("nearest_mode", "round_prefer_floor")
    policy: Any = source.attributes.text("keep_aspect_ratio_policy", "stretch")
    op = Resize(
        *_resize_target(source, where, rank), mode, coordinates, rounding,
        source.attributes.number("cubic_coeff_a", -0.75),
        source.attributes.flag("antialias"),
        source.attributes.flag("exclude_outside"),
        _resize_roi(source, where, rank) if coordinates == "tf_crop_and_resize" else None,
        source.attributes.number("extrapolation_value", 0.0),
        policy,
    )  # fmt: skip
    return op, source.inputs[:1]


def _resize_roi(source: Source, where: Sequence[int], rank: int) -> tuple[float, ...]:
    """What is cut out, along the axes that are named; all of the others."""
    roi = source.float_setting(1, "roi") or ()
    if len(roi) != 2 * len(where):
        raise CnnirError("resize-roi", "a start and an end an axis are needed", expected=2 * len(where), got=list(roi))
    half = len(where)
    return (*_spread(roi[:half], where, [0.0] * rank), *_spread(roi[half:], where, [1.0] * rank))


def _resize_target(
    source: Source, where: Sequence[int], rank: int
) -> tuple[tuple[float, ...] | None, tuple[int | None, ...] | None]:
    """Scales or sizes since opset 11; since 18 perhaps for some axes alone, the others keep their size."""
    scales, sizes = source.float_setting(2, "scales"), source.int_setting(3, "sizes")
    if sizes is not None and not scales:
        kept: list[int | None] = [None] * rank
        return None, _spread(sizes, where, kept)
    if not scales or sizes:
        raise CnnirError("resize-target", "either scales or sizes are needed", got=[scales, sizes])
    return _spread(scales, where, [1.0] * rank), None


def _spread(given: Sequence[T], where: Sequence[int], whole: list[T]) -> tuple[T, ...]:
    """What is given for some axes among what holds for the others."""
    if len(given) != len(where):
        raise CnnirError("resize-target", "one target an axis is needed", expected=len(where), got=list(given))
    for axis, target in zip(where, given, strict=True):
        whole[axis] = target
    return tuple(whole)


@writers.rule(Resize)
def write_resize(target: Target, node: Node, op: Resize) -> None:
    """Before opset 11 only the old form can be said, before 10 it was called Upsample."""
    if target.opset < 11:
        _write_old_resize(target, node, op)
        return
    if op.coordinates == "half_pixel_symmetric":
        require_opset(target, node, 19)
    if op.antialias or op.policy != "stretch":
        require_opset(target, node, 18)
    settings, axes = ["", ""], None
    if op.scales is not None:
        settings[1] = target.constant(node, "scales", np.asarray(op.scales, np.float32))
    else:
        axes, sizes = _resize_sizes(target, node, op.sizes or ())
        settings.append(dims_operand(target, node, "sizes", sizes))
    if op.roi is not None:
        taken = range(len(op.roi) // 2) if axes is None else axes
        cuts = [op.cut(axis) for axis in taken]
        roi = [*(start for start, _ in cuts), *(end for _, end in cuts)]
        settings[0] = target.constant(node, "roi", np.asarray(roi, np.float32))
    if target.opset < 13:
        # Up to opset 12 these two operands are not optional: empty tensors stand for absent ones.
        settings[0] = settings[0] or target.constant(node, "roi", np.zeros(0, np.float32))
        settings[1] = settings[1] or target.constant(node, "scales", np.zeros(0, np.float32))
    write_with_settings(
        target, node, "Resize", settings, mode=op.mode, coordinate_transformation_mode=op.coordinates,
        nearest_mode=op.rounding if op.mode == "nearest" else None, axes=axes,
        cubic_coeff_a=op.cubic_coeff_a if op.mode == "cubic" else None, antialias=1 if op.antialias else None,
        exclude_outside=1 if op.exclude_outside else None, extrapolation_value=op.extrapolation or None,
        keep_aspect_ratio_policy=None if op.policy == "stretch" else op.policy,
    )  # fmt: skip


def _resize_sizes(target: Target, node: Node, sizes: Sequence[Dim | None]) -> tuple[list[int] | None, list[Dim]]:
    """Axes and sizes as an opset says them: before 18 there are no axes, and what is kept is said as well."""
    axes = [axis for axis, size in enumerate(sizes) if size is not None]
    wanted = [size for size in sizes if size is not None]
    if len(axes) == len(sizes):
        return None, wanted  # which a policy may not meet: they are not the dims of the output
    if not axes or target.opset < 18:
        type_ = node.output.type
        return None, list(type_.shape) if isinstance(type_, TensorType) else []
    return axes, wanted


def _write_old_resize(target: Target, node: Node, op: Resize) -> None:
    rounded = op.mode == "cubic" or (op.mode == "nearest" and op.rounding != "floor")
    if op.scales is None or op.coordinates != "asymmetric" or rounded:
        require_opset(target, node, 11)
    scales = np.asarray(op.scales, np.float32)
    name = "Resize" if target.opset == 10 else "Upsample"
    if target.opset < 9:
        write_plain(target, node, name, scales=[float(scale) for scale in scales], mode=op.mode)
    else:
        write_with_settings(target, node, name, [target.constant(node, "scales", scales)], mode=op.mode)
