"""A plan's schedule as rows: what each step writes, where it lies, and how much lives then."""

from dataclasses import dataclass

from cnnir.plan import JOIN, VIEW, MemoryPlan


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step.

    Attributes:
        number: Counted from 0.
        nodes: Labels of what it computes, several when they are fused.
        writes: Names of the values written; how, when no new storage is taken.
        offsets: Where each of them begins.
        bytes: Size of the storages that begin here.
        scratch: Size of its workspace.
        strips: How many bytes of that hold strips of values that are never stored whole.
        live: Bytes live during the step, its workspace among them.
        is_peak: Most bytes live here.
    """

    number: int
    nodes: str
    writes: str
    offsets: tuple[int, ...]
    bytes: int
    scratch: int
    strips: int
    live: int
    is_peak: bool


def step_rows(plan: MemoryPlan) -> tuple[StepRow, ...]:
    """One row for each step of the plan."""
    live, peak = plan.live_bytes(), plan.peak_step
    opened = [0] * len(plan.steps)
    for storage in plan.storages:
        opened[storage.first] += storage.bytes
    rows = []
    for number, step in enumerate(plan.steps):
        offsets = [min(piece.offset for piece in plan.values[name].pieces or ()) for name in step.writes]
        rows.append(
            StepRow(
                number,
                step.label,
                ", ".join(step.writes) + _how(plan, number),
                tuple(offsets),
                opened[number],
                step.scratch.bytes if step.scratch is not None else 0,
                step.scratch.strips if step.scratch is not None else 0,
                live[number],
                number == peak,
            )
        )
    return tuple(rows)


def _how(plan: MemoryPlan, number: int) -> str:
    step = plan.steps[number]
    if step.algorithm in {VIEW, JOIN}:
        return f" ({step.algorithm} of {', '.join(step.reads)})"
    if step.donations:
        return f" (in place of {', '.join(source for source, _ in step.donations)})"
    return ""
