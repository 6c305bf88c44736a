"""What each op of a head becomes when it is applied at every position of a map.

A rule looks at one node and the layouts of its operands. It gives a `Fit`: the layout of the output, and how the node
that does the same for maps is made. It raises `Unfit` where there is no such node.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from cnnir.dims import UNKNOWN, Shape, is_known, product
from cnnir.graph import Node, Value
from cnnir.ops import (
    Add,
    BatchNormalization,
    Cast,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Identity,
    Op,
    PRelu,
    Reshape,
    RuleTable,
    Squeeze,
    Transpose,
    Unsqueeze,
)
from cnnir.ops.activation import Distribution
from cnnir.ops.elementwise import Broadcasting
from cnnir.ops.function import Function
from cnnir.passes.fc_to_conv.editor import Editor
from cnnir.passes.fc_to_conv.layout import Layout
from cnnir.passes.fc_to_conv.parameters import constant
from cnnir.passes.fc_to_conv.unfit import Unfit
from cnnir.types import TensorType
from cnnir.weights import Weight

Kind: TypeAlias = Literal["view", "fc", "pool", "other"]


@dataclass(frozen=True)
class Fit:
    """What becomes of a node.

    Attributes:
        layout: Of the node's output over the new map.
        make: Makes the new map, given the editor.
        kind: What the node is to a head: only `fc`, `pool` and what is named in `change` make it one.
        change: For the journal; empty for what merely follows.
    """

    layout: Layout
    make: Callable[[Editor], Value]
    kind: Kind = "other"
    change: str = ""


Layouts: TypeAlias = Mapping[Value, Layout]
Rule: TypeAlias = Callable[[Any, Node, Layouts], Fit]

rules: RuleTable[Rule] = RuleTable("fc-to-conv")
"""A rule for each op that a head may consist of."""


def shape_of(value: Value, node: Node) -> Shape:
    """The shape of a tensor.

    Raises:
        Unfit: for anything else.
    """
    if not isinstance(value.type, TensorType):
        raise Unfit(f"{value.name} is of type {value.type}", node)
    return value.type.shape


def data(node: Node, layouts: Layouts) -> tuple[Value, Layout]:
    """The first operand, which lies over a map.

    Raises:
        Unfit: when it does not.
    """
    value = node.inputs[0]
    if value is None or value not in layouts:
        raise Unfit("its input does not come from a map", node)
    return value, layouts[value]


def known(layout: Layout, letter: str, node: Node) -> int:
    """The native size of the map along an axis.

    Raises:
        Unfit: when it is not known.
    """
    size = layout.size(letter)
    if not is_known(size):
        name = {"C": "number of channels", "H": "height", "W": "width"}[letter]
        remedy = "bind the input's size" if letter == "C" else "set the size first, as set-size{size=224x224} does"
        raise Unfit(f"the native {name} of its map is not known ({size}); {remedy}", node)
    return size


# Views: the map stays, the layout changes


@rules.rule(Reshape, Flatten, Squeeze, Unsqueeze, Identity)
def view(op: Op, node: Node, layouts: Layouts) -> Fit:
    """The same elements under another shape."""
    value, layout = data(node, layouts)
    shape = shape_of(node.output, node)
    same = shape == shape_of(value, node)
    if layout.parts and not same:
        raise Unfit("it takes apart what maps of different sizes or orders were joined to", node)
    found = layout if same else layout.regrouped(shape)
    if found is None:
        raise Unfit(f"it mixes the axes of the map, {value.type} to {node.output.type}", node)
    return Fit(found, lambda editor: each(editor, value, node, lambda map_: map_), "view")


@rules.rule(Transpose)
def transpose(op: Transpose, node: Node, layouts: Layouts) -> Fit:
    """The axes in another order; it is the weights that are brought into the map's order."""
    value, layout = data(node, layouts)
    return Fit(layout.permuted(op.permutation), lambda editor: editor.map(value), "view")


# Element by element, or channel by channel


@rules.rule(Function, Cast)
def pointwise(op: Op, node: Node, layouts: Layouts) -> Fit:
    """A function of each element."""
    value, layout = data(node, layouts)
    return Fit(layout, lambda editor: each(editor, value, node, lambda map_: editor.insert(op, [map_], node)))


def each(editor: Editor, value: Value, node: Node, make: Callable[[Value], Value]) -> Value:
    """The same made of each map that stands for a value."""
    found = [make(map_) for map_ in editor.several(value)]
    if len(found) > 1:
        editor.parts[node.outputs[0]] = found
    return found[0]


@rules.rule(Dropout)
def dropout(op: Dropout, node: Node, layouts: Layouts) -> Fit:
    """Dropout of the map; nobody may want the mask."""
    value, layout = data(node, layouts)
    if any(mask.uses for mask in node.outputs[1:]):
        raise Unfit("its mask is read", node)
    plain = Dropout(ratio=op.ratio)
    return Fit(layout, lambda editor: each(editor, value, node, lambda map_: editor.insert(plain, [map_], node)))


@rules.rule(BatchNormalization)
def batch_normalization(op: Op, node: Node, layouts: Layouts) -> Fit:
    """Normalisation by channel; by feature of a flattened map it differs from position to position."""
    value, layout = data(node, layouts)
    if layout.axes[1] != "C":
        raise Unfit("it normalises each feature of a flattened map by itself", node)
    if any(parameter in layouts for parameter in node.operands[1:]):
        raise Unfit("its parameters are computed from the image", node)
    return Fit(layout, lambda editor: editor.insert(op, [editor.map(value), *node.inputs[1:]], node))


@rules.rule(Distribution)
def distribution(op: Distribution, node: Node, layouts: Layouts) -> Fit:
    """Over the channels of each position."""
    value, layout = data(node, layouts)
    letters = layout.over(op.axes)
    if letters.replace("H", "").replace("W", "") != "C" or not only_ones(layout, letters.replace("C", "")):
        raise Unfit(f"it sums over {words(letters)} and not over the channels", node)
    over = replace(op, axes=(1,))
    change = "" if op.axes == (1,) else "sums over the channels alone, at each position"
    return Fit(layout, lambda editor: editor.insert(over, [editor.map(value)], node), "other", change)


def only_ones(layout: Layout, letters: str) -> bool:
    """True when the map has size 1 along all these axes."""
    return all(layout.size(letter) == 1 for letter in letters)


def words(letters: str) -> str:
    """The axes in words."""
    names = {"N": "images", "C": "channels", "H": "rows", "W": "columns"}
    return " and ".join(names[letter] for letter in letters) or "axes of size 1"


@rules.rule(Conv)
def convolution(op: Conv, node: Node, layouts: Layouts) -> Fit:
    """A 1x1 convolution behind pooling; a larger one would see neighbours where one crop has its padding."""
    value, layout = data(node, layouts)
    if any(operand.weight is None for operand in node.operands[1:]):
        raise Unfit("its weight is computed", node)
    shape = shape_of(node.operands[1], node)
    if not layout.is_map or any(size != 1 for size in shape[2:]) or any(op.pads) or op.strides != (1, 1):
        raise Unfit("only a 1x1 convolution may follow where the map was one value", node)
    channels = layout.with_channels(shape[0])
    return Fit(channels, lambda editor: editor.insert(op, [editor.map(value), *node.inputs[1:]], node))


# Several operands


@rules.rule(Broadcasting, PRelu)
def arithmetic(op: Op, node: Node, layouts: Layouts) -> Fit:
    """Maps with each other, or with constants that are the same at every position."""
    mapped = [value for value in node.operands if value in layouts]
    layout = layouts[mapped[0]]
    for value in node.operands:
        if value not in layouts and constant(value) is None:
            raise Unfit(f"{value.name} is neither a map nor a constant", node)
    if any(layouts[value] != layout for value in mapped):
        raise Unfit("its operands lie differently over their maps: what comes back onto a map is no score", node)
    if shape_of(node.output, node) != shape_of(mapped[0], node):
        raise Unfit("a constant makes it grow", node)
    rank = len(layout.axes)
    parts = {value: _per_channel(value, layout, rank, node) for value in node.operands if value not in layouts}
    if isinstance(op, Add) and len(mapped) == 1 and _is_bare_product(mapped[0], op):
        ((old, weight),) = parts.items()
        count = known(layout, "C", node)
        if weight.shape == (count, 1, 1):
            return Fit(layout, lambda editor: _as_bias(editor, mapped[0], weight.reshaped((count,)), old, node))

    def make(editor: Editor) -> Value:
        operands = [editor.map(v) if v in layouts else editor.weight(parts[v], v, "constant") for v in node.operands]
        return editor.insert(op, operands, node)

    return Fit(layout, make)


def _per_channel(value: Value, layout: Layout, rank: int, node: Node) -> Weight:
    """A constant operand as ``[C, 1, 1]`` or ``[1, 1, 1]``."""
    weight = constant(value)
    if weight is None or len(weight.shape) > rank:
        raise Unfit(f"{value.name} has too many axes", node)
    axes = layout.axes[rank - len(weight.shape) :]
    varying = [axis for axis, size in zip(axes, weight.shape, strict=True) if size != 1]
    if any(axis != "C" for axis in varying):
        raise Unfit(f"{value.name} differs over {words(''.join(varying))}, not over the channels alone", node)
    return weight.reshaped((product_of(weight.shape), 1, 1))


def product_of(sizes: Sequence[int]) -> int:
    """The product of known sizes."""
    total = product(sizes)
    return total if is_known(total) else 0


def _is_bare_product(value: Value, op: Op) -> bool:
    """A product whose bias the addition is."""
    producer = value.producer
    return producer is not None and producer.op.kind == "MatMul" and len(value.uses) == 1


def _as_bias(editor: Editor, product_: Value, bias: Weight, old: Value, node: Node) -> Value:
    output = editor.map(product_)
    bare = output.producer is not None and isinstance(output.producer.op, Conv)  # no sum of several
    if not bare or editor.graph.is_output(product_):  # or the caller wants the product as it is
        constant_ = editor.weight(bias.reshaped((*bias.shape, 1, 1)), old, "constant")
        return editor.insert(Add(), [output, constant_], node)
    editor.add_bias(output, editor.weight(bias, old, "bias"), node)
    return output


@rules.rule(Concat)
def concat(op: Concat, node: Node, layouts: Layouts) -> Fit:
    """Channels side by side, or flattened maps.

    Flattened with the channels slowest, maps of one size are the flattened map of all their channels; other flattened
    maps stay apart, and the layer behind them becomes a convolution of each, added up.
    """
    if any(value not in layouts for value in node.operands):
        raise Unfit("an operand does not come from a map", node)
    found = [layouts[value] for value in node.operands]
    first = found[0]
    alike = all(replace(layout, sizes=first.sizes) == first for layout in found)
    same_size = all((layout.sizes[0], *layout.sizes[2:]) == (first.sizes[0], *first.sizes[2:]) for layout in found)
    run = first.features if op.axis == len(first.axes) - 1 else first.axes[op.axis]
    if alike and run == "C" and not same_size:
        raise Unfit("the maps that it joins differ in size", node)
    if alike and same_size and run[:1] == "C" and not first.parts:
        return _channels(node, found, op.axis)
    if op.axis != 1 or any(len(layout.axes) != 2 or layout.axes[0] not in ("", "N") for layout in found):
        raise Unfit("it joins something else than the channels of maps, or flattened maps", node)
    parts = tuple(part for layout in found for part in (layout.parts or (layout,)))
    if any("C" not in part.features or "N" in part.axes[1] for part in parts):
        raise Unfit("it joins something else than the channels of maps, or flattened maps", node)

    def make(editor: Editor) -> Value:
        editor.parts[node.output] = [map_ for value in node.operands for map_ in editor.several(value)]
        return editor.parts[node.output][0]

    return Fit(replace(first, parts=parts), make, "view")


def _channels(node: Node, found: Sequence[Layout], axis: int) -> Fit:
    """The maps' channels side by side."""
    total = sum((layout.size("C") for layout in found), start=0)
    if total == UNKNOWN:
        raise Unfit("the number of channels is not known", node)
    axes = list(found[0].axes)
    axes[axis] = axes[axis] if "C" in axes[axis] else f"C{axes[axis]}"  # one channel may have been left out
    layout = replace(found[0].with_channels(total), axes=tuple(axes))
    joined = Concat(axis=1)
    return Fit(layout, lambda editor: editor.insert(joined, [editor.map(value) for value in node.operands], node))
