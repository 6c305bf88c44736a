"""What the kernels that go element by element allocate: the temporaries that live at once.

NumPy may reuse a temporary for a result (from 256 KiB on): up to one array of the result's size less is needed then.
"""

from collections.abc import Mapping

from cnnir.algorithms.base import Call, Tensor, in_float32, workspaces
from cnnir.ops import (
    Cast,
    Celu,
    Clip,
    Div,
    Elu,
    Erf,
    Gelu,
    HardSwish,
    IsInf,
    LeakyRelu,
    Mish,
    Pow,
    PRelu,
    Relu,
    Selu,
    Shrink,
    Sigmoid,
    Softplus,
    Softsign,
    Swish,
    ThresholdedRelu,
    Where,
)
from cnnir.ops.activation import Activation
from cnnir.ops.base import Op
from cnnir.ops.elements import NARROW_FLOATS
from cnnir.ops.elementwise import Arithmetic, BitShift, Broadcasting
from cnnir.ops.function import Function

NARROWING = 64
"""Bytes an element for rounding to a float of 8 bits or fewer, by way of float64."""

TEMPORARIES: Mapping[type[Op], tuple[int, int]] = {
    LeakyRelu: (2, 1),
    Sigmoid: (4, 0),
    HardSwish: (2, 0),
    Elu: (2, 1),
    Selu: (3, 1),
    Celu: (3, 0),
    ThresholdedRelu: (1, 1),
    Softplus: (1, 0),
    Softsign: (2, 0),
    Swish: (5, 0),
    Mish: (2, 0),
    Gelu: (10, 0),
    Erf: (9, 0),
    Shrink: (3, 2),
    IsInf: (0, 4),
}
"""Arrays of the operand's element type, and arrays of truths, that live at once; none for other functions."""

_SHORT_GELU = Gelu("tanh")
"""Without the error function."""


@workspaces.rule(Function, Activation)
@in_float32
def function(op: Function, call: Call) -> int:
    """Formulas of whole arrays need their temporaries, a single call that writes where it is told needs nothing."""
    data = call.input(0)
    each, _ = temporaries(op, data)
    return each * data.elements


def temporaries(op: Op, data: Tensor) -> tuple[int, int]:
    """Bytes an element of the temporaries that live at once, and how many arrays they are."""
    wide, truths = (4, 0) if op == _SHORT_GELU else TEMPORARIES.get(type(op), (0, 0))
    # A whole number with a fraction added to it is a float64.
    itemsize = 8 if isinstance(op, Shrink) and not data.dtype.is_float else data.itemsize
    return wide * itemsize + truths, wide + truths


@workspaces.rule(Relu, Clip)
def bounded(op: Op, call: Call) -> int:
    """One call or two, in the tensor's own element type."""
    return 0


@workspaces.rule(PRelu)
@in_float32
def parametric_relu(op: PRelu, call: Call) -> int:
    """What is negative, what that is scaled to, and the choice."""
    data = call.input(0)
    return data.elements * (2 * data.itemsize + 1) + call.buffers()


@workspaces.rule(Broadcasting)
@in_float32
def binary(op: Broadcasting, call: Call) -> int:
    """One call that writes where it is told; what is broadcast runs through NumPy's buffers."""
    return call.buffers() if _broadcasts(call) else 0


@workspaces.rule(BitShift)
def shift(op: BitShift, call: Call) -> int:
    """As other integers."""
    return call.buffers() if _broadcasts(call) else 0


def _broadcasts(call: Call) -> bool:
    return any(tensor.shape != call.output.shape or tensor.repeated for tensor in call.present)


@workspaces.rule(Arithmetic)
@in_float32
def arithmetic(op: Arithmetic, call: Call) -> int:
    """Of three terms or more one may lie where the result is written, and is copied first."""
    buffers = call.buffers() if _broadcasts(call) else 0
    return buffers + max((term.bytes for term in call.present[2:] if term.shape == call.output.shape), default=0)


@workspaces.rule(Pow)
@in_float32
def power(op: Pow, call: Call) -> int:
    """The exponent in the base's type, or in float64, and the result in the type that holds both."""
    base, exponent = call.input(0), call.input(1)
    if base.dtype.is_float:
        return exponent.elements * base.itemsize + call.output.bytes + call.buffers()
    return exponent.elements * 9 + call.output.elements * 8 + call.buffers(3)


@workspaces.rule(Div)
@in_float32
def divide(op: Div, call: Call) -> int:
    """Of integers quotient and rest, and where the sign of the one asks for a correction of the other."""
    buffers = call.buffers() if _broadcasts(call) else 0
    if call.output.dtype.is_float:
        return buffers
    count, itemsize = call.output.elements, call.output.itemsize
    return buffers + max(2 * itemsize + 5, 4 * itemsize + 1) * count


@workspaces.rule(Where)
def where(op: Where, call: Call) -> int:
    """The choice is made aside."""
    return call.output.bytes + (call.buffers(3) if _broadcasts(call) else 0)


@workspaces.rule(Cast)
def cast(op: Cast, call: Call) -> int:
    """The cast numbers, beside those in a type that NumPy itself has."""
    data = call.input(0)
    # Floats that NumPy lacks become float32, integers of less than a byte int32.
    plain = 4 * data.elements if data.narrow or data.dtype.is_packed else 0
    if NARROW_FLOATS.holds(op.to):
        return plain + NARROWING * data.elements
    return plain + call.output.bytes
