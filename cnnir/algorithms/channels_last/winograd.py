"""Winograd's minimal filtering where channels lie innermost: tiles, transformed, multiplied, transformed back.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): F(m x m, r x r) makes tiles of m x m results
from t x t inputs, ``t = m + r - 1``, with t * t multiplications a pair of channel and filter in place of m * m * r * r.
Both transforms are products with small matrices, along one axis after the other, in chunks that stay in the cache; the
multiplications are t * t products of matrices, for so many rows of tiles that these are large.
"""

from dataclasses import dataclass

from cnnir.algorithms.channels_last.sizes import Layer, Shape, lines

CHUNK_BYTES = 300_000
"""What a transform reads or writes at a time."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """So many rows of tiles at a time.

    Attributes:
        layer: The convolution: square windows, stride 1, no gaps, one group.
        outputs: m, results of a tile along an axis.
        rows: Of tiles in one product.
    """

    layer: Layer
    outputs: int
    rows: int

    @property
    def inputs(self) -> int:
        """t, inputs of a tile along an axis."""
        return self.outputs + self.layer.down.cells - 1

    @property
    def down(self) -> int:
        """Rows of tiles in all."""
        return -(-self.layer.down.windows // self.outputs)

    @property
    def across(self) -> int:
        """Tiles of a row."""
        return -(-self.layer.across.windows // self.outputs)

    @property
    def width(self) -> int:
        """Of a row of the map with its padding."""
        return self.outputs * (self.across - 1) + self.inputs

    @property
    def rows_in(self) -> int:
        """Rows of tiles that are transformed at a time."""
        return self._chunk(self.inputs * self.width * self.layer.channels)

    @property
    def rows_out(self) -> int:
        """Rows of tiles that are transformed back at a time."""
        return self._chunk(self.inputs * self.outputs * self.across * self.layer.filters)

    def _chunk(self, elements: int) -> int:
        return max(1, min(self.rows, CHUNK_BYTES // max(elements * self.layer.itemsize, 1)))

    def padded(self, rows: int) -> Shape:
        """What so many rows of tiles are made from."""
        return self.outputs * (rows - 1) + self.inputs, self.width, self.layer.channels

    def half_in(self, rows: int) -> Shape:
        """Transformed along the height."""
        return rows, self.inputs, self.width, self.layer.channels

    def transformed(self, rows: int) -> Shape:
        """Transformed along both."""
        return self.inputs, self.inputs, rows, self.across, self.layer.channels

    def products(self, rows: int) -> Shape:
        """The products, still transformed along both."""
        return self.inputs, self.inputs, rows, self.across, self.layer.filters

    def half_out(self, rows: int) -> Shape:
        """Transformed back along the width."""
        return self.inputs, self.outputs, rows, self.across, self.layer.filters

    def results(self, rows: int) -> Shape:
        """Tiles of results."""
        return self.outputs, self.outputs, rows, self.across, self.layer.filters

    @property
    def weights(self) -> Shape:
        """Of the transformed filters."""
        return self.inputs**2, self.layer.channels, self.layer.filters

    @property
    def scratch(self) -> int:
        """Bytes."""
        shapes = (
            self.transformed(self.rows), self.products(self.rows), self.padded(self.rows_in),
            self.half_in(self.rows_in), self.half_out(self.rows_out), self.results(self.rows_out),
        )  # fmt: skip
        return lines(shapes, self.layer.itemsize)


__all__ = ["CHUNK_BYTES", "Tiles"]
