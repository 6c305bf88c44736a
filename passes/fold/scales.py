"""A factor and a summand for each channel, folded into the weight and bias of the layer before or behind.

Views and the Dropout of inference may stand between. Behind a layer everything folds; in front of one factors do, and
summands where the layer pads with no zeros. Each step works in float64 and rounds once to the weight's own type.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from cnnir.graph import Graph, Node, Value
from cnnir.ops import Dropout, Op
from cnnir.passes.base import Change, Journal
from cnnir.passes.fold.affine import Refused, affine, scaled_value
from cnnir.passes.fold.layers import (
    Linear,
    channel_axis,
    channels,
    check_layer,
    filters,
    linear,
    moved_axis,
    raised_bias,
    scaled_filters,
    scaled_inputs,
    shifted_bias,
    with_bias,
)
from cnnir.rewriter import Rewriter
from cnnir.types import TensorType
from cnnir.weights import Weight

Fold: TypeAlias = Callable[[Rewriter, Node, Node, tuple[Node, ...]], None]

_APART = "not folded: no convolution or fully connected layer stands before or behind it"


def fold_scales(rewriter: Rewriter, journal: Journal) -> None:
    """Fold every BatchNormalization, Mul, Add, Sub or Div by constants that stands beside a linear layer."""
    nodes, reasons = rewriter.graph.nodes, dict[Node, list[str]]()
    for node in nodes:
        if (source := scaled_value(node)) is not None:
            layer, views = _before(source)
            reasons[node] = _try(rewriter, journal, node, layer, views, _fold_back)
    # What is left may go the other way; the one next to the layer first, so that the others come next to it.
    for node in reversed(nodes):
        if scaled_value(node) is not None:
            layer, views = _behind(node.output)
            reasons[node] += _try(rewriter, journal, node, layer, views, _fold_ahead)
    for node in nodes:
        source = scaled_value(node)
        # Sizes are worked out with integers, far from any layer: those are nobody's loss.
        if source is not None and (reasons[node] or _is_float(source)):
            journal.refuse("; ".join(reasons[node]) or _APART, [node])


def _try(
    rewriter: Rewriter, journal: Journal, node: Node, layer: Node | None, views: tuple[Node, ...], fold: Fold
) -> list[str]:
    """Fold a node into a layer, and note it; what is in the way otherwise."""
    if layer is None:
        return []
    label, name = layer.label, node.label  # the node may bear the layer's afterwards
    try:
        fold(rewriter, node, layer, views)
    except Refused as refused:
        return [f"not folded into {label}: {refused}"]
    journal.changes.append(Change(f"folded into {label}", (name,)))
    journal.count("scales folded")
    return []


def _is_float(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype.is_float


# Where the layer is


def _before(value: Value) -> tuple[Node | None, tuple[Node, ...]]:
    """The linear layer that a value comes from, and the views between in their order."""
    views = list[Node]()
    node = value.producer
    while node is not None and node.op.view:
        views.append(node)
        node = node.operands[0].producer
    return (node if linear(node) is not None else None), tuple(reversed(views))


def _behind(value: Value) -> tuple[Node | None, tuple[Node, ...]]:
    """The linear layer that reads a value as its data, and the views between in their order."""
    views = list[Node]()
    while True:
        node = next((user for user, index in value.uses if index == 0), None)
        if node is None or not node.op.view:
            return (node if linear(node) is not None else None), tuple(views)
        views.append(node)
        value = node.outputs[0]


def _check_alone(graph: Graph, values: list[Value], what: str) -> None:
    for value in values:
        if len(value.uses) > 1 or graph.is_output(value):
            raise Refused(f"{what} is read elsewhere too")


def _axis(layer_value: Value, op: Linear, other: Value) -> int:
    """The axis of a value along which the channels of the layer lie, seen through what stands between.

    Raises:
        Refused: where a view between breaks the channels up.
    """
    before, after = layer_value.type, other.type
    found = None
    if isinstance(before, TensorType) and isinstance(after, TensorType):
        axis = channel_axis(op, before)
        found = axis if before == after else moved_axis(before, axis, after)
    if found is None:
        raise Refused("what stands between breaks the channels up")
    return found


# What becomes of it


def _fold_back(rewriter: Rewriter, node: Node, layer: Node, views: tuple[Node, ...]) -> None:
    """Into the layer before: the node becomes what stands right before it, so that its output keeps its name.

    Raises:
        Refused: where that cannot be.
    """
    graph, op = rewriter.graph, _linear(layer)
    _check_alone(graph, [layer.output, *(view.outputs[0] for view in views)], "the layer's output")
    weight = check_layer(graph, layer, op, needs_bias=False)
    source = views[-1].outputs[0] if views else layer.output
    found = affine(graph, node, _axis(layer.output, op, source), filters(op, weight))
    check_layer(graph, layer, op, needs_bias=found.shift is not None)
    last = _without_mask(graph, views[-1]) if views else None
    bias = _bias(layer)
    new_weight = scaled_filters(op, weight, found.scale) if found.scale is not None else None
    changed = found.shift is not None or (bias is not None and found.scale is not None)
    operands = _operands(graph, layer, new_weight, shifted_bias(op, weight, bias, found) if changed else None)
    new_op = with_bias(op) if found.shift is not None else op
    if last is None:
        _become(rewriter, node, layer, new_op, operands)
    else:
        rewriter.replace_node(layer, new_op, operands)
        _become(rewriter, node, views[-1], last, [views[-1].operands[0]])


def _fold_ahead(rewriter: Rewriter, node: Node, layer: Node, views: tuple[Node, ...]) -> None:
    """Into the layer behind: the node goes, whoever reads it reads what it read.

    Raises:
        Refused: where that cannot be.
    """
    graph, op = rewriter.graph, _linear(layer)
    _check_alone(graph, [node.output, *(view.outputs[0] for view in views)], "it")
    weight = check_layer(graph, layer, op, needs_bias=False)
    data = layer.operands[0]
    if getattr(op, "trans_a", False):
        raise Refused("the layer transposes its input")
    found = affine(graph, node, _axis(data, op, node.output), channels(op, weight))
    check_layer(graph, layer, op, needs_bias=found.shift is not None)
    new_bias = raised_bias(op, weight, _bias(layer), found.shift) if found.shift is not None else None
    new_weight = scaled_inputs(op, weight, found.scale) if found.scale is not None else None
    operands = _operands(graph, layer, new_weight, new_bias)
    rewriter.replace_node(layer, with_bias(op) if new_bias is not None else op, operands)
    rewriter.replace_uses(node.output, found.source)
    rewriter.erase(node)


def _become(rewriter: Rewriter, node: Node, other: Node, op: Op, operands: list[Value | None]) -> None:
    """The node takes the place, the name and the metadata of another one, which goes."""
    name, metadata = other.name, dict(other.metadata)
    rewriter.replace_node(node, op, operands)
    node.metadata = metadata
    rewriter.erase(other)
    rewriter.rename(node, name)


def _operands(graph: Graph, layer: Node, weight: Weight | None, bias: Weight | None) -> list[Value | None]:
    """The layer's operands with a new weight and a new bias, under names of their own."""
    operands: list[Value | None] = list(layer.operands)
    if weight is not None:
        operands[1] = graph.add_weight(graph.fresh_name(f"{layer.operands[1].name}.scaled"), weight)
    if bias is not None:
        stem = layer.operands[2].name if len(layer.operands) > 2 else f"{layer.name}.bias"
        operands[2:] = [graph.add_weight(graph.fresh_name(f"{stem}.folded"), bias)]
    return operands


def _bias(layer: Node) -> Weight | None:
    return layer.operands[2].weight if len(layer.operands) > 2 else None


def _linear(layer: Node) -> Linear:
    op = linear(layer)
    assert op is not None  # noqa: S101  `_before` and `_behind` have seen to it
    return op


def _without_mask(graph: Graph, view: Node) -> Op:
    """The view's op with one output.

    Raises:
        Refused: where the mask of a Dropout is read.
    """
    mask = view.outputs[1:]
    if any(value.uses or graph.is_output(value) for value in mask):
        raise Refused(f"the mask of {view.label} is read")
    return replace(view.op, with_mask=False) if isinstance(view.op, Dropout) else view.op
