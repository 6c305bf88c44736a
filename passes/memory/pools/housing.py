"""Where each body lies, in several memories: the cheapest way that also has a placement, with a bound.

The sweep gives the cheapest way that live bytes allow, the placement of each memory's bodies is the judge. When it
proves that those of a memory do not fit, a few of them are found that do not fit by themselves; the next sweep keeps
these apart, and so on (a logic-based Benders decomposition; Hooker and Ottosson, 2003). The first way that can be
placed is the cheapest of all, unless a way before it was given up without a proof.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cnnir.passes.memory.placement import TOO_LARGE, Placement, place
from cnnir.passes.memory.pools.model import Lodger, Memory, check_memories
from cnnir.passes.memory.pools.stays import Stays, stays_of
from cnnir.passes.memory.pools.sweep import WIDTH, Conflict, Found, Sweep, Way

TRIES = 48
"""Ways that are placed before the best that was found otherwise is taken."""

SHARES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""What is left free of each memory to find a way that can be placed, one after the other."""


@dataclass(frozen=True, slots=True)
class Housing:
    """Where each lodger lies; or that none was found.

    Attributes:
        memories: For each lodger its memory, by index; empty when no way was found.
        offsets: For each lodger the offset of its base.
        placements: For each memory how its lodgers were placed.
        cost: Of all bytes that move, at the cost of the memory that they lie in.
        bound: No way costs less; None when it is proved that there is no way at all.
        ways: How many were placed.
        states: How many the sweeps looked at.
        crowded: A step at which more lives than the memories hold, when that is why there is no way.
        homeless: A lodger that no memory is large enough for, likewise.
    """

    memories: tuple[int, ...] = ()
    offsets: tuple[int, ...] = ()
    placements: tuple[Placement, ...] = ()
    cost: int = 0
    bound: int | None = None
    ways: int = 0
    states: int = 0
    crowded: int | None = None
    homeless: int | None = None

    @property
    def found(self) -> bool:
        """Is there a way?"""
        return bool(self.placements)


def house(
    lodgers: Sequence[Lodger], memories: Sequence[Memory], alignment: int = 1, *, tries: int = TRIES, width: int = WIDTH
) -> Housing:
    """House lodgers in memories so that moving bytes costs as little as possible.

    Args:
        lodgers: Bodies, each wholly in one memory.
        memories: Where; one that is not limited takes all that is left.
        alignment: Of bases in memories without one of their own.
        tries: Ways to place before it is settled for less.
        width: States of a step that a sweep keeps.

    Raises:
        CnnirError: ``pools``.
    """
    check_memories(memories)
    stays = stays_of(lodgers, memories)
    if isinstance(stays, int):
        return Housing(homeless=stays)
    return _House(stays, alignment, width).run(tries)


class _House:
    def __init__(self, stays: Stays, alignment: int, width: int) -> None:
        self.stays = stays
        self.alignments = [memory.alignment or alignment for memory in stays.memories]
        self.capacities = [memory.capacity for memory in stays.memories]
        self.width = width
        self.best: Housing | None = None
        self.ways = 0
        self.states = 0
        self.conflicts: list[Conflict] = []
        # What was placed already, by memory and lodgers.
        self.known: dict[tuple[int, frozenset[int]], Placement] = {}

    def run(self, tries: int) -> Housing:
        """The cheapest way, and what no way is cheaper than."""
        first = self._sweep(self.capacities, self._greedy())
        if first.crowded is not None:
            return Housing(states=self.states, crowded=first.crowded)
        bound = first.least
        if first.way is None or not self._fits(first.way):
            bound = self._search(first, tries)
        if self.best is None:
            return Housing(bound=bound, ways=self.ways, states=self.states)
        total = self.best.cost if bound is None else min(self.stays.base + bound, self.best.cost)
        return replace(self.best, bound=total, ways=self.ways, states=self.states)

    def _search(self, found: Found, tries: int) -> int | None:
        """Keep apart what does not fit together, until a way can be placed.

        Returns:
            What no way costs less than beyond the cheapest memories; None when it is proved that there is no way.
        """
        if all(len(rooms) == 1 for rooms in self.stays.rooms) and found.way is not None:
            # There is one way, and it could not be placed.
            return None if self._is_refuted(found.way) else found.least
        self._settle()
        ceiling = None if self.best is None else self.best.cost - self.stays.base
        least, proved = found.least or 0, True
        while found.way is not None and self.ways < tries:
            conflict, is_proved = self._conflict(found.way)
            proved = proved and is_proved
            self.conflicts.append(conflict)
            found = self._sweep(self.capacities, ceiling)
            if proved:
                if found.least is None:
                    return ceiling
                least = max(least, found.least)
            if found.way is None or self._fits(found.way):
                break
        return least

    def _settle(self) -> None:
        """A way that leaves room for gaps, the cheapest of those tried."""
        for share in SHARES:
            smaller = [None if c is None else int(c * (1 - share)) for c in self.capacities]
            found = self._sweep(smaller, None)
            if found.way is not None and self._fits(found.way):
                return

    def _sweep(self, capacities: Sequence[int | None], ceiling: int | None) -> Found:
        free = self._crowding(capacities)
        sweep = Sweep(
            self.stays, capacities, free=free, conflicts=self.conflicts, ceiling=ceiling, width=self.width
        )  # fmt: skip
        found = sweep.run()
        self.states += found.states
        return found

    def _conflict(self, way: Way) -> tuple[Conflict, bool]:
        """Lodgers of a memory that do not fit together, few of them; and whether that is proved.

        Those that move in first, as few as do not fit; of these those that move in last, likewise.
        """
        memory, capacity = next(
            (memory, capacity) for memory, capacity in self._limited() if self._place(memory, way).height > capacity
        )
        members = sorted(self._of(memory, way), key=lambda lodger: self.stays.spans[lodger])
        proved = self._place(memory, way).status == TOO_LARGE

        def fits(part: Sequence[int]) -> bool:
            placement = self._place_all(memory, part)
            return placement.status != TOO_LARGE if proved else placement.height <= capacity

        # All in front of `end` fit, and so do all behind `begin`: both are found by halving.
        end = bisect_left(range(len(members)), 1, key=lambda end: not fits(members[: end + 1]))
        members = members[: end + 1]
        begin = bisect_left(range(len(members)), 1, key=lambda begin: fits(members[begin + 1 :]))
        return Conflict(memory, frozenset(members[begin:])), proved

    def _crowding(self, capacities: Sequence[int | None]) -> list[bool]:
        """The lodgers that need a choice: those that are there when a memory could be exceeded, or may have to part."""
        limits = [capacity for capacity in capacities if capacity is not None]
        free = [False] * len(self.stays.lodgers)
        for sizes in self.stays.sizes:
            if limits and sum(sizes.values()) > min(limits):
                for lodger in sizes:
                    free[lodger] = True
        for conflict in self.conflicts:
            for lodger in conflict.lodgers:
                free[lodger] = True
        return free

    def _greedy(self) -> int | None:
        """What a way costs beyond the cheapest memories that live bytes allow, found step by step; None: none found."""
        at = [0] * len(self.stays.lodgers)
        moved = True
        while moved:
            moved = False
            for sizes in self.stays.sizes:
                while (over := self._exceeded(sizes, at)) is not None:
                    choices = [
                        (self._price(lodger, at[lodger]) / size, lodger)
                        for lodger, size in sizes.items()
                        if self._lies_in(over, lodger, at) and at[lodger] + 1 < len(self.stays.rooms[lodger])
                    ]
                    if not choices:
                        return None
                    at[min(choices)[1]] += 1
                    moved = True
        return sum(extra[room] for extra, room in zip(self.stays.extra, at, strict=True))

    def _exceeded(self, sizes: dict[int, int], at: Sequence[int]) -> int | None:
        """A memory that is too small at a step, if any."""
        loads: dict[int, int] = {}
        for lodger, size in sizes.items():
            memory = self.stays.rooms[lodger][at[lodger]]
            loads[memory] = loads.get(memory, 0) + size
        for memory, load in loads.items():
            capacity = self.capacities[memory]
            if capacity is not None and load > capacity:
                return memory
        return None

    def _lies_in(self, memory: int, lodger: int, at: Sequence[int]) -> bool:
        return self.stays.rooms[lodger][at[lodger]] == memory

    def _price(self, lodger: int, room: int) -> int:
        extra = self.stays.extra[lodger]
        return extra[room + 1] - extra[room]

    # Placement

    def _fits(self, way: Way) -> bool:
        """Place a way; keep it if it can be placed and is the cheapest."""
        self.ways += 1
        if not all(self._place(memory, way).height <= capacity for memory, capacity in self._limited()):
            return False
        cost = self.stays.base + way.extra
        if self.best is None or cost < self.best.cost:
            placements = tuple(self._place(memory, way) for memory in range(len(self.capacities)))
            offsets = [0] * len(way.housed)
            for memory, placement in enumerate(placements):
                for lodger, offset in zip(self._of(memory, way), placement.offsets, strict=True):
                    offsets[lodger] = offset
            self.best = Housing(way.housed, tuple(offsets), placements, cost)
        return True

    def _is_refuted(self, way: Way) -> bool:
        """Whether it is proved that the lodgers of some memory do not fit into it."""
        return any(self._place(memory, way).status == TOO_LARGE for memory, _ in self._limited())

    def _limited(self) -> list[tuple[int, int]]:
        return [(memory, capacity) for memory, capacity in enumerate(self.capacities) if capacity is not None]

    def _of(self, memory: int, way: Way) -> list[int]:
        return [lodger for lodger, home in enumerate(way.housed) if home == memory]

    def _place(self, memory: int, way: Way) -> Placement:
        return self._place_all(memory, self._of(memory, way))

    def _place_all(self, memory: int, members: Sequence[int]) -> Placement:
        key = (memory, frozenset(members))
        if key not in self.known:
            bodies = [self.stays.lodgers[lodger].body for lodger in sorted(members)]
            self.known[key] = place(bodies, self.alignments[memory], capacity=self.capacities[memory])
        return self.known[key]


__all__ = ["SHARES", "TRIES", "Housing", "house"]
