"""The ways of the steps of one order: first those of the least scratch, then whatever is free spent on time."""

from collections.abc import Container, Sequence
from dataclasses import replace

from cnnir.algorithms import Choice, trade
from cnnir.graph import Value
from cnnir.passes.memory.emission import Entry, Layout
from cnnir.passes.memory.workspace import FREE, Counting, label
from cnnir.plan import KERNEL


def sparing(steps: Sequence[Entry], counting: Counting, loose: Container[Value] = ()) -> tuple[Entry, ...]:
    """The steps, each in the way of the least scratch.

    Raises:
        CnnirError: ``workspace-unknown`` naming the node of which nothing is known.
    """
    return tuple(_in(step, _ways(step, counting, loose)[0]) for step in steps)


def hurried(
    steps: Sequence[Entry],
    layout: Layout,
    counting: Counting,
    loose: Container[Value] = (),
    arena: int | None = None,
) -> tuple[Entry, ...] | None:
    """The steps, each in the fastest way for which the arena has room beside what lives at the step.

    Args:
        steps: In any of their ways.
        layout: Their lives.
        counting: What ways they have.
        loose: Values that do not lie in row-major order.
        arena: Bytes; what the largest step needs in any case when None.

    Returns:
        None when there is nothing to choose.
    """
    fronts = [_ways(step, counting, loose) for step in steps]
    if all(len(front) == 1 for front in fronts):
        return None
    live = [need + step.strips for need, step in zip(layout.live(len(steps)), steps, strict=True)]
    return tuple(_in(step, choice) for step, choice in zip(steps, trade(live, fronts, arena).choices, strict=True))


def kept_weights(steps: Sequence[Entry]) -> int:
    """Bytes that the ways of the steps keep of weights in forms of their own."""
    return sum(step.way.weight_bytes for step in steps if step.way is not None)


def _ways(step: Entry, counting: Counting, loose: Container[Value]) -> tuple[Choice, ...]:
    if step.way is None and step.algorithm != KERNEL:
        return FREE
    return counting.ways(step.nodes, step.writes, loose)


def _in(step: Entry, way: Choice) -> Entry:
    if step.way is None and step.algorithm != KERNEL:
        return step
    return replace(step, algorithm=label(way), way=way)


__all__ = ["hurried", "kept_weights", "sparing"]
