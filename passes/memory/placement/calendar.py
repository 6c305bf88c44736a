"""Which slices live during a stretch of time, without a list of pairs: memory grows with the slices alone.

Slices are kept by the length of their lives, from a power of two to the next, and sorted by their beginnings. Of each
class those that begin too early to reach a stretch are left out by halving; of the rest, half at least live there.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from cnnir.passes.memory.placement.greedy import gap
from cnnir.passes.memory.placement.model import Slice


class Calendar:
    """The slices of many bodies by the time of their lives."""

    def __init__(self, slices: Sequence[Sequence[Slice]]) -> None:
        """Sort the slices of all bodies."""
        classes: dict[int, list[tuple[int, int, Slice]]] = {}
        for owner, pieces in enumerate(slices):
            for piece in pieces:
                length = (piece.last - piece.first + 1).bit_length()
                classes.setdefault(length, []).append((piece.first, owner, piece))
        self._classes = []
        for length, entries in sorted(classes.items()):
            entries.sort(key=lambda entry: (entry[0], entry[1], entry[2].offset))
            self._classes.append((1 << length, [first for first, _, _ in entries], entries))

    def living(self, first: int, last: int) -> Iterator[tuple[int, Slice]]:
        """(body, slice) of all that live at some step from the first to the last."""
        for longest, begins, entries in self._classes:
            for at in range(bisect_left(begins, first - longest), bisect_right(begins, last)):
                _, owner, piece = entries[at]
                if piece.last >= first:
                    yield owner, piece


def by_size(
    slices: Sequence[Sequence[Slice]], step: Sequence[int], fixed: Sequence[int | None]
) -> tuple[list[int], list[int]]:
    """Bases in units, first fit and best fit, the largest bodies first: for very many of them."""
    calendar = Calendar(slices)
    reach = [max((p.offset + p.bytes for p in pieces), default=0) - min((p.offset for p in pieces), default=0)
             for pieces in slices]  # fmt: skip
    begin = [min((piece.first for piece in pieces), default=0) for pieces in slices]
    found: list[tuple[int, int] | None] = [None if base is None else (base, base) for base in fixed]
    for index in sorted(range(len(slices)), key=lambda index: (-reach[index], begin[index], index)):
        if found[index] is not None or not slices[index]:
            continue
        taken: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        for piece in slices[index]:
            for other, beside in calendar.living(piece.first, piece.last):
                bases = found[other]
                if bases is not None:
                    low = beside.offset - piece.offset - piece.bytes
                    high = beside.offset + beside.bytes - piece.offset
                    for base, intervals in zip(bases, taken, strict=True):
                        intervals.append((base + low, base + high))
        found[index] = (
            gap(sorted(taken[0]), step[index], best_fit=False),
            gap(sorted(taken[1]), step[index], best_fit=True),
        )
    return [bases[0] if bases else 0 for bases in found], [bases[1] if bases else 0 for bases in found]
