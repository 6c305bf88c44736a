"""Values that lie at fixed places relative to each other: views of one another, slices of a concatenation.

A frame is a coordinate system of bytes. Each stored value has a span in one frame; joining two frames fixes where one
lies in the other. What is written by one node, an owner, must not be overlapped by another owner: a join that would
do so is refused, and the bytes are copied instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cnnir.graph import Value


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a frame.

    Attributes:
        frame: Index of the frame.
        begin, end: Bytes; a frame's coordinates may be negative.
    """

    frame: int
    begin: int
    end: int


@dataclass
class _Frame:
    """The values in one frame, and what of it is owned."""

    members: dict[Value, tuple[int, int]] = field(default_factory=dict)
    owned: dict[object, tuple[int, int]] = field(default_factory=dict)
    outside: bool = False
    limits: tuple[int, int] | None = None
    """What lies with the caller has room for that alone."""


@dataclass
class Frames:
    """All frames of a graph, while they are joined."""

    frames: dict[int, _Frame] = field(default_factory=dict)
    frame_of: dict[Value, int] = field(default_factory=dict)

    def open(self, value: Value, size: int, *, outside: bool = False, owned: bool = True) -> None:
        """A frame of its own for a value; `owned` where a node writes it, or it is given."""
        index = len(self.frame_of)
        frame = _Frame({value: (0, size)}, outside=outside, limits=(0, size) if outside else None)
        if owned:
            frame.owned[value] = (0, size)
        self.frames[index] = frame
        self.frame_of[value] = index

    def view(self, value: Value, source: Value, at: int, size: int) -> None:
        """A value inside of another one, `at` bytes behind its beginning."""
        index = self.frame_of[source]
        begin = self.frames[index].members[source][0] + at
        self.frames[index].members[value] = (begin, begin + size)
        self.frame_of[value] = index

    def span(self, value: Value) -> Span:
        """Where a value lies."""
        index = self.frame_of[value]
        return Span(index, *self.frames[index].members[value])

    def reserve(self, value: Value, slot: object, at: int, size: int) -> None:
        """Keep a part of a value for an owner to come."""
        begin = self.span(value).begin + at
        self.frames[self.frame_of[value]].owned[slot] = (begin, begin + size)

    def fill(self, value: Value, slot: object, source: Value) -> bool:
        """Let the value in a reserved part be another one; False, and nothing changed, when that cannot be."""
        target = self.frames[self.frame_of[value]]
        place = target.owned.pop(slot)
        if self._join(self.frame_of[value], self.frame_of[source], place[0] - self.span(source).begin):
            return True
        target.owned[slot] = place
        return False

    def overwrite(self, value: Value, source: Value) -> bool:
        """Let a result lie in the bytes of what it is computed from; False when that cannot be."""
        index, other = self.frame_of[source], self.frame_of[value]
        if index == other:
            return False
        own = self.frames[other].owned.pop(value, None)
        if own is None:
            return False
        shift = self.span(source).begin - self.span(value).begin
        if self._join(index, other, shift):
            return True
        self.frames[other].owned[value] = own
        return False

    def overlapping(self, value: Value) -> Iterator[Value]:
        """Values that share bytes with this one, itself among them."""
        span = self.span(value)
        for other, (begin, end) in self.frames[span.frame].members.items():
            if begin < span.end and span.begin < end:
                yield other

    def _join(self, index: int, other: int, shift: int) -> bool:
        """Move all of one frame into another; False when owners would overlap, or the caller's bytes are left."""
        if index == other:
            return False
        kept, moved = self.frames[index], self.frames[other]
        if _overlap(kept.owned, moved.owned, shift) or not _stays_inside(kept, moved, shift):
            return False
        if len(moved.members) > len(kept.members):
            index, other, kept, moved, shift = other, index, moved, kept, -shift
        kept.members.update((v, (begin + shift, end + shift)) for v, (begin, end) in moved.members.items())
        kept.owned.update((key, (begin + shift, end + shift)) for key, (begin, end) in moved.owned.items())
        if moved.limits is not None:
            kept.outside, kept.limits = True, (moved.limits[0] + shift, moved.limits[1] + shift)
        self.frame_of.update(dict.fromkeys(moved.members, index))
        del self.frames[other]
        return True


def _overlap(kept: dict[object, tuple[int, int]], moved: dict[object, tuple[int, int]], shift: int) -> bool:
    if len(kept) * len(moved) < 64:
        return any(a < d + shift and c + shift < b for a, b in kept.values() for c, d in moved.values() if a < b)
    events = sorted([(a, b, 0) for a, b in kept.values()] + [(c + shift, d + shift, 1) for c, d in moved.values()])
    reach: list[int | None] = [None, None]
    for begin, end, side in events:
        if begin == end:
            continue
        other = reach[1 - side]
        if other is not None and other > begin:
            return True
        reach[side] = max(end, reach[side] or end)
    return False


def _stays_inside(kept: _Frame, moved: _Frame, shift: int) -> bool:
    """Bytes of the caller's are whole objects of his: what is joined with them lies within them."""
    if kept.outside and moved.outside:
        return kept.limits == (moved.limits and (moved.limits[0] + shift, moved.limits[1] + shift))
    for outer, inner, by in ((kept, moved, shift), (moved, kept, -shift)):
        if outer.limits is not None:
            low, high = outer.limits
            if any(begin + by < low or end + by > high for begin, end in inner.members.values()):
                return False
    return True


__all__ = ["Frames", "Span"]
