"""How a value of a network's head lies over a map ``[N, C, H, W]``.

Each axis of such a value is a run of the map's axes in some order: a flattened map is ``N, CHW``, one flattened from
channels-last ``N, HWC``, a vector behind a pooling layer ``N, C``. Axes of the map of size 1 may be left out, for it
does not matter where they stand; so they are what an empty axis is.

Flattened maps side by side along the last axis that make no map themselves (they differ in height or width, or are
flattened channels-last) are a layout of several parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cnnir.dims import Dim, Shape, is_known
from cnnir.graph import Value
from cnnir.types import TensorType

LETTERS = "NCHW"


@dataclass(frozen=True)
class Layout:
    """The axes of a value in terms of its map's.

    Attributes:
        axes: For each axis of the value the letters of the map's axes that it runs over, the slowest first.
        sizes: N, C, H and W of the map at the native size.
        parts: Of what stands side by side along the last axis; empty for one map.
    """

    axes: tuple[str, ...]
    sizes: tuple[Dim, Dim, Dim, Dim]
    parts: tuple["Layout", ...] = ()

    @property
    def letters(self) -> str:
        """All letters, in the order of the value's elements."""
        return "".join(self.axes)

    @property
    def is_map(self) -> bool:
        """True when the value has the map's own axes, up to the place of what is empty."""
        return len(self.axes) == 4 and all(
            axis in ("", letter) for axis, letter in zip(self.axes, LETTERS, strict=True)
        )

    def size(self, letter: str) -> Dim:
        """The map's size along an axis."""
        return self.sizes[LETTERS.index(letter)]

    def axis(self, letters: str) -> int | None:
        """The axis that runs over exactly these letters."""
        return self.axes.index(letters) if letters in self.axes else None

    def over(self, axes: Sequence[int]) -> str:
        """The letters of some axes, in the map's order."""
        found = "".join(self.axes[axis] for axis in axes)
        return "".join(letter for letter in LETTERS if letter in found)

    def without(self, letters: str) -> "Layout":
        """The layout when these axes of the map have become 1."""
        axes = tuple("".join(letter for letter in axis if letter not in letters) for axis in self.axes)
        n, c, h, w = (1 if letter in letters else size for letter, size in zip(LETTERS, self.sizes, strict=True))
        return Layout(axes, (n, c, h, w))

    def with_channels(self, channels: Dim) -> "Layout":
        """The layout with another number of channels."""
        n, _, h, w = self.sizes
        return replace(self, sizes=(n, channels, h, w))

    def rows(self, count: Dim, spent: str) -> "Layout":
        """The layout behind a matrix product over the last axis: `count` channels there, the axes `spent` become 1."""
        *others, _ = self.without(spent).axes
        axes = (*(run.replace("C", "") for run in others), "C")
        return replace(self.without(spent).with_channels(count), axes=axes)

    @property
    def features(self) -> str:
        """The letters that a matrix product over the last axis sums over, channels of size 1 always among them."""
        run = self.axes[-1]
        return run if "C" in run or self.size("C") != 1 else f"C{run}"

    def permuted(self, permutation: Sequence[int]) -> "Layout":
        """The layout of the transposed value."""
        return replace(self, axes=tuple(self.axes[axis] for axis in permutation))

    def regrouped(self, shape: Shape) -> "Layout | None":
        """The layout of the value under another shape; None when an axis of it mixes parts of the map's axes."""
        stream = [letter for letter in self.letters if self.size(letter) != 1]
        groups: list[str] = []
        for dim in shape:
            group = ""
            total: Dim = 1
            while total != dim and stream:
                total = total * self.size(stream[0])
                group += stream.pop(0)
            if total != dim:
                return None
            groups.append(group)
        # A size that is not known may be 1; who needs to know, finds the letter and asks.
        if any(is_known(self.size(letter)) for letter in stream):
            return None
        for letter in stream:
            groups[_last_full(groups)] += letter
        # One image, or one channel: an axis of size 1 that still has a meaning of its own.
        if self.size("N") == 1 and groups and groups[0] == "":
            groups[0] = "N"
        if self.size("C") == 1 and "" in groups:
            groups[groups.index("")] = "C"
        return replace(self, axes=tuple(groups))


def _last_full(groups: Sequence[str]) -> int:
    return max((index for index, group in enumerate(groups) if group), default=len(groups) - 1)


def map_layout(value: Value) -> Layout | None:
    """The layout of a map itself; None for what is no tensor of four axes."""
    if not isinstance(value.type, TensorType) or value.type.rank != 4:
        return None
    n, c, h, w = value.type.shape
    return Layout(("N", "C", "" if h == 1 else "H", "" if w == 1 else "W"), (n, c, h, w))
