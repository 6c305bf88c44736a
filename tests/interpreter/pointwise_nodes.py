"""Random nodes of functions, comparisons and choices, element by element."""

from collections.abc import Callable

import numpy as np

from cnnir.ops import (
    Abs,
    Acos,
    And,
    Asin,
    Atan,
    BitShift,
    BitwiseAnd,
    BitwiseNot,
    BitwiseOr,
    BitwiseXor,
    Ceil,
    Celu,
    Cos,
    Elu,
    Equal,
    Erf,
    Exp,
    Floor,
    Gelu,
    Greater,
    GreaterOrEqual,
    Hardmax,
    IsInf,
    IsNaN,
    Less,
    LessOrEqual,
    Log,
    LogSoftmax,
    Max,
    Mean,
    Min,
    Mish,
    Mod,
    Neg,
    Not,
    Op,
    Or,
    Pow,
    PRelu,
    Reciprocal,
    Round,
    Selu,
    Shrink,
    Sign,
    Sin,
    Softplus,
    Softsign,
    Sqrt,
    Swish,
    Tan,
    ThresholdedRelu,
    Where,
    Xor,
)
from cnnir.ops.activation import Distribution
from tests.interpreter.drawing import MAKERS, AnyArray, Case, Draw, Maker, broadcast_shapes, function, makes

for _op in (Softplus, Softsign, Mish, Floor, Ceil, Round, Erf):
    MAKERS[_op] = function(lambda _, op=_op: op())  # type: ignore[misc]

MAKERS[Elu] = function(lambda draw: Elu(draw.choose([1.0, 0.5, 2.0])))
MAKERS[Celu] = function(lambda draw: Celu(draw.choose([1.0, 0.5, 2.0])))
MAKERS[Selu] = function(lambda draw: draw.choose([Selu(), Selu(1.0, 2.0)]))
MAKERS[ThresholdedRelu] = function(lambda draw: ThresholdedRelu(draw.choose([1.0, 0.0, 5.0])))
MAKERS[Gelu] = function(lambda draw: Gelu(draw.choose(["none", "tanh"])))


@makes(Swish)
def swish(draw: Draw) -> Case:
    """Judged by its parts: onnxruntime takes it from the function that ONNX defines it by."""
    return function(lambda _: Swish(draw.choose([1.0, 0.5, 2.0])))(draw)


@makes(PRelu)
def parametric_relu(draw: Draw) -> Case:
    """One slope, one a channel, or one an element."""
    shape = draw.shape(1, 4)
    cut = shape[draw.number(0, len(shape)) :]
    slope = draw.tensor(*(1 if draw.coin(0.3) else size for size in cut))
    return Case(PRelu(), (draw.tensor(*shape, scale=3), slope), frozenset({1}) if draw.coin() else frozenset())


def _of(op: type[Op], prepare: Callable[[AnyArray], AnyArray], *dtypes: type[np.generic]) -> Maker:
    """Nodes of a function, its operand brought into what it takes; of another element type, now and then."""

    def make(draw: Draw) -> Case:
        data = np.asarray(prepare(draw.tensor(*draw.shape(), scale=3)))
        if dtypes and draw.coin(0.3):
            data = data.astype(draw.choose(dtypes))
        return Case(op(), (data,))

    return make


MAKERS[Abs] = _of(Abs, np.asarray, np.int32, np.int64, np.int8)
MAKERS[Neg] = _of(Neg, np.asarray, np.int32, np.int64, np.int8)
MAKERS[Sign] = _of(Sign, np.round, np.int32, np.int64, np.int8)
MAKERS[Exp] = _of(Exp, np.asarray)
MAKERS[Log] = _of(Log, lambda data: np.abs(data) + np.float32(0.01))
MAKERS[Sqrt] = _of(Sqrt, np.abs)
MAKERS[Reciprocal] = _of(Reciprocal, lambda data: np.where(data < 0, data - 1, data + 1))
MAKERS[Not] = _of(Not, lambda data: data > 0)
MAKERS[BitwiseNot] = _of(BitwiseNot, lambda data: np.asarray(data * 40, np.int16), np.int32, np.int64, np.int8)

for _angle in (Sin, Cos, Tan, Atan):
    MAKERS[_angle] = _of(_angle, lambda data: np.clip(data, -1.4, 1.4))
for _inverse in (Asin, Acos):
    MAKERS[_inverse] = _of(_inverse, lambda data: np.clip(data, -0.9, 0.9))
MAKERS[IsNaN] = _of(IsNaN, lambda data: np.where(data > 2, np.float32(np.nan), data))


@makes(Shrink)
def shrink(draw: Draw) -> Case:
    """With and without a step at the threshold."""
    op = Shrink(draw.choose([0.5, 1.5, 0.0]), draw.choose([0.0, 0.5, 1.5]))
    return Case(op, (draw.tensor(*draw.shape(), scale=3),))


@makes(IsInf)
def is_infinite(draw: Draw) -> Case:
    """Of both signs, one, or none."""
    data = draw.tensor(*draw.shape(), scale=3)
    data = np.where(data > 2, np.float32(np.inf), np.where(data < -2, np.float32(-np.inf), data))
    return Case(IsInf(draw.coin(), draw.coin()), (np.asarray(data),))


def _distribution(op: type[Distribution]) -> Maker:
    def make(draw: Draw) -> Case:
        """Over one axis, or over all from one on, as before opset 13."""
        shape = draw.shape(1, 4)
        axis = draw.number(0, len(shape) - 1)
        axes = (axis,) if draw.coin() else tuple(range(axis, len(shape)))
        return Case(op(axes), (draw.tensor(*shape, scale=draw.choose([1, 100])),))

    return make


MAKERS[LogSoftmax] = _distribution(LogSoftmax)
MAKERS[Hardmax] = _distribution(Hardmax)


def _several(op: type[Op], *dtypes: type[np.generic]) -> Maker:
    def make(draw: Draw) -> Case:
        """One to four operands."""
        operands = tuple(draw.tensor(*shape, scale=10) for shape in broadcast_shapes(draw, draw.number(1, 4)))
        if dtypes and draw.coin(0.3):
            dtype = draw.choose(dtypes)
            operands = tuple(operand.astype(dtype) for operand in operands)
        return Case(op(), operands)

    return make


MAKERS[Mean] = _several(Mean)
MAKERS[Max] = _several(Max, np.int32, np.int64, np.int8)
MAKERS[Min] = _several(Min, np.int32, np.int64, np.int8)


@makes(Mod)
def modulo(draw: Draw) -> Case:
    """Of integers by either sign, of floats by that of what is divided."""
    left, right = (draw.tensor(*shape, scale=10) for shape in broadcast_shapes(draw, 2))
    right = np.asarray(np.where(right < 0, right - 1, right + 1), np.float32)
    if draw.coin():
        return Case(Mod(fmod=True), (left, right))
    dtype = draw.choose([np.int32, np.int64])
    return Case(Mod(draw.coin()), (left.astype(dtype), right.astype(dtype)))


@makes(Pow)
def power(draw: Draw) -> Case:
    """Positive bases, or small integers; exponents of the same or of another type."""
    base, exponent = (draw.tensor(*shape) for shape in broadcast_shapes(draw, 2))
    if draw.coin():
        return Case(Pow(), (np.asarray(np.abs(base) + 0.1, np.float32), exponent))
    whole = np.asarray(np.abs(exponent * 2), draw.choose([np.int32, np.int64]))
    return Case(Pow(), (base if draw.coin() else np.asarray(base * 4, whole.dtype), whole))


def _compared(op: type[Op]) -> Maker:
    def make(draw: Draw) -> Case:
        """Small whole numbers, so that some are equal."""
        dtype = draw.choose([np.float32, np.float32, np.int32, np.int64])
        left, right = (np.asarray(np.round(draw.tensor(*shape)), dtype) for shape in broadcast_shapes(draw, 2))
        return Case(op(), (left, right))

    return make


for _comparison in (Equal, Greater, GreaterOrEqual, Less, LessOrEqual):
    MAKERS[_comparison] = _compared(_comparison)


def _combined(op: type[Op]) -> Maker:
    def make(draw: Draw) -> Case:
        """Truths."""
        left, right = (np.asarray(draw.tensor(*shape) > 0) for shape in broadcast_shapes(draw, 2))
        return Case(op(), (left, right))

    return make


for _logic in (And, Or, Xor):
    MAKERS[_logic] = _combined(_logic)


def _bitwise(op: Callable[[Draw], Op], *dtypes: type[np.generic]) -> Maker:
    def make(draw: Draw) -> Case:
        """Small numbers of either sign, or of none."""
        dtype = draw.choose(dtypes)
        least = 0 if np.issubdtype(dtype, np.unsignedinteger) else -9
        left, right = (np.asarray(draw.rng.integers(least, 9, shape), dtype) for shape in broadcast_shapes(draw, 2))
        return Case(op(draw), (left, right))

    return make


for _bits in (BitwiseAnd, BitwiseOr, BitwiseXor):
    MAKERS[_bits] = _bitwise(lambda _, op=_bits: op(), np.uint8, np.int16, np.int32, np.int64)  # type: ignore[misc]
MAKERS[BitShift] = _bitwise(lambda draw: BitShift(draw.choose(["LEFT", "RIGHT"])), np.uint8, np.uint32, np.uint64)


@makes(Where)
def where(draw: Draw) -> Case:
    """All three broadcast."""
    shapes = broadcast_shapes(draw, 3)
    dtype = draw.choose([np.float32, np.float32, np.int64])
    first, second = (draw.tensor(*shape, scale=10).astype(dtype) for shape in shapes[1:])
    return Case(Where(), (np.asarray(draw.tensor(*shapes[0]) > 0), first, second))
