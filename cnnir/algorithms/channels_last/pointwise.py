"""Convolution with a window of one cell where channels lie innermost: a product of matrices, on the map as it lies."""

from dataclasses import dataclass

from cnnir.algorithms.channels_last.sizes import Layer, Shape, lines


@dataclass(frozen=True, slots=True)
class Pointwise:
    """So many rows of the result at a time.

    Attributes:
        layer: The convolution: one cell.
        rows: Of the result.
    """

    layer: Layer
    rows: int

    @property
    def gathered(self) -> Shape:
        """What the windows meet, where that is not the map itself: with strides, or padding."""
        if self.layer.is_plain:
            return (0,)
        return self.rows, self.layer.across.windows, self.layer.groups * self.layer.channels

    @property
    def scratch(self) -> int:
        """Bytes."""
        return lines((self.gathered,), self.layer.itemsize)


__all__ = ["Pointwise"]
