"""S: sizes of the image, and how much of it a layer sees."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.lint.model import Found, Subject, by, rule, shape
from cnnir.lint.view import divides, slides
from cnnir.ops import AveragePool, Conv, GlobalAveragePool, ReduceMean, infer
from cnnir.types import TensorType, Type
from cnnir.weights import Weight


@rule(
    "S001",
    "the input cannot be halved as often as the network halves it",
    why="Each layer that halves an odd map rounds: a row and a column are lost or made up, positions no longer fall on"
    " a regular grid, and maps of an encoder and a decoder do not fit together. An image size that all strides divide"
    " (224 = 7 * 32, not 225) avoids it. Layers without padding that are meant for odd maps are left out.",
    fix="Use a size that the product of the strides divides.",
)
def cannot_be_halved(subject: Subject) -> Iterator[Found]:
    """The first layer that meets a size which its stride does not divide."""
    image = _image(subject.graph)
    if image is None:
        return
    odd = _first_uneven(subject.graph, subject.graph.nodes)
    if odd is None:
        return
    node, size, stride = odd
    sizes = [dim for dim in shape(image)[2:] if is_known(dim)]
    lower, upper = _nearest(subject.graph, image, sizes, -1), _nearest(subject.graph, image, sizes, 1)
    near = " or ".join(by(found) for found in (lower, upper) if found is not None and found != sizes)
    yield Found(
        node,
        f"an image of {by(sizes)} comes here as {size}, which {stride} does not divide",
        f"images of {near} can be halved all the way" if near else "no size nearby can be halved all the way",
    )


def _image(graph: Graph) -> Value | None:
    """The one input with height and width, both known."""
    images = [value for value in graph.inputs if len(shape(value)) == 4]
    if len(images) != 1 or not all(is_known(dim) for dim in shape(images[0])[2:]):
        return None
    return images[0]


def _first_uneven(graph: Graph, nodes: Sequence[Node]) -> tuple[Node, int, int] | None:
    for node in nodes:
        for slide in slides(node):
            step = divides(node, slide.axis)
            if step > 1 and slide.size % step and not slide.covers_map:
                return node, slide.size, step
    return None


_TRIED = 64
"""Sizes that are tried on either side."""


def _nearest(graph: Graph, image: Value, sizes: list[int], direction: int) -> list[int] | None:
    """The nearest size on one side that all layers divide, axis by axis; one that fits stays as it is."""
    found = []
    for axis, size in enumerate(sizes):
        ways = range(size, max(size + direction * (_TRIED + 1), 0), direction)
        fits = (way for way in ways if _halves(graph, image, [*sizes[:axis], way, *sizes[axis + 1 :]], (axis,)))
        found.append(next(fits, 0))
    return found if min(found) > 0 and _halves(graph, image, found) else None


@dataclass(frozen=True, slots=True)
class _StandIn:
    """A value as it would be for another image."""

    type: Type
    weight: Weight | None = None


def _halves(graph: Graph, image: Value, sizes: list[int], axes: Collection[int] = (0, 1)) -> bool:
    """Whether no layer meets a size that its stride does not divide; what the head says of the size is left open.

    Args:
        graph: Of known sizes.
        image: Its one input.
        sizes: Height and width to try.
        axes: Those that are looked at, 0 for the height.
    """
    if not isinstance(image.type, TensorType):
        return False
    known: dict[Value, _StandIn] = {image: _StandIn(image.type.with_shape((*image.type.shape[:2], *sizes)))}
    for value in (*graph.inputs, *graph.weights):
        known.setdefault(value, _StandIn(value.type, value.weight))
    for node in graph.nodes:
        sources = [None if value is None else known.get(value) for value in node.inputs]
        if any(value is not None and value not in known for value in node.inputs):
            continue
        before = sources[0].type if sources and sources[0] is not None else None
        for slide in slides(node):
            size = before.shape[2 + slide.axis] if isinstance(before, TensorType) else 0
            if slide.axis not in axes:
                continue
            if not is_known(size) or size % divides(node, slide.axis):
                return False
        try:
            types, _ = infer(node.op, sources)
        except CnnirError:
            # A fully connected head that was made for one size; or a map that has become too small.
            if slides(node):
                return False
            continue
        known.update((value, _StandIn(found)) for value, found in zip(node.outputs, types, strict=True))
    return True


@rule(
    "S002",
    "what is averaged sees less than the image",
    why="Global average pooling counts what its positions have seen, wherever they are. When none of them sees the"
    " whole image, nothing in the network knows how far apart parts lie: it becomes a bag of local features (Brendel"
    ' and Bethge, "Approximating CNNs with Bag-of-local-Features Models", 2019). A fully connected layer over'
    " positions, or an output that is a map, is another matter and is not reported.",
    fix="Add depth, stride or dilation before the pooling, or feed smaller images.",
)
def sees_too_little(subject: Subject) -> Iterator[Found]:
    """The map that a final average reads alone; gates (squeeze and excitation) share theirs with a product."""
    for node in subject.graph.nodes:
        source = node.inputs[0] if node.inputs else None
        if source is None or not _averages_all(node) or len(source.users) != 1:
            continue
        found = subject.extents(source)
        if found is None or all(size >= extent for _, size, extent in found):
            continue
        sizes = [size for _, size, _ in found]
        strides = [int(field.stride) if field.stride else 1 for field, _, _ in found]
        missing = [extent - size for _, size, extent in found]
        window = by([3] * len(sizes)) if len(sizes) > 1 else "3-wide"
        layers = max(-(-cells // (2 * max(stride, 1))) for cells, stride in zip(missing, strides, strict=True))
        cells = by([dim for dim in shape(source)[2:] if is_known(dim)])
        yield Found(
            node,
            f"each of the {cells} positions that are averaged sees {by(sizes)} of {by([e for *_, e in found])} cells",
            f"{layers} more {window} {'layer' if layers == 1 else 'layers'} at this stride, or images of {by(sizes)}",
        )


def _averages_all(node: Node) -> bool:
    if isinstance(node.op, GlobalAveragePool):
        return True
    if isinstance(node.op, ReduceMean):
        return len(shape(node.inputs[0])) == 4 and set(node.op.axes) >= {2, 3}
    found = slides(node)
    return isinstance(node.op, AveragePool) and len(found) > 0 and all(slide.covers_map for slide in found)


_FAR = 2
"""A field is far beyond the image when it is this many times as large."""


@rule(
    "S003",
    "layers that see far more than the image",
    why="A layer whose operand already sees the whole image along every path has no context left to add: its windows"
    " combine the same pixels again, among ever more padding. Richter, Shenk, Byttner, Wiedemann and Huss"
    ' ("Should You Go Deeper? Optimizing Convolutional Neural Network Architectures without Training by Receptive'
    ' Field Analysis", 2021) find such layers unproductive: without them networks are as accurate. Residual and dense'
    " connections count with their narrowest path. Reported where the last field is twice the image or more.",
    fix="Leave those layers out, lower the strides of the first layers, or feed larger images.",
)
def sees_too_much(subject: Subject) -> Iterator[Found]:
    """Convolutions with a window whose operand's narrowest field covers the image; one finding for all of them."""
    found = []
    largest = 0.0
    for node in subject.graph.nodes:
        if not isinstance(node.op, Conv) or node.inputs[0] is None:
            continue
        before, after = subject.narrow_extents(node.inputs[0]), subject.narrow_extents(node.outputs[0])
        has_window = any(isinstance(size, int) and size > 1 for size in shape(node.inputs[1])[2:])
        if before is None or after is None or not has_window:
            continue
        if all(size >= extent and field.stride for field, size, extent in before):
            found.append(node)
            largest = max(largest, min(size / extent for _, size, extent in after))
    if found and largest >= _FAR:
        first = found[0]
        before = subject.narrow_extents(first.inputs[0]) if first.inputs[0] is not None else None
        fields, extents = [size for _, size, _ in before or ()], [extent for *_, extent in before or ()]
        work = sum(subject.macs(node) or 0 for node in found)
        yield Found(
            first,
            f"its operand sees {by(fields)} cells of a {by(extents)} image; so do all that follow, {len(found)}"
            f" {'layer' if len(found) == 1 else 'layers'} with {work:,} MACs, up to {largest:.1f} times the image",
            "leave them out, take stride out of the first layers, or feed larger images",
        )
