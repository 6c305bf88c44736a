"""Functions of one tensor, element by element: NumPy's own where it has them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import (
    Abs,
    Acos,
    Asin,
    Atan,
    BitwiseNot,
    Ceil,
    Cos,
    Erf,
    Exp,
    Floor,
    IsInf,
    IsNaN,
    Log,
    Neg,
    Not,
    Op,
    Reciprocal,
    Round,
    Shrink,
    Sign,
    Sin,
    Sqrt,
    Tan,
)
from cnnir.weights import AnyArray

_FUNCTIONS: Mapping[type[Op], Callable[..., Any]] = {
    Abs: np.abs,
    Neg: functools.partial(np.multiply, -1),  # np.negative loses elements where both sides have gaps (NumPy 2.4)
    Sign: np.sign,
    Exp: np.exp,
    Log: np.log,
    Sqrt: np.sqrt,
    Floor: np.floor,
    Ceil: np.ceil,
    Round: np.rint,
    Sin: np.sin,
    Cos: np.cos,
    Tan: np.tan,
    Asin: np.arcsin,
    Acos: np.arccos,
    Atan: np.arctan,
    BitwiseNot: np.invert,
    Not: np.logical_not,
    IsNaN: np.isnan,
}


@kernels.rule(*_FUNCTIONS)
@in_float32
def function(op: Op, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """One ufunc call."""
    _FUNCTIONS[type(op)](present(inputs, 0), out=outputs[0])


@kernels.rule(Reciprocal)
@in_float32
def reciprocal(op: Reciprocal, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """A division, which is rounded once."""
    np.divide(1, present(inputs, 0), out=outputs[0])


@kernels.rule(Shrink)
@in_float32
def shrink(op: Shrink, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Made aside; of integers by way of floats, cut to whole numbers."""
    x = present(inputs, 0)
    moved = np.where(x < -op.lambd, x + op.bias, np.where(x > op.lambd, x - op.bias, np.zeros((), x.dtype)))
    np.copyto(outputs[0], moved, casting="unsafe")


@kernels.rule(IsInf)
@in_float32
def is_infinite(op: IsInf, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Of the signs that are asked for."""
    x, out = present(inputs, 0), outputs[0]
    out[...] = (op.detect_negative & np.isneginf(x)) | (op.detect_positive & np.isposinf(x))


@kernels.rule(Erf)
@in_float32
def error_function(op: Erf, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """By rational approximations."""
    np.copyto(outputs[0], erf(present(inputs, 0)))


_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_FAR = (
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1),
        *(2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3),
        1.23033935479799725e3,
    ),
    (
        *(1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3),
        *(3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
    ),
)
"""Numerators and denominators, highest powers first."""


def erf(x: AnyArray) -> AnyArray:
    """The error function, to the rounding of the element type.

    Cody, "Rational Chebyshev approximations for the error function" (Mathematics of Computation 23, 1969): one for
    ``erf(x) / x`` near zero, one for ``exp(x * x) * erfc(x)`` up to 4; what is beyond differs from 1 by less than
    2e-8, for which the second still has the digits that remain.

    Args:
        x: Floats of 32 or 64 bits.
    """
    size = np.abs(x)
    within = np.minimum(size, 0.5)
    beyond = np.clip(size, 0.46875, 6)  # the complement of 6 is below the rounding of float64
    near = within * _ratio(_NEAR, np.square(within))
    far = 1 - np.exp(-np.square(beyond)) * _ratio(_FAR, beyond)
    return np.copysign(np.where(size <= 0.46875, near, np.where(np.isnan(x), x, far)), x)


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: AnyArray) -> AnyArray:
    """The quotient of two polynomials."""
    values = []
    for first, *others in polynomials:
        value = np.full_like(x, first)
        for coefficient in others:
            value = value * x + x.dtype.type(coefficient)
        values.append(value)
    quotient: AnyArray = values[0] / values[1]
    return quotient
