"""Exhaustive search for bodies of any form: which of two lies below the other, until nothing overlaps.

For each pair of bodies and each interval in which their distance cannot be, the one lies low enough or high enough: a
choice of two. Choices make lower bounds rise and upper bounds fall (the longest paths of disjunctive scheduling,
Carlier and Pinson 1989); only pairs that overlap when every body lies at its lower bound are chosen for. Complete
whatever the slices, alignments and fixed bases are, and slower than the canonical search where that is complete too.
"""

from dataclasses import dataclass, field

from cnnir.passes.memory.placement.instance import Instance
from cnnir.passes.memory.placement.model import Answer, rounded_up

_PAIRS = 20
"""So many pairs to draw conclusions from take the time of one more node of the canonical search."""


@dataclass
class _Bounds:
    """Where bases can be, in units, and which pairs are decided.

    Attributes:
        low: The lowest base of each body.
        high: The highest.
        above: (below, above, distance): the second base is no less than the first and the distance.
    """

    low: list[int]
    high: list[int]
    above: list[tuple[int, int, int]] = field(default_factory=list)

    def with_choice(self, below: int, above: int, distance: int) -> "_Bounds":
        """A copy in which one more pair is decided."""
        return _Bounds(list(self.low), list(self.high), [*self.above, (below, above, distance)])


class Exact:
    """The exhaustive search over one instance, for any capacity."""

    def __init__(self, instance: Instance) -> None:
        """All pairs of an instance, the largest distances first."""
        self.instance = instance
        self.pairs = sorted(
            ((one, other, low, high) for one, row in enumerate(instance.neighbours) for other, low, high in row
             if one < other and (instance.fixed[one] is None or instance.fixed[other] is None)),
            key=lambda pair: (pair[2] - pair[3], pair),
        )  # fmt: skip

    def run(self, capacity: int, effort: int) -> Answer:
        """Look for a placement that is no higher than the capacity."""
        instance = self.instance
        low = [base or 0 for base in instance.fixed]
        high = []
        for body, base in enumerate(instance.fixed):
            most = (capacity - instance.reach[body]) // instance.unit
            high.append(most // instance.step[body] * instance.step[body] if base is None else base)
            if most < low[body]:
                return Answer(None, impossible=True, nodes=0)
        waiting = [_Bounds(low, high)]
        nodes = 0
        while waiting:
            if nodes >= effort:
                return Answer(None, impossible=False, nodes=nodes)
            nodes += 1 + len(self.pairs) // _PAIRS
            bounds = waiting.pop()
            if not self._propagate(bounds):
                continue
            pair = self._overlap(bounds.low)
            if pair is None:
                return Answer(bounds.low, impossible=False, nodes=nodes, how="exhaustive search")
            one, other, least, most = pair
            up = bounds.with_choice(other, one, most)
            down = bounds.with_choice(one, other, -least)
            # What lifts the lower bounds less is tried first.
            lifts = bounds.low[other] + most - bounds.low[one], bounds.low[one] - least - bounds.low[other]
            waiting += [down, up] if lifts[0] <= lifts[1] else [up, down]
        return Answer(None, impossible=True, nodes=nodes)

    def _overlap(self, bases: list[int]) -> tuple[int, int, int, int] | None:
        for pair in self.pairs:
            if pair[2] < bases[pair[0]] - bases[pair[1]] < pair[3]:
                return pair
        return None

    def _propagate(self, bounds: _Bounds) -> bool:
        """Draw all conclusions from bounds and choices; False when they contradict each other."""
        open_pairs = self.pairs
        while True:
            if not self._shift(bounds):
                return False
            left = []
            before = len(bounds.above)
            for pair in open_pairs:
                one, other, least, most = pair
                below = bounds.low[one] - bounds.high[other] <= least
                above = bounds.high[one] - bounds.low[other] >= most
                if below and above:
                    left.append(pair)
                elif above:
                    bounds.above.append((other, one, most))
                elif below:
                    bounds.above.append((one, other, -least))
                else:
                    return False
            open_pairs = left
            if len(bounds.above) == before:
                return True

    def _shift(self, bounds: _Bounds) -> bool:
        """Lift lower bounds and lower upper ones until every choice made is kept."""
        low, high, step, fixed = bounds.low, bounds.high, self.instance.step, self.instance.fixed
        moved = True
        while moved:
            moved = False
            for below, above, distance in bounds.above:
                least = low[below] + distance
                if least > low[above]:
                    low[above] = rounded_up(least, step[above]) if fixed[above] is None else least
                    moved = True
                most = high[above] - distance
                if most < high[below]:
                    high[below] = most // step[below] * step[below] if fixed[below] is None else most
                    moved = True
                if low[above] > high[above] or low[below] > high[below]:
                    return False
        return True
