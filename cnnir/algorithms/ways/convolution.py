"""Ways of convolution: one product, columns (im2col), shifted products, rows of depthwise sums; and its transpose.

Columns are those of Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for Document
Processing" (2006), made strip by strip; shifted products those of Vasudevan, Anderson and Gregg, "Parallel Multi
Channel Convolution using General Matrix Multiplication" (2017), one cell of the window at a time. Padding is left out
where elements are gathered, so that no padded map is made.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cnnir.algorithms.base import Call
from cnnir.algorithms.today.windows import STRIP_BYTES, padded_elements
from cnnir.algorithms.ways.base import Way, Work, alternatives, kernel, strips
from cnnir.algorithms.ways.fft import fft_ways
from cnnir.algorithms.ways.winograd import winograd_ways
from cnnir.ops import Conv, ConvTranspose
from cnnir.ops.window import Window


@dataclass(frozen=True, slots=True)
class Layer:
    """The sizes that the formulas speak of.

    Attributes:
        images: Of the batch.
        groups: Of channels.
        channels, filters: Of one group.
        cells: Of the window.
        rows: Of the result, along the first spatial axis.
        row: Elements of such a row in one channel of the result.
        itemsize: Bytes of an element.
        weight_bytes: Of all filters.
        window: What slides.
    """

    images: int
    groups: int
    channels: int
    filters: int
    cells: int
    rows: int
    row: int
    itemsize: int
    weight_bytes: int
    window: Window

    @classmethod
    def of(cls, op: Conv, call: Call) -> "Layer":
        """The layer of a call."""
        weight, out = call.input(1), call.output
        return cls(
            images=out.shape[0],
            groups=op.group,
            channels=weight.shape[1],
            filters=weight.shape[0] // op.group,
            cells=math.prod(weight.shape[2:]),
            rows=out.shape[2],
            row=math.prod(out.shape[3:]),
            itemsize=out.itemsize,
            weight_bytes=weight.bytes,
            window=op.window(weight.shape),
        )

    @property
    def macs(self) -> int:
        """Multiply-accumulates in all."""
        return self.outputs * self.cells * self.channels

    @property
    def outputs(self) -> int:
        """Elements of the result."""
        return self.images * self.groups * self.filters * self.rows * self.row

    def passes(self, rows: int) -> int:
        """Strips of all images."""
        return self.images * -(-self.rows // rows)


@alternatives.rule(Conv)
def conv(op: Conv, call: Call) -> Iterator[Way]:
    """What the window and the groups allow."""
    layer = Layer.of(op, call)
    if not layer.macs:
        yield kernel(op, call, ())
        return
    padded = layer.itemsize * padded_elements(call.input(0), layer.window, call.output.shape[2:])
    unit = all(stride == 1 for stride in op.strides)
    if layer.channels == layer.filters == 1:
        yield kernel(op, call, _depthwise_work(layer, layer.rows, 3 * layer.cells * call.output.bytes + padded))
        yield from _depthwise(layer)
    elif layer.cells == 1 and unit:
        product: Work = (("product", layer.macs), ("call", layer.images * layer.groups))
        yield kernel(op, call, (*product, ("copy", call.output.bytes + padded)))
        if not padded:
            yield Way("pointwise", 0, product)
    else:
        columns = layer.channels * layer.cells * layer.row * layer.itemsize
        strip = max(1, min(layer.rows, STRIP_BYTES // max(columns, 1)))
        yield kernel(op, call, _columns_work(layer, strip, padded))
    if layer.cells == 1 and not padded and not unit:
        yield from _gathered(layer)
    yield from _columns(layer)
    if unit and layer.groups == 1 and layer.cells > 1:
        yield from _shifted(layer)
    yield from winograd_ways(op, call)
    yield from fft_ways(op, call)


def _gathered(layer: Layer) -> Iterator[Way]:
    """A window of one cell with strides: the elements that are met are gathered, R rows at a time."""
    for rows in strips(layer.rows):
        gathered = layer.itemsize * rows * layer.row * layer.channels
        copies = layer.itemsize * layer.images * layer.groups * layer.channels * layer.rows * layer.row
        calls = 2 * layer.groups * layer.passes(rows)
        again = layer.weight_bytes * layer.passes(rows)
        work: Work = (("product", layer.macs), ("copy", copies + again), ("call", calls))
        yield Way("gather", gathered, work, (("rows", rows),))


def _columns(layer: Layer) -> Iterator[Way]:
    """``R * Wo * (kh * kw * C + K)`` elements: the columns of R rows of one group, and their product."""
    for rows in strips(layer.rows):
        scratch = layer.itemsize * rows * layer.row * (layer.cells * layer.channels + layer.filters)
        yield Way("im2col", scratch, _columns_work(layer, rows, 0), (("rows", rows),))


def _columns_work(layer: Layer, rows: int, padded: int) -> Work:
    positions = layer.images * layer.groups * layer.rows * layer.row
    copies = layer.itemsize * positions * (layer.cells * layer.channels + layer.filters)
    again = layer.weight_bytes * layer.passes(rows)
    return (
        ("product", layer.macs), ("copy", copies + again + padded), ("call", 3 * layer.groups * layer.passes(rows)),
    )  # fmt: skip


def _shifted(layer: Layer) -> Iterator[Way]:
    """``R * Wo * K`` elements: the product of one cell's filters with R rows, added where the cell lies."""
    # Each product is written and read again, and so is what it is added to.
    moved = 4 * layer.itemsize * layer.cells * layer.outputs
    for rows in strips(layer.rows):
        work: Work = (
            ("product", layer.macs),
            ("element", layer.cells * layer.outputs),
            ("copy", moved + layer.weight_bytes * layer.passes(rows)),
            ("call", 2 * layer.cells * layer.passes(rows)),
        )
        yield Way("shifted", layer.itemsize * rows * layer.row * layer.filters, work, (("rows", rows),))


def _depthwise(layer: Layer) -> Iterator[Way]:
    """``R * Wo * C`` elements: R rows of all channels times one cell, added to the result."""
    for rows in strips(layer.rows):
        scratch = layer.itemsize * rows * layer.row * layer.groups
        yield Way("depthwise", scratch, _depthwise_work(layer, rows, 0), (("rows", rows),))


def _depthwise_work(layer: Layer, rows: int, copied: int) -> Work:
    return ("element", 2 * layer.macs), ("copy", copied), ("call", 2 * layer.cells * layer.passes(rows))


@alternatives.rule(ConvTranspose)
def conv_transpose(op: ConvTranspose, call: Call) -> Iterator[Way]:
    """R rows of the input spread their filters at a time, and are added where they belong."""
    data, weight, out = call.input(0), call.input(1), call.output
    spread = math.prod(weight.shape[1:])
    macs, added = data.elements * spread, data.elements // max(data.shape[1], 1) * spread * op.group
    if not macs:
        yield kernel(op, call, ())
        return
    cells, row = math.prod(weight.shape[2:]), math.prod(data.shape[3:])
    copied = 2 * out.bytes + data.bytes + out.itemsize * added
    calls = op.group * (1 + cells)
    yield kernel(op, call, (("product", macs), ("element", added), ("copy", copied), ("call", calls)))
    for rows in strips(data.shape[2]):
        passes = data.shape[0] * -(-data.shape[2] // rows)
        work: Work = (
            ("product", macs), ("element", added), ("copy", weight.bytes * passes), ("call", calls * passes)
        )  # fmt: skip
        yield Way("spread", out.itemsize * rows * row * spread, work, (("rows", rows),))
