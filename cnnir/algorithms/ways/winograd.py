"""Winograd's minimal filtering: fewer multiplications for small windows, at the cost of transforms and of digits.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): F(m x m, r x r) makes tiles of m x m results
from t x t inputs, ``t = m + r - 1``, with t * t multiplications a pair of channel and filter in place of m * m * r * r.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cnnir.algorithms.base import Call
from cnnir.algorithms.ways.base import Way, Work, strips
from cnnir.ops import Conv

CHUNK_BYTES = 600_000
"""What a transform works on at a time, so that it stays in a second-level cache."""

MEASURED_CHANNELS = 512
FEW_CHANNELS = 64
"""The errors below are those of 512 channels. They grow with the root of the number, from 64 channels on."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One size of tiles.

    Attributes:
        outputs: m, results of a tile along an axis.
        window: r, cells of the window along an axis.
        error: Largest error over the largest output in float32, normal inputs and filters of 512 channels: half more
            than the largest that was met in maps of 6 x 6 to 28 x 28. It is a measure, no bound: inputs can be made
            that give more.
    """

    outputs: int
    window: int
    error: float

    @property
    def inputs(self) -> int:
        """t, inputs of a tile along an axis."""
        return self.outputs + self.window - 1

    @property
    def name(self) -> str:
        """As a plan writes it."""
        m, r = self.outputs, self.window
        return f"winograd-{m}x{m}-{r}x{r}"


VARIANTS = (Variant(2, 3, 1.5e-6), Variant(4, 3, 3.0e-5), Variant(2, 5, 2.4e-5))


def winograd_ways(op: Conv, call: Call) -> Iterator[Way]:
    """The variants for square windows on maps, at stride 1, without gaps and groups."""
    weight, out = call.input(1), call.output
    plain = all(number == 1 for number in (*op.strides, *op.dilations, op.group))
    if len(out.shape) != 4 or not plain:
        return
    for variant in VARIANTS:
        if weight.shape[2:] == (variant.window,) * 2:
            for tile_rows in strips(-(-out.shape[2] // variant.outputs)):
                yield _way(variant, call, tile_rows)


def _way(variant: Variant, call: Call, tile_rows: int) -> Way:
    """So many rows of tiles in one product; the transforms take as many of them as fit into their chunk."""
    data, weight, out = call.input(0), call.input(1), call.output
    t, m, channels, filters = variant.inputs, variant.outputs, weight.shape[1], weight.shape[0]
    down, across = (-(-size // m) for size in out.shape[2:])
    height, width = m * (down - 1) + t, m * (across - 1) + t
    itemsize, tiles = out.itemsize, down * across
    rows_in = _chunk(itemsize * t * width * channels, tile_rows)
    rows_out = _chunk(itemsize * t * m * across * filters, tile_rows)
    elements = t * t * tile_rows * across * (channels + filters)
    elements += max(rows_in * t * width * channels, t * m * rows_out * across * filters)
    elements += max(t * t * rows_in * across * channels, m * m * rows_out * across * filters)
    padded = height * width * channels if (height, width) != data.shape[2:] else 0
    weights = itemsize * t * t * channels * filters
    images, passes = out.shape[0], -(-down // tile_rows)
    transforms = down * t * t * width * channels + tiles * t * t * t * channels
    transforms += tiles * (m * t * t + m * m * t) * filters
    copies = itemsize * (padded + t * t * tiles * (channels + filters)) + weights * passes
    work: Work = (
        ("product", images * t * t * tiles * channels * filters),
        ("transform", images * transforms),
        ("copy", images * copies),
        ("call", images * (passes + 3 * -(-down // rows_in) + 3 * -(-down // rows_out))),
    )
    return Way(
        variant.name,
        itemsize * (elements + padded),
        work,
        (("tile_rows", tile_rows), ("input_rows", rows_in), ("output_rows", rows_out)),
        weight_bytes=weights,
        error=variant.error * math.sqrt(max(channels, FEW_CHANNELS) / MEASURED_CHANNELS),
    )


def _chunk(row_bytes: int, most: int) -> int:
    """Rows of tiles that a transform takes at a time."""
    return max(1, min(most, CHUNK_BYTES // max(row_bytes, 1)))
