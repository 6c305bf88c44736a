"""Text in columns: headings, a line, rows; as wide as the text, or as narrow as there is room for.

What a letter takes in a terminal is rich's to know. The rows are put together here: a table of a thousand of them takes
milliseconds, so that the table of a large network is there at once.
"""

from collections.abc import Collection, Sequence
from itertools import zip_longest

_NARROWEST = 8
"""A column is not folded to less, whatever the room."""


class Columns:
    """A table's columns.

    Args:
        headings: One a column.
        rows: Their cells, as many as there are headings.
        right: Columns that stand right, as numbers do. They are never folded.
        width: How many letters a line may have. Words go on below where a column has to be folded for it; a table of
            numbers that are wider stays so.
        gap: Spaces between columns.

    Attributes:
        width: Letters of a line.
    """

    def __init__(
        self,
        headings: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        right: Collection[int] = (),
        width: int,
        gap: int = 3,
    ) -> None:
        self.headings = headings
        self.rows = rows
        self._right = right
        self._gap = " " * gap
        self._widths = [max(map(_cells, column)) for column in zip(headings, *rows, strict=True)]
        self._fold(width)

    @property
    def width(self) -> int:
        return sum(self._widths) + len(self._gap) * (len(self._widths) - 1)

    def head(self) -> list[str]:
        """The headings, and a line under them."""
        return [*self.row(self.headings), "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * self.width]

    def row(self, cells: Sequence[str]) -> list[str]:
        """The line of a row; several where a cell is folded."""
        columns = list(zip(cells, self._widths, strict=True))
        parts = [folded(cell, width) if _cells(cell) > width else [cell] for cell, width in columns]
        return [self._line(line) for line in zip_longest(*parts, fillvalue="")]

    def lines(self) -> list[str]:
        """All of it."""
        return [*self.head(), *(line for row in self.rows for line in self.row(row))]

    def _line(self, parts: Sequence[str]) -> str:
        spaced = []
        for index, (part, width) in enumerate(zip(parts, self._widths, strict=True)):
            space = " " * (width - _cells(part))
            spaced.append(space + part if index in self._right else part + space)
        return self._gap.join(spaced).rstrip()

    def _fold(self, width: int) -> None:
        """Take what is too much from the widest column of words, down to the next one, and so on."""
        words = [index for index in range(len(self._widths)) if index not in self._right]
        while self.width > width and words:
            widest = max(words, key=self._widths.__getitem__)
            size = self._widths[widest]
            if size <= _NARROWEST:
                return
            next_size = max((self._widths[index] for index in words if index != widest), default=0)
            self._widths[widest] = max(size - (self.width - width), min(next_size, size - 1), _NARROWEST)


def folded(text: str, width: int) -> list[str]:
    """The text in lines of at most that many letters, broken between words; a longer word is broken anywhere."""
    from rich.cells import chop_cells  # noqa: PLC0415  most text fits, and rich takes its time to import

    if _cells(text) <= width:
        return [text]
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if _cells(joined) <= width:
            lines[-1] = joined
            continue
        pieces = chop_cells(word, width)
        lines[-1:] = pieces if not lines[-1] else [lines[-1], *pieces]
    return lines


def _cells(text: str) -> int:
    """How many places the text takes in a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  as above

    return cell_len(text)
