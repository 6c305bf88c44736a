"""Ways of pooling and of local response normalisation."""

import math
from collections.abc import Iterator

from cnnir.algorithms.base import Call
from cnnir.algorithms.today.windows import padded_elements
from cnnir.algorithms.ways.base import Way, Work, alternatives, kernel, strips
from cnnir.ops import LRN, AveragePool, MaxPool


@alternatives.rule(MaxPool, AveragePool)
def pool(op: MaxPool | AveragePool, call: Call) -> Iterator[Way]:
    """Cell by cell, as the kernel does; or along rows first and then along columns, R rows of results at a time."""
    data, out, window = call.input(0), call.output, op.window
    cells = math.prod(window.kernel)
    padded = data.itemsize * padded_elements(data, window, out.shape[2:])
    yield kernel(op, call, (("element", cells * out.elements), ("copy", padded), ("call", cells)))
    if len(window.kernel) != 2 or (isinstance(op, MaxPool) and op.with_indices):
        return
    images, channels, height, width = out.shape
    for rows in strips(height):
        # Rows of the map that R rows of results reach over; neighbouring strips share some of them.
        met = min((rows - 1) * window.strides[0] + window.extents()[0], data.shape[2])
        strip = channels * met * width
        passes = images * -(-height // rows)
        work: Work = (
            ("element", passes * strip * window.kernel[1] + out.elements * window.kernel[0]),
            ("call", passes * sum(window.kernel)),
        )
        yield Way("separable", data.itemsize * strip, work, (("rows", rows),))


@alternatives.rule(LRN)
def lrn(op: LRN, call: Call) -> Iterator[Way]:
    """Squares and sums of the whole map, as the kernel makes them, or of R rows of it at a time."""
    data = call.input(0)
    shifts = min(op.size, 2 * data.shape[1] - 1)
    elements: Work = (("element", (shifts + 4) * data.elements), ("function", data.elements))
    yield kernel(op, call, (*elements, ("copy", 2 * data.bytes), ("call", shifts + 6)))
    if len(data.shape) < 3:
        return
    row = data.shape[1] * math.prod(data.shape[3:])
    for rows in strips(data.shape[2]):
        passes = data.shape[0] * -(-data.shape[2] // rows)
        work: Work = (*elements, ("call", passes * (shifts + 6)))
        yield Way("strips", 2 * data.itemsize * rows * row, work, (("rows", rows),))
