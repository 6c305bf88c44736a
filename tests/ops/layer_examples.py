"""Shape rules of standardising and quantised layers by example, for `test_op_shapes`."""

from collections.abc import Sequence

from cnnir.ops import (
    ConvInteger,
    DequantizeLinear,
    DynamicQuantizeLinear,
    GlobalLpPool,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    LpNormalization,
    LpPool,
    MatMulInteger,
    MeanVarianceNormalization,
    Op,
    QLinearConv,
    QLinearMatMul,
    QuantizeLinear,
    RMSNormalization,
)
from cnnir.types import DType
from tests.ops.sources import Given, ShapeText, tensor

IMAGE = tensor(2, 6, 8, 9)
C6, ONE, ZERO = tensor(6), tensor(), tensor(dtype=DType.UINT8)
PIXELS = tensor(2, 6, 8, 9, dtype=DType.UINT8)
FILTERS = tensor(5, 6, 3, 3, dtype=DType.INT8)
UNIT = ((1, 1), (0, 0, 0, 0), (1, 1))
INT8 = tensor(dtype=DType.INT8)
CONV = [PIXELS, ONE, ZERO, FILTERS, ONE, INT8, ONE, ZERO]
LEFT, RIGHT_MATRIX = tensor(2, 3, 4, dtype=DType.UINT8), tensor(4, 5, dtype=DType.INT8)
PRODUCT = [LEFT, ONE, ZERO, RIGHT_MATRIX, ONE, INT8, ONE, ZERO]

RIGHT: list[tuple[Op, Sequence[Given | None], Sequence[ShapeText]]] = [
    (InstanceNormalization(), [IMAGE, C6, C6], [(2, 6, 8, 9)]),
    (GroupNormalization(3), [IMAGE, C6, C6], [(2, 6, 8, 9)]),
    (GroupNormalization(3, per_group=True), [IMAGE, tensor(3), tensor(3)], [(2, 6, 8, 9)]),
    (LayerNormalization(2), [IMAGE, tensor(8, 9)], [(2, 6, 8, 9)]),
    (LayerNormalization(2, statistics=2), [IMAGE, tensor(8, 9), tensor(9)], [(2, 6, 8, 9), *[(2, 6, 1, 1)] * 2]),
    (RMSNormalization(3), [IMAGE, tensor(9)], [(2, 6, 8, 9)]),
    (LpNormalization(1), [IMAGE], [(2, 6, 8, 9)]),
    (MeanVarianceNormalization((0, 2, 3)), [IMAGE], [(2, 6, 8, 9)]),
    (LpPool((2, 2), (2, 2), (0, 0, 0, 0), p=1), [IMAGE], [(2, 6, 4, 4)]),
    (GlobalLpPool(), [IMAGE], [(2, 6, 1, 1)]),
    (QuantizeLinear(DType.UINT8), [IMAGE, ONE, ZERO], [(2, 6, 8, 9)]),
    (QuantizeLinear(DType.INT8, 1), [IMAGE, C6], [(2, 6, 8, 9)]),
    (QuantizeLinear(DType.INT8, 3, 4), [IMAGE, tensor(2, 6, 8, 3)], [(2, 6, 8, 9)]),
    (DequantizeLinear(DType.FLOAT32), [PIXELS, ONE], [(2, 6, 8, 9)]),
    (DequantizeLinear(DType.FLOAT32, 2), [PIXELS, tensor(8), tensor(8, dtype=DType.UINT8)], [(2, 6, 8, 9)]),
    (DynamicQuantizeLinear(), [IMAGE], [(2, 6, 8, 9), (), ()]),
    (ConvInteger(*UNIT), [PIXELS, FILTERS], [(2, 5, 6, 7)]),
    (ConvInteger(*UNIT), [PIXELS, FILTERS, ZERO, tensor(5, dtype=DType.INT8)], [(2, 5, 6, 7)]),
    (QLinearConv((2, 2), (1, 1, 1, 1), (1, 1)), CONV, [(2, 5, 4, 5)]),
    (QLinearConv(*UNIT), [*CONV, tensor(5, dtype=DType.INT32)], [(2, 5, 6, 7)]),
    (MatMulInteger(), [LEFT, RIGHT_MATRIX], [(2, 3, 5)]),
    (MatMulInteger(), [LEFT, RIGHT_MATRIX, tensor(3, dtype=DType.UINT8), tensor(5, dtype=DType.INT8)], [(2, 3, 5)]),
    (QLinearMatMul(), PRODUCT, [(2, 3, 5)]),
]

WRONG: list[tuple[Op, Sequence[Given | None], str, Sequence[str]]] = [
    (InstanceNormalization(), [IMAGE, tensor(5), C6], "norm-channels", ["scale", "expected 6", "got 5"]),
    (InstanceNormalization(), [tensor(2, 6), C6, C6], "rank", ["expected rank 3"]),
    (GroupNormalization(4), [IMAGE, C6, C6], "norm-groups", ["do not divide"]),
    (GroupNormalization(0), [IMAGE, C6, C6], "norm-groups", ["at least 1", "got 0"]),
    (GroupNormalization(3, per_group=True), [IMAGE, C6, C6], "norm-channels", ["groups", "expected 3", "got 6"]),
    (LayerNormalization(3), [IMAGE, tensor(9), tensor(2, 9, 9)], "broadcast", ["shapes do not broadcast"]),
    (LayerNormalization(1), [tensor(2, 1), tensor(3)], "norm-scale", ["Scale", "expected 1", "got 3"]),
    (LayerNormalization(4), [IMAGE, tensor(9)], "axis", ["expected -4 to 3"]),
    (LayerNormalization(3, statistics=3), [IMAGE, tensor(9)], "norm-outputs", ["0 to 2", "got 3"]),
    (LayerNormalization(1), [tensor(2, 0), tensor(0)], "reduce-empty", ["axis 1"]),
    (RMSNormalization(3), [IMAGE, tensor(1, 1, 1, 1, 9)], "norm-scale", ["expected 4", "got 5"]),
    (LpNormalization(1, 3), [IMAGE], "norm-order", ["1 or 2", "got 3"]),
    (MeanVarianceNormalization((2, 0)), [IMAGE], "axis", ["ascend"]),
    (LpPool((2, 2), (1, 1), (0, 0, 0, 0), p=0), [IMAGE], "norm-order", ["at least 1", "got 0"]),
    (GlobalLpPool(0), [IMAGE], "norm-order", ["got 0"]),
    (QuantizeLinear(DType.UINT8, 1), [IMAGE, tensor(5)], "quantize-scale", ["y_scale", "expected 6", "got 5"]),
    (QuantizeLinear(DType.UINT8), [IMAGE, ONE, INT8], "dtype-mismatch", ["expected uint8", "got int8"]),
    (QuantizeLinear(DType.FLOAT8E8M0), [IMAGE, ONE], "quantize-mode", ["float8_e8m0fnu"]),
    (QuantizeLinear(DType.INT8, 3, 4), [IMAGE, tensor(2, 6, 8, 2)], "quantize-scale", ["expected 3", "got 2"]),
    (QuantizeLinear(DType.INT8, 3, -1), [IMAGE, tensor(9)], "quantize-block", ["got -1"]),
    (DequantizeLinear(DType.FLOAT32), [IMAGE, ONE], "operand-dtype", ["float32 to float32"]),
    (
        DequantizeLinear(DType.FLOAT32, 1),
        [PIXELS, C6, tensor(5, dtype=DType.UINT8)],
        "quantize-zero",
        ["expected 6", "got 5"],
    ),
    (DynamicQuantizeLinear(), [PIXELS], "operand-dtype", ["expected float32", "got uint8"]),
    (ConvInteger(*UNIT), [PIXELS, tensor(5, 4, 3, 3, dtype=DType.INT8)], "conv-channels", ["expected 4", "got 6"]),
    (ConvInteger(*UNIT), [PIXELS, tensor(5, 6, 3, 3)], "quantize-mode", ["float32"]),
    (ConvInteger(*UNIT), [PIXELS, FILTERS, INT8], "dtype-mismatch", ["x_zero_point"]),
    (QLinearConv(*UNIT), [*CONV[:4], tensor(4), *CONV[5:]], "quantize-scale", ["w_scale", "expected 5", "got 4"]),
    (QLinearConv(*UNIT), [*CONV, tensor(4, dtype=DType.INT32)], "conv-bias", ["expected 5", "got 4"]),
    (QLinearConv(*UNIT), [*CONV, tensor(5)], "operand-dtype", ["expected int32", "got float32"]),
    (MatMulInteger(), [LEFT, tensor(3, 5, dtype=DType.INT8)], "matmul-inner", ["expected 3", "got 4"]),
    (
        MatMulInteger(),
        [LEFT, RIGHT_MATRIX, tensor(4, dtype=DType.UINT8)],
        "quantize-scale",
        ["a_zero_point", "expected 3", "got 4"],
    ),
    (QLinearMatMul(), [*PRODUCT[:6], tensor(3), ZERO], "quantize-mode", ["each row"]),
]
