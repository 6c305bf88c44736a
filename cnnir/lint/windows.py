"""W: how windows lie on their maps."""

from collections.abc import Iterator
from dataclasses import replace

from cnnir.lint.model import Found, Subject, by, rule
from cnnir.lint.view import Slide, padded_before, slides
from cnnir.ops import Conv
from cnnir.ops.pooling import Pool

_AXES = ("rows", "columns")


def _axes(found: list[Slide]) -> str:
    """``rows and columns``."""
    return " and ".join(_AXES[slide.axis] if slide.axis < 2 else f"cells of axis {slide.axis}" for slide in found)


@rule(
    "W001",
    "the window does not tile the map",
    why="(W - F + 2P)/S + 1 is no whole number, so the last rows or columns are never read: the network is blind at one"
    " border, and an image that is moved by a pixel is seen differently. A remainder that padding alone fills is no"
    " loss and is not reported; nor is a window smaller than its stride, which skips cells on purpose.",
    fix="Choose the size, the padding or the stride so that the division leaves no rest.",
)
def does_not_tile(subject: Subject) -> Iterator[Found]:
    """Cells behind the last window that are not padding."""
    for node in subject.graph.nodes:
        found = [slide for slide in slides(node) if slide.dropped and slide.extent >= slide.stride]
        if not found:
            continue
        first = found[0]
        padding = first.begin + first.end
        count = (first.size - first.extent + padding) / first.stride + 1
        alike = [slide for slide in found if replace(slide, axis=first.axis) == first]
        others = [slide for slide in found if slide not in alike]
        where = f"{first.size} {_axes(alike)}"
        lost = f"{first.dropped} of {where} are" if first.dropped > 1 else f"of {where} is"
        more = "".join(f", nor {slide.dropped} of {slide.size} {_axes([slide])}" for slide in others)
        missing = first.stride - first.spare
        sizes = f"{first.size - first.spare} or {first.size - first.spare + first.stride}"
        kind = f" {_axes(alike)}" if others else ""
        yield Found(
            node,
            f"({first.size} - {first.extent} + {padding})/{first.stride} + 1 = {round(count, 2):g} windows: the last"
            f" {lost} never read{more}",
            f"give it a map of {sizes}{kind}, or {missing} more {'cells' if missing > 1 else 'cell'} of padding"
            + "".join(
                f"; of {slide.size - slide.spare} or {slide.size - slide.spare + slide.stride} {_axes([slide])},"
                f" or {slide.stride - slide.spare} more"
                for slide in others
            ),
        )


@rule(
    "W002",
    "the convolution shrinks its map",
    why="A stride of 1 is meant to keep the map; without padding each layer eats F - 1 rows and columns, the border is"
    " seen by fewer and fewer windows, and depth is limited by the size of the image. Sizes then no longer halve"
    " evenly, and sums with earlier maps need cropping.",
    fix="Pad by (F - 1)/2 on each side; shrinking is best left to strides and pooling.",
)
def shrinks(subject: Subject) -> Iterator[Found]:
    """Windows of odd size and stride 1 that leave a smaller map; one that covers the map is a layer of its own kind."""
    for node in subject.graph.nodes:
        if not isinstance(node.op, Conv):
            continue
        extra = padded_before(node)
        half = len(extra) // 2
        found = [
            slide
            for slide in slides(node)
            if slide.stride == 1 and slide.extent % 2 and not slide.covers_map
            and slide.count < slide.size - extra[slide.axis] - extra[slide.axis + half]
        ]  # fmt: skip
        if found:
            wanted = [(slide.extent - 1) // 2 for slide in found]
            yield Found(
                node,
                f"the map shrinks from {by([s.size for s in found])} to {by([s.count for s in found])} {_axes(found)}",
                f"a padding of {by(wanted)} keeps it: (F - 1)/2 for F = {by([s.extent for s in found])}",
            )


@rule(
    "W003",
    "the kernel is even",
    why="An even window has no middle: with an odd stride no symmetric padding keeps the map, so it shrinks by one or"
    " moves by half a cell in each layer. Even windows of even stride (a 4x4 of stride 2) and patches that do not"
    " overlap (2x2 of stride 2) keep their place and are not reported.",
    fix="Take the next odd size.",
)
def even_kernel(subject: Subject) -> Iterator[Found]:
    """Convolutions of even kernel and odd stride."""
    for node in subject.graph.nodes:
        if not isinstance(node.op, Conv):
            continue
        found = [s for s in slides(node) if s.kernel % 2 == 0 and s.stride % 2 and not s.covers_map]
        if found:
            kernel = by([slide.kernel for slide in slides(node)])
            odd = [slide.kernel + (1 if slide in found else 0) for slide in slides(node)]
            strides = by([slide.stride for slide in slides(node)])
            yield Found(
                node,
                f"a {kernel} kernel at stride {strides} has no middle",
                f"take {by([size - 2 if size > 3 else size for size in odd])} or {by(odd)}"
                if any(size > 3 for size in odd)
                else f"take {by(odd)}",
            )


@rule(
    "W004",
    "the padding is not symmetric",
    why="More padding on one side moves everything by a part of a cell towards the other; it adds up from layer to"
    " layer and matters where positions do (detection, segmentation, matching). Several frameworks and accelerators"
    " know symmetric padding only and insert a Pad, with a copy of the map, instead.",
    fix="Pad alike on both sides; a pooling that pads its end to complete the last window is not reported.",
)
def asymmetric(subject: Subject) -> Iterator[Found]:
    """Beginnings and ends that differ."""
    for node in subject.graph.nodes:
        found = [
            slide
            for slide in slides(node)
            if slide.begin != slide.end and not slide.covers_map and not _completes(node, slide)
        ]
        if not found:
            continue
        pads = " and ".join(f"{s.begin} + {s.end} on the {_axes([s])}" for s in found)
        first = found[0]
        wide = max(first.begin, first.end)
        count = (first.size + 2 * wide - first.extent) // first.stride + 1
        same = "the size stays" if count == first.count else f"{count} cells instead of {first.count}"
        yield Found(node, f"it pads {pads}", f"pad {wide} on both sides: {same}")


def _completes(node: object, slide: Slide) -> bool:
    """A pooling's padding at the end alone, there because without it the last window would not fit (Caffe's way)."""
    op = getattr(node, "op", None)
    rest = (slide.size + 2 * slide.begin - slide.extent) % slide.stride
    return isinstance(op, Pool) and slide.end > slide.begin and rest != 0
