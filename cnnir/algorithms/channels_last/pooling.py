"""Pooling where channels lie innermost: along the height, so many rows of results at a time, then along the width."""

from dataclasses import dataclass

from cnnir.algorithms.channels_last.sizes import Axis, Shape, axes_of, lines
from cnnir.ops.pooling import Pool


@dataclass(frozen=True, slots=True)
class Pooling:
    """So many rows of the result at a time.

    Attributes:
        down, across: The window along height and width.
        channels: Of the map.
        rows: Of the result.
        itemsize: Bytes of an element.
    """

    down: Axis
    across: Axis
    channels: int
    rows: int
    itemsize: int

    @classmethod
    def of(cls, op: Pool, data: Shape, out: Shape, rows: int, itemsize: int) -> "Pooling":
        """The pooling for shapes in ONNX's order: N, C, H, W."""
        down, across = axes_of(op.window, data[2:], out[2:])
        return cls(down, across, data[1], rows, itemsize)

    @property
    def half(self) -> Shape:
        """Pooled along the height alone."""
        return self.rows, self.across.size, self.channels

    @property
    def scratch(self) -> int:
        """Bytes."""
        return lines((self.half,), self.itemsize)


__all__ = ["Pooling"]
