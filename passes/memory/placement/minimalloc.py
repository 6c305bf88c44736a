"""The CSV files of MiniMalloc, for people who bring their own compiler.

A row is a buffer: ``id,lower,upper,size``, live from step `lower` to before `upper` (a column `end` in its place is
included in the life). Optional: ``alignment``; ``gaps``, separated by blanks, each ``lower-upper`` for steps at which
it rests, or ``lower-upper@low:high`` when only these bytes of it are needed then. Other columns are carried along; a
column ``offset`` is written anew. See https://github.com/google/minimalloc, `src/converter.cc`.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cnnir.errors import CnnirError
from cnnir.passes.memory.placement.model import Body, Slice

_NAMES = {"buffer": "id", "buffer_id": "id", "begin": "lower", "start": "lower", "end": "upper"}
"""Other names of columns."""

_GAP = re.compile(r"(\d+)-(\d+)(?:@(\d+):(\d+))?")


@dataclass(frozen=True)
class BufferTable:
    """A file of buffers.

    Attributes:
        columns: Their names, as they stand in the file.
        rows: The fields of each buffer.
        bodies: The buffers.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bodies: tuple[Body, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The name of each buffer."""
        where = [_NAMES.get(column, column) for column in self.columns].index("id")
        return tuple(row[where] for row in self.rows)

    def with_offsets(self, offsets: Sequence[int]) -> str:
        """The file's text, with an offset for each buffer."""
        kept = [index for index, column in enumerate(self.columns) if column != "offset"]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*(self.columns[index] for index in kept), "offset"])
        for row, offset in zip(self.rows, offsets, strict=True):
            writer.writerow([*(row[index] for index in kept), offset])
        return text.getvalue()


def read_buffers(text: str, name: str) -> BufferTable:
    """Read a file's text.

    Args:
        text: Its contents.
        name: Its name, for errors.

    Raises:
        CnnirError: ``buffers``, naming the line.
    """
    try:
        lines = [(number, row) for number, row in enumerate(csv.reader(io.StringIO(text)), 1) if any(row)]
    except csv.Error as error:
        raise CnnirError("buffers", "no table of comma-separated values", node=name, got=error) from None
    if not lines:
        raise CnnirError("buffers", "the file is empty", node=name, expected="id,lower,upper,size")
    columns = tuple(field.strip() for field in lines[0][1])
    known = [_NAMES.get(column, column) for column in columns]
    missing = [column for column in ("id", "lower", "upper", "size") if column not in known]
    if missing or len(set(known)) < len(known):
        problem = f"no column {missing[0]}" if missing else "two columns of one name"
        raise CnnirError("buffers", problem, node=name, expected="id,lower,upper,size", got=",".join(columns))
    rows, bodies = [], []
    for number, row in lines[1:]:
        where = f"{name}, line {number}"
        if len(row) != len(columns):
            raise CnnirError("buffers", "a row is not as long as the header", node=where, expected=len(columns),
                             got=len(row))  # fmt: skip
        fields = tuple(field.strip() for field in row)
        rows.append(fields)
        bodies.append(_body(dict(zip(known, fields, strict=True)), int("end" in columns), where))
    return BufferTable(columns, tuple(rows), tuple(bodies))


def _body(fields: dict[str, str], included: int, where: str) -> Body:
    lower, upper, size = (_whole(fields[column], column, where) for column in ("lower", "upper", "size"))
    upper += included
    if lower > upper:
        raise CnnirError("buffers", "it ends before it begins", node=where, got=f"{lower} to {upper}")
    alignment = _whole(fields["alignment"], "alignment", where) if fields.get("alignment") else 1
    if alignment < 1:
        raise CnnirError("buffers", "an alignment is a positive number", node=where, got=alignment)
    slices, begin = [], lower
    for gap in sorted(_gaps(fields.get("gaps", ""), included, where)):
        first, end, low, high = gap
        if first < begin or end > upper or first > end or low > high or high > size:
            raise CnnirError("buffers", "a gap lies in the life of its buffer, and behind the one before", node=where,
                             got=fields["gaps"])  # fmt: skip
        slices += [Slice(0, size, begin, first - 1), Slice(low, high - low, first, end - 1)]
        begin = end
    slices.append(Slice(0, size, begin, upper - 1))
    return Body(tuple(piece for piece in slices if piece.bytes and piece.first <= piece.last), None, alignment)


def _gaps(text: str, included: int, where: str) -> list[tuple[int, int, int, int]]:
    """(first step, the one behind the last, first byte needed, the one behind the last) of each gap."""
    found = []
    for part in text.split():
        match = _GAP.fullmatch(part)
        if match is None:
            raise CnnirError("buffers", "no gap", node=where, expected="LOWER-UPPER or LOWER-UPPER@LOW:HIGH", got=part)
        first, end, low, high = (int(number or 0) for number in match.groups())
        found.append((first, end + included, low, high))
    return found


def _whole(text: str, column: str, where: str) -> int:
    if not re.fullmatch(r"[0-9]+", text):
        raise CnnirError("buffers", f"{column} is no whole number", node=where, got=text or "nothing")
    return int(text)
