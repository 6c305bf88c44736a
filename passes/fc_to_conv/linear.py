"""Fully connected layers as convolutions.

``y[k] = sum over f of W[k, f] * x[f]`` with x a flattened map ``[C, H, W]`` is the one value of a convolution whose
filters are the map's whole size, ``W`` reshaped to ``[K, C, H, W]``; on a larger map the same filters give a value at
each position (Sermanet et al., "OverFeat", 2014, section 3.5; Long, Shelhamer and Darrell, "Fully Convolutional
Networks", 2015, section 3.1). Behind the first layer the map is 1x1, and so are the filters.
"""

import math
from collections.abc import Hashable

from cnnir.graph import Node, Value
from cnnir.ops import Add, Conv, Gemm, MatMul
from cnnir.passes.fc_to_conv.editor import Editor
from cnnir.passes.fc_to_conv.layout import Layout
from cnnir.passes.fc_to_conv.parameters import bias, constant, filters
from cnnir.passes.fc_to_conv.rules import Fit, Layouts, data, known, rules
from cnnir.passes.fc_to_conv.unfit import Unfit
from cnnir.types import DType
from cnnir.weights import Weight

_CONV = Conv(strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1))


@rules.rule(Gemm)
def gemm(op: Gemm, node: Node, layouts: Layouts) -> Fit:
    """``alpha * x @ W' + beta * c`` with constants W and c."""
    if op.trans_a:
        raise Unfit("its input is transposed, so that it mixes the images of a batch", node)
    added = node.inputs[2] if len(node.inputs) > 2 else None
    if added is not None and constant(added) is None:
        raise Unfit(f"its bias {added.name} is no constant", node)
    return _convolution(node, layouts, rows=op.trans_b, alpha=op.alpha, added=added if op.beta else None, beta=op.beta)


@rules.rule(MatMul)
def matmul(op: MatMul, node: Node, layouts: Layouts) -> Fit:
    """``x @ W`` with a constant W; a bias is an addition behind it."""
    if node.operands[0] not in layouts:
        raise Unfit("the map stands on the right of the product", node)
    return _convolution(node, layouts, rows=False, alpha=1.0, added=None, beta=1.0)


def _convolution(node: Node, layouts: Layouts, *, rows: bool, alpha: float, added: Value | None, beta: float) -> Fit:
    value, layout = data(node, layouts)
    old = node.operands[1]
    weight = _matrix(node, old)
    count, features = weight.shape if rows else weight.shape[::-1]
    bias_weight = _bias(node, added, count, beta)
    windows = _windows(node, layout, features)
    kernels, forms, begin = list[Weight](), list[Hashable](), 0
    for order, sizes in windows:
        own = slice(begin, begin + math.prod(sizes))
        every = slice(0, count)
        part = weight if len(windows) == 1 else weight.sliced((every, own) if rows else (own, every))
        kernels.append(filters(part, order, sizes, rows=rows, alpha=alpha))
        forms.append((order, rows, alpha, begin))  # another layer may cut the same matrix at other places
        begin = own.stop

    def make(editor: Editor) -> Value:
        found: Value | None = None
        for map_, kernel, form in zip(editor.several(value), kernels, forms, strict=True):
            inputs = [map_, editor.weight(kernel, old, form)]
            if found is None and added is not None and bias_weight is not None:
                inputs.append(editor.weight(bias_weight, added, ("bias", beta)))
            output = editor.insert(_CONV, inputs, node)
            found = output if found is None else editor.insert(Add(), [found, output], node)
        if found is None:  # a layout has one part at least
            raise AssertionError(node.label)
        return found

    shown = " and a ".join(f"{kernel.shape[2]}x{kernel.shape[3]}" for kernel in kernels)
    change = f"becomes a {shown} convolution with {count} filters"
    whole = layout.parts[0] if layout.parts else layout
    spent = "" if whole.axes[-1] in ("", "C") else "HW"
    return Fit(whole.rows(count, spent), make, "fc", change if len(kernels) == 1 else f"{change} each, added up")


def _matrix(node: Node, old: Value) -> Weight:
    """The constant matrix of a product.

    Raises:
        Unfit: when it is none that a convolution can have.
    """
    weight = constant(old)
    if weight is None:
        raise Unfit(f"its weight {old.name} is no constant", node)
    if len(weight.shape) != 2:
        raise Unfit(f"its weight {weight.type} is no matrix", node)
    if not weight.dtype.is_float:
        raise Unfit(f"convolutions compute with floats, not with {weight.dtype.value}", node)
    if weight.dtype is DType.FLOAT64:
        # Matrix products of float64 run there: a network that does must not become one that does not.
        raise Unfit("ONNX Runtime has no convolution of float64; the network has to be of float32 or float16", node)
    return weight


def _bias(node: Node, added: Value | None, count: int, beta: float) -> Weight | None:
    weight = constant(added)
    return None if weight is None else bias(node, weight, count, beta)


def _windows(node: Node, layout: Layout, features: int) -> list[tuple[str, list[int]]]:
    """The window of each part of the features.

    Raises:
        Unfit: when one of them is no whole window of its map, or the parts leave maps of different sizes.
    """
    if not layout.parts:
        return [_window(node, layout, features)]
    found = []
    for part in layout.parts:
        sizes = [known(part, letter, node) for letter in part.features if letter != "N"]
        found.append(_window(node, part, math.prod(sizes)))
    return found


def _window(node: Node, layout: Layout, features: int) -> tuple[str, list[int]]:
    """The letters C, H and W in the order of the features, and the size of each.

    Raises:
        Unfit: when the features are no whole window of the map.
    """
    run = layout.features
    # What has size 1 stands anywhere.
    others = {letter for axis in layout.axes[:-1] for letter in axis if layout.size(letter) != 1}
    if "C" not in run or "N" in run or not others <= set("NHW" if run == "C" else "N"):
        raise Unfit("its features are not the whole map of an image", node)
    order = run + "".join(letter for letter in "CHW" if letter not in run)
    channels = known(layout, "C", node)
    if features == channels:
        # Also where the size of the map is not known: it must be 1.
        return order, [channels if letter == "C" else 1 for letter in order]
    sizes = [known(layout, letter, node) if letter in run else 1 for letter in order]
    if math.prod(sizes) != features:
        raise Unfit(f"its {features} features are not the {'x'.join(map(str, sizes))} of its map", node)
    return order, sizes
