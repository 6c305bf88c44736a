"""A plan in a few lines of plain text."""

from cnnir.plan.model import JOIN, VIEW, MemoryPlan
from cnnir.plan.traffic import moved_bytes
from cnnir.units import format_bytes, format_size

_SHOWN = 8
"""Storages listed at the peak; the rest is summed up."""


def summarize(plan: MemoryPlan) -> str:
    """The figures, how good they are, what fills the memory at the peak, and the rule by which bytes were counted."""
    placement, order = plan.bounds["placement"], plan.bounds["order"]
    gap = plan.arena_bytes - placement.bytes
    shortfall = f", gap {format_bytes(gap)}" if gap else ""
    unshared = format_bytes(sum(storage.bytes for storage in plan.storages))
    any_order = f"at least {format_bytes(order.bytes)} in any order, {format_bytes(order.reached)} in this one"
    lines = [
        f"memory plan of {plan.graph}",
        f"  arena        {format_bytes(plan.arena_bytes)}",
        f"  lower bound  {format_bytes(placement.bytes)}, placement {placement.status}{shortfall}",
        f"  order        {any_order} ({order.status})",
        *_pools(plan),
        f"  {_steps(plan)}, {_values(plan)} in {len(plan.storages)} storages",
        f"  without reuse of memory those would take {unshared}",
    ]
    if plan.workspace_bytes:
        lines[2:2] = _parts(plan)
    elif plan.scratch_bytes:
        lines.append(f"  scratch of one step at most {format_bytes(plan.scratch_bytes)}{_strips(plan.strip_bytes)}")
    return "\n".join([*lines, *_peak(plan), f"  rule: {plan.accounting}"])


def _pools(plan: MemoryPlan) -> list[str]:
    """What lies in each memory, and what it costs to move it, where memories were asked for."""
    traffic = plan.bounds.get("traffic")
    if traffic is None:
        return []
    moved = moved_bytes(plan)
    lines = []
    for pool in plan.pools:
        if pool.counted:
            limit = "" if pool.capacity is None else f" of {format_bytes(pool.capacity)}"
            weights = f", weights {format_bytes(pool.weights)}" if pool.weights else ""
            price = f", at {pool.cost} a byte" if pool.cost else ""
            lines.append(f"  in {pool.name}: {format_bytes(pool.bytes)}{weights}{limit}; moved "
                         f"{format_bytes(moved[pool.name])}{price}")  # fmt: skip
    return [*lines, f"  moving costs {traffic.reached:,}, at least {traffic.bytes:,} ({traffic.status})"]


def _parts(plan: MemoryPlan) -> list[str]:
    """What the arena holds, where kernels have their workspace in it; the two need not peak at the same step."""
    return [
        f"    data         {format_bytes(plan.data_bytes)} at most at one step{_strips(plan.strip_bytes)}",
        f"    workspace    {format_bytes(plan.workspace_bytes)} at most at one step",
    ]


def _steps(plan: MemoryPlan) -> str:
    """How many, and how many of them are more or less than one node's computation."""
    fused = sum(len(step.nodes) > 1 for step in plan.steps)
    told = [f"{fused} fused"] if fused else []
    for kind in (VIEW, JOIN):
        count = sum(step.algorithm == kind for step in plan.steps)
        told += [f"{count} {kind}{'s' if count > 1 else ''}"] if count else []
    kinds = f" ({', '.join(told)})" if told else ""
    return f"{len(plan.steps)} steps{kinds}"


def _values(plan: MemoryPlan) -> str:
    """How many are stored, and how many never."""
    stored = sum(value.pieces is not None for value in plan.values.values())
    gone = len(plan.values) - stored
    return f"{stored} values, and {gone} more never stored," if gone else f"{stored} values"


def _strips(strips: int) -> str:
    return f", strips {format_bytes(strips)}" if strips else ""


def _peak(plan: MemoryPlan) -> list[str]:
    step = plan.peak_step
    if step is None:
        return []
    live = sorted(plan.live_storages(step), key=lambda index: (-plan.storages[index].bytes, index))
    lines = [f"  peak at step {step}, {plan.steps[step].label}: {format_bytes(plan.live_bytes()[step])} live"]
    for index in live[:_SHOWN]:
        storage = plan.storages[index]
        shown = contents(plan, index)
        lines.append(f"    {format_size(storage.bytes):>11}  {shown} (steps {storage.first} to {storage.last})")
    if len(live) > _SHOWN:
        rest = sum(plan.storages[index].bytes for index in live[_SHOWN:])
        lines.append(f"    {format_size(rest):>11}  {len(live) - _SHOWN} more")
    scratch = plan.steps[step].scratch
    if scratch is not None and scratch.bytes:
        lines.append(f"    {format_size(scratch.bytes):>11}  scratch{_strips(scratch.strips)}")
    return lines


def contents(plan: MemoryPlan, storage: int) -> str:
    """What lies in a storage: the first value, how many more take its place, and of what these are parts."""
    names = plan.holders(storage)
    parts = [name for name in names if len(plan.values[name].pieces or ()) > 1]
    whole = [name for name in names if name not in parts] or parts[:1]
    if not whole:
        return "nothing"
    more = f" and {len(whole) - 1} more in its place" if len(whole) > 1 else ""
    wider = [name for name in parts if name not in whole]
    of = f", part of {wider[0]}" if wider else ""
    return f"{whole[0]}{more}{of}"
