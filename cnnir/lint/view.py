"""Windows and layers as the rules see them."""

from dataclasses import dataclass

from cnnir.dims import is_known
from cnnir.graph import Graph, Node, Value
from cnnir.lint.model import shape
from cnnir.ops import Conv, Dropout, Flatten, Gemm, Identity, MatMul, Pad, Reshape, Squeeze, Unsqueeze
from cnnir.ops.base import Facts
from cnnir.ops.pooling import Pool
from cnnir.ops.window import Window

MOVING = (Identity, Dropout, Reshape, Flatten, Squeeze, Unsqueeze)
"""Ops that hand their elements on as they are."""

LAYERS = (Conv, Gemm, MatMul)
"""Ops with weights that mix channels."""


@dataclass(frozen=True, slots=True)
class Slide:
    """A window along one axis of a map of known size.

    Attributes:
        axis: 0 is the first spatial axis.
        size: Cells of the map.
        count: Windows along it.
        kernel, extent, stride, begin, end: Cells of the window without and with gaps, its step, and the padding.
        ceil_mode: Whether a last window may reach beyond the padding.
    """

    axis: int
    size: int
    count: int
    kernel: int
    extent: int
    stride: int
    begin: int
    end: int
    ceil_mode: bool

    @property
    def spare(self) -> int:
        """Cells behind the last window, padding among them."""
        return max(self.size + self.begin + self.end - self.extent - (self.count - 1) * self.stride, 0)

    @property
    def dropped(self) -> int:
        """Cells of the map that lie behind the last window."""
        return max(self.spare - self.end, 0)

    @property
    def covers_map(self) -> bool:
        """One window over all of the map: a fully connected layer, or global pooling."""
        return self.count == 1 and self.extent >= self.size


def window_of(node: Node) -> Window | None:
    """The window of a convolution or pooling, None for other nodes or a kernel of unknown size."""
    if isinstance(node.op, Pool):
        return node.op.window
    if isinstance(node.op, Conv):
        kernel = shape(node.inputs[1])
        if len(kernel) >= 3 and all(is_known(size) for size in kernel):
            return node.op.window([size for size in kernel if is_known(size)])
    return None


def slides(node: Node) -> list[Slide]:
    """The window along each axis whose sizes are known; none for other nodes."""
    window = window_of(node)
    if window is None:
        return []
    before, after = shape(node.inputs[0])[2:], shape(node.outputs[0])[2:]
    axes = len(window.kernel)
    if len(before) != axes or len(after) != axes:
        return []
    pads = window.resolved_pads([size if is_known(size) else 1 for size in before])
    return [
        Slide(
            axis, size, count, window.kernel[axis], window.extents()[axis], window.strides[axis],
            pads[axis], pads[axis + axes], window.ceil_mode,
        )
        for axis, (size, count) in enumerate(zip(before, after, strict=True))
        if is_known(size) and is_known(count)
    ]  # fmt: skip


def divides(node: Node, axis: int) -> int:
    """The stride of a layer that gives ``size / stride`` for sizes that the stride divides; 1 for any other layer."""
    window = window_of(node)
    if window is None or window.strides[axis] == 1:
        return 1
    if window.ceil_mode and window.extents()[axis] > window.strides[axis]:
        return 1  # overlapping windows that are rounded up fit odd maps without a rest
    stride, many = window.strides[axis], 64
    sizes = [many * stride] * len(window.kernel)
    fits = window.output_sizes(sizes, Facts())[axis] == many
    return stride if fits else 1


def padded_before(node: Node) -> tuple[int, ...]:
    """What a Pad right before the node adds around the map, in ONNX's layout without batch and channels; zeros."""
    source = node.inputs[0]
    axes = len(shape(source)) - 2
    before = source.producer if source is not None else None
    if before is None or not isinstance(before.op, Pad):
        return (0,) * (2 * axes)
    return (*before.op.pads[2 : 2 + axes], *before.op.pads[4 + axes :])


def behind(value: Value | None, kinds: tuple[type, ...] = MOVING) -> Value | None:
    """The value whose elements these are: ops that only hand on, or are of these kinds, are looked through."""
    while value is not None and value.producer is not None and isinstance(value.producer.op, kinds):
        value = value.producer.inputs[0]
    return value


def last_layers(graph: Graph) -> set[Node]:
    """Layers with weights from whose output no other one is reached: they make what the network says."""
    later: set[Value] = set()
    found = set()
    for node in reversed(graph.nodes):
        reached = any(value in later for value in node.outputs)
        is_layer = isinstance(node.op, LAYERS)
        if is_layer and not reached:
            found.add(node)
        if reached or is_layer:
            later.update(node.operands)
    return found
