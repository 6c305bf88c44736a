"""Shape rules of choosing, scattering, running, contracting and making by example, for `test_op_shapes`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnir.ops import (
    BitShift,
    BitwiseAnd,
    BitwiseNot,
    BitwiseOr,
    BitwiseXor,
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
from cnnir.weights import Array
from tests.ops.sources import Given, ShapeText, constant, tensor


def number(value: float, dtype: type[np.generic] = np.int64) -> Given:
    """A constant scalar."""
    weight = Array.of(np.asarray(value, dtype))
    return Given(weight.type, weight)


def indices(*shape: int | str) -> Given:
    """Indices that are computed."""
    return tensor(*shape, dtype=DType.INT64)


def floats(*numbers: float) -> list[Given]:
    """Constant scalars of float32."""
    return [number(value, np.float32) for value in numbers]


MAP = tensor(2, 3, 4, 5)
INDEX = tensor(dtype=DType.INT64)
BACK: Any = "BACK"
BITS = tensor(2, 3, dtype=DType.INT16)
PATTERNS: tuple[type[Op], ...] = (BitwiseAnd, BitwiseOr, BitwiseXor)
RUNS: tuple[type[Running], ...] = (CumSum, CumProd)

RIGHT: list[tuple[Op, Sequence[Given | None], Sequence[ShapeText]]] = [
    (TopK(2, 3), [MAP], [(2, 3, 4, 2)] * 2),
    (TopK(0, 0, largest=False, sorted=False), [MAP], [(0, 3, 4, 5)] * 2),
    (GatherElements(1), [MAP, indices(1, 7, 4, 2)], [(1, 7, 4, 2)]),
    (GatherElements(0), [tensor(5), constant(0, -5, 4)], [(3,)]),
    (GatherND(), [MAP, indices(6, 2)], [(6, 4, 5)]),
    (GatherND(1), [MAP, indices(2, 7, 3)], [(2, 7)]),
    (GatherND(2), [MAP, indices(2, 3, 1)], [(2, 3, 5)]),
    (ScatterElements(1), [MAP, indices(1, 3, 4, 2), tensor(1, 3, 4, 2)], [(2, 3, 4, 5)]),
    (ScatterElements(1, "add"), [MAP, indices(2, 9, 4, 5), tensor(2, 9, 4, 5)], [(2, 3, 4, 5)]),
    (ScatterND(), [MAP, indices(6, 2), tensor(6, 4, 5)], [(2, 3, 4, 5)]),
    (ScatterND("max"), [MAP, indices(4), tensor()], [(2, 3, 4, 5)]),
    *((op(1, exclusive=True), [MAP], [(2, 3, 4, 5)]) for op in RUNS),
    (Einsum("bchw,dc->bdhw"), [MAP, tensor(7, 3)], [(2, 7, 4, 5)]),
    (Einsum("bchw,c"), [MAP, tensor(3)], [(2, 4, 5)]),
    (Einsum("...wh -> ...hw"), [MAP], [(2, 3, 5, 4)]),
    (Einsum("ba,B"), [tensor(2, 3), tensor(4)], [(4, 3, 2)]),
    (Einsum("ij,ij->ij"), [tensor(1, 3), tensor(2, 3)], [(2, 3)]),
    (Range(), [number(2), number(11), number(3)], [(3,)]),
    (Range(), [number(2), number(11), number(-3)], [(0,)]),
    (Range(), floats(0, 1, 0.3), [(4,)]),
    (Range(), [number(0), INDEX, number(1)], [("?",)]),
    (EyeLike(DType.INT8, 9), [tensor(2, 3)], [(2, 3)]),
    (OneHot(1), [indices(2, 3), number(4), tensor(2)], [(2, 4, 3)]),
    (OneHot(2), [indices(2, 3), constant(4), tensor(2)], [(2, 3, 4)]),
    (OneHot(0), [indices(2, 3), INDEX, tensor(2)], [("?", 2, 3)]),
    (Trilu(1), [MAP], [(2, 3, 4, 5)]),
    (BitwiseNot(), [BITS], [(2, 3)]),
    *((op(), [BITS, tensor(4, 1, 1, dtype=DType.INT16)], [(4, 2, 3)]) for op in PATTERNS),
    (BitShift("LEFT"), [BITS, BITS], [(2, 3)]),
]

WRONG: list[tuple[Op, Sequence[Given | None], str, Sequence[str]]] = [
    (TopK(6, 3), [MAP], "topk-size", ["axis 3", "at least 6", "got 5"]),
    (TopK(-1, 3), [MAP], "topk-size", ["negative"]),
    (TopK(1, -1), [MAP], "axis", ["from the front"]),
    (GatherElements(1), [MAP, indices(3, 7, 4, 2)], "gather-shape", ["axis 0", "at least 3", "got 2"]),
    (GatherElements(0), [tensor(5), constant(0, 5)], "gather-index", ["index 5", "axis 0"]),
    (GatherElements(0), [tensor(5), indices(5, 1)], "rank", ["indices"]),
    (GatherElements(0), [tensor(5), tensor(5)], "operand-dtype", ["indices", "got float32"]),
    (GatherND(), [MAP, indices(6, 5)], "gather-depth", ["1 to 4", "got 5"]),
    (GatherND(), [MAP, indices(6, "K")], "gather-depth", ["decides the rank", "got K"]),
    (GatherND(), [tensor(4, 5), constant(3, 5)], "gather-index", ["index 5", "axis 1", "at least 6", "got 5"]),
    (ScatterND(), [tensor(4, 5), constant(-5, 0), tensor()], "gather-index", ["index -5", "axis 0", "got 4"]),
    (GatherND(1), [MAP, indices(3, 7, 3)], "gather-batch", ["axis 0", "expected 2", "got 3"]),
    (GatherND(2), [MAP, indices(2, 3)], "gather-batch", ["expected 0 to 1"]),
    (GatherND(), [MAP, tensor(6, 2, dtype=DType.INT32)], "operand-dtype", ["expected int64"]),
    (ScatterElements(1), [MAP, indices(1, 3, 4, 2), tensor(1, 3, 4, 3)], "scatter-shape", ["axis 3"]),
    (ScatterElements(1), [tensor(2, 3), constant(1), tensor(1)], "rank", ["indices"]),
    (ScatterElements(0), [tensor(2), constant(2), tensor(1)], "gather-index", ["index 2"]),
    (
        ScatterND("add"),
        [tensor(2, dtype=DType.BOOL), constant(1), tensor(dtype=DType.BOOL)],
        "scatter-mode",
        ["of bool"],
    ),
    (ScatterElements(0, BACK), [tensor(2), constant(1), tensor(1)], "scatter-mode", ["BACK"]),
    (ScatterND(), [MAP, indices(6, 2), tensor(6, 4, 4)], "scatter-shape", ["axis 2", "expected 5", "got 4"]),
    (ScatterND(), [MAP, indices(6, 2), tensor(6, 4, 5, dtype=DType.INT8)], "dtype-mismatch", ["updates"]),
    *((op(4), [MAP], "axis", ["expected -4 to 3"]) for op in RUNS),
    *((op(0), [tensor(2, dtype=DType.INT8)], "operand-dtype", ["got int8"]) for op in RUNS),
    (Einsum("ij,jk->ik"), [tensor(2, 3), tensor(4, 5)], "broadcast", ["3", "4"]),
    (Einsum("ii->i"), [tensor(2, 3)], "einsum-size", ["called i"]),
    (Einsum("ij->ik"), [tensor(2, 3)], "einsum", ["no operand has"]),
    (Einsum("ij->ii"), [tensor(2, 3)], "einsum", ["a letter twice"]),
    (Einsum("ij"), [tensor(2, 3, 4)], "einsum", ["rank 3"]),
    (Einsum("i.j"), [tensor(2, 3)], "einsum", ["dots"]),
    (Einsum("ij,jk"), [tensor(2, 3)], "einsum", ["expected 1", "got 2"]),
    (Einsum("...i->i"), [tensor(2, 3)], "einsum", ["lacks the ellipsis"]),
    (Einsum("...i,...i"), [tensor(2, 3), tensor(3)], "einsum", ["several numbers"]),
    (Range(), [number(0), number(5), number(0)], "range-limits", ["a step"]),
    (Range(), floats(0, np.inf, 1), "range-limits", ["finite"]),
    (Range(), floats(-3e38, 3e38, 1e38), "range-limits", ["beyond all numbers"]),
    (Range(), [number(0), number(5), *floats(1)], "dtype-mismatch", ["delta"]),
    (Range(), [number(0), constant(5, 6), number(1)], "range-limits", ["limit", "got 2"]),
    (Range((4,)), [number(0), number(5), number(1)], "range-length", ["expected 4", "got 5"]),
    (Range((4, 5)), [number(0), number(5), number(1)], "range-length", ["one length"]),
    (EyeLike(DType.INT8), [tensor(2)], "rank", ["expected rank 2"]),
    (EyeLike(DType.STRING), [tensor(2, 3)], "eye-dtype", ["bool", "got string"]),
    (OneHot(3), [indices(2, 3), number(4), tensor(2)], "axis", ["-3 to 2"]),
    (OneHot(0), [indices(2, 3), number(-4), tensor(2)], "onehot-depth", ["negative"]),
    *(
        (OneHot(0), [indices(2, 3), *floats(depth), tensor(2)], "onehot-depth", ["finite"])
        for depth in (np.inf, np.nan)
    ),
    (OneHot(0), [indices(2, 3), number(4), tensor(3)], "onehot-values", ["expected 2", "got 3"]),
    (OneHot(0), [indices(2, 3), constant(4, 5), tensor(2)], "onehot-depth", ["not one number"]),
    (Trilu(), [tensor(3)], "rank", ["rank 2 to any"]),
    (BitwiseNot(), [tensor(2, dtype=DType.INT4)], "operand-dtype", ["8 bits or more", "got int4"]),
    *((op(), [MAP, MAP], "operand-dtype", ["got float32"]) for op in PATTERNS),
    *((op(), [BITS, tensor(2, dtype=DType.INT16)], "broadcast", ["2", "3"]) for op in PATTERNS),
    (BitShift(BACK), [BITS, BITS], "shift-direction", ["LEFT or RIGHT", "got BACK"]),
]
