"""For very many bodies: what ends too high is placed anew with its neighbours in time, all else stays where it is.

A target a little below the height is asked for, then another one. Each body that ends above it opens a window: itself
and the bodies that live during its life, as many as a search can handle. Those are placed anew below the target by the
canonical search. Of all others only what they leave free matters: between two times at which a body of the window
begins or ends they are one list of forbidden stretches. Memory grows with the bodies alone: no list has all pairs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from cnnir.passes.memory.placement.calendar import Calendar
from cnnir.passes.memory.placement.compiled import is_available
from cnnir.passes.memory.placement.instance import Instance, instance_of
from cnnir.passes.memory.placement.model import Body, Slice
from cnnir.passes.memory.placement.search import Searcher

_WINDOWS = (60, 150)
"""Bodies that are placed anew together, at most; the smaller window is tried first."""

_NODES = 50
"""Nodes for each body of a window."""

_STEPS = 32
"""The first target is one part in so many closer to the goal; then twice as far after a success, half after none."""

_FAILS = 6
"""Targets that are given up before no more are tried."""


class Repair:
    """Windows over one instance."""

    def __init__(self, instance: Instance, effort: int) -> None:
        """When bodies live; nodes that all windows may take together."""
        self.instance = instance
        self.effort = effort
        self.nodes = 0
        self._calendar = Calendar(instance.slices)
        self._free = frozenset(instance.free)
        self._compiled = is_available()

    def run(self, bases: Sequence[int], goal: int, seed: int) -> list[int]:
        """Bases in units that are no higher than the given ones, at best within the goal."""
        best, height = list(bases), self.instance.height(bases)
        step, fails = -(-(height - goal) // _STEPS), 0
        while height > goal and fails < _FAILS and self.nodes < self.effort:
            found = self._below(best, max(height - step, goal), seed)
            if found is None:
                step, fails = -(-step // 2), fails + 1
            else:
                best, height, step = found, self.instance.height(found), 2 * step
        return best

    def _below(self, bases: Sequence[int], target: int, seed: int) -> list[int] | None:
        """The same bases with everything below a target, None when a window cannot be placed."""
        changed, unit, reach = list(bases), self.instance.unit, self.instance.reach
        for body in self._free:
            # An earlier window may have brought it down.
            if changed[body] * unit + reach[body] > target and not any(
                self._place_anew(changed, body, most, target, seed) for most in _WINDOWS
            ):
                return None
        return changed

    def _place_anew(self, bases: list[int], body: int, most: int, target: int, seed: int) -> bool:
        """Place a body and at most so many with it below a target; nothing is changed when that fails."""
        if self.nodes >= self.effort:
            return False
        chosen = self._window(body, most)
        unit, bodies = self.instance.unit, self.instance.bodies
        window = [replace(bodies[index], alignment=self.instance.step[index] * unit) for index in chosen]
        window += self._forbidden(bases, chosen, target)
        answer_of = instance_of(tuple(window), 1)
        limit = min(_NODES * len(chosen), self.effort - self.nodes)
        answer = Searcher(answer_of, compiled=self._compiled).run(target, limit, seed)
        self.nodes += max(answer.nodes, 1)
        if answer.bases is None:
            return False
        placed = answer_of.offsets(answer.bases)[: len(chosen)]
        if any(offset % unit for offset in placed):
            return False
        for index, offset in zip(chosen, placed, strict=True):
            bases[index] = offset // unit
        return True

    def _window(self, body: int, most: int) -> list[int]:
        """The body and those beside it: the shortest lives have the fewest others beside them."""
        lives: dict[int, int] = {}
        for piece in self.instance.slices[body]:
            for other, beside in self._calendar.living(piece.first, piece.last):
                if other in self._free and other != body:
                    lives[other] = max(lives.get(other, 0), beside.last - beside.first)
        return sorted([body, *sorted(lives, key=lambda other: (lives[other], other))[: most - 1]])

    def _forbidden(self, bases: Sequence[int], chosen: Sequence[int], target: int) -> Iterator[Body]:
        """What the bodies that stay leave no room in, as fixed bodies.

        Longer than they live, at times: from one beginning or end of what moves to the next they are taken together.
        """
        moving = set(chosen)
        own = [piece for index in chosen for piece in self.instance.slices[index]]
        times = sorted({time for piece in own for time in (piece.first, piece.last + 1)})
        smallest = min(piece.bytes for piece in own)
        top = -(-target // self.instance.unit)
        open_: dict[tuple[int, int], int] = {}
        for first, end in pairwise(times):
            spans = sorted(
                (bases[other] + piece.offset, bases[other] + piece.offset + piece.bytes)
                for other, piece in self._calendar.living(first, end - 1)
                if other not in moving
            )
            present = dict.fromkeys(_joined(spans, smallest, top), first)
            for span, since in open_.items():
                if span in present:
                    present[span] = since
                else:
                    yield self._block(span, since, first - 1)
            open_ = present
        for span, since in open_.items():
            yield self._block(span, since, times[-1] - 1)

    def _block(self, span: tuple[int, int], first: int, last: int) -> Body:
        unit = self.instance.unit
        return Body((Slice(0, (span[1] - span[0]) * unit, first, last),), fixed=span[0] * unit)


def _joined(spans: Sequence[tuple[int, int]], smallest: int, top: int) -> Iterator[tuple[int, int]]:
    """Stretches below the top, with what is too small between them for anything; the first may begin at the floor."""
    begin = end = 0
    for low, high in spans:
        if low >= top:
            break
        if low - end >= smallest:
            if end > begin:
                yield begin, end
            begin = low
        end = max(end, min(high, top))
    if end > begin:
        yield begin, end
