"""Shape rules of reductions by example, for `test_op_shapes`."""

from collections.abc import Sequence

from cnnir.ops import (
    ArgMax,
    ArgMin,
    Op,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
)
from cnnir.ops.reduction import Extreme, Reduction
from cnnir.types import DType
from tests.ops.sources import Given, ShapeText, tensor

MAP = tensor(2, 3, 4, 5)
SUMS: tuple[type[Reduction], ...] = (ReduceSum, ReduceProd, ReduceL1, ReduceSumSquare)
ROOTS: tuple[type[Reduction], ...] = (ReduceL2, ReduceLogSum, ReduceLogSumExp)
ORDERS: tuple[type[Reduction], ...] = (ReduceMax, ReduceMin)
PLACES: tuple[type[Extreme], ...] = (ArgMax, ArgMin)

RIGHT: list[tuple[Op, Sequence[Given | None], Sequence[ShapeText]]] = [
    *((op((1, 3)), [MAP], [(2, 1, 4, 1)]) for op in (*SUMS, *ROOTS, *ORDERS)),
    *((op((0, 2), keepdims=False), [MAP], [(3, 5)]) for op in (*SUMS, *ROOTS, *ORDERS)),
    *((op(()), [MAP], [(2, 3, 4, 5)]) for op in (*SUMS, *ROOTS, *ORDERS)),
    *((op((0,)), [tensor(0, 3)], [(1, 3)]) for op in (*SUMS, *ROOTS, *ORDERS)),
    *((op((1,)), [tensor(2, "N")], [(2, 1)]) for op in ORDERS),
    *((op((0,)), [tensor(2, dtype=DType.BOOL)], [(1,)]) for op in ORDERS),
    *((op(1), [MAP], [(2, 1, 4, 5)]) for op in PLACES),
    *((op(3, keepdims=False), [MAP], [(2, 3, 4)]) for op in PLACES),
]

WRONG: list[tuple[Op, Sequence[Given | None], str, Sequence[str]]] = [
    *((op((2,)), [tensor(2, 3)], "axis", ["expected -2 to 1"]) for op in (*SUMS, *ROOTS, *ORDERS)),
    *((op((1, 0)), [tensor(2, 3)], "axis", ["ascend"]) for op in (*SUMS, *ROOTS, *ORDERS)),
    *((op((0,)), [tensor(2, dtype=DType.BOOL)], "operand-dtype", ["got bool"]) for op in (*SUMS, *ROOTS)),
    *((op((0,)), [tensor(2, dtype=DType.INT32)], "operand-dtype", ["got int32"]) for op in ROOTS),
    *((op((0,)), [tensor(2, dtype=DType.INT8)], "operand-dtype", ["got int8"]) for op in SUMS),
    *((op(0), [tensor(0, 3)], "reduce-empty", ["no extreme", "got 0"]) for op in PLACES),
    *((op(-1), [tensor(2)], "axis", ["from the front"]) for op in PLACES),
    *((op(0), [tensor(2, dtype=DType.BOOL)], "operand-dtype", ["got bool"]) for op in PLACES),
]
