"""Lodgers as numbers: where each may lie, what that costs, and when it takes how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cnnir.passes.memory.pools.model import Lodger, Memory


@dataclass(frozen=True)
class Stays:
    """What has to be decided.

    Attributes:
        lodgers: Whom.
        memories: Where; their capacities are what is left for lodgers.
        rooms: For each lodger the memories that it may lie in, the cheapest first; no dearer one that is pinned.
        extra: For each lodger what each of these costs more than the first.
        base: What it costs when each lies in its first.
        spans: First and last step of each lodger, those between its slices included; (0, -1) for one without bytes.
        steps: How many steps there are.
    """

    lodgers: tuple[Lodger, ...]
    memories: tuple[Memory, ...]
    rooms: tuple[tuple[int, ...], ...]
    extra: tuple[tuple[int, ...], ...]
    base: int
    spans: tuple[tuple[int, int], ...]
    steps: int

    @cached_property
    def begins(self) -> tuple[tuple[int, ...], ...]:
        """For each step the lodgers that move in."""
        found: list[list[int]] = [[] for _ in range(self.steps)]
        for lodger, (first, last) in enumerate(self.spans):
            if first <= last:
                found[first].append(lodger)
        return tuple(map(tuple, found))

    @cached_property
    def present(self) -> tuple[tuple[int, ...], ...]:
        """For each step the lodgers that are there, in the order in which they moved in."""
        found, living = [], list[int]()
        for step in range(self.steps):
            living = [lodger for lodger in living if self.spans[lodger][1] >= step]
            living += self.begins[step]
            found.append(tuple(living))
        return tuple(found)

    @cached_property
    def sizes(self) -> tuple[dict[int, int], ...]:
        """For each step the bytes that each lodger takes then, if any."""
        found: list[dict[int, int]] = [{} for _ in range(self.steps)]
        for lodger, (first, last) in enumerate(self.spans):
            if first <= last:
                for piece in self.lodgers[lodger].body.slices:
                    for step in range(piece.first, piece.last + 1) if piece.bytes else ():
                        found[step][lodger] = found[step].get(lodger, 0) + piece.bytes
        return tuple(found)

    def crowded(self, capacities: Sequence[int | None]) -> tuple[int, ...]:
        """Steps at which the lodgers of some memory are too many for it, when each lies in its first."""
        return tuple(step for step in range(self.steps) if any(self.excess(step, capacities).values()))

    def excess(self, step: int, capacities: Sequence[int | None]) -> dict[int, int]:
        """For each memory the bytes by which it is exceeded at a step, when each lodger lies in its first."""
        loads: dict[int, int] = {}
        for lodger, size in self.sizes[step].items():
            home = self.rooms[lodger][0]
            loads[home] = loads.get(home, 0) + size
        limits = {memory: capacities[memory] for memory in loads}
        return {memory: load - limit for memory, load in loads.items() if (limit := limits[memory]) is not None
                and load > limit}  # fmt: skip

    def cost(self, housed: Sequence[int]) -> int:
        """What it costs when each lodger lies in the memory given."""
        return sum(
            lodger.traffic * self.memories[memory].cost for lodger, memory in zip(self.lodgers, housed, strict=True)
        )


def stays_of(lodgers: Sequence[Lodger], memories: Sequence[Memory]) -> Stays | int:
    """Numbers; or the first lodger that no memory is large enough for."""
    ranked = sorted(range(len(memories)), key=lambda memory: (memories[memory].cost, memory))
    rooms, extra, spans = [], [], []
    for index, lodger in enumerate(lodgers):
        reach = lodger.body.reach
        roomy = [m for m in ranked if (capacity := memories[m].capacity) is None or reach <= capacity]
        if not roomy:
            return index
        own = tuple(roomy[:1] if lodger.pinned else roomy)
        rooms.append(own)
        extra.append(tuple(lodger.traffic * (memories[m].cost - memories[own[0]].cost) for m in own))
        pieces = [piece for piece in lodger.body.slices if piece.bytes]
        spans.append((min((p.first for p in pieces), default=0), max((p.last for p in pieces), default=-1)))
    base = sum(lodger.traffic * memories[own[0]].cost for lodger, own in zip(lodgers, rooms, strict=True))
    steps = 1 + max((last for _, last in spans), default=-1)
    return Stays(tuple(lodgers), tuple(memories), tuple(rooms), tuple(extra), base, tuple(spans), steps)


__all__ = ["Stays", "stays_of"]
