"""Local response normalisation where channels lie innermost: squares with gaps between pixels, then shifted sums."""

from dataclasses import dataclass

from cnnir.algorithms.channels_last.sizes import Shape, lines
from cnnir.ops import LRN


@dataclass(frozen=True, slots=True)
class Neighbours:
    """So many rows of a map at a time.

    Attributes:
        size: Channels that are summed.
        channels: Of the map.
        width: Of the map.
        rows: Of the map.
        itemsize: Bytes of an element.
    """

    size: int
    channels: int
    width: int
    rows: int
    itemsize: int

    @classmethod
    def of(cls, op: LRN, data: Shape, rows: int, itemsize: int) -> "Neighbours":
        """The normalisation for a shape in ONNX's order: N, C, H, W."""
        return cls(min(op.size, 2 * data[1] - 1), data[1], data[3], rows, itemsize)

    @property
    def before(self) -> int:
        """Neighbours with lower numbers; ONNX gives an even window one more of the others."""
        return (self.size - 1) // 2

    @property
    def pitch(self) -> int:
        """Elements from pixel to pixel: its channels, and zeros for the neighbours that there are none of."""
        return self.channels + self.size - 1

    @property
    def squares(self) -> Shape:
        """Of all channels, with the zeros in front of each pixel's and behind the last one's."""
        return (self.rows * self.width * self.pitch + self.size - 1,)

    @property
    def sums(self) -> Shape:
        """Of neighbouring squares: those of every pixel, and useless ones in its gap."""
        return (self.rows * self.width * self.pitch,)

    @property
    def scratch(self) -> int:
        """Bytes."""
        return lines((self.squares, self.sums), self.itemsize)


__all__ = ["Neighbours"]
