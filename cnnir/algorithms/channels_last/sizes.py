"""The sizes that algorithms on maps with the channels innermost speak of, and how scratch is counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from cnnir.algorithms.base import Call
from cnnir.ops import Conv
from cnnir.ops.window import Window

LINE = 64
"""Bytes of a cache line: each array in the scratch of a step begins with one."""

Shape = tuple[int, ...]


def lines(shapes: Sequence[Shape], itemsize: int) -> int:
    """Bytes of arrays of these shapes, one behind the other, each from a line of its own."""
    return sum(-(-prod(shape) * itemsize // LINE) * LINE for shape in shapes)


@dataclass(frozen=True, slots=True)
class Axis:
    """A window that slides along one axis.

    Attributes:
        size: Of the map.
        windows: How many there are.
        cells: Of one window.
        stride: From window to window.
        dilation: From cell to cell.
        before: Padding at the beginning; at the end there is as much as the last window reaches over.
    """

    size: int
    windows: int
    cells: int
    stride: int
    dilation: int
    before: int

    @property
    def extent(self) -> int:
        """From the first to the last cell of a window."""
        return self.dilation * (self.cells - 1) + 1

    def reach(self, windows: int) -> int:
        """Length that so many neighbouring windows cover."""
        return (windows - 1) * self.stride + self.extent

    @property
    def is_padded(self) -> bool:
        """Whether a window reaches over the map's ends."""
        return self.before > 0 or self.reach(self.windows) > self.size

    def met(self, cell: int) -> range:
        """The windows whose cell of that number lies on the map."""
        shift = cell * self.dilation - self.before
        first = max(0, -(shift // self.stride))
        behind = (self.size - 1 - shift) // self.stride + 1
        return range(min(first, self.windows), max(min(behind, self.windows), min(first, self.windows)))


def axes_of(window: Window, sizes: Sequence[int], targets: Sequence[int]) -> tuple[Axis, ...]:
    """The axes along which a window slides from a map of some sizes to one of others."""
    pads = window.resolved_pads(sizes)
    return tuple(
        Axis(size, target, cells, stride, dilation, before)
        for size, target, cells, stride, dilation, before in zip(
            sizes, targets, window.kernel, window.strides, window.dilations, pads[: len(sizes)], strict=True
        )
    )


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution over height and width.

    Attributes:
        images: Of the batch.
        groups: Of channels.
        channels, filters: Of one group.
        down, across: Its window along height and width.
        itemsize: Bytes of an element.
    """

    images: int
    groups: int
    channels: int
    filters: int
    down: Axis
    across: Axis
    itemsize: int

    @classmethod
    def of(cls, op: Conv, data: Shape, weight: Shape, out: Shape, itemsize: int) -> "Layer":
        """The layer for shapes in ONNX's order: N, C, H, W, and K, C / group, height, width."""
        down, across = axes_of(op.window(weight), data[2:], out[2:])
        return cls(data[0], op.group, weight[1], weight[0] // op.group, down, across, itemsize)

    @classmethod
    def called(cls, op: Conv, call: Call) -> "Layer":
        """The layer of a call."""
        out = call.output
        return cls.of(op, call.input(0).shape, call.input(1).shape, out.shape, out.itemsize)

    @property
    def cells(self) -> int:
        """Of the window."""
        return self.down.cells * self.across.cells

    @property
    def is_padded(self) -> bool:
        """Whether any window reaches over the map's borders."""
        return self.down.is_padded or self.across.is_padded

    @property
    def is_plain(self) -> bool:
        """A single cell at stride 1 that never leaves the map."""
        unit = self.down.stride == self.across.stride == 1
        return self.cells == 1 and unit and not self.is_padded

    def padded(self, rows: int) -> Shape:
        """The shape of the rows of the map, with their padding, that so many rows of results are made from."""
        return self.down.reach(rows), self.across.reach(self.across.windows), self.groups * self.channels

    def target(self, rows: int) -> Shape:
        """The shape of so many rows of results."""
        return rows, self.across.windows, self.groups * self.filters


__all__ = ["LINE", "Axis", "Layer", "Shape", "axes_of", "lines"]
