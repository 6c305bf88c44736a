"""Elements chosen by size or by index, elements written to places, running sums, and sums of products."""

from collections.abc import Mapping
from typing import Any

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
from cnnir.exporters.onnx.mapping.history import first_opset
from cnnir.graph import Node
from cnnir.ops import CumProd, CumSum, Einsum, GatherElements, GatherND, ScatterElements, ScatterND, TopK
from cnnir.ops.base import normalize_axis
from cnnir.ops.running import Running


def _axis(source: Source, default: int) -> int:
    return normalize_axis(source.attributes.integer("axis", default), source.tensor(0).rank)


def _number(source: Source, index: int, name: str) -> int:
    """An operand that is one constant integer."""
    found = source.int_setting(index, name)
    if found is None or len(found) != 1:
        raise Unmapped(f"its {name} is not one number")
    return found[0]


@reads("TopK")
def read_top_k(source: Source) -> Read:
    """The number is an attribute before opset 10; the least ones can be asked for since 11."""
    k = source.attributes.integer("k") if source.opset < 10 else _number(source, 1, "k")
    largest, in_order = (source.attributes.flag(name, default=True) for name in ("largest", "sorted"))
    return TopK(k, _axis(source, -1), largest, in_order), source.inputs[:1]


@writers.rule(TopK)
def write_top_k(target: Target, node: Node, op: TopK) -> None:
    """What is always so before opset 11 is left out there; elements in order are what one asks for without order."""
    if not op.largest or not op.sorted:
        require_opset(target, node, 11)
    if target.opset < 10:
        write_plain(target, node, "TopK", axis=op.axis, k=op.k)
        return
    settings = [target.constant(node, "k", int64([op.k]))]
    flags = {"largest": int(op.largest), "sorted": int(op.sorted)} if target.opset > 10 else {}
    write_with_settings(target, node, "TopK", settings, axis=op.axis, **flags)


@reads("GatherElements")
def read_gather_elements(source: Source) -> Read:
    """Since opset 11."""
    return GatherElements(_axis(source, 0)), source.inputs


@writers.rule(GatherElements)
def write_gather_elements(target: Target, node: Node, op: GatherElements) -> None:
    """Since opset 11."""
    require_opset(target, node, 11)
    write_plain(target, node, "GatherElements", axis=op.axis)


@reads("GatherND")
def read_gather_nd(source: Source) -> Read:
    """Since opset 11, with axes of a batch since 12."""
    return GatherND(source.attributes.integer("batch_dims", 0)), source.inputs


@writers.rule(GatherND)
def write_gather_nd(target: Target, node: Node, op: GatherND) -> None:
    """No batch is left out."""
    require_opset(target, node, 12 if op.batch_dims else 11)
    write_plain(target, node, "GatherND", batch_dims=op.batch_dims or None)


@reads("ScatterElements", "Scatter")
def read_scatter_elements(source: Source) -> Read:
    """It was called Scatter in opsets 9 and 10."""
    reduction: Any = source.attributes.text("reduction", "none")
    return ScatterElements(_axis(source, 0), reduction), source.inputs


@reads("ScatterND")
def read_scatter_nd(source: Source) -> Read:
    """Since opset 11."""
    reduction: Any = source.attributes.text("reduction", "none")
    return ScatterND(reduction), source.inputs


_COMBINED = {"none": 9, "add": 16, "mul": 16, "max": 18, "min": 18}
"""Since which opset what is written can be taken together with what is there."""


@writers.rule(ScatterElements)
def write_scatter_elements(target: Target, node: Node, op: ScatterElements) -> None:
    """Under the name of the opset."""
    require_opset(target, node, _COMBINED[op.reduction])
    reduction = None if op.reduction == "none" else op.reduction
    write_plain(target, node, "ScatterElements" if target.opset > 10 else "Scatter", axis=op.axis, reduction=reduction)


@writers.rule(ScatterND)
def write_scatter_nd(target: Target, node: Node, op: ScatterND) -> None:
    """Since opset 11."""
    require_opset(target, node, max(11, _COMBINED[op.reduction]))
    write_plain(target, node, "ScatterND", reduction=None if op.reduction == "none" else op.reduction)


_RUNNING: Mapping[str, type[Running]] = {"CumSum": CumSum, "CumProd": CumProd}


@reads(*_RUNNING)
def read_running(source: Source) -> Read:
    """The axis is an operand."""
    axis = normalize_axis(_number(source, 1, "axis"), source.tensor(0).rank)
    exclusive, reverse = (source.attributes.flag(name) for name in ("exclusive", "reverse"))
    return _RUNNING[source.proto.op_type](axis, exclusive, reverse), source.inputs[:1]


@writers.rule(CumSum, CumProd)
def write_running(target: Target, node: Node, op: Running) -> None:
    """The axis is a scalar."""
    require_opset(target, node, first_opset(op.kind))
    axis = target.constant(node, "axis", int64([op.axis]).reshape(()))
    write_with_settings(target, node, op.kind, [axis], exclusive=int(op.exclusive), reverse=int(op.reverse))


@reads("Einsum")
def read_einsum(source: Source) -> Read:
    """Since opset 12."""
    equation = source.attributes.text("equation", "")
    return Einsum(equation), source.inputs


@writers.rule(Einsum)
def write_einsum(target: Target, node: Node, op: Einsum) -> None:
    """Since opset 12."""
    require_opset(target, node, 12)
    write_plain(target, node, "Einsum", equation=op.equation)
