"""Elementwise formulas: whole arrays, as the kernels take them, or a block of elements at a time."""

from collections.abc import Iterator

from cnnir.algorithms.base import Call
from cnnir.algorithms.today.elementwise import temporaries
from cnnir.algorithms.ways.base import Way, Work, alternatives, kernel
from cnnir.ops.activation import Activation
from cnnir.ops.base import Op
from cnnir.ops.function import Function

BLOCK = 8192
"""Elements of a block: its temporaries stay in a cache of the first or second level."""


@alternatives.rule(Function, Activation)
def function(op: Op, call: Call) -> Iterator[Way]:
    """The same temporaries, of a block in place of all."""
    data = call.input(0)
    each, arrays = temporaries(op, data)
    calls = arrays + 1
    work: Work = (("function", data.elements), ("element", arrays * data.elements))
    yield kernel(op, call, (*work, ("copy", each * data.elements), ("call", calls)))
    if each and data.elements > BLOCK:
        passes = -(-data.elements // BLOCK)
        yield Way("blocks", each * BLOCK, (*work, ("call", calls * passes)), (("elements", BLOCK),))
