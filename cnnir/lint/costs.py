"""C: where parameters and multiply-accumulates go."""

from collections.abc import Iterator

from cnnir.dims import is_known
from cnnir.graph import Node, Value
from cnnir.lint.model import Found, Subject, by, rule, shape
from cnnir.lint.view import LAYERS, MOVING, behind, last_layers
from cnnir.ops import BatchNormalization, Conv, Gemm, MatMul
from cnnir.ops.activation import Activation
from cnnir.ops.elementwise import Arithmetic

_MOST = 0.5


@rule(
    "C001",
    "a fully connected layer holds most of the parameters",
    why="A matrix over a flattened map has a weight for every position of every channel: it overfits, it is most of the"
    " file, and it ties the network to one image size. Global average pooling before it (Lin, Chen and Yan,"
    ' "Network In Network", 2014, section 3.2) has one weight for every channel, and networks since GoogLeNet lose'
    " no accuracy by it. A matrix over the image itself, where nothing has made maps yet, is not reported.",
    fix="Pool globally before it. To keep trained weights, turn it into a convolution (fc-to-conv), which takes larger"
    " images, or factorise it (bottleneck).",
)
def dominant_matrix(subject: Subject) -> Iterator[Found]:
    """A matrix over a flattened map of more than one cell, with more than half of all parameters."""
    whole = subject.all_params
    for node in subject.graph.nodes:
        params = subject.params(node)
        sizes = _flattened(node)
        if params is None or sizes is None or params <= _MOST * whole:
            continue
        channels, *spatial = sizes
        cells = 1
        for size in spatial:
            cells *= size
        columns = _columns(node)
        pooled = params - channels * (cells - 1) * columns
        yield Found(
            node,
            f"{params:,} of {whole:,} parameters ({params / whole:.0%}): {by(spatial)} positions x {channels}"
            f" channels x {columns} outputs",
            f"global average pooling before it leaves {pooled:,} ({whole - params + pooled:,} in all); as a"
            f" {by(spatial)} convolution (fc-to-conv) it keeps them and takes images of any larger size",
        )


def _flattened(node: Node) -> list[int] | None:
    """Channels and spatial sizes of the map that a fully connected layer reads flat; None for anything else."""
    if not isinstance(node.op, Gemm | MatMul) or node.inputs[1] is None or node.inputs[1].weight is None:
        return None
    source = behind(node.inputs[0])
    if source is None or source.producer is None:
        return None  # an image itself: there is nothing to average yet
    sizes = [size for size in shape(source)[1:] if is_known(size)]
    if len(shape(source)) < 4 or len(sizes) != len(shape(source)) - 1:
        return None
    return sizes if any(size > 1 for size in sizes[1:]) else None


def _columns(node: Node) -> int:
    last = shape(node.outputs[0])[-1]
    return last if is_known(last) else 0


_SAVED = 2 / 3
"""Part of the MACs that a bottleneck must save to be worth a word."""

_NOTICED = 0.01
"""Part of the network's MACs below which a layer's cost is nobody's trouble."""


@rule(
    "C002",
    "a wide convolution that a 1x1 bottleneck would make cheaper",
    why="A KxK window over many channels that gives few pays F*F for every channel that comes in. A 1x1 convolution"
    " before it brings the channels down first, at 1/(F*F) of the price (Szegedy et al.,"
    ' "Going Deeper with Convolutions", 2015, section 4). Reported where half as many channels between as come out'
    " would save two thirds; a layer that stands behind a 1x1 convolution already is not.",
    fix="Put a 1x1 convolution before it; the pass bottleneck works the weights out.",
)
def wide_window(subject: Subject) -> Iterator[Found]:
    """Convolutions with a window, over all channels, for which the reduced form is much cheaper."""
    for node in subject.graph.nodes:
        macs = subject.macs(node)
        if not isinstance(node.op, Conv) or node.op.group != 1 or macs is None:
            continue
        weight = [size for size in shape(node.inputs[1]) if is_known(size)]
        before = [size for size in shape(node.inputs[0])[2:] if is_known(size)]
        after = [size for size in shape(node.outputs[0])[2:] if is_known(size)]
        if len(weight) < 3 or not len(before) == len(after) == len(weight) - 2 or max(weight[2:]) == 1:
            continue
        filters, channels, *kernel = weight
        between = filters // 2 // 8 * 8
        if between < 8 or subject.share_of_macs(node) < _NOTICED or _is_reduced(node.inputs[0]):
            continue
        batch = macs // max(_product(after) * filters * channels * _product(kernel), 1)
        cheaper = batch * between * (_product(before) * channels + _product(after) * filters * _product(kernel))
        if cheaper > (1 - _SAVED) * macs:
            continue
        yield Found(
            node,
            f"{by(before)}x{channels} -> {by(kernel)}x{filters} takes {macs / 1e6:,.1f}M MACs",
            f"with {between} channels in between (1x1x{between}, then {by(kernel)}x{filters}) it takes"
            f" {cheaper / 1e6:,.1f}M",
        )


def _is_reduced(value: Value | None) -> bool:
    """Whether the channels come from a 1x1 convolution; normalised, scaled, shifted and activated or not."""
    while value is not None and value.producer is not None:
        node = value.producer
        if isinstance(node.op, Conv):
            return all(size == 1 for size in shape(node.inputs[1])[2:])
        data = [operand for operand in node.operands if operand.weight is None]
        if not isinstance(node.op, _PASSING) or len(data) != 1:
            return False
        value = data[0]
    return False


_PASSING = (*MOVING, Activation, BatchNormalization, Arithmetic)


def _product(sizes: list[int]) -> int:
    result = 1
    for size in sizes:
        result *= size
    return result


@rule(
    "C003",
    "channels that are not a multiple of 8",
    why="Matrix units and vector registers take channels by 8 (16-bit tensor cores, NHWC kernels, int8 dot products by"
    " 4 and 16); what is left over is padded and computed in vain. What the network gives out (classes) has the"
    " number it must have, and layers below 1 % of the MACs are not worth the trouble: neither is reported.",
    fix="Round the number of filters up or down to a multiple of 8.",
)
def odd_channels(subject: Subject) -> Iterator[Found]:
    """Filters of layers that do a part of the work, those that make the outputs left out."""
    outputs = last_layers(subject.graph)
    for node in subject.graph.nodes:
        if not isinstance(node.op, LAYERS) or node in outputs:
            continue
        part = subject.share_of_macs(node)
        filters = shape(node.outputs[0])[1 if isinstance(node.op, Conv) else -1]
        if part < _NOTICED or not is_known(filters) or filters % 8 == 0:
            continue
        above = (filters + 7) // 8 * 8
        near = f"{above - 8} or {above}" if above > 8 else str(above)
        yield Found(
            node,
            f"{filters} channels, {filters % 8} more than a multiple of 8"
            if filters > 8
            else f"{filters} channels, fewer than 8",
            f"{near} channels use whole units; {filters} are padded to {above}",
        )
