"""Random nodes of reductions."""

import numpy as np

from cnnir.ops import (
    ArgMax,
    ArgMin,
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
from tests.interpreter.drawing import MAKERS, Case, Draw, Maker


def _reduction(op: type[Reduction], *dtypes: type[np.generic]) -> Maker:
    def make(draw: Draw) -> Case:
        """Over any axes, also none."""
        sizes = draw.shape()
        data = draw.tensor(*sizes)
        if op is ReduceLogSum:
            data = np.asarray(np.abs(data) + 2, np.float32)
        if dtypes and draw.coin(0.3):
            data = np.asarray(data * 3).astype(draw.choose(dtypes))
        axes = draw.some_axes(len(sizes))
        return Case(op(axes, draw.coin()), (data,))

    return make


MAKERS.update({op: _reduction(op) for op in (ReduceL2, ReduceLogSum, ReduceLogSumExp)})
MAKERS.update({op: _reduction(op, np.int32) for op in (ReduceSum, ReduceProd, ReduceL1, ReduceSumSquare)})
MAKERS.update({op: _reduction(op, np.int32, np.int64, np.int8) for op in (ReduceMax, ReduceMin)})


def _extreme(op: type[Extreme]) -> Maker:
    def make(draw: Draw) -> Case:
        """Small whole numbers, so that several are equal."""
        sizes = draw.shape(1, 4)
        data = np.asarray(np.round(draw.tensor(*sizes)), draw.choose([np.float32, np.float32, np.int32]))
        return Case(op(draw.number(0, len(sizes) - 1), draw.coin(), draw.coin()), (data,))

    return make


MAKERS[ArgMax] = _extreme(ArgMax)
MAKERS[ArgMin] = _extreme(ArgMin)
