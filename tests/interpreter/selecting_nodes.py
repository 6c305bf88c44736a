"""Random nodes of ops that choose elements or places, run along axes, sum products, and make tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cnnir.ops import (
    CumProd,
    CumSum,
    Einsum,
    EyeLike,
    GatherElements,
    GatherND,
    OneHot,
    Op,
    Range,
    ScatterElements,
    ScatterND,
    TopK,
    Trilu,
)
from cnnir.ops.running import Running
from cnnir.types import DType
from tests.interpreter.drawing import MAKERS, AnyArray, Case, Draw, Maker, makes


@makes(TopK)
def top_k(draw: Draw) -> Case:
    """With ties; elements in no order are judged by nobody."""
    sizes = draw.shape(1, 4)
    axis = draw.number(0, len(sizes) - 1)
    data = draw.tensor(*sizes, scale=3)
    in_order = draw.coin(0.8)
    op = TopK(draw.number(1, sizes[axis]), axis, draw.coin(), in_order)
    return Case(op, (data.round() if draw.coin() else data,), portable=in_order)


@makes(GatherElements)
def gather_elements(draw: Draw) -> Case:
    """Indices from either side, perhaps of fewer positions than the data has."""
    sizes = draw.shape(1, 4)
    axis = draw.number(0, len(sizes) - 1)
    wanted = tuple(draw.number(1, 6 if place == axis else size) for place, size in enumerate(sizes))
    indices = _indices(draw, sizes[axis], wanted, draw.choose([np.int32, np.int64]))
    return Case(GatherElements(axis), (draw.tensor(*sizes, scale=10), indices), _perhaps_constant(draw))


def _indices(draw: Draw, size: int, shape: tuple[int, ...], dtype: type[np.generic] = np.int64) -> AnyArray:
    """Places in an axis of that size, from either side."""
    return np.asarray(draw.rng.integers(-size, size, shape), dtype)


def _perhaps_constant(draw: Draw) -> frozenset[int]:
    """The second operand, now and then."""
    return frozenset({1}) if draw.coin() else frozenset()


def _rows(draw: Draw, sizes: tuple[int, ...], shape: tuple[int, ...]) -> AnyArray:
    """Rows of indices, one for each of these axes."""
    return np.stack([_indices(draw, size, shape) for size in sizes], axis=-1)


@makes(GatherND)
def gather_nd(draw: Draw) -> Case:
    """With and without axes of a batch."""
    sizes = draw.shape(1, 5, 4)
    batch = draw.choose([0, 0, 1, 2]) if len(sizes) > 2 else 0
    named = draw.number(1, len(sizes) - batch)
    rows = _rows(draw, sizes[batch : batch + named], (*sizes[:batch], *draw.shape(0, 2, 3)))
    return Case(GatherND(batch), (draw.tensor(*sizes, scale=10), rows), _perhaps_constant(draw))


@makes(ScatterElements)
def scatter_elements(draw: Draw) -> Case:
    """To places of their own each, or taken together wherever they fall."""
    sizes = draw.shape(1, 4)
    axis = draw.number(0, len(sizes) - 1)
    reduction = draw.choose(["none", "none", "add", "mul", "max", "min"])
    wanted = tuple(draw.number(1, size) for size in sizes)
    indices = _indices(draw, sizes[axis], wanted, draw.choose([np.int32, np.int64]))
    if reduction == "none":
        # Which of two updates stays is nobody's business.
        places = np.argsort(draw.rng.random(tuple(sizes[axis] if p == axis else n for p, n in enumerate(wanted))), axis)
        indices = np.take(places, np.arange(wanted[axis]), axis).astype(indices.dtype)
    return Case(ScatterElements(axis, reduction), (draw.tensor(*sizes), indices, draw.tensor(*wanted, scale=5)))


@makes(ScatterND)
def scatter_nd(draw: Draw) -> Case:
    """Slices of any rank."""
    sizes = draw.shape(1, 4, 4)
    named = draw.number(1, len(sizes))
    reduction = draw.choose(["none", "none", "add", "mul", "max", "min"])
    shape = draw.shape(0, 2, 3)
    if reduction == "none":
        count = int(np.prod(sizes[:named]))
        shape = (draw.number(1, count),)
        chosen = draw.rng.permutation(count)[: shape[0]]
        rows = np.stack(np.unravel_index(chosen, sizes[:named]), axis=-1).astype(np.int64)
    else:
        rows = _rows(draw, sizes[:named], shape)
    return Case(ScatterND(reduction), (draw.tensor(*sizes), rows, draw.tensor(*shape, *sizes[named:], scale=5)))


def _running(op: type[Running]) -> Maker:
    def make(draw: Draw) -> Case:
        """From either side, with and without the element itself."""
        sizes = draw.shape(1, 4)
        return Case(op(draw.number(0, len(sizes) - 1), draw.coin(), draw.coin()), (draw.tensor(*sizes, scale=2),))

    return make


MAKERS[CumSum] = _running(CumSum)
MAKERS[CumProd] = _running(CumProd)

_EQUATIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ij,jk->ik", ("ij", "jk")),
    ("bhid, bhjd -> bhij", ("bhid", "bhjd")),
    ("bchw,c->bhw", ("bchw", "c")),
    ("nchw->nhwc", ("nchw",)),
    ("ij->", ("ij",)),
    ("ii->i", ("ii",)),
    ("...ij,...jk->...ik", ("abij", "abjk")),
    ("...i,...i", ("abi", "abi")),
    ("ij,jk", ("ij", "jk")),
    ("ij,jk,kl->il", ("ij", "jk", "kl")),
    ("i,j->ij", ("i", "j")),
    ("Ba,aB", ("Ba", "aB")),
    (",ij->ji", ("", "ij")),
)
"""Equations, and the letters of their operands with the axes of an ellipsis named."""


@makes(Einsum)
def einsum(draw: Draw) -> Case:
    """Products, sums, diagonals and transpositions."""
    equation, terms = draw.choose(_EQUATIONS)
    sizes = {letter: draw.number(1, 4) for letter in sorted(set("".join(terms)))}
    return Case(Einsum(equation), tuple(draw.tensor(*(sizes[letter] for letter in term)) for term in terms))


@makes(Range)
def range_(draw: Draw) -> Case:
    """Up and down, empty or not, of integers and floats."""
    dtype: Any = draw.choose([np.int32, np.int64, np.float32])
    start, limit = draw.number(-9, 9), draw.number(-9, 9)
    step = draw.choose([1, 2, 3, -1, -2]) * (1 if dtype is not np.float32 else draw.choose([1.0, 0.5, 0.3]))
    constants = draw.choose([frozenset({0, 1, 2}), frozenset({0, 2}), frozenset()])
    return Case(Range(), tuple(np.asarray(number, dtype) for number in (start, limit, step)), constants)


@makes(EyeLike)
def eye_like(draw: Draw) -> Case:
    """Any diagonal, also one outside."""
    op = EyeLike(draw.choose([DType.FLOAT32, DType.INT64, DType.FLOAT64]), draw.number(-6, 6))
    return Case(op, (draw.tensor(*draw.numbers(2, 1, 5)),))


@makes(OneHot)
def one_hot(draw: Draw) -> Case:
    """Indices from either side and beyond; the depth is fed or constant."""
    sizes, depth = draw.shape(1, 3), draw.number(1, 6)
    indices = draw.rng.integers(-depth - 1, depth + 1, sizes).astype(draw.choose([np.int64, np.int32]))
    indices = np.asarray(indices, np.int64) if indices.dtype == np.int32 else indices
    values = np.asarray(draw.tensor(2), np.float32)
    constants = frozenset({1, 2}) if draw.coin(0.8) else frozenset({2})
    return Case(OneHot(draw.number(0, len(sizes))), (indices, np.asarray(depth, np.int64), values), constants)


@makes(Trilu)
def triangle(draw: Draw) -> Case:
    """Any diagonal of stacks of matrices."""
    return Case(Trilu(draw.choose([0, 0, *range(-5, 6)]), draw.coin()), (draw.tensor(*draw.shape(2, 4)),))


def _maps(channels: int, size: int) -> AnyArray:
    return Draw(1).tensor(1, channels, size, size)


def _places(channels: int, size: int) -> AnyArray:
    return np.zeros((1, channels, size, 2), np.int64)


def _numbers(*numbers: int) -> tuple[AnyArray, ...]:
    return tuple(np.asarray(number) for number in numbers)


SCALED: dict[type[Op], Callable[[int, int], Case]] = {
    GatherElements: lambda c, n: Case(GatherElements(2), (_maps(c, n), _places(c, n))),
    GatherND: lambda c, n: Case(GatherND(1), (_maps(c, n), _places(c, n))),
    ScatterElements: lambda c, n: Case(ScatterElements(2), (_maps(c, n), _places(c, n), _maps(c, n)[..., :2])),
    ScatterND: lambda c, n: Case(ScatterND("add"), (_maps(c, n), _places(c, n), Draw(2).tensor(1, c, n, n, n))),
    TopK: lambda c, n: Case(TopK(2, 1), (_maps(c, n),)),
    Einsum: lambda c, n: Case(Einsum("bchw,bcwd->bchd"), (_maps(c, n), _maps(c, n))),
    Range: lambda c, n: Case(Range(), _numbers(0, c * n, 1)),
    OneHot: lambda c, n: Case(OneHot(1), (np.zeros((c, n), np.int64), *_numbers(c), np.zeros(2, np.float32))),
}
"""Nodes over maps with so many channels, of that size."""
