"""What looks at the whole image, and so gives on a larger one what no crop gives.

At the native size a network with such nodes computes what it always did. Beyond it a score is still a function of the
whole image: squeeze-and-excitation (Hu et al., "Squeeze-and-Excitation Networks", 2018, section 3) weighs the channels
by the mean of all rows and columns, not by that of the crop. Padding of convolutions and pooling is another matter:
it differs at the border of the image alone.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from cnnir.dims import Shape, symbols
from cnnir.graph import Graph, Node
from cnnir.ops import (
    AveragePool,
    BatchNormalization,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Gemm,
    Identity,
    LayerNormalization,
    MatMul,
    MaxPool,
    Opaque,
    Pad,
    PRelu,
    ReduceMean,
    Reshape,
    RuleTable,
    Slice,
    Split,
    Squeeze,
    Transpose,
    Unsqueeze,
)
from cnnir.ops.activation import Distribution
from cnnir.ops.convolution import ConvTranspose
from cnnir.ops.elementwise import Broadcasting, Cast
from cnnir.ops.function import Function
from cnnir.ops.normalization import LRN
from cnnir.ops.pooling import GlobalPool
from cnnir.ops.reduction import Extreme, Reduction
from cnnir.ops.resize import Resize
from cnnir.passes.fc_to_conv.foreign import is_unary
from cnnir.passes.fc_to_conv.sizes import image_axes
from cnnir.types import TensorType

Open: TypeAlias = Callable[[int, int], bool]
"""Is that axis of that operand one that grows with the image?"""

_RULES: RuleTable[Callable[[Any, Node, Open], str]] = RuleTable("whole-image")
"""For each op why it looks at the whole image; an empty reason where every value comes from a window."""


def whole_image_nodes(graph: Graph) -> Iterator[tuple[Node, str]]:
    """The nodes that look at the whole image, each with the reason.

    Args:
        graph: One whose images have symbolic heights and widths.
    """
    names = {
        name
        for value in graph.inputs
        if (axes := image_axes(value)) is not None and isinstance(value.type, TensorType)
        for axis in axes
        for name in symbols(value.type.shape[axis])
    }
    for node in graph.nodes:
        shapes = [value.type.shape if isinstance(value.type, TensorType) else () for value in node.inputs if value]
        if not any(symbols(dim) & names for shape in shapes for dim in shape):
            continue
        rule = _RULES.find(type(node.op))
        reason = rule(node.op, node, _asked(shapes, names)) if rule is not None else _unknown(node)
        if reason:
            yield node, f"{reason}: beyond the native size its result is no crop's"


def _asked(shapes: list[Shape], names: set[str]) -> Open:
    return lambda operand, axis: axis < len(shapes[operand]) and bool(symbols(shapes[operand][axis]) & names)


def _unknown(node: Node) -> str:
    return f"{node.op.kind} is not known to look at windows of the image alone"


@_RULES.rule(
    AveragePool, BatchNormalization, Broadcasting, Cast, Conv, ConvTranspose, Dropout, Flatten, Function, Identity, LRN,
    MaxPool, Pad, PRelu, Reshape, Squeeze, Transpose, Unsqueeze,
)  # fmt: skip
def _local(op: object, node: Node, grows: Open) -> str:
    return ""


@_RULES.rule(GlobalPool)
def _global_pool(op: object, node: Node, grows: Open) -> str:
    return "it pools the whole image"


@_RULES.rule(ReduceMean)
def _mean(op: ReduceMean, node: Node, grows: Open) -> str:
    return "it averages over the whole image" if any(grows(0, axis) for axis in op.axes) else ""


@_RULES.rule(Reduction)
def _reduction(op: Reduction, node: Node, grows: Open) -> str:
    return "it reduces the whole image" if any(grows(0, axis) for axis in op.axes) else ""


@_RULES.rule(Extreme)
def _extreme(op: Extreme, node: Node, grows: Open) -> str:
    return "it looks for an extreme of the whole image" if grows(0, op.axis) else ""


@_RULES.rule(Distribution)
def _weighed(op: Distribution, node: Node, grows: Open) -> str:
    return "it sums over the whole image" if any(grows(0, axis) for axis in op.axes) else ""


@_RULES.rule(LayerNormalization)
def _standardised(op: LayerNormalization, node: Node, grows: Open) -> str:
    type_ = node.operands[0].type
    rank = type_.rank if isinstance(type_, TensorType) else 0
    return "it averages over the whole image" if any(grows(0, axis) for axis in range(op.axis, rank)) else ""


@_RULES.rule(MatMul, Gemm)
def _product(op: object, node: Node, grows: Open) -> str:
    type_ = node.operands[0].type
    last = type_.rank - 1 if isinstance(type_, TensorType) else 0
    return "it sums over the whole image" if grows(0, last) or any(grows(1, axis) for axis in range(last + 1)) else ""


@_RULES.rule(Slice)
def _slice(op: Slice, node: Node, grows: Open) -> str:
    return "it cuts a part out of the whole image" if any(grows(0, axis) for axis in op.axes) else ""


@_RULES.rule(Concat, Split)
def _assembly(op: Concat | Split, node: Node, grows: Open) -> str:
    return "it joins or cuts the whole image" if grows(0, op.axis) else ""


@_RULES.rule(Resize)
def _resize(op: Resize, node: Node, grows: Open) -> str:
    fixed = op.scales is not None and op.coordinates not in ("align_corners", "tf_crop_and_resize")
    return "" if fixed else "it stretches the whole image to a size"


@_RULES.rule(Opaque)
def _opaque(op: Opaque, node: Node, grows: Open) -> str:
    return "" if is_unary(node) else _unknown(node)
