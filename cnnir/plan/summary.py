"""A plan in a few lines of plain text."""

from cnnir.plan.model import MemoryPlan
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
        f"  {len(plan.steps)} steps, {len(plan.values)} values in {len(plan.storages)} storages",
        f"  without reuse of memory those would take {unshared}",
    ]
    return "\n".join([*lines, *_peak(plan), f"  rule: {plan.accounting}"])


def _peak(plan: MemoryPlan) -> list[str]:
    step = plan.peak_step
    if step is None:
        return []
    live = sorted(plan.live_storages(step), key=lambda index: (-plan.storages[index].bytes, index))
    lines = [
        f"  peak at step {step}, {', '.join(plan.steps[step].nodes)}: {format_bytes(plan.live_bytes()[step])} live"
    ]
    for index in live[:_SHOWN]:
        storage = plan.storages[index]
        names = plan.holders(index)
        shown = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more in its place"
        lines.append(f"    {format_size(storage.bytes):>11}  {shown} (steps {storage.first} to {storage.last})")
    if len(live) > _SHOWN:
        rest = sum(plan.storages[index].bytes for index in live[_SHOWN:])
        lines.append(f"    {format_size(rest):>11}  {len(live) - _SHOWN} more")
    return lines
