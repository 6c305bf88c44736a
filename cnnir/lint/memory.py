"""M: where the memory goes, by the plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cnnir.dims import is_known
from cnnir.errors import CnnirError
from cnnir.graph import Graph, Node, Value
from cnnir.lint.model import Found, Subject, by, rule, shape
from cnnir.lint.view import LAYERS
from cnnir.ops import Conv
from cnnir.passes.memory import Life, known_bytes, lives, plan
from cnnir.passes.parts.cut import cut
from cnnir.rewriter import Rewriter
from cnnir.units import format_size

_EARLY = 1 / 3
"""Part of the layers that are the first ones."""

_LESS = 2 / 5
"""The rest of the network needs at most this part of the peak."""


_LARGEST = 2
"""Stride of a first convolution that may still be doubled."""

_ENDS = 3
"""Results, each smaller than the one before, for which patches are tried."""

_WORTH = 3 / 4
"""Part of the peak to which patches must bring it."""


@dataclass(frozen=True, slots=True)
class _Front:
    """The layers around the peak.

    Attributes:
        step: The one that needs most.
        peak: Bytes that it needs.
        node: The one behind which a single value is left, which it makes.
        rest: Bytes that the steps behind need.
        ends: Nodes from the peak on behind which a single value is left, the last of them `node`.
    """

    step: int
    peak: int
    node: Node
    rest: int
    ends: tuple[Node, ...]


@rule(
    "M001",
    "the first layers hold the peak",
    why="Memory is taken where maps are largest. When the first few layers need 2.5 times what all others do, or more,"
    " the network fits a device by those layers alone (Lin et al.,"
    ' "MCUNetV2: Memory-Efficient Patch-based Inference for Tiny Deep Learning", 2021, figure 2). A stride in the first'
    " convolution, or computing those layers patch by patch, lowers the peak; nothing done to the later ones does.",
    fix="Put a stride into the first convolution, or compute the first layers in patches.",
)
def first_layers(subject: Subject) -> Iterator[Found]:
    """A peak among the first layers, 2.5 times as high as anything behind them."""
    # What shares memory decides who lives when; a placement is worked out where there is something to tell.
    if _front(subject.graph, lives(subject.graph)) is None:
        return
    found = subject.plan
    front = _front(subject.graph, [Life(storage.first, storage.last, storage.bytes) for storage in found.storages])
    if front is None:
        return
    node = subject.graph.node(found.steps[front.step].nodes[0])
    part = cut(subject.graph, (), (front.node.output.name,))
    ways = [way for way in (_in_patches(subject, part, front), _with_stride(part)) if way]
    yield Found(
        node,
        f"step {front.step} of {len(found.steps)} needs {format_size(front.peak)}, all behind {front.node.name} at most"
        f" {format_size(front.rest)}",
        "; ".join(ways) or "put a stride into the first convolution, or compute the first layers in patches",
    )


def _front(graph: Graph, taken: Sequence[Life]) -> _Front | None:
    """The first layers, if the peak lies among them and they need much more than the rest."""
    nodes = graph.nodes
    live = [0] * len(nodes)
    for first, last, size in taken:
        for step in range(first, last + 1):
            live[step] += size
    if not nodes:
        return None
    peak = max(range(len(nodes)), key=lambda step: (live[step], -step))
    layers = [step for step, node in enumerate(nodes) if isinstance(node.op, LAYERS)]
    ends: list[Node] = []
    for last in range(peak, len(nodes) - 1):
        passed = sum(step <= last for step in layers)
        if passed > _EARLY * len(layers):
            return None
        crossing = [life for life in taken if life.first <= last < life.last]
        rest = max(live[last + 1 :])
        if not passed or len(crossing) != 1 or len(nodes[last].outputs) != 1:
            continue
        ends.append(nodes[last])
        if rest <= _LESS * live[peak]:
            return _Front(peak, live[peak], nodes[last], rest, tuple(ends))
    return None


def _with_stride(part: Graph) -> str | None:
    """What the first layers would need, by a plan of their own, if the first convolution had twice its stride."""
    part = part.clone()
    first = next((node for node in part.nodes if isinstance(node.op, Conv)), None)
    if first is None or not isinstance(first.op, Conv) or max(first.op.strides) > _LARGEST:
        return None
    op = replace(first.op, strides=tuple(2 * stride for stride in first.op.strides))
    try:
        Rewriter(part).replace_node(first, op, first.inputs, allow_retype=True)
        needed = plan(part).arena_bytes
    except CnnirError:
        return None
    return f"stride {by(op.strides)} in {first.name} would bring these layers to {format_size(needed)}"


def _in_patches(subject: Subject, part: Graph, front: _Front) -> str | None:
    """The best that computing the first layers two by two patches at a time would do, where it is worth it.

    Counted are the image, the result, and the plan of one patch, as if it were an image of its own.
    """
    images = [source for source in subject.graph.inputs if len(shape(source)) == 4]
    if len(images) != 1:
        return None
    ends: list[Node] = []
    for end in front.ends:
        if not ends or known_bytes(end.output) < known_bytes(ends[-1].output):
            ends.append(end)
    tried = [_patched(subject, part, images[0], end.output) for end in ends[:_ENDS]]
    total, text = min((found for found in tried if found is not None), default=(front.peak, ""))
    return text if total <= _WORTH * front.peak else None


def _patched(subject: Subject, part: Graph, image: Value, result: Value) -> tuple[int, str] | None:
    """Bytes with a quarter of the result at a time, and how to say it; None where something is open."""
    fields, sizes = subject.fields(result), shape(result)[2:]
    patch = []
    for field, size in zip(fields, sizes, strict=False):
        extent = shape(image)[field.axis]
        if not field.stride or field.size is None or not is_known(field.size) or not is_known(extent):
            return None
        patch.append(min(extent, int((-(-size // 2) - 1) * field.stride) + field.size) if is_known(size) else 0)
    if len(patch) != len(sizes) or min(patch, default=0) == 0:
        return None
    try:
        patched = cut(part, (), (result.name,)).resize({image.name: [*map(str, shape(image)[:2]), *patch]})
        total = plan(patched).arena_bytes + known_bytes(image) + known_bytes(result)
    except CnnirError:
        return None
    return total, f"in 2x2 patches of {by(patch)} pixels {format_size(total)}, the image and {result.name} among it"
