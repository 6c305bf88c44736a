"""Convolution by columns (im2col) where channels lie innermost: each window becomes a row of a matrix.

Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for Document Processing" (2006), strip by
strip of rows of the result, so that the columns stay in the cache. What a window meets in one row of the map lies in
one stretch of memory: a row of columns is as many copies as the window is high.
"""

from dataclasses import dataclass

from cnnir.algorithms.channels_last.sizes import Layer, Shape, lines


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of so many rows of the result at a time.

    Attributes:
        layer: The convolution.
        rows: Of the result; the last strip may have fewer.
    """

    layer: Layer
    rows: int

    @property
    def padded(self) -> Shape:
        """The strip's part of the map with its padding; empty where nothing is padded."""
        return self.layer.padded(self.rows) if self.layer.is_padded else (0,)

    @property
    def columns(self) -> Shape:
        """``groups, rows, width, window height, window width * channels``."""
        layer = self.layer
        window = layer.down.cells, layer.across.cells * layer.channels
        return layer.groups, self.rows, layer.across.windows, *window

    @property
    def scratch(self) -> int:
        """Bytes."""
        return lines((self.padded, self.columns), self.layer.itemsize)


__all__ = ["Columns"]
