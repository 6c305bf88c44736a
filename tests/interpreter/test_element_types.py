"""Narrow floats are summed in float32, integers exactly: what comes out is what onnxruntime gives."""

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cnnir.interpreter.kernels import kernels
from cnnir.ops import (
    DEFINED,
    LRN,
    Acos,
    Add,
    Asin,
    Atan,
    AveragePool,
    BatchNormalization,
    Celu,
    Conv,
    ConvTranspose,
    Cos,
    CumProd,
    CumSum,
    Div,
    Einsum,
    Elu,
    Erf,
    Exp,
    Gelu,
    Gemm,
    GlobalAveragePool,
    GlobalLpPool,
    GroupNormalization,
    HardSigmoid,
    HardSwish,
    InstanceNormalization,
    LeakyRelu,
    Log,
    LogSoftmax,
    LpNormalization,
    LpPool,
    MatMul,
    Mean,
    MeanVarianceNormalization,
    Mish,
    Mod,
    Mul,
    Op,
    Pow,
    PRelu,
    Reciprocal,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMean,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
    Resize,
    RMSNormalization,
    Selu,
    Shrink,
    Sigmoid,
    Sin,
    Softmax,
    Softplus,
    Softsign,
    Sqrt,
    Sub,
    Sum,
    Swish,
    Tan,
    Tanh,
    TrainingBatchNormalization,
)
from cnnir.types import DType
from tests.interpreter.judges import AnyArray, by_onnxruntime, run
from tests.interpreter.single_nodes import Case, random_case

COMPUTES: tuple[type[Op], ...] = (
    *(Conv, ConvTranspose, AveragePool, GlobalAveragePool, Gemm, MatMul, BatchNormalization, LRN, Softmax),
    TrainingBatchNormalization,
    *(LeakyRelu, Sigmoid, Tanh, HardSigmoid, HardSwish, Add, Sub, Mul, Div, Sum, ReduceMean, Resize),
    *(Elu, Selu, Celu, PRelu, Softplus, Softsign, Swish, Mish, Gelu, LogSoftmax, Exp, Log, Sqrt, Reciprocal, Erf),
    *(Mod, Pow, Mean),
    *(ReduceSum, ReduceProd, ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum, ReduceLogSumExp),
    *(InstanceNormalization, GroupNormalization, RMSNormalization, LpNormalization, MeanVarianceNormalization),
    *(LpPool, GlobalLpPool, CumSum, CumProd, Einsum, Shrink),
    *(Sin, Cos, Tan, Asin, Acos, Atan),
)
"""The ops that round; the others choose or move elements."""


def halves(*shape: int, value: float) -> AnyArray:
    """Float16 of one value."""
    return np.full(shape, value, np.float16)


SUMS: dict[str, tuple[Case, float]] = {
    "mean of large maps": (Case(GlobalAveragePool(), (halves(1, 1, 112, 112, value=10.0),)), 10.0),
    "mean over axes": (Case(ReduceMean((2, 3)), (halves(1, 1, 112, 112, value=10.0),)), 10.0),
    "wide softmax": (Case(Softmax((1,)), (halves(1, 100_000, value=0.0),)), 1e-5),
    "squares beyond the range": (
        Case(LRN(5), (halves(1, 5, 1, 1, value=300.0),)),
        300 / (1 + 1e-4 / 5 * 3 * 9e4) ** 0.75,
    ),
    "differences of large numbers": (
        Case(
            BatchNormalization(),
            (
                halves(1, 1, 1, 1, value=200.1),
                *(np.array([part], np.float16) for part in (1.0, 0.0, 200.0, 1e-7)),
            ),
        ),
        (200.125 - 200) / (float(np.float16(1e-7)) + 1e-5) ** 0.5,
    ),
}
"""Nodes whose sums leave what 16 bits hold, and their first element by hand."""


@pytest.mark.parametrize("name", SUMS)
def test_float16_sums(name: str) -> None:
    """As by hand and as onnxruntime."""
    case, by_hand = SUMS[name]
    (got,), (judged,) = run(case), by_onnxruntime(case)
    assert got.dtype == judged.dtype == np.float16
    np.testing.assert_allclose(got.astype(np.float64), judged.astype(np.float64), rtol=2**-9)
    np.testing.assert_allclose(got.flat[0], by_hand, rtol=2**-9, atol=2**-24)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("op_class", COMPUTES, ids=lambda op_class: op_class.__name__)
def test_rounded_once(op_class: type[Op], dtype: Any) -> None:
    """Every op gives what float32 gives for the same narrow operands, rounded at the end."""
    compared = 0
    for seed in range(12):
        case = random_case(op_class, seed)
        if any(x is None or x.dtype != np.float32 for x in case.operands):
            continue
        narrow = Case(case.op, tuple(None if x is None else x.astype(dtype) for x in case.operands), case.constants)
        wide = Case(case.op, tuple(None if x is None else x.astype(np.float32) for x in narrow.operands))
        for got, expected in zip(run(narrow), run(wide), strict=True):
            assert DType.of(got.dtype) is DType.of(np.dtype(dtype))
            with np.errstate(over="ignore"):
                np.testing.assert_array_equal(got.astype(np.float32), expected.astype(dtype).astype(np.float32))
        compared += 1
    assert compared >= 5


def test_bfloat16_mean() -> None:
    """Eight bits of precision stall a sum after 256 terms."""
    (got,) = run(Case(GlobalAveragePool(), (np.full((1, 1, 60, 60), 1.1, ml_dtypes.bfloat16),)))
    assert float(got.item()) == float(ml_dtypes.bfloat16(1.1))


@pytest.mark.parametrize("op_class", [op for op in COMPUTES if op.in_place], ids=lambda op_class: op_class.__name__)
def test_narrow_in_place(op_class: type[Op]) -> None:
    """The output may be the memory of the first operand."""
    for seed in range(8):
        case = random_case(op_class, seed).as_type(np.float16)
        (expected,) = run(case)
        operands = [None if x is None else x.copy() for x in case.operands]
        first = operands[0]
        if first is None or first.shape != expected.shape or first.dtype != np.float16:
            continue
        with np.errstate(all="ignore"):
            kernels[op_class](case.op, operands, [first])
        np.testing.assert_array_equal(first, expected)


def test_integer_means() -> None:
    """Exact and rounded towards zero, as onnxruntime has it, also where the sum leaves the element type."""
    rows = [[-1, -2], [3, 4], [2**31 - 1, 2**31 - 1], [-(2**31), -(2**31)], [-(2**31), 2**31 - 1]]
    case = Case(ReduceMean((1,), keepdims=False), (np.array(rows, np.int32),))
    (got,), (judged,) = run(case), by_onnxruntime(case)
    np.testing.assert_array_equal(got, judged)
    assert got.tolist() == [-1, 3, 2**31 - 1, -(2**31), 0]
    four = Case(ReduceMean((0,)), (np.full(4, 2**31 - 1, np.int32),))
    assert run(four)[0].tolist() == by_onnxruntime(four)[0].tolist() == [2**31 - 1]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
def test_integer_means_against_python(dtype: type[np.integer[Any]]) -> None:
    """Python's integers know no overflow."""
    rng = np.random.default_rng(1)
    limits = np.iinfo(dtype)
    for count in (1, 2, 3, 200):
        data = rng.integers(limits.min, limits.max, (5, count), dtype=dtype, endpoint=True)
        (got,) = run(Case(ReduceMean((1,), keepdims=False), (data,)))
        assert got.tolist() == [_towards_zero(row) for row in data.tolist()]


def _towards_zero(row: Sequence[int]) -> int:
    quotient = abs(sum(row)) // len(row)
    return quotient if sum(row) >= 0 else -quotient


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 1.0), (1.0, 0.25), (-0.75, 2.0), (3.0, 2.0)])
def test_integer_gemm_by_fractions(alpha: float, beta: float) -> None:
    """The factors are floats and the sum is rounded towards zero, as in onnx's reference implementation."""
    a, b, c = (np.array(rows, np.int32) for rows in ([[1, -2], [3, 5]], [[7, 1], [-4, 3]], [3, -5]))
    (got,) = run(Case(Gemm(alpha, beta), (a, b, c)))
    assert got.dtype == np.int32
    assert got.tolist() == [
        [int(alpha * sum(x * y for x, y in zip(row, column, strict=True)) + beta * bias)
         for column, bias in zip(b.T.tolist(), c.tolist(), strict=True)]
        for row in a.tolist()
    ]  # fmt: skip


def test_every_op_that_computes_is_listed() -> None:
    """A new op that rounds has to be put on the list, or among those that do not."""
    exact = {"Relu", "Clip", "Cast", "MaxPool", "GlobalMaxPool", "Concat", "Split", "Slice", "Pad", "ConstantOfShape"}
    exact |= {"ThresholdedRelu", "Hardmax", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Not", "IsNaN", "IsInf"}
    exact |= {"Max", "Min", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Where"}
    exact |= {"Shape", "Size", "Gather", "Expand", "Tile", "DepthToSpace", "SpaceToDepth"}
    exact |= {"BitwiseNot", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift"}
    exact |= {"TopK", "GatherElements", "GatherND", "EyeLike", "OneHot", "Trilu"}
    # What they round is told by tests of their own.
    exact |= {"ScatterElements", "ScatterND", "Range", "RNN", "GRU", "LSTM"}
    exact |= {"ReduceMax", "ReduceMin", "ArgMax", "ArgMin"}
    exact |= {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout"}
    # Their results are not all of their operands' type.
    exact |= {"LayerNormalization", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
    exact |= {"ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul"}
    assert {op_class.__name__ for op_class in DEFINED} == exact | {op_class.__name__ for op_class in COMPUTES}
