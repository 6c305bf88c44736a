"""Global pooling as pooling with the fixed window of the native size, at stride 1.

At the native size both are the same; on a larger map the fixed window gives a value at each position, which is what
the network would give for a crop there.
"""

from collections.abc import Sequence

from cnnir.dims import is_known
from cnnir.graph import Node, Value
from cnnir.ops import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool, Op, ReduceMax, ReduceMean
from cnnir.ops.reduction import Reduction
from cnnir.passes.fc_to_conv.editor import Editor
from cnnir.passes.fc_to_conv.layout import Layout
from cnnir.passes.fc_to_conv.rules import Fit, Layouts, data, known, rules, shape_of
from cnnir.passes.fc_to_conv.unfit import Unfit


@rules.rule(GlobalAveragePool, GlobalMaxPool)
def global_pool(op: Op, node: Node, layouts: Layouts) -> Fit:
    """The mean or the maximum of whole maps."""
    value, layout = data(node, layouts)
    if not layout.is_map:
        raise Unfit("it pools over something else than rows and columns", node)
    return _fixed(node, value, layout, layout.over((2, 3)), layout.axes, largest=isinstance(op, GlobalMaxPool))


@rules.rule(ReduceMean)
def reduce_mean(op: ReduceMean, node: Node, layouts: Layouts) -> Fit:
    """The mean over rows and columns, wherever their axes stand."""
    value, layout = data(node, layouts)
    letters, kept = _reduced(node, layout, op.axes, keepdims=op.keepdims)
    return _fixed(node, value, layout, letters, kept, largest=False)


@rules.rule(ReduceMax)
def reduce_max(op: ReduceMax, node: Node, layouts: Layouts) -> Fit:
    """The maximum over rows and columns, wherever their axes stand."""
    value, layout = data(node, layouts)
    letters, kept = _reduced(node, layout, op.axes, keepdims=op.keepdims)
    return _fixed(node, value, layout, letters, kept, largest=True)


@rules.rule(Reduction)
def reduction(op: Reduction, node: Node, layouts: Layouts) -> Fit:
    """No other reduction is a pooling of ours."""
    raise Unfit(f"{op.kind} over whole maps has no form as pooling with a fixed window here", node)


def _reduced(node: Node, layout: Layout, axes: Sequence[int], *, keepdims: bool) -> tuple[str, tuple[str, ...]]:
    """The letters that a reduction takes together, and the axes that are left.

    Raises:
        Unfit: when it is not rows and columns.
    """
    letters = layout.over(axes)
    if not set(letters) <= set("HW") or any(set(layout.axes[axis]) - set(letters) for axis in axes):
        raise Unfit("it reduces something else than rows and columns", node)
    runs = enumerate(layout.axes)
    return letters, tuple("" if axis in axes else run for axis, run in runs if keepdims or axis not in axes)


@rules.rule(AveragePool)
def average_pool(op: AveragePool, node: Node, layouts: Layouts) -> Fit:
    """A window that was fitted to the native map, with padding or a stride that only one position hides."""
    value, layout = data(node, layouts)
    if not covers(op, node, layout):
        raise Unfit("its window is smaller than the native map", node)
    if op.count_include_pad and any(op.window.resolved_pads([known(layout, letter, node) for letter in "HW"])):
        raise Unfit("its padding counts in the mean", node)
    return _fixed(node, value, layout, layout.over((2, 3)), layout.axes, largest=False)


def covers(op: AveragePool, node: Node, layout: Layout) -> bool:
    """True when the one window that there is at the native size sees the whole map."""
    height, width = layout.sizes[2:]
    if not layout.is_map or not is_known(height) or not is_known(width) or op.window.dilations != (1, 1):
        return False
    pads = op.window.resolved_pads((height, width))
    one = all(size == 1 for size in shape_of(node.outputs[0], node)[2:])
    return one and op.kernel_shape[0] - pads[0] >= height and op.kernel_shape[1] - pads[1] >= width


def is_fixed(op: AveragePool, layout: Layout) -> bool:
    """True for what this pass itself would make."""
    return (
        op.kernel_shape == layout.sizes[2:]
        and op.strides == (1, 1)
        and not any(op.pads)
        and op.auto_pad in ("NOTSET", "VALID")
        and not op.ceil_mode
    )


def _fixed(node: Node, value: Value, layout: Layout, letters: str, axes: tuple[str, ...], *, largest: bool) -> Fit:
    """Pooling over the native height, width, or both."""
    kernel = tuple(known(layout, letter, node) if letter in letters else 1 for letter in "HW")
    pooled = Layout(axes, layout.sizes).without(letters)
    if kernel == (1, 1):
        return Fit(pooled, lambda editor: editor.map(value), "view")
    make_op = MaxPool if largest else AveragePool
    op = make_op(kernel_shape=kernel, strides=(1, 1), pads=(0, 0, 0, 0))

    def make(editor: Editor) -> Value:
        return editor.insert(op, [editor.map(value)], node)

    return Fit(pooled, make, "pool", f"becomes a fixed {kernel[0]}x{kernel[1]} window at stride 1")
