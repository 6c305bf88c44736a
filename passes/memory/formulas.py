"""What lies in the pools of a plan for open sizes, and its arena as a formula."""

from collections.abc import Sequence

from cnnir.dims import Dim, bounds, ceil_div, decide_at_least
from cnnir.passes.memory.lifting import Lifted, Ranges
from cnnir.passes.memory.stacking import Block, Stack
from cnnir.plan import MemoryPlan

_MOST_PATHS = 64
"""Sums of sizes beyond which no formula is worked out: nobody reads so many."""


def scratched(plan: MemoryPlan) -> tuple[int, ...]:
    """The steps that have scratch."""
    return tuple(number for number, step in enumerate(plan.steps) if step.scratch is not None)


def blocks_of(plan: MemoryPlan, lifted: Lifted) -> tuple[Block, ...]:
    """Storages, and behind them the scratch of steps, each a body of its own."""
    found = [
        Block(body, storage.pool, storage.offset, storage.bytes, storage.first, storage.last)
        for body, storage in zip(lifted.bodies, plan.storages, strict=True)
    ]
    for number in scratched(plan):
        scratch = plan.steps[number].scratch
        assert scratch is not None  # noqa: S101  it is one of those with scratch
        found.append(Block(len(found), scratch.pool, scratch.offset, scratch.bytes, number, number))
    return tuple(found)


def block_formulas(plan: MemoryPlan, lifted: Lifted) -> tuple[list[Dim], list[Dim]]:
    """Where each block begins in its body, and its bytes, workspace left out."""
    steps = scratched(plan)
    begins = [*lifted.begins, *(0 for _ in steps)]
    strips = [lifted.strips[step].bytes if step in lifted.strips else 0 for step in steps]
    return begins, [*lifted.sizes, *strips]


def most_of(size: Dim, ranges: Ranges) -> int:
    """Bytes that the size never exceeds."""
    most = bounds(size, ranges)[1]
    assert most is not None  # noqa: S101  each symbol has a range
    return most


def arena_formula(plan: MemoryPlan, lifted: Lifted, stack: Stack, ranges: Ranges) -> tuple[Dim, ...] | None:
    """The ends of all blocks as sums of sizes, without those that others exceed; None for too many, or two arenas."""
    counted = [pool for pool in plan.pools if pool.counted]
    if len(counted) != 1:
        return None
    alignment = counted[0].alignment
    begins, sizes = block_formulas(plan, lifted)
    members: dict[int, list[int]] = {}
    for index, block in enumerate(blocks_of(plan, lifted)):
        if block.pool == counted[0].name:
            members.setdefault(block.body, []).append(index)
    bases: dict[int, list[Dim]] = {}
    ends: list[Dim] = []
    for body in stack.order:
        if body not in members:
            continue
        under: list[Dim] = [0]
        for other, pairs in stack.below[body].items():
            gaps = _greatest([begins[i] + sizes[i] - begins[j] for i, j in pairs], ranges)
            under += [ceil_div(base + gap, alignment) * alignment for base in bases[other] for gap in gaps]
        bases[body] = _greatest(under, ranges)
        tops = _greatest([begins[index] + sizes[index] for index in members[body]], ranges)
        ends = _greatest([*ends, *(base + top for base in bases[body] for top in tops)], ranges)
        if max(len(bases[body]), len(ends)) > _MOST_PATHS:
            return None
    return tuple(ends) or (0,)


def _greatest(dims: Sequence[Dim], ranges: Ranges) -> list[Dim]:
    """The dims without those that another one is proved to reach everywhere in the range."""
    kept: list[Dim] = []
    for dim in dict.fromkeys(dims):
        if any(decide_at_least(other, dim, ranges) for other in kept):
            continue
        kept = [other for other in kept if not decide_at_least(dim, other, ranges)]
        kept.append(dim)
    return kept


__all__ = ["arena_formula", "block_formulas", "blocks_of", "most_of", "scratched"]
