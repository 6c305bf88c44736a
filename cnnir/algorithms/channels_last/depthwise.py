"""Depthwise convolution where channels lie innermost: rows of the map times one cell of all filters, added up.

Either cell by cell, as a product that is added where the cell lies; or all cells by one sum of products over the map
with its padding, which goes through the rows once a cell in place of twice.
"""

from dataclasses import dataclass

from cnnir.algorithms.channels_last.sizes import Layer, Shape, lines


@dataclass(frozen=True, slots=True)
class Depthwise:
    """So many rows of the result at a time.

    Attributes:
        layer: The convolution: one channel in each group.
        rows: Of the result.
    """

    layer: Layer
    rows: int

    @property
    def products(self) -> Shape:
        """Of one cell."""
        return self.layer.target(self.rows)

    @property
    def filters(self) -> Shape:
        """Each cell's filters, repeated along a row."""
        return self.layer.down.cells, self.layer.across.cells, *self.layer.target(1)[1:]

    @property
    def scratch(self) -> int:
        """Bytes."""
        return lines((self.products,), self.layer.itemsize)


@dataclass(frozen=True, slots=True)
class DepthwiseSums:
    """So many rows of the result at a time, all cells by one call.

    Attributes:
        layer: The convolution: one channel in each group.
        rows: Of the result.
    """

    layer: Layer
    rows: int

    @property
    def padded(self) -> Shape:
        """The strip's part of the map with its padding; empty where nothing is padded."""
        return self.layer.padded(self.rows) if self.layer.is_padded else (0,)

    @property
    def filters(self) -> Shape:
        """Each cell's filters, repeated along a row."""
        return Depthwise(self.layer, self.rows).filters

    @property
    def run(self) -> int:
        """Elements that one inner loop goes through: a row, or the channels of a pixel where windows are apart."""
        wide = self.layer.across.windows if self.layer.across.stride == 1 else 1
        return wide * self.layer.groups

    @property
    def scratch(self) -> int:
        """Bytes."""
        return lines((self.padded,), self.layer.itemsize)


__all__ = ["Depthwise", "DepthwiseSums"]
