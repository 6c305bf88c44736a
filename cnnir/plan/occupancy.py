"""The proof's part about time and space: lives, overlap, and the figures that are claimed."""

from bisect import bisect_right
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from cnnir.plan.model import MemoryPlan
from cnnir.plan.refusal import refuse, where
from cnnir.plan.traffic import moving_cost


def check_lives(plan: MemoryPlan) -> None:
    """Every use of a value lies within the life of the storages that hold it.

    Raises:
        CnnirError: ``plan-life``, or ``plan-structure`` for an interface value without a place.
    """
    last = len(plan.steps) - 1
    for name in plan.inputs:
        _check_use(plan, name, 0, "an input that is there from the first step")
    for name in plan.outputs:
        _check_use(plan, name, last, "an output that is there to the last step")
    for number, step in enumerate(plan.steps):
        for name in step.reads:
            _check_use(plan, name, number, "read")
        for name in step.writes:
            _check_use(plan, name, number, "written")


def _check_use(plan: MemoryPlan, name: str, number: int, how: str) -> None:
    if name not in plan.values or plan.values[name].pieces is None:
        refuse("plan-structure", f"the plan does not place {how}", got=name)
    for piece in plan.values[name].pieces or ():
        storage = plan.storages[piece.storage]
        if not storage.first <= number <= storage.last:
            at = where(number, plan.steps[number]) if plan.steps else None
            refuse("plan-life", f"{name} is {how}, outside its storage's life", node=at, expected=number, got=storage)


class _Taken(NamedTuple):
    """Bytes of one pool that are taken for a span of steps."""

    first: int
    last: int
    begin: int
    end: int
    what: str


def check_overlap(plan: MemoryPlan) -> None:
    """What takes bytes of one pool at the same time shares none, workspace too: a sweep over the steps.

    Raises:
        CnnirError: ``plan-overlap``.
    """
    for pool in plan.pools:
        living: list[tuple[int, int, _Taken]] = []  # (begin, end, what) in the order of addresses: they are disjoint
        ends: list[tuple[int, int]] = []
        for taken in sorted(_taken(plan, pool.name)):
            while ends and ends[0][0] < taken.first:
                _, begin = heappop(ends)
                del living[bisect_right(living, begin, key=lambda entry: entry[0]) - 1]
            place = bisect_right(living, taken.begin, key=lambda entry: entry[0])
            for _, _, other in living[max(place - 1, 0) : place + 1]:
                if other.begin < taken.end and taken.begin < other.end:
                    refuse(
                        "plan-overlap", f"{taken.what} shares bytes with {other.what}",
                        node=where(taken.first, plan.steps[taken.first]),
                        expected=f"nothing at {taken.begin} to {taken.end}",
                        got=f"{other.begin} to {other.end} taken for steps {other.first} to {other.last}",
                    )  # fmt: skip
            living.insert(place, (taken.begin, taken.end, taken))
            heappush(ends, (taken.last, taken.begin))


def _taken(plan: MemoryPlan, pool: str) -> Iterator[_Taken]:
    for index, storage in enumerate(plan.storages):
        if storage.pool == pool and storage.bytes:
            what = f"storage {index} of {', '.join(plan.holders(index)[:2]) or 'nothing'}"
            yield _Taken(storage.first, storage.last, storage.offset, storage.end, what)
    for number, step in enumerate(plan.steps):
        if step.scratch is not None and step.scratch.pool == pool and step.scratch.bytes:
            yield _Taken(number, number, step.scratch.offset, step.scratch.end, f"the scratch of step {number}")


def check_totals(plan: MemoryPlan) -> None:
    """The figures follow from the plan.

    That no order needs less than the bound over all orders is its planner's word: here it is no more than is reached.

    Raises:
        CnnirError: ``plan-bound``.
    """
    _check_bounds(plan)
    ends = {pool.name: 0 for pool in plan.pools}
    for storage in plan.storages:
        ends[storage.pool] = max(ends[storage.pool], storage.end)
    for step in plan.steps:
        if step.scratch is not None:
            ends[step.scratch.pool] = max(ends[step.scratch.pool], step.scratch.end)
    for pool in plan.pools:
        if pool.bytes != ends[pool.name]:
            refuse(
                "plan-bound", "a pool is larger than what lies in it", pool.name, expected=ends[pool.name],
                got=pool.bytes,
            )  # fmt: skip


def _check_bounds(plan: MemoryPlan) -> None:
    """Each bound is no more than what is reached, and that is what the plan needs."""
    if set(plan.bounds) - {"traffic"} != {"placement", "order"}:
        refuse("plan-bound", "two bounds are needed", expected="placement, order", got=", ".join(plan.bounds))
    for name, bound in plan.bounds.items():
        if not 0 <= bound.bytes <= bound.reached or (bound.status == "optimal") != (bound.bytes == bound.reached):
            refuse("plan-bound", f"the {name} bound does not fit its status", got=bound)
    placement, order = plan.bounds["placement"], plan.bounds["order"]
    needed = sum(max(plan.live_bytes(pool.name), default=0) for pool in plan.pools if pool.counted)
    if placement.bytes != needed:
        refuse("plan-bound", "the bound is not the largest sum of live bytes", expected=needed, got=placement.bytes)
    if placement.reached != (total := plan.arena_bytes):
        refuse("plan-bound", "the placement does not reach what the pools take", expected=total, got=placement)
    if order.reached != (peak := max(plan.live_bytes(), default=0)):
        refuse("plan-bound", "the order does not need the bytes that it is to reach", expected=peak, got=order.reached)
    traffic = plan.bounds.get("traffic")
    if traffic is not None and traffic.reached != (cost := moving_cost(plan)):
        refuse("plan-bound", "the bytes that the steps move cost something else", expected=cost, got=traffic.reached)


__all__ = ["check_lives", "check_overlap", "check_totals"]
