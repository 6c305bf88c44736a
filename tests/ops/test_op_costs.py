"""Multiply-accumulates against a count by hand: one for each product that the definition writes down."""

import itertools
import math

import numpy as np
import pytest

from cnnir.dims import Dim, bind, parse_dim
from cnnir.ops import (
    DEFINED,
    GRU,
    LSTM,
    RNN,
    Conv,
    ConvInteger,
    ConvTranspose,
    Einsum,
    Gemm,
    Inputs,
    MatMul,
    MatMulInteger,
    Op,
    QLinearConv,
    QLinearMatMul,
    infer,
)
from cnnir.ops.recurrent import Recurrent
from cnnir.types import DType, TensorType
from tests.interpreter.single_nodes import Case, random_case
from tests.ops.sources import Given, tensor

COUNTED: tuple[type[Op], ...] = (
    *(Conv, ConvTranspose, Gemm, MatMul, ConvInteger, QLinearConv, MatMulInteger, QLinearMatMul, Einsum),
    *(RNN, GRU, LSTM),
)
"""The ops that convolve or multiply matrices."""


def macs(op: Op, *operands: Given | None) -> Dim | None:
    """What the op says."""
    types, _ = infer(op, operands)
    return op.cost(Inputs(op, operands), types).macs


def operands_of(case: Case) -> list[Given | None]:
    """Types of the case's operands."""
    return [None if x is None else Given(TensorType(DType.of(x.dtype), x.shape)) for x in case.operands]


def counted(case: Case) -> int:
    """Products, one after the other."""
    quantised = isinstance(case.op, QLinearConv | QLinearMatMul)
    if isinstance(case.op, Recurrent):
        # Every row of W with the features and every row of R with the state, at every step of every sequence.
        data, weight, inner = (np.shape(x) for x in case.operands[:3] if x is not None)
        rows = [row for w in (weight, inner) for row in np.ndindex(*w)]
        return sum(1 for _ in np.ndindex(*data[:2]) for _ in rows)
    (output,) = case.graph().run(case.feed()).values()
    total = 0
    if isinstance(case.op, Einsum):
        letters = {letter: size for term, x in zip(_terms(case), case.operands, strict=True) if x is not None
                   for letter, size in zip(term, x.shape, strict=True)}  # fmt: skip
        return sum(1 for _ in np.ndindex(*letters.values())) * (len(case.operands) - 1)
    left, right = (x.shape for x in (case.operands[0], case.operands[3 if quantised else 1]) if x is not None)
    if isinstance(case.op, Conv | ConvInteger | QLinearConv):
        for _ in np.ndindex(*output.shape):
            for _ in np.ndindex(*right[1:]):
                total += 1
    elif isinstance(case.op, ConvTranspose):
        for _ in np.ndindex(*left):
            for _ in np.ndindex(*right[1:]):
                total += 1
    elif isinstance(case.op, Gemm):
        inner = left[0] if case.op.trans_a else left[1]
        total = sum(1 for _ in itertools.product(range(output.shape[0]), range(output.shape[1]), range(inner)))
    else:
        total = sum(1 for _ in np.ndindex(*output.shape) for _ in range(left[-1]))
    return total


def _terms(case: Case) -> list[str]:
    """The letters of each operand of an Einsum, those behind an ellipsis made up."""
    assert isinstance(case.op, Einsum)
    terms = case.op.equation.replace(" ", "").split("->")[0].split(",")
    return [term.replace("...", "XYZ"[: (x.ndim if x is not None else 0) - len(term.strip("."))])
            for term, x in zip(terms, case.operands, strict=True)]  # fmt: skip


@pytest.mark.parametrize("op_class", COUNTED, ids=lambda op: op.__name__)
def test_products_counted(op_class: type[Op]) -> None:
    """Over random shapes, strides, groups and paddings."""
    for seed in range(40):
        case = random_case(op_class, seed)
        assert macs(case.op, *operands_of(case)) == counted(case), str(case)


@pytest.mark.parametrize("op_class", [op for op in DEFINED if op not in COUNTED], ids=lambda op: op.__name__)
def test_the_others_have_none(op_class: type[Op]) -> None:
    """Neither convolution nor matrix product: nothing is counted."""
    case = random_case(op_class, 1)
    assert macs(case.op, *operands_of(case)) == 0


def test_dense_layer_as_convolution() -> None:
    """The layer behind VGG's last pooling costs the same as a 7x7 convolution over its input: 102,760,448."""
    dense = macs(Gemm(trans_b=True), tensor(1, 7 * 7 * 512), tensor(4096, 7 * 7 * 512))
    conv = macs(Conv((1, 1), (0,) * 4, (1, 1)), tensor(1, 512, 7, 7), tensor(4096, 512, 7, 7))
    assert dense == conv == 102_760_448


def test_groups_divide_the_cost() -> None:
    """With g groups a convolution takes a g-th."""
    whole = macs(Conv((1, 1), (1,) * 4, (1, 1)), tensor(1, 8, 9, 9), tensor(8, 8, 3, 3))
    parts = macs(Conv((1, 1), (1,) * 4, (1, 1), 8), tensor(1, 8, 9, 9), tensor(8, 1, 3, 3))
    assert isinstance(whole, int)
    assert isinstance(parts, int)
    assert whole == 8 * parts


def test_symbolic_cost() -> None:
    """Open sizes stay in the figure, and binding gives the number."""
    cost = macs(Conv((2, 2), (1,) * 4, (1, 1)), tensor("N", 3, "H", "W"), tensor(16, 3, 3, 3))
    assert cost == 16 * 27 * parse_dim("N * ((H + 1)//2) * ((W + 1)//2)")
    assert cost is not None
    assert bind(cost, {"N": 2, "H": 7, "W": 8}) == math.prod((2, 16, 4, 4, 27))
