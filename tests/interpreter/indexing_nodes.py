"""Random nodes of ops that give sizes, take elements by index, and repeat them."""

from collections.abc import Callable

import numpy as np

from cnnir.ops import DepthToSpace, Expand, Gather, Op, Shape, Size, SpaceToDepth, Tile
from tests.interpreter.drawing import AnyArray, Case, Draw, broadcast_shapes, makes


@makes(Shape)
def shape(draw: Draw) -> Case:
    """All dims, or a range of them, counted from either side and beyond."""
    data = draw.tensor(*draw.shape(0, 5))
    if draw.coin():
        return Case(Shape(), (data,))
    return Case(Shape(draw.number(-6, 6), draw.choose([None, *range(-6, 7)])), (data,))


@makes(Size)
def size(draw: Draw) -> Case:
    """Of any tensor, also an empty one."""
    return Case(Size(), (draw.tensor(*draw.shape(), *([0] if draw.coin(0.1) else [])),))


@makes(Gather)
def gather(draw: Draw) -> Case:
    """Along any axis, by indices of any rank from either side, fed or constant."""
    sizes = draw.shape(1, 4)
    axis = draw.number(0, len(sizes) - 1)
    wanted = draw.choose([(), (3,), (1,), draw.shape(1, 1), (2, 2)])
    indices = draw.rng.integers(-sizes[axis], sizes[axis], wanted).astype(draw.choose([np.int32, np.int64]))
    data = draw.tensor(*sizes, scale=10)
    if draw.coin(0.2):
        data = data.astype(np.int64)
    return Case(Gather(axis), (data, np.asarray(indices)), frozenset({1}) if draw.coin(0.7) else frozenset())


@makes(Expand)
def expand(draw: Draw) -> Case:
    """Either side may have the longer shape, and ones."""
    sizes, target = broadcast_shapes(draw, 2)
    return Case(Expand(target), (draw.tensor(*sizes),))


@makes(Tile)
def tile(draw: Draw) -> Case:
    """Once, several times, or not at all."""
    sizes = draw.shape()
    return Case(Tile(tuple(draw.choose([0, 1, 1, 2, 3]) for _ in sizes)), (draw.tensor(*sizes),))


@makes(DepthToSpace)
def depth_to_space(draw: Draw) -> Case:
    """Both orders."""
    size = draw.number(1, 3)
    sizes = (draw.number(1, 2), draw.number(1, 3) * size * size, *draw.numbers(2, 1, 4))
    return Case(DepthToSpace(size, draw.choose(["DCR", "CRD"])), (draw.tensor(*sizes),))


@makes(SpaceToDepth)
def space_to_depth(draw: Draw) -> Case:
    """Blocks that fit; onnxruntime has one order alone."""
    size, mode = draw.number(1, 3), draw.choose(["DCR", "DCR", "DCR", "CRD"])
    height, width = draw.numbers(2, 1, 3)
    data = draw.tensor(draw.number(1, 2), draw.number(1, 3), height * size, width * size)
    return Case(SpaceToDepth(size, mode), (data,), portable=mode == "DCR", opset=0 if mode == "DCR" else 28)


def _maps(channels: int, size: int) -> AnyArray:
    return Draw(1).tensor(1, channels, size, size)


SCALED: dict[type[Op], Callable[[int, int], Case]] = {
    Gather: lambda c, n: Case(Gather(2), (_maps(c, n), np.arange(n))),
    Expand: lambda c, n: Case(Expand((2, 1, n, n)), (_maps(c, 1),)),
    DepthToSpace: lambda c, n: Case(DepthToSpace(2), (_maps(4 * c, n),)),
    SpaceToDepth: lambda c, n: Case(SpaceToDepth(2), (_maps(c, n),)),
    Tile: lambda c, n: Case(Tile((2, 1, n, 1)), (_maps(c, n),)),
}
"""Nodes over maps with so many channels, of that size."""
