"""Depthwise convolution where channels lie innermost: rows of the map times one cell of all filters, added up."""

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


__all__ = ["Depthwise"]
