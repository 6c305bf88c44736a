"""Values that lie at fixed places relative to each other: views of one another, slices of a concatenation.

A frame is a coordinate system of bytes. Each stored value has its bytes in one frame: a stretch in most cases, several
where it lies in strides. Joining two frames fixes where one lies in the other. What is written by one node, an owner,
must not be overlapped by another owner: a join that would do so is refused, and the bytes are copied instead. So is one
after which a value would not be an array with one stride an axis any more.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from cnnir.graph import Value
from cnnir.passes.memory.sizes import itemsize_of, shape_of
from cnnir.plan import row_major_strides
from cnnir.plan.arrays import Strided

Run: TypeAlias = tuple[int, int]
"""A stretch of a frame, begin and end in bytes; a frame's coordinates may be negative."""

Runs: TypeAlias = tuple[Run, ...]
"""Where a value lies, in the order of its elements; stretches that continue each other are one."""


@dataclass
class _Frame:
    """The values in one frame, and what of it is owned."""

    members: dict[Value, Runs] = field(default_factory=dict)
    owned: dict[object, Runs] = field(default_factory=dict)
    outside: bool = False
    limits: Run | None = None
    """What lies with the caller has room for that alone."""


@dataclass
class Frames:
    """All frames of a graph, while they are joined."""

    frames: dict[int, _Frame] = field(default_factory=dict)
    frame_of: dict[Value, int] = field(default_factory=dict)

    def open(self, value: Value, size: int, *, outside: bool = False, owned: bool = True) -> None:
        """A frame of its own for a value; `owned` where a node writes it, or it is given."""
        index = len(self.frame_of)
        frame = _Frame({value: ((0, size),)}, outside=outside, limits=(0, size) if outside else None)
        if owned:
            frame.owned[value] = ((0, size),)
        self.frames[index] = frame
        self.frame_of[value] = index

    def view(self, value: Value, source: Value, stretches: Iterable[Run]) -> None:
        """A value that consists of these bytes of another one, counted as that one's elements are."""
        index = self.frame_of[source]
        self.frames[index].members[value] = _part(self.frames[index].members[source], stretches)
        self.frame_of[value] = index

    def runs(self, value: Value) -> Runs:
        """Where a value lies."""
        return self.frames[self.frame_of[value]].members[value]

    def reserve(self, value: Value, slot: object, stretches: Iterable[Run]) -> None:
        """Keep a part of a value for an owner to come."""
        self.frames[self.frame_of[value]].owned[slot] = _part(self.runs(value), stretches)

    def fill(self, value: Value, slot: object, source: Value) -> bool:
        """Let the value in a reserved part be another one; False, and nothing changed, when that cannot be."""
        target = self.frames[self.frame_of[value]]
        place = target.owned.pop(slot)
        if self._join(self.frame_of[value], self.frame_of[source], self.runs(source), place):
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
        if self._join(index, other, self.runs(value), self.runs(source)):
            return True
        self.frames[other].owned[value] = own
        return False

    def overlapping(self, value: Value) -> Iterator[Value]:
        """Values that share bytes with this one, itself among them."""
        own = self.runs(value)
        for other, runs in self.frames[self.frame_of[value]].members.items():
            if _meet(own, runs):
                yield other

    def _join(self, index: int, other: int, begins: Runs, ends: Runs) -> bool:
        """Move all of one frame into another, so that these bytes of it come to lie there.

        Returns:
            False when owners would overlap, the caller's bytes are left, or a value would be no array any more.
        """
        if index == other:
            return False
        kept, moved = self.frames[index], self.frames[other]
        if len(begins) == len(ends) == 1:
            return self._shift(index, other, ends[0][0] - begins[0][0])
        way = _steps(begins, ends)
        if moved.limits is not None:
            return False  # what lies with the caller stays in one piece
        members = {value: _moved(runs, way) for value, runs in moved.members.items()}
        owned = {key: _moved(runs, way) for key, runs in moved.owned.items()}
        if not all(map(bool, (*members.values(), *owned.values()))) or not _stays_inside(kept, members.values()):
            return False
        if _overlap(kept.owned.values(), owned.values()):
            return False
        if any(strides_of(value, runs) is None for value, runs in members.items()):
            return False
        self._take(index, other, members, owned)
        return True

    def _shift(self, index: int, other: int, shift: int) -> bool:
        kept, moved = self.frames[index], self.frames[other]
        owned = {key: _shifted(runs, shift) for key, runs in moved.owned.items()}
        if _overlap(kept.owned.values(), owned.values()) or not _fits(kept, moved, shift):
            return False
        if len(moved.members) > len(kept.members):
            index, other, kept, moved, shift = other, index, moved, kept, -shift
            owned = {key: _shifted(runs, shift) for key, runs in moved.owned.items()}
        if moved.limits is not None:
            kept.outside, kept.limits = True, (moved.limits[0] + shift, moved.limits[1] + shift)
        self._take(index, other, {value: _shifted(runs, shift) for value, runs in moved.members.items()}, owned)
        return True

    def _take(self, index: int, other: int, members: dict[Value, Runs], owned: dict[object, Runs]) -> None:
        self.frames[index].members.update(members)
        self.frames[index].owned.update(owned)
        self.frame_of.update(dict.fromkeys(members, index))
        del self.frames[other]


def strides_of(value: Value, runs: Runs) -> tuple[int, ...] | None:
    """Bytes from one element to the next along each axis, for a value in these bytes; None when it is no array."""
    shape, itemsize = shape_of(value), itemsize_of(value)
    dense = row_major_strides(shape, itemsize)
    if len(runs) == 1:
        return dense
    begin = runs[0][0]
    strides = []
    for size, step in zip(shape, dense, strict=True):
        first = _part(runs, [(step, step + 1)])[0][0] if size > 1 else begin + step
        strides.append(first - begin)
    found = Strided("", begin, shape, tuple(strides), itemsize).runs()
    return tuple(strides) if [run[1:3] for run in found] == list(runs) else None


# Stretches


def _joined(runs: Iterable[Run]) -> Runs:
    """The stretches, those that continue each other as one; without bytes, one all the same."""
    found: list[Run] = []
    for begin, end in runs:
        if found and (found[-1][1] == begin or begin == end):
            found[-1] = (found[-1][0], end if begin < end else found[-1][1])
        else:
            found.append((begin, end))
    return tuple(found)


def _shifted(runs: Runs, shift: int) -> Runs:
    return tuple((begin + shift, end + shift) for begin, end in runs)


def _part(runs: Runs, stretches: Iterable[Run]) -> Runs:
    """Where these bytes lie of a value that lies there, counted as its elements are, in ascending order."""
    if len(runs) == 1:
        return _joined(_shifted(tuple(stretches), runs[0][0]))
    found: list[Run] = []
    index, at = 0, 0  # the stretch of the value that is looked at, and how many of its bytes lie before that
    for first, last in stretches:
        while index < len(runs) - 1 and at + runs[index][1] - runs[index][0] <= first:
            at += runs[index][1] - runs[index][0]
            index += 1
        place, before = index, at
        while True:
            begin, end = runs[place]
            found.append((begin + max(first - before, 0), begin + min(last - before, end - begin)))
            before += end - begin
            if last <= before or place == len(runs) - 1:
                break
            place += 1
    return _joined(found)


def _steps(begins: Runs, ends: Runs) -> list[tuple[int, int, int]]:
    """(begin, end, shift) of the stretches that move as one, in the order of where they begin."""
    found: list[tuple[int, int, int]] = []
    sources, targets = list(begins), list(ends)
    while sources and targets:
        (begin, end), (low, high) = sources.pop(0), targets.pop(0)
        size = min(end - begin, high - low)
        found.append((begin, begin + size, low - begin))
        if begin + size < end:
            sources.insert(0, (begin + size, end))
        if low + size < high:
            targets.insert(0, (low + size, high))
    return sorted(found)


def _moved(runs: Runs, way: Sequence[tuple[int, int, int]]) -> Runs:
    """The stretches behind a move; none when they are not moved as a whole."""
    found: list[Run] = []
    for begin, end in runs:
        at = begin
        for low, high, shift in way:
            if low <= at < high:
                stop = min(end, high)
                found.append((at + shift, stop + shift))
                at = stop
            if at == end:
                break
        if at < end or begin == end:
            return ()
    return _joined(found)


def _meet(one: Runs, other: Runs) -> bool:
    if len(one) == len(other) == 1:
        return one[0][0] < other[0][1] and other[0][0] < one[0][1]
    return _overlap([one], [other])


def _overlap(kept: Iterable[Runs], moved: Iterable[Runs]) -> bool:
    """Does a stretch of the one side share bytes with one of the other?"""
    left, right = list(chain.from_iterable(kept)), list(chain.from_iterable(moved))
    if len(left) * len(right) < 64:
        return any(a < d and c < b for a, b in left for c, d in right if a < b)
    events = sorted([(a, b, 0) for a, b in left] + [(c, d, 1) for c, d in right])
    reach: list[int | None] = [None, None]
    for begin, end, side in events:
        if begin == end:
            continue
        other = reach[1 - side]
        if other is not None and other > begin:
            return True
        reach[side] = max(end, reach[side] or end)
    return False


def _fits(kept: _Frame, moved: _Frame, shift: int) -> bool:
    """Bytes of the caller's are whole objects of his: what is joined with them lies within them."""
    if kept.outside and moved.outside:
        return kept.limits == (moved.limits and (moved.limits[0] + shift, moved.limits[1] + shift))
    back = [_shifted(runs, -shift) for runs in kept.members.values()]
    return _stays_inside(kept, (_shifted(runs, shift) for runs in moved.members.values())) and _stays_inside(
        moved, back
    )


def _stays_inside(outer: _Frame, members: Iterable[Runs]) -> bool:
    if outer.limits is None:
        return True
    low, high = outer.limits
    return all(low <= begin and end <= high for runs in members for begin, end in runs)


__all__ = ["Frames", "Run", "Runs", "strides_of"]
