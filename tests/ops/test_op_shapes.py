"""Shape rules by example: for every op what comes out, and what is refused with which words."""

from collections.abc import Sequence
from typing import TypeAlias

import pytest

from cnnir.dims import UNKNOWN
from cnnir.errors import CnnirError
from cnnir.ops import (
    DEFINED,
    LRN,
    Abs,
    Acos,
    Add,
    And,
    Asin,
    Atan,
    AveragePool,
    BatchNormalization,
    Cast,
    Ceil,
    Celu,
    Clip,
    Concat,
    ConstantOfShape,
    Conv,
    ConvTranspose,
    Cos,
    Div,
    Dropout,
    Elu,
    Equal,
    Erf,
    Exp,
    Flatten,
    Floor,
    Gelu,
    Gemm,
    GlobalAveragePool,
    GlobalMaxPool,
    Greater,
    GreaterOrEqual,
    Hardmax,
    HardSigmoid,
    HardSwish,
    Identity,
    IsInf,
    IsNaN,
    LeakyRelu,
    Less,
    LessOrEqual,
    Log,
    LogSoftmax,
    MatMul,
    Max,
    MaxPool,
    Mean,
    Min,
    Mish,
    Mod,
    Mul,
    Neg,
    Not,
    Op,
    Or,
    Pad,
    Pow,
    PRelu,
    Reciprocal,
    ReduceMean,
    Relu,
    Reshape,
    Resize,
    Round,
    Selu,
    Shrink,
    Sigmoid,
    Sign,
    Sin,
    Slice,
    Softmax,
    Softplus,
    Softsign,
    Split,
    Sqrt,
    Squeeze,
    Sub,
    Sum,
    Swish,
    Tan,
    Tanh,
    ThresholdedRelu,
    TrainingBatchNormalization,
    Transpose,
    Unsqueeze,
    Where,
    Xor,
)
from cnnir.types import DType, SequenceType, TensorType, UnknownType
from tests.ops import indexing_examples, layer_examples, recurrent_examples, reducing_examples, selecting_examples
from tests.ops.sources import SEQUENCE, Given, ShapeText, constant, dims, inferred, shapes, tensor

Operands: TypeAlias = Sequence[Given | None]
Right: TypeAlias = tuple[Op, Operands, Sequence[ShapeText]]
Wrong: TypeAlias = tuple[Op, Operands, str, Sequence[str]]

UNIT = ((1, 1), (0, 0, 0, 0), (1, 1))
"""Strides, pads and dilations that do nothing."""

IMAGE = tensor(1, 3, 8, 8)
BOOLS = tensor(2, 3, dtype=DType.BOOL)
INTS = tensor(2, 3, dtype=DType.INT32)
CHANNELS = [tensor(3) for _ in range(4)]

FUNCTIONS: tuple[type[Op], ...] = (
    *(Elu, Selu, Celu, ThresholdedRelu, Softplus, Softsign, Swish, Mish, Gelu, Abs, Neg, Sign, Exp, Log, Sqrt),
    *(Reciprocal, Floor, Ceil, Round, Erf, IsNaN, IsInf),
    *(Sin, Cos, Tan, Asin, Acos, Atan, Shrink),
)
BINARY: tuple[type[Op], ...] = (Mod, Pow, Equal, Greater, GreaterOrEqual, Less, LessOrEqual)

RIGHT: list[Right] = [
    (Conv(*UNIT), [tensor(2, 3, 8, 9), tensor(5, 3, 3, 2)], [(2, 5, 6, 8)]),
    (Conv(*UNIT), [tensor(2, 3, 8, 9), tensor(5, 3, 3, 2), tensor(5)], [(2, 5, 6, 8)]),
    (Conv((2, 3), (1, 0, 2, 0), (1, 1)), [tensor(1, 3, 8, 9), tensor(5, 3, 3, 3)], [(1, 5, 5, 3)]),
    (Conv((1, 1), (0, 0, 0, 0), (2, 3)), [tensor(1, 3, 8, 9), tensor(5, 3, 3, 3)], [(1, 5, 4, 3)]),
    (Conv(*UNIT, group=3), [tensor(1, 6, 8, 8), tensor(9, 2, 1, 1)], [(1, 9, 8, 8)]),
    (Conv((2,), (9, 9), (1,), 1, "SAME_UPPER"), [tensor(1, 1, 7), tensor(1, 1, 3)], [(1, 1, 4)]),
    (Conv((2,), (9, 9), (1,), 1, "VALID"), [tensor(1, 1, 7), tensor(1, 1, 3)], [(1, 1, 3)]),
    (Conv((1,) * 3, (0,) * 6, (1,) * 3), [tensor(1, 2, 4, 5, 6), tensor(3, 2, 2, 2, 2)], [(1, 3, 3, 4, 5)]),
    (ConvTranspose(*UNIT, (0, 0)), [IMAGE, tensor(3, 4, 3, 3)], [(1, 4, 10, 10)]),
    (ConvTranspose((2, 2), (1, 1, 1, 1), (1, 1), (1, 1)), [IMAGE, tensor(3, 4, 3, 3), tensor(4)], [(1, 4, 16, 16)]),
    (ConvTranspose(*UNIT, (0, 0), 3), [IMAGE, tensor(3, 2, 1, 1)], [(1, 6, 8, 8)]),
    (ConvTranspose((2, 3), *UNIT[1:], (0, 0), 1, "SAME_LOWER"), [IMAGE, tensor(3, 1, 3, 3)], [(1, 1, 16, 24)]),
    (ConvTranspose((2, 2), *UNIT[1:], (0, 0), output_shape=(15, 17)), [IMAGE, tensor(3, 1, 3, 3)], [(1, 1, 15, 17)]),
    (MaxPool((2, 2), (2, 2), (0, 0, 0, 0)), [tensor(1, 3, 7, 8)], [(1, 3, 3, 4)]),
    (MaxPool((2, 2), (2, 2), (0, 0, 0, 0), ceil_mode=True), [tensor(1, 3, 7, 8)], [(1, 3, 4, 4)]),
    (MaxPool((2,), (3,), (1, 1), ceil_mode=True), [tensor(1, 1, 5)], [(1, 1, 2)]),
    (MaxPool((3, 3), (1, 1), (0, 0, 0, 0), (2, 2)), [tensor(1, 3, 7, 8)], [(1, 3, 3, 4)]),
    (MaxPool((2, 2), (2, 2), (0, 0, 0, 0), with_indices=True), [IMAGE], [(1, 3, 4, 4), (1, 3, 4, 4)]),
    (AveragePool((3, 3), (2, 2), (1, 1, 1, 1)), [tensor(1, 3, 7, 8)], [(1, 3, 4, 4)]),
    (GlobalAveragePool(), [tensor(2, 3, 7, 8)], [(2, 3, 1, 1)]),
    (GlobalMaxPool(), [tensor(2, 3, 7)], [(2, 3, 1)]),
    (Gemm(), [tensor(2, 3), tensor(3, 4)], [(2, 4)]),
    (Gemm(trans_a=True, trans_b=True), [tensor(3, 2), tensor(4, 3), tensor(4)], [(2, 4)]),
    (MatMul(), [tensor(2, 3), tensor(3, 4)], [(2, 4)]),
    (MatMul(), [tensor(3), tensor(3)], [()]),
    (MatMul(), [tensor(3), tensor(3, 4)], [(4,)]),
    (MatMul(), [tensor(2, 3), tensor(3)], [(2,)]),
    (MatMul(), [tensor(5, 1, 2, 3), tensor(7, 3, 4)], [(5, 7, 2, 4)]),
    (BatchNormalization(), [IMAGE, *CHANNELS], [(1, 3, 8, 8)]),
    (TrainingBatchNormalization(), [IMAGE, *CHANNELS], [(1, 3, 8, 8), (3,), (3,)]),
    (LRN(5), [IMAGE], [(1, 3, 8, 8)]),
    *((op, [IMAGE], [(1, 3, 8, 8)]) for op in (Relu(), LeakyRelu(), Clip(0, 6), Sigmoid(), Tanh())),
    *((op, [tensor()], [()]) for op in (HardSigmoid(), HardSwish(), Identity())),
    (Softmax((1, 2)), [tensor(2, 3, 4)], [(2, 3, 4)]),
    *((op, [tensor(2, 1, 4), tensor(3, 1)], [(2, 3, 4)]) for op in (Add(), Sub(), Mul(), Div())),
    (Sum(), [tensor(4)], [(4,)]),
    (Sum(), [tensor(4), tensor(3, 1), tensor(2, 1, 1)], [(2, 3, 4)]),
    *((op(), [IMAGE], [(1, 3, 8, 8)]) for op in FUNCTIONS),
    (Not(), [BOOLS], [(2, 3)]),
    *((op((0, 2)), [tensor(2, 3, 4)], [(2, 3, 4)]) for op in (LogSoftmax, Hardmax)),
    *((PRelu(), [IMAGE, slope], [(1, 3, 8, 8)]) for slope in (tensor(), tensor(3, 1, 1), IMAGE)),
    *((op(), [tensor(2, 1, 4), tensor(3, 1)], [(2, 3, 4)]) for op in BINARY),
    *((op(), [tensor(4), tensor(3, 1), tensor(2, 1, 1)], [(2, 3, 4)]) for op in (Max, Min, Mean)),
    *((op(), [BOOLS, tensor(3, dtype=DType.BOOL)], [(2, 3)]) for op in (And, Or, Xor)),
    (Where(), [tensor(2, 1, dtype=DType.BOOL), tensor(3), tensor(4, 1, 1)], [(4, 2, 3)]),
    (Cast(DType.INT64), [IMAGE], [(1, 3, 8, 8)]),
    (ReduceMean((1, 3)), [tensor(2, 3, 4, 5)], [(2, 1, 4, 1)]),
    (ReduceMean((1, 3), keepdims=False), [tensor(2, 3, 4, 5)], [(2, 4)]),
    (ReduceMean(()), [tensor(2, 3)], [(2, 3)]),
    (Concat(1), [tensor(2, 3, 4), tensor(2, 5, 4), tensor(2, 1, 4)], [(2, 9, 4)]),
    (Split(1, (1, 4)), [tensor(2, 5)], [(2, 1), (2, 4)]),
    (Slice((1, -3), (2**63 - 1, -1), (0, 2), (2, 1)), [tensor(6, 5, 4)], [(3, 5, 2)]),
    (Slice((-1,), (-(2**63),), (0,), (-2,)), [tensor(5)], [(3,)]),
    (Slice((-9,), (-9,), (0,), (-1,)), [tensor(5)], [(1,)]),
    (Slice((3,), (1,), (0,), (1,)), [tensor(5)], [(0,)]),
    (Pad((0, 1, 2, -1)), [tensor(2, 5)], [(4, 5)]),
    (Pad((3, 3), "reflect"), [tensor(4)], [(10,)]),
    (Resize((1.0, 1.0, 2.0, 0.5)), [tensor(1, 2, 5, 5)], [(1, 2, 10, 2)]),
    (Resize(None, (1, 2, 3, 4)), [tensor(1, 2, 5, 5)], [(1, 2, 3, 4)]),
    (ConstantOfShape(), [constant(2, 0, 3)], [(2, 0, 3)]),
    (ConstantOfShape(), [constant()], [()]),
    (ConstantOfShape(), [tensor(2, dtype=DType.INT64)], [("?", "?")]),
    (Reshape((0, -1)), [tensor(2, 3, 4)], [(2, 12)]),
    (Reshape((0, 3), allowzero=True), [tensor(0, 5)], [(0, 3)]),
    (Reshape(()), [tensor(1, 1)], [()]),
    (Flatten(2), [tensor(2, 3, 4, 5)], [(6, 20)]),
    (Flatten(-1), [tensor(2, 3, 4)], [(6, 4)]),
    (Flatten(0), [tensor()], [(1, 1)]),
    (Squeeze(), [tensor(1, 2, 1)], [(2,)]),
    (Squeeze((-1,)), [tensor(1, 2, 1)], [(1, 2)]),
    (Unsqueeze((0, -1)), [tensor(2, 3)], [(1, 2, 3, 1)]),
    (Transpose((2, 0, 1)), [tensor(2, 3, 4)], [(4, 2, 3)]),
    (Transpose(()), [tensor()], [()]),
    (Dropout(), [IMAGE], [(1, 3, 8, 8)]),
    (Dropout(with_mask=True), [IMAGE], [(1, 3, 8, 8), (1, 3, 8, 8)]),
]

WRONG: list[Wrong] = [
    (
        Conv(*UNIT),
        [IMAGE, tensor(5, 4, 3, 3)],
        "conv-channels",
        ["expected 4", "got 3", "3 channels, weight expects 4"],
    ),
    (Conv(*UNIT, group=2), [tensor(1, 4, 8, 8), tensor(3, 2, 1, 1)], "conv-group", ["expected 0", "got 1"]),
    (Conv(*UNIT, group=0), [IMAGE, tensor(3, 3, 1, 1)], "conv-group", ["at least 1", "got 0"]),
    (Conv(*UNIT), [IMAGE, tensor(5, 3, 3, 3), tensor(4)], "conv-bias", ["expected 5", "got 4"]),
    (Conv(*UNIT), [IMAGE, tensor(5, 3, 9, 3)], "window-too-large", ["at least 9", "got 8", "axis 0"]),
    (Conv((1,), *UNIT[1:]), [IMAGE, tensor(5, 3, 3, 3)], "window", ["strides", "expected 2", "got [1]"]),
    (Conv((1, 0), *UNIT[1:]), [IMAGE, tensor(5, 3, 3, 3)], "window", ["strides", "at least 1", "got [1, 0]"]),
    (Conv((1, 1), (0, 0, -1, 0), (1, 1)), [IMAGE, tensor(5, 3, 3, 3)], "window", ["pads", "at least 0"]),
    (Conv((1, 1), (0,) * 4, (1, 0)), [IMAGE, tensor(5, 3, 3, 3)], "window", ["dilations", "at least 1"]),
    (Conv(*UNIT, 1, "SAME"), [IMAGE, tensor(5, 3, 3, 3)], "window", ["SAME_UPPER", "got SAME"]),  # type: ignore[arg-type]
    (Conv(*UNIT), [IMAGE, tensor(5, 3, 3)], "rank", ["W", "expected rank 4", "got float32[5, 3, 3]"]),
    (Conv(*UNIT), [tensor(3, 8), tensor(5, 3)], "rank", ["X", "rank 3 to any"]),
    (Conv(*UNIT), [IMAGE, tensor(5, 3, "K", 3)], "dims-unbound", ["K"]),
    (Conv(*UNIT), [IMAGE], "operand-count", ["expected 2 to 3", "got 1"]),
    (Conv(*UNIT), [IMAGE, None], "operand-missing", ["W"]),
    (Conv(*UNIT), [IMAGE, tensor(5, 3, 3, 3, dtype=DType.FLOAT64)], "dtype-mismatch", ["W", "float32", "float64"]),
    (Conv(*UNIT), [tensor(1, 1, 3, 3, dtype=DType.INT8)] * 2, "operand-dtype", ["expected floats", "got int8"]),
    (ConvTranspose(*UNIT, (0, 0)), [IMAGE, tensor(4, 3, 3, 3)], "conv-channels", ["expected 4", "got 3"]),
    (ConvTranspose(*UNIT, (0, 0), 2), [IMAGE, tensor(3, 3, 3, 3)], "conv-group", ["expected 0", "got 1"]),
    (ConvTranspose(*UNIT, (0,)), [IMAGE, tensor(3, 3, 3, 3)], "window", ["output_padding", "expected 2"]),
    (ConvTranspose(*UNIT, (0, 0)), [IMAGE, tensor(3, 2, 3, 3), tensor(3)], "conv-bias", ["expected 2", "got 3"]),
    (ConvTranspose((1, 1), (9,) * 4, (1, 1), (0, 0)), [IMAGE, tensor(3, 2, 3, 3)], "window-too-large", ["at least 1"]),
    (MaxPool((9, 2), (1, 1), (0,) * 4), [IMAGE], "window-too-large", ["window 9, padded size 8"]),
    (MaxPool((2, 2), (1, 1), (0,) * 4), [tensor(3, 8, 8)], "rank", ["expected rank 4"]),
    (MaxPool((0, 2), (1, 1), (0,) * 4), [IMAGE], "window", ["kernel", "at least 1"]),
    (MaxPool((2, 2), (1, 1), (0,) * 4), [tensor(1, 3, 8, 8, dtype=DType.BOOL)], "operand-dtype", ["got bool"]),
    (AveragePool((2, 2), (1, 1), (0,) * 2), [IMAGE], "window", ["pads", "expected 4"]),
    (AveragePool((2, 2), (1, 1), (0,) * 4), [tensor(1, 3, 8, 8, dtype=DType.UINT8)], "operand-dtype", ["got uint8"]),
    (GlobalAveragePool(), [tensor(3)], "rank", ["rank 2 to any"]),
    (GlobalMaxPool(), [tensor(1, 3, 0, 2)], "window-too-large", ["empty on spatial axis 0"]),
    (Gemm(), [tensor(2, 3), tensor(4, 3)], "gemm-features", ["3 features, weight expects 4"]),
    (Gemm(), [tensor(2, 3), tensor(3, 4), tensor(3)], "broadcast", ["expected 4", "got 3"]),
    (Gemm(), [tensor(1, 3), tensor(3, 4), tensor(2, 4)], "gemm-bias", ["expected 1", "got 2"]),
    (Gemm(), [tensor(2, 3), tensor(3, 4), tensor(1, 2, 4)], "gemm-bias", ["the bias"]),
    (Gemm(), [tensor(1, 2, 3), tensor(3, 4)], "rank", ["A", "expected rank 2"]),
    (MatMul(), [tensor(2, 3), tensor(4, 3)], "matmul-inner", ["expected 4", "got 3"]),
    (MatMul(), [tensor(), tensor(3)], "rank", ["A"]),
    (MatMul(), [tensor(2, 2, 3), tensor(3, 3, 4)], "broadcast", ["expected 2", "got 3"]),
    (BatchNormalization(), [IMAGE, *CHANNELS[:3], tensor(4)], "bn-channels", ["var", "expected 3", "got 4"]),
    (TrainingBatchNormalization(), [IMAGE, *CHANNELS[:3], tensor(4)], "bn-channels", ["var", "expected 3", "got 4"]),
    (BatchNormalization(), [IMAGE, *CHANNELS[:3]], "operand-count", ["expected 5", "got 4"]),
    (LRN(0), [IMAGE], "lrn-size", ["at least 1", "got 0"]),
    (Relu(), [BOOLS], "operand-dtype", ["got bool"]),
    *((op, [INTS], "operand-dtype", ["expected floats", "got int32"]) for op in (LeakyRelu(), Sigmoid(), Tanh())),
    *((op, [INTS], "operand-dtype", ["expected floats"]) for op in (HardSigmoid(), HardSwish(), Softmax((0,)))),
    (Clip(0, 1), [tensor(2, dtype=DType.STRING)], "operand-dtype", ["got string"]),
    (Softmax((2,)), [tensor(2, 3)], "axis", ["expected -2 to 1", "got 2"]),
    (Softmax((-1,)), [tensor(2, 3)], "axis", ["from the front", "got [-1]"]),
    (Softmax((1, 0)), [tensor(2, 3)], "axis", ["ascend"]),
    (Softmax((0,)), [tensor()], "axis", ["scalar"]),
    *((op, [tensor(2, 3), tensor(2)], "broadcast", ["expected 3", "got 2"]) for op in (Add(), Sub(), Mul(), Div())),
    *((op, [BOOLS, BOOLS], "operand-dtype", ["got bool"]) for op in (Add(), Sum())),
    (Add(), [tensor(2, 3), INTS], "dtype-mismatch", ["B", "expected float32", "got int32"]),
    (Sum(), [], "operand-count", ["expected 1 to more", "got 0"]),
    (Sum(), [tensor(2), tensor(1), tensor(3)], "broadcast", ["expected 2", "got 3"]),
    *((op(), [BOOLS], "operand-dtype", ["got bool"]) for op in FUNCTIONS),
    *((op(), [INTS], "operand-dtype", ["expected floats", "got int32"]) for op in (Elu, Gelu, Exp, Floor, IsNaN)),
    (Neg(), [tensor(2, dtype=DType.UINT8)], "operand-dtype", ["signed", "got uint8"]),
    (Not(), [INTS], "operand-dtype", ["expected bool", "got int32"]),
    (Gelu("sigmoid"), [IMAGE], "gelu-mode", ["none or tanh", "got sigmoid"]),
    *((op((1, 0)), [tensor(2, 3)], "axis", ["ascend"]) for op in (LogSoftmax, Hardmax)),
    (PRelu(), [tensor(2, 3), tensor(2)], "broadcast", ["expected 3", "got 2"]),
    (PRelu(), [tensor(2, 1), tensor(3)], "prelu-slope", ["does not broadcast to", "expected 1", "got 3"]),
    (PRelu(), [tensor(2), tensor(1, 2)], "rank", ["slope"]),
    *((op(), [tensor(2, 3), tensor(2)], "broadcast", ["expected 3", "got 2"]) for op in BINARY),
    *((op(), [tensor(2), INTS], "dtype-mismatch", ["float32", "int32"]) for op in (Equal, Less, Mod, Max)),
    (Pow(), [tensor(2, dtype=DType.UINT8), tensor(2)], "operand-dtype", ["got uint8"]),
    *((op(), [BOOLS, BOOLS], "operand-dtype", ["got bool"]) for op in (Max, Min, Mean, Greater)),
    *((op(), [INTS, INTS], "operand-dtype", ["expected bool"]) for op in (And, Or, Xor)),
    (Where(), [INTS, INTS, INTS], "operand-dtype", ["condition", "expected bool"]),
    (Where(), [BOOLS, INTS, tensor(2, 3)], "dtype-mismatch", ["Y", "int32", "float32"]),
    (Cast(DType.BOOL), [SEQUENCE], "operand-type", ["no tensor", "sequence"]),
    (ReduceMean((3,)), [tensor(2, 3)], "axis", ["expected -2 to 1"]),
    (ReduceMean((0,)), [tensor(0, 3)], "reduce-empty", ["axis 0", "at least 1", "got 0"]),
    (ReduceMean((0,)), [tensor()], "axis", ["scalar"]),
    (Concat(1), [tensor(2, 3), tensor(3, 3)], "concat-shape", ["axis 0", "expected 2", "got 3"]),
    (Concat(1), [tensor(2, 3), tensor(2)], "rank", ["expected rank 2"]),
    (Concat(-1), [tensor(2, 3), tensor(2, 4)], "axis", ["from the front"]),
    (Concat(0), [tensor(), tensor()], "axis", ["scalar"]),
    (Split(0, (1, 2)), [tensor(4)], "split-sizes", ["expected 3", "got 4"]),
    (Split(0, (5, -1)), [tensor(4)], "split-sizes", ["negative"]),
    (Split(-1, (1, 2)), [tensor(2, 3)], "axis", ["from the front"]),
    (Slice((0,), (1,), (0,), (0,)), [tensor(4)], "slice", ["step"]),
    (Slice((0, 0), (1,), (0,), (1,)), [tensor(4)], "slice", ["belong together"]),
    (Slice((0, 0), (1, 1), (0, 0), (1, 1)), [tensor(4)], "slice", ["belong together"]),
    (Slice((0,), (1,), (1,), (1,)), [tensor(4)], "axis", ["expected -1 to 0"]),
    (Pad((1, 1, 1)), [tensor(4)], "pad", ["expected 2"]),
    (Pad((1, 1), "mirror"), [tensor(4)], "pad-mode", ["reflect", "got mirror"]),  # type: ignore[arg-type]
    (Pad((4, 0), "reflect"), [tensor(4)], "pad-reflect", ["at least 5", "got 4"]),
    (Pad((-3, -2)), [tensor(4)], "pad-crop", ["axis 0"]),
    (Resize(), [tensor(4)], "resize-target", ["either scales or sizes"]),
    (Resize((2.0, 2.0)), [tensor(4)], "resize-target", ["expected 1"]),
    (Resize((0.0,)), [tensor(4)], "resize-target", ["positive"]),
    (Resize(None, (-1,)), [tensor(4)], "resize-target", ["negative"]),
    (Resize((2.0,), mode="area"), [tensor(4)], "resize-mode", ["linear", "got area"]),  # type: ignore[arg-type]
    (ConstantOfShape(), [tensor(2, 2, dtype=DType.INT64)], "rank", ["expected rank 1"]),
    (ConstantOfShape(), [constant(2, -1)], "dim-negative", ["got [2, -1]"]),
    (Reshape((5, -1)), [tensor(2, 3)], "reshape-size", ["6 elements do not divide by 5"]),
    (Reshape((7,)), [tensor(2, 3)], "reshape-size", ["expected 7", "got 6", "does not reshape to [7]"]),
    (Reshape((-1, -1)), [tensor(2, 3)], "reshape-target", ["[-1, -1]"]),
    (Reshape((-2, 3)), [tensor(2, 3)], "reshape-target", ["[-2, 3]"]),
    (Reshape((2, 3, 0)), [tensor(2, 3)], "reshape-target", ["axis 2"]),
    (Reshape((0, -1)), [tensor(0, 3)], "reshape-target", ["-1 beside a dim of 0"]),
    (Reshape((0, -1), allowzero=True), [tensor(0, 3)], "reshape-target", ["0 and -1 together"]),
    (Flatten(3), [tensor(2, 3)], "axis", ["expected -2 to 2", "got 3"]),
    (Squeeze((0,)), [tensor(2, 1)], "squeeze-size", ["axis 0", "expected 1", "got 2"]),
    (Squeeze((0,)), [tensor()], "axis", ["scalar"]),
    (Squeeze(), [tensor(1, "N")], "squeeze-rank", ["axis 1", "got N"]),
    (Unsqueeze((0, -3)), [tensor(2)], "axis", ["named twice"]),
    (Unsqueeze((2,)), [tensor(2)], "axis", ["expected -2 to 1"]),
    (Transpose((0, 0)), [tensor(2, 3)], "transpose", ["no permutation of 2 axes", "got [0, 0]"]),
    (Identity(), [IMAGE, IMAGE], "operand-count", ["expected 1", "got 2"]),
    (Dropout(), [SEQUENCE], "operand-type", ["no tensor"]),
]

RIGHT += layer_examples.RIGHT + indexing_examples.RIGHT + reducing_examples.RIGHT + selecting_examples.RIGHT
RIGHT += recurrent_examples.RIGHT
WRONG += layer_examples.WRONG + indexing_examples.WRONG + reducing_examples.WRONG + selecting_examples.WRONG
WRONG += recurrent_examples.WRONG


def label(case: Right | Wrong) -> str:
    """Test ids."""
    return f"{case[0].kind}-{case[2] if isinstance(case[2], str) else 'right'}"


def test_every_op_has_examples() -> None:
    """At least one that is right and one that is wrong."""
    assert {type(op) for op, *_ in RIGHT} == set(DEFINED)
    assert {type(op) for op, *_ in WRONG} == set(DEFINED)


@pytest.mark.parametrize(("op", "operands", "expected"), RIGHT, ids=map(label, RIGHT))
def test_shapes(op: Op, operands: Operands, expected: Sequence[ShapeText]) -> None:
    """Written down by hand from the specification."""
    wanted = [tuple(UNKNOWN if dim == "?" else dim for dim in shape) for shape in expected]
    assert shapes(op, *operands) == wanted
    _, facts = inferred(op, *operands)
    assert facts.constraints == []


@pytest.mark.parametrize(("op", "operands", "code", "words"), WRONG, ids=map(label, WRONG))
def test_refusals(op: Op, operands: Operands, code: str, words: Sequence[str]) -> None:
    """The code, the node, and what was expected and found."""
    with pytest.raises(CnnirError) as caught:
        inferred(op, *operands)
    assert caught.value.code == code
    text = str(caught.value)
    assert text.startswith("node: ")
    assert [word for word in words if word not in text] == []


FIXED = [op_class for op_class in DEFINED if not op_class.operands[-1].variadic]
"""Ops that do not take any number of operands."""


@pytest.mark.parametrize("op_class", FIXED, ids=lambda op_class: op_class.__name__)
def test_too_many_operands(op_class: type[Op]) -> None:
    """Refused by every op that does not take any number."""
    op, operands, _ = next(case for case in RIGHT if type(case[0]) is op_class)
    with pytest.raises(CnnirError) as caught:
        inferred(op, *operands, *[IMAGE] * (len(op.operands) - len(operands) + 1))
    assert caught.value.code == "operand-count"


@pytest.mark.parametrize("op_class", DEFINED, ids=lambda op_class: op_class.__name__)
def test_unknown_types_stay_unknown(op_class: type[Op]) -> None:
    """No shape is made up where an operand's type is not known, and no element type but the right one."""
    op, operands, _ = next(case for case in RIGHT if type(case[0]) is op_class)
    types, facts = inferred(op, Given(UnknownType()), *operands[1:])
    known, _ = inferred(op, *operands)
    for type_, right in zip(types, known, strict=True):
        assert isinstance(type_, UnknownType)
        assert isinstance(right, TensorType)
        assert type_.dtype in (None, right.dtype)
    assert facts.constraints == []


def test_element_types_of_outputs() -> None:
    """They follow the first operand but where the op says otherwise."""
    (cast,), _ = inferred(Cast(DType.INT64), IMAGE)
    assert cast == TensorType(DType.INT64, (1, 3, 8, 8))
    (_, indices), _ = inferred(MaxPool((2, 2), (2, 2), (0,) * 4, with_indices=True), IMAGE)
    assert indices == TensorType(DType.INT64, (1, 3, 4, 4))
    (_, mask), _ = inferred(Dropout(with_mask=True), IMAGE)
    assert mask == TensorType(DType.BOOL, (1, 3, 8, 8))
    (filled,), _ = inferred(ConstantOfShape(DType.UINT8, 3), constant(2))
    assert filled == TensorType(DType.UINT8, (2,))
    (whole,), _ = inferred(Add(), tensor(2, dtype=DType.FLOAT64), tensor(2, dtype=DType.FLOAT64))
    assert whole == TensorType(DType.FLOAT64, (2,))


def test_identity_takes_anything() -> None:
    """A sequence too."""
    (found,), _ = inferred(Identity(), SEQUENCE)
    assert isinstance(found, SequenceType)


def test_dims_read_from_text() -> None:
    """The helper of these tests reads dims as the text form does."""
    assert [str(dim) for dim in dims(("N", 3, "(H + 1)//2"))] == ["N", "3", "(H + 1)//2"]
