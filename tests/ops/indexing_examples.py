"""Shape rules of sizes, indices and repetition by example, for `test_op_shapes`."""

from collections.abc import Sequence

from cnnir.ops import DepthToSpace, Expand, Gather, Op, Shape, Size, SpaceToDepth, Tile
from cnnir.types import DType
from tests.ops.sources import SEQUENCE, Given, ShapeText, constant, tensor

MAP = tensor(2, 3, 4, 5)
INDEX = tensor(dtype=DType.INT64)

RIGHT: list[tuple[Op, Sequence[Given | None], Sequence[ShapeText]]] = [
    (Shape(), [MAP], [(4,)]),
    (Shape(), [tensor()], [(0,)]),
    (Shape(1), [MAP], [(3,)]),
    (Shape(-1), [MAP], [(1,)]),
    (Shape(1, -1), [MAP], [(2,)]),
    (Shape(-9, 9), [MAP], [(4,)]),
    (Shape(3, 1), [MAP], [(0,)]),
    (Size(), [MAP], [()]),
    (Gather(1), [MAP, INDEX], [(2, 4, 5)]),
    (Gather(1), [MAP, tensor(7, 8, dtype=DType.INT32)], [(2, 7, 8, 4, 5)]),
    (Gather(0), [tensor(5), constant(0, -5, 4)], [(3,)]),
    (Gather(0), [tensor(0, 3), tensor(0, dtype=DType.INT64)], [(0, 3)]),
    (Gather(0), [tensor("N", 3), constant(0, -1)], [(2, 3)]),
    (Expand((3, 1, 4)), [tensor(2, 1)], [(3, 2, 4)]),
    (Expand(()), [tensor(2)], [(2,)]),
    (Expand((0,)), [tensor(2, 1)], [(2, 0)]),
    (Tile((1, 2, 0)), [tensor(2, 3, 4)], [(2, 6, 0)]),
    (Tile(()), [tensor()], [()]),
    (DepthToSpace(2), [tensor(1, 12, 2, 3)], [(1, 3, 4, 6)]),
    (SpaceToDepth(2), [tensor(1, 3, 4, 6)], [(1, 12, 2, 3)]),
    (SpaceToDepth(2, "CRD"), [tensor(1, 3, 4, 6)], [(1, 12, 2, 3)]),
]

WRONG: list[tuple[Op, Sequence[Given | None], str, Sequence[str]]] = [
    (Shape(), [SEQUENCE], "operand-type", ["no tensor"]),
    (Size(), [SEQUENCE], "operand-type", ["no tensor"]),
    (Gather(0), [tensor(5), constant(0, 5)], "gather-index", ["index 5", "axis 0", "at least 6", "got 5"]),
    (Gather(0), [tensor(5), constant(-6)], "gather-index", ["index -6", "at least 6", "got 5"]),
    (Gather(1), [tensor(5), INDEX], "axis", ["expected -1 to 0"]),
    (Gather(-1), [tensor(5), INDEX], "axis", ["from the front"]),
    (Gather(0), [tensor(), INDEX], "axis", ["scalar"]),
    (Gather(0), [tensor(5), tensor(2)], "operand-dtype", ["indices", "expected int32 or int64", "got float32"]),
    (Expand((3,)), [tensor(2)], "broadcast", ["2", "3"]),
    (Expand((-1,)), [tensor(2)], "dim-negative", ["got [-1]"]),
    (DepthToSpace(2), [tensor(1, 6, 2, 3)], "depth-blocks", ["blocks of 2 x 2"]),
    (DepthToSpace(2, "RCD"), [tensor(1, 8, 2, 3)], "depth-order", ["DCR or CRD", "got RCD"]),  # type: ignore[arg-type]
    (DepthToSpace(0), [tensor(1, 6, 2, 3)], "depth-blocks", ["at least 1", "got 0"]),
    (SpaceToDepth(2), [tensor(1, 3, 4, 5)], "depth-blocks", ["the width"]),
    (Tile((2,)), [tensor(2, 3)], "tile-repeats", ["expected 2", "got [2]"]),
    (Tile((-1,)), [tensor(2)], "tile-repeats", ["negative"]),
]
