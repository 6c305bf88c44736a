"""From a plan in one arena to the same plan over several memories.

Order, sharing and fusing stay. What moves is rigid bodies: storages that one value spans keep their distances.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cnnir.errors import CnnirError
from cnnir.passes.memory.placement import Body, Slice
from cnnir.passes.memory.pools.housing import Housing, house
from cnnir.passes.memory.pools.model import Lodger, Memory, check_memories
from cnnir.plan import Bound, MemoryPlan, PlannedValue, Pool, Scratch, Step, Storage, moving_cost, storage_traffic
from cnnir.types import DType
from cnnir.units import format_bytes


@dataclass(frozen=True)
class Weights:
    """Weights that lie in one of the memories, and take from its capacity."""

    memory: str
    bytes: int


def spread(plan: MemoryPlan, memories: Sequence[Memory], weights: Weights | None = None) -> MemoryPlan:
    """House what lies in the counted pools of a plan in memories, so that moving bytes costs as little as possible.

    Args:
        plan: As it is without limits.
        memories: What there is.
        weights: What lies there beside the plan.

    Returns:
        The plan in these memories, with a bound of what moving costs; pools that are not counted stay as they are.

    Raises:
        CnnirError: ``pools`` for memories that cannot be; ``pools-full`` when it is proved that there is no way to
            house everything, with the step or the values that need more; ``pools-unknown`` when none was found.
    """
    check_memories(memories)
    if weights is not None and weights.memory not in [memory.name for memory in memories]:
        raise CnnirError("pools", "no such memory to hold the weights", got=weights.memory,
                         expected=", ".join(memory.name for memory in memories))  # fmt: skip
    kept = [pool for pool in plan.pools if not pool.counted]
    if clash := {pool.name for pool in kept} & {memory.name for memory in memories}:
        raise CnnirError("pools", "the name is taken by what lies with the caller", got=", ".join(sorted(clash)))
    widest = max((DType(value.dtype).bits or 8 for value in plan.values.values() if value.pieces), default=8) // 8
    for memory in memories:
        if memory.alignment is not None and memory.alignment < widest:
            raise CnnirError("pools", "elements need a coarser alignment", node=memory.name, got=memory.alignment,
                             expected=f"at least {widest}")  # fmt: skip
    left = [_less(memory, weights) for memory in memories]
    bodies = _Bodies(plan)
    alignment = max((pool.alignment for pool in plan.pools if pool.counted), default=1)
    found = house(bodies.lodgers, left, alignment)
    if not found.found:
        raise _refusal(plan, memories, bodies, found)
    return _Spread(plan, bodies, found, memories, alignment).plan(kept, weights)


def _less(memory: Memory, weights: Weights | None) -> Memory:
    """The memory without the place that the weights take."""
    if weights is None or weights.memory != memory.name or memory.capacity is None:
        return memory
    if weights.bytes > memory.capacity:
        raise CnnirError("pools-full", "the weights alone do not fit", node=memory.name,
                         expected=format_bytes(memory.capacity), got=format_bytes(weights.bytes))  # fmt: skip
    return replace(memory, capacity=memory.capacity - weights.bytes)


class _Bodies:
    """What lies in the counted pools of a plan, as bodies and workspace.

    Attributes:
        lodgers: Bodies first, then the scratch of steps.
        place: For each storage (its body, where it begins in it); None for one that does not move.
        scratch: For each step its lodger, None where it has no scratch that moves.
    """

    def __init__(self, plan: MemoryPlan) -> None:
        counted = {pool.name for pool in plan.pools if pool.counted}
        traffic = storage_traffic(plan)
        groups: dict[int, list[int]] = {}
        for storage, root in enumerate(_roots(plan)):
            if plan.storages[storage].pool in counted:
                groups.setdefault(root, []).append(storage)
        self.lodgers: list[Lodger] = []
        self.place: list[tuple[int, int] | None] = [None] * len(plan.storages)
        for members in groups.values():
            base = min(plan.storages[index].offset for index in members)
            for index in members:
                self.place[index] = (len(self.lodgers), plan.storages[index].offset - base)
            slices = tuple(_slice(plan.storages[index], base) for index in members)
            self.lodgers.append(Lodger(Body(slices), sum(traffic[index] for index in members)))
        self.scratch: list[int | None] = [None] * len(plan.steps)
        for number, step in enumerate(plan.steps):
            if step.scratch is not None and step.scratch.pool in counted:
                self.scratch[number] = len(self.lodgers)
                self.lodgers.append(Lodger(Body((Slice(0, step.scratch.bytes, number, number),)), 0, pinned=True))

    def contents(self, plan: MemoryPlan, lodger: int) -> str:
        """What a lodger is, for people."""
        storages = [index for index, place in enumerate(self.place) if place is not None and place[0] == lodger]
        if storages:
            names = dict.fromkeys(name for index in storages for name in plan.holders(index))
            return next(iter(names), "nothing")
        return f"the workspace of {plan.steps[self.scratch.index(lodger)].label}"


def _slice(storage: Storage, base: int) -> Slice:
    return Slice(storage.offset - base, storage.bytes, storage.first, storage.last)


def _roots(plan: MemoryPlan) -> list[int]:
    """For each storage the first of those that it lies fixed to: one value spans them."""
    parents = list(range(len(plan.storages)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for value in plan.values.values():
        for piece, following in pairwise(value.pieces or ()):
            one, other = sorted((root(piece.storage), root(following.storage)))
            parents[other] = one
    return [root(index) for index in range(len(parents))]


class _Spread:
    """A plan in the making."""

    def __init__(
        self, plan: MemoryPlan, bodies: _Bodies, found: Housing, memories: Sequence[Memory], alignment: int
    ) -> None:
        self.old = plan
        self.bodies = bodies
        self.found = found
        self.memories = memories
        self.alignment = alignment

    def plan(self, kept: Sequence[Pool], weights: Weights | None) -> MemoryPlan:
        pools = [
            Pool(
                memory.name,
                placement.height,
                memory.alignment or self.alignment,
                capacity=memory.capacity,
                cost=memory.cost,
                weights=weights.bytes if weights is not None and weights.memory == memory.name else 0,
            )
            for memory, placement in zip(self.memories, self.found.placements, strict=True)
        ]
        storages = tuple(self._storage(index) for index in range(len(self.old.storages)))
        moved = replace(
            self.old,
            pools=(*pools, *kept),
            storages=storages,
            values={name: self._value(value, storages) for name, value in self.old.values.items()},
            steps=tuple(self._step(number, step) for number, step in enumerate(self.old.steps)),
        )
        return replace(moved, bounds={**self.old.bounds, **self._bounds(moved)})

    def _storage(self, index: int) -> Storage:
        storage, place = self.old.storages[index], self.bodies.place[index]
        if place is None:
            return storage
        lodger, at = place
        memory = self.memories[self.found.memories[lodger]]
        offset = self.found.offsets[lodger] + at
        aligned = offset % (memory.alignment or self.alignment) == 0
        return replace(storage, pool=memory.name, offset=offset, aligned=aligned)

    def _value(self, value: PlannedValue, storages: Sequence[Storage]) -> PlannedValue:
        if value.pieces is None:
            return value
        pieces = []
        for piece in value.pieces:
            storage = storages[piece.storage]
            offset = piece.offset - self.old.storages[piece.storage].offset + storage.offset
            pieces.append(replace(piece, pool=storage.pool, offset=offset))
        return replace(value, pieces=tuple(pieces))

    def _step(self, number: int, step: Step) -> Step:
        lodger = self.bodies.scratch[number]
        if lodger is None or step.scratch is None:
            return step
        memory = self.memories[self.found.memories[lodger]]
        scratch = step.scratch
        return replace(step, scratch=Scratch(memory.name, self.found.offsets[lodger], scratch.bytes, scratch.strips))

    def _bounds(self, plan: MemoryPlan) -> dict[str, Bound]:
        needed = sum(max(plan.live_bytes(pool.name), default=0) for pool in plan.pools if pool.counted)
        ways = f"{self.found.ways} ways were placed" if self.found.ways > 1 else "the cheapest that live bytes allow"
        return {
            "placement": Bound.of(needed, plan.arena_bytes, "the sums of bytes live in each pool at its fullest step"),
            "traffic": Bound.of(
                self.found.bound or 0,
                moving_cost(plan),
                "bytes that steps read and write, at the cost of where they lie: no choice of pools costs less in this "
                f"order; {ways}",
            ),
        }


def _refusal(plan: MemoryPlan, memories: Sequence[Memory], bodies: _Bodies, found: Housing) -> CnnirError:
    """Why there is no plan in these memories, with the proof where there is one."""
    there = ", ".join(f"{m.name} {'any' if m.capacity is None else format_bytes(m.capacity)}" for m in memories)
    if found.homeless is not None:
        lodger = bodies.lodgers[found.homeless]
        return CnnirError(
            "pools-full", f"no memory is large enough for {bodies.contents(plan, found.homeless)}", expected=there,
            got=format_bytes(lodger.body.reach),
        )  # fmt: skip
    if found.crowded is not None:
        at = found.crowded
        return CnnirError(
            "pools-full", "more lives at this step than the memories hold, however it is shared out",
            node=f"step {at} ({plan.steps[at].label})", expected=there, got=format_bytes(plan.live_bytes()[at]),
        )  # fmt: skip
    if found.bound is None:
        return CnnirError("pools-full", "no way to share the memories out has a placement", expected=there)
    return CnnirError(
        "pools-unknown", f"none of {found.ways} ways to share the memories out could be placed", expected=there
    )


__all__ = ["Weights", "spread"]
