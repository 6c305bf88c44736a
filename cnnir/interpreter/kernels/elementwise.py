"""Elementwise arithmetic with broadcasting."""

from collections.abc import Callable, Sequence

import numpy as np

from cnnir.interpreter.kernels.base import in_float32, kernels, present
from cnnir.ops import Add, Cast, Div, Mul, Sub, Sum
from cnnir.ops.elementwise import Arithmetic
from cnnir.weights import AnyArray

_FUNCTIONS: dict[type[Arithmetic], Callable[..., AnyArray]] = {Add: np.add, Sub: np.subtract, Mul: np.multiply}


@kernels.rule(Add, Sub, Mul)
@in_float32
def arithmetic(op: Arithmetic, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """One ufunc call."""
    _FUNCTIONS[type(op)](present(inputs, 0), present(inputs, 1), out=outputs[0])


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


@kernels.rule(Sum)
@in_float32
def total(op: Sum, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Added up in the output; an operand further on that lies in the output's own memory is copied first."""
    terms = [present(inputs, index) for index in range(len(inputs))]
    out = outputs[0]
    if len(terms) == 1:
        np.copyto(out, terms[0])
        return
    # The first addition writes the output, so what is added later must not lie there.
    terms[2:] = [term.copy() if np.may_share_memory(out, term) else term for term in terms[2:]]
    np.add(terms[0], terms[1], out=out)
    for term in terms[2:]:
        np.add(out, term, out=out)


@kernels.rule(Cast)
def cast(op: Cast, inputs: Sequence[AnyArray | None], outputs: Sequence[AnyArray]) -> None:
    """Floats to integers truncate; what does not fit is undefined in ONNX, so it does not warn."""
    with np.errstate(invalid="ignore", over="ignore"):
        np.copyto(outputs[0], present(inputs, 0).astype(outputs[0].dtype))
