"""P: pooling."""

from collections.abc import Iterator

from cnnir.lint.model import Found, Subject, by, rule
from cnnir.lint.view import Slide, slides
from cnnir.ops.pooling import Pool


@rule(
    "P001",
    "a pooling other than 2x2 or 3x3 at stride 2",
    why="Pooling throws most of a map away: 2x2 at stride 2 drops three quarters. Larger windows or strides lose more"
    " than the next layer can make up for (CS231n: rarely useful, too destructive), smaller steps repeat cells"
    " without reducing anything. Global pooling, a 1x1 window (which picks cells)"
    " and an odd window of stride 1 that keeps the map (the pooling branch of an inception module) are not reported.",
    fix="Take 2x2 or 3x3 at stride 2, or a strided convolution that learns what to keep.",
)
def unusual(subject: Subject) -> Iterator[Found]:
    """Windows other than those, axis by axis."""
    for node in subject.graph.nodes:
        found = slides(node) if isinstance(node.op, Pool) else []
        if not found or all(_is_usual(slide) for slide in found):
            continue
        kept = 1.0
        for slide in found:
            kept *= slide.count / slide.size
        yield Found(
            node,
            f"a {by([s.kernel for s in found])} pooling at stride {by([s.stride for s in found])} keeps"
            f" {kept:.0%} of the cells: {by([s.size for s in found])} to {by([s.count for s in found])}",
            "two poolings of stride 2 with convolutions between lose it in steps"
            if any(slide.stride > 2 for slide in found)
            else "2x2 or 3x3 at stride 2, or an odd window padded by (F - 1)/2 at stride 1",
        )


def _is_usual(slide: Slide) -> bool:
    if slide.covers_map or slide.kernel == 1 or (slide.kernel, slide.stride) in {(2, 2), (3, 2)}:
        return True
    return slide.stride == 1 and slide.kernel % 2 == 1 and slide.count == slide.size


@rule(
    "P002",
    "pooling windows that reach into padding only",
    why="A window without a single cell of the map has nothing to pool: the maximum is minus infinity, the average 0 or"
    " not a number, whatever the image is. The next layer sees a made-up border.",
    fix="Pad less than the window's size.",
)
def padding_only(subject: Subject) -> Iterator[Found]:
    """Windows whose cells all lie in padding."""
    for node in subject.graph.nodes:
        if not isinstance(node.op, Pool):
            continue
        for slide in slides(node):
            empty = sum(not _sees(slide, position) for position in range(slide.count))
            if empty:
                yield Found(
                    node,
                    f"{empty} of {slide.count} windows along spatial axis {slide.axis} see nothing but padding"
                    f" ({slide.begin} + {slide.end} around {slide.size} cells, window {slide.extent})",
                    f"pad at most {slide.kernel // 2}",
                )
                break


def _sees(slide: Slide, position: int) -> bool:
    """Whether a window has a cell in the map, gaps of a dilation left out."""
    step = (slide.extent - 1) // (slide.kernel - 1) if slide.kernel > 1 else 1
    first = position * slide.stride - slide.begin
    return any(0 <= first + step * cell < slide.size for cell in range(slide.kernel))
