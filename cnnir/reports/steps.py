"""A plan's schedule as rows: what each step writes, where it lies, and how much lives then."""

from dataclasses import dataclass

from cnnir.plan import VIEW, MemoryPlan


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step.

    Attributes:
        number: Counted from 0.
        nodes: Labels of what it computes.
        writes: Names of the values written; how, when no new storage is taken.
        offsets: Where they lie.
        bytes: Size of the storages that begin here.
        live: Bytes live during the step.
        is_peak: Most bytes live here.
    """

    number: int
    nodes: str
    writes: str
    offsets: tuple[int, ...]
    bytes: int
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
        offsets = [piece.offset for name in step.writes for piece in plan.values[name].pieces or ()]
        rows.append(
            StepRow(
                number,
                ", ".join(step.nodes),
                ", ".join(step.writes) + _how(plan, number),
                tuple(offsets),
                opened[number],
                live[number],
                number == peak,
            )
        )
    return tuple(rows)


def _how(plan: MemoryPlan, number: int) -> str:
    step = plan.steps[number]
    if step.algorithm == VIEW:
        return f" (view of {step.reads[0]})"
    if step.donations:
        return f" (in place of {', '.join(source for source, _ in step.donations)})"
    return ""
