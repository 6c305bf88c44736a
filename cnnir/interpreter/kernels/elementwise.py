"""Elementwise arithmetic, comparison and choice with broadcasting."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import (
    Add,
    And,
    BitShift,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    Div,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Max,
    Mean,
    Min,
    Mod,
    Mul,
    Or,
    Pow,
    Sub,
    Sum,
    Where,
    Xor,
)
from cnnir.ops.elementwise import Arithmetic, Broadcasting
from cnnir.weights import AnyArray

_BINARY: Mapping[type[Broadcasting], Callable[..., Any]] = {
    Add: np.add,
    Sub: np.subtract,
    Mul: np.multiply,
    Equal: np.equal,
    Greater: np.greater,
    GreaterOrEqual: np.greater_equal,
    Less: np.less,
    LessOrEqual: np.less_equal,
    And: np.logical_and,
    Or: np.logical_or,
    Xor: np.logical_xor,
    BitwiseAnd: np.bitwise_and,
    BitwiseOr: np.bitwise_or,
    BitwiseXor: np.bitwise_xor,
}

_VARIADIC: Mapping[type[Arithmetic], Callable[..., Any]] = {
    Sum: np.add, Mean: np.add, Max: np.maximum, Min: np.minimum
}  # fmt: skip


@kernels.rule(*_BINARY)
@in_float32
def binary(op: Broadcasting, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """One ufunc call."""
    _BINARY[type(op)](present(inputs, 0), present(inputs, 1), out=outputs[0])


@kernels.rule(BitShift)
def shift(op: BitShift, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """NumPy's own."""
    move = np.left_shift if op.direction == "LEFT" else np.right_shift
    move(present(inputs, 0), present(inputs, 1), out=outputs[0])


@kernels.rule(Mod)
@in_float32
def modulo(op: Mod, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """With the sign of the divisor, or of what is divided."""
    (np.fmod if op.fmod else np.mod)(present(inputs, 0), present(inputs, 1), out=outputs[0])


@kernels.rule(Pow)
@in_float32
def power(op: Pow, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """In the type that holds both, then in that of the base; integers to a negative power by way of floats."""
    base, exponent, out = present(inputs, 0), present(inputs, 1), outputs[0]
    if np.issubdtype(base.dtype, np.floating):
        exponent = exponent.astype(base.dtype)
    elif not np.issubdtype(exponent.dtype, np.unsignedinteger):
        exponent = exponent.astype(np.float64) if (exponent < 0).any() else exponent
    np.copyto(out, np.power(base, exponent), casting="unsafe")


@kernels.rule(Div)
@in_float32
def divide(op: Div, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Floats as IEEE 754 has it, division by zero included; integers truncated towards zero."""
    a, b, out = present(inputs, 0), present(inputs, 1), outputs[0]
    if not np.issubdtype(out.dtype, np.integer):
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(a, b, out=out)
        return
    floored, rest = np.divmod(a, b)
    # Floor division rounds down; where signs differ and something is left, truncation is one higher.
    np.copyto(out, floored + ((rest != 0) & ((a < 0) != (b < 0))).astype(out.dtype))


@kernels.rule(*_VARIADIC)
@in_float32
def variadic(op: Arithmetic, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Gathered in the output; an operand further on that lies in the output's own memory is copied first."""
    terms = [present(inputs, index) for index in range(len(inputs))]
    out = outputs[0]
    if len(terms) == 1:
        np.copyto(out, terms[0])
        return
    # The first step writes the output, so what is read later must not lie there.
    terms[2:] = [term.copy() if np.may_share_memory(out, term) else term for term in terms[2:]]
    combine = _VARIADIC[type(op)]
    combine(terms[0], terms[1], out=out)
    for term in terms[2:]:
        combine(out, term, out=out)
    if isinstance(op, Mean):
        np.divide(out, len(terms), out=out)


@kernels.rule(Where)
def where(op: Where, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Chosen aside, for the output may be the memory of either."""
    np.copyto(outputs[0], np.where(present(inputs, 0), present(inputs, 1), present(inputs, 2)))
