"""What each op is said to read, against single nodes whose operands are disturbed slice by slice."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from cnnir.analysis.reads import Along, Merged, Nothing, Place, Read, Unknown, Whole, reads
from cnnir.graph import Graph, Node
from cnnir.ops import (
    DEFINED,
    Cast,
    ConstantOfShape,
    Conv,
    ConvTranspose,
    Div,
    Flatten,
    Gather,
    GatherElements,
    GatherND,
    Gemm,
    GroupNormalization,
    InstanceNormalization,
    IsInf,
    IsNaN,
    LayerNormalization,
    Max,
    Min,
    Mod,
    Mul,
    OneHot,
    Pad,
    Pow,
    PRelu,
    Range,
    Reshape,
    Resize,
    Shrink,
    Trilu,
    Where,
)
from cnnir.ops.activation import Distribution
from cnnir.ops.base import Op
from cnnir.ops.elementwise import Bits, Comparison, Logic
from cnnir.ops.function import Function
from cnnir.ops.integers import IntegerConvolution, IntegerProduct
from cnnir.ops.quantization import Granular
from cnnir.ops.recurrent import Recurrent
from cnnir.ops.reduction import Extreme, Reduction
from cnnir.ops.running import Running
from cnnir.ops.selecting import Scattering
from tests.interpreter.single_nodes import Case, random_case

Marks: TypeAlias = NDArray[np.bool_]

HIDING = (
    *(Function, Distribution, PRelu, Cast, Mul, Div, Mod, Pow, Max, Min, Comparison, Logic, Where, Gemm, ConvTranspose),
    *(Reduction, Extreme, OneHot, Trilu, Scattering, Running, Shrink, Bits, Recurrent),
    *(InstanceNormalization, GroupNormalization, LayerNormalization, Granular, IntegerConvolution, IntegerProduct),
)
"""Ops that may give the same for other operands: flat pieces, rounding, zero as a factor, one alone, all cut away."""

UNTOLD = (Conv, ConvTranspose, IntegerConvolution, GroupNormalization, Pad, Reshape, Flatten)
"""Ops of which it cannot always be told what they read."""

OPS = [op for op in DEFINED if op not in (ConstantOfShape, Range)]


def changes(case: Case, graph: Graph, operand: int, axis: int) -> list[list[Marks]]:
    """For each output and each cell along an axis of an operand, where the output changes when the cell does.

    The cell is moved up and down, each element by another amount, so that no activation hides both; what is true
    becomes false, and what is finite infinite or no number where that is asked for.
    """
    feed = case.feed()
    name = f"x{operand}"
    rng = np.random.default_rng(7)
    with np.errstate(all="ignore"):
        plain = list(graph.run(feed).values())
        found: list[list[Marks]] = [[] for _ in plain]
        for cell in range(feed[name].shape[axis]):
            changed = [np.zeros(array.shape, bool) for array in plain]
            for sign in (1, -1):
                moved = feed[name].copy()
                place = (slice(None),) * axis + (cell,)
                amount = rng.uniform(4, 6, moved[place].shape) * sign
                if moved.dtype == np.bool_:
                    moved[place] = ~moved[place]
                elif isinstance(case.op, IsInf | IsNaN):
                    moved[place] = np.where(np.isfinite(moved[place]), np.inf if sign > 0 else np.nan, 0.0)
                else:
                    moved[place] += amount.astype(moved.dtype)
                for mark, array, old in zip(changed, graph.run({**feed, name: moved}).values(), plain, strict=True):
                    mark |= ~(
                        (array == old) | (np.isnan(array) & np.isnan(old)) if array.dtype.kind == "f" else array == old
                    )
            for marks, mark in zip(found, changed, strict=True):
                marks.append(mark)
    return found


def places(case: Case, node: Node) -> Iterator[tuple[int, int]]:
    """(operand, axis) of what is fed."""
    for index, operand in enumerate(case.operands):
        if isinstance(case.op, Gather | GatherElements | GatherND | Scattering) and index == 1:
            continue  # another index may lie outside
        if isinstance(case.op, Recurrent) and index == 4:
            continue  # so may another length
        if operand is not None and index not in case.constants and operand.dtype.kind in "fibu":
            yield from ((index, axis) for axis in range(operand.ndim))


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.__name__)
def test_single_nodes(op: type[Op]) -> None:
    """Nothing changes that is not said to be read; and inside the map, all that is said to be read changes things."""
    exact = 0
    for seed in range(30):
        case = random_case(op, seed)
        if all(operand is None or operand.dtype.kind in "fibu" for operand in case.operands):
            case = case.as_type(np.float64)
            exact += compare(case)
    assert exact > 20


def compare(case: Case) -> int:
    """Positions that agree exactly."""
    graph = case.graph()
    (node,) = graph.nodes
    exact = 0
    for operand, axis in places(case, node):
        found = changes(case, graph, operand, axis)
        for output, marks in enumerate(found):
            read = reads[type(node.op)](node.op, Place(node, operand, axis, output))
            assert not isinstance(read, Unknown) or isinstance(node.op, UNTOLD)
            if marks and output == 0:
                exact += agree(case, read, marks)
    return exact


def agree(case: Case, read: Read, marks: list[Marks]) -> int:
    """Check one axis of one operand against where the first output changed, cell by cell."""
    size = len(marks)
    if isinstance(read, Unknown | Merged) or marks[0].size == 0:
        return 1
    if isinstance(read, Nothing):
        assert not any(mark.any() for mark in marks), str(case)
        return 1
    if isinstance(read, Whole):
        return sum(bool(mark.any()) for mark in marks)
    assert isinstance(read, Along)
    exact = 0
    for position in range(marks[0].shape[read.axis]):
        seen = [cell for cell, mark in enumerate(marks) if mark.take(position, axis=read.axis).any()]
        cells = read.reach.at(position)
        inside = cells is not None and cells[0] >= 0 and cells[1] < size
        if cells is not None and isinstance(case.op, Resize):
            # Cells at the border stand for those outside.
            cells = min(max(cells[0], 0), size - 1), min(max(cells[1], 0), size - 1)
        if not (isinstance(case.op, Pad) and case.op.mode != "constant" and not inside):
            assert all(cells is not None and cells[0] <= cell <= cells[1] for cell in seen), (str(case), position)
        assert seen or not inside or isinstance(case.op, HIDING), (str(case), read, position)
        if inside and seen:
            # What is rounded and cut off at the ends of its type may hide any cell.
            assert case.typed or (seen[0], seen[-1]) == cells, (str(case), read, position)
            exact += 1
    return exact
