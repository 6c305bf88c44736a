"""Where the time of a compiled run goes: each step by the clock, beside what it computes and moves."""

import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnir.analysis import costs, total
from cnnir.dims import Dim, is_known
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter.feeds import checked_feed
from cnnir.plan import VIEW, Step, step_traffic
from cnnir.weights import AnyArray

if TYPE_CHECKING:
    from cnnir.interpreter.program import Program, Run

REPEAT = 7
"""Runs by default."""

_ZEROS = 2
"""Digits that times in nanoseconds are rounded by: the clock tells no more."""

RULES = (
    "time: the median of each step over all runs, a first one not counted; the total is their sum",
    "MACs: those of a step's nodes, each whole wherever it stands",
    "bytes: a step reads its stored operands and its weights, as the model has them, once, and writes its results once",
    "not counted: scratch, and what lies inside of a fused step; a view moves nothing",
)
"""How it was counted."""


@dataclass(frozen=True, slots=True)
class StepProfile:
    """One step of the plan.

    Attributes:
        number: Counted from 0.
        nodes: Labels of what it computes.
        algorithm: As the plan names it.
        nanoseconds: The median over all runs.
        macs: Multiply-accumulates; None when not known.
        bytes: Read and written; None when not known.
        live_bytes: Live in the pools during the step.
        begin, end: In the traced run, nanoseconds from its beginning.
    """

    number: int
    nodes: str
    algorithm: str
    nanoseconds: int
    macs: int | None
    bytes: int | None
    live_bytes: int
    begin: int
    end: int


@dataclass(frozen=True)
class RunProfile:
    """A run, step by step.

    Attributes:
        graph: Name of the network.
        runs: How many were timed.
        steps: In the plan's order.
        elapsed: Nanoseconds of the traced run, which is the median of all: its steps and what lies between them.
        arena_bytes: Of the plan.
    """

    graph: str
    runs: int
    steps: tuple[StepProfile, ...]
    elapsed: int
    arena_bytes: int

    @property
    def nanoseconds(self) -> int:
        """The sum of the steps' medians."""
        return sum(step.nanoseconds for step in self.steps)

    @property
    def macs(self) -> int | None:
        """The sum over all steps; None when one is not known."""
        return _total(step.macs for step in self.steps)

    @property
    def bytes(self) -> int | None:
        """The sum over all steps; None when one is not known."""
        return _total(step.bytes for step in self.steps)

    @property
    def slowest_first(self) -> tuple[StepProfile, ...]:
        """The steps by time."""
        return tuple(sorted(self.steps, key=lambda step: (-step.nanoseconds, step.number)))


def profile(program: "Program", feed: Mapping[str, AnyArray], repeat: int = REPEAT) -> RunProfile:
    """Time every step of a compiled run.

    Args:
        program: Nobody else's runs wait for it.
        feed: An array for each input, by name.
        repeat: How many runs are timed, behind a first one that is not.

    Raises:
        CnnirError: ``profile-repeat`` for no run at all, or for a feed that does not fit.
    """
    if repeat < 1:
        raise CnnirError("profile-repeat", "a profile needs a run", expected="at least 1", got=repeat)
    fed, _ = checked_feed(program.graph, feed)
    with program.running() as run:
        run(fed)
        clocks = [_clocked(run, fed) for _ in range(repeat)]
    traced = sorted(clocks, key=lambda clock: clock[-1][1])[(repeat - 1) // 2]
    plan = program.plan
    live, moved, computed = plan.live_bytes(), step_traffic(plan), _macs(program.graph)
    steps = []
    for number, step in enumerate(plan.steps):
        median = statistics.median_low([clock[number][1] - clock[number][0] for clock in clocks])
        steps.append(
            StepProfile(
                number,
                step.label,
                step.algorithm,
                round(median, -_ZEROS),
                _total(computed[name] for name in step.nodes),
                _total((moved[number], _weight_bytes(program.graph, step))),
                live[number],
                *traced[number],
            )
        )
    return RunProfile(program.graph.name, repeat, tuple(steps), traced[-1][1], plan.arena_bytes)


def _clocked(run: "Run", fed: Mapping[str, AnyArray]) -> list[tuple[int, int]]:
    """Begin and end of each step of a run."""
    run.feed(fed)
    clock, found = time.perf_counter_ns, []
    with run.settings():
        start = clock()
        for calls in run.steps:
            begin = clock()
            for call in calls:
                call()
            found.append((begin - start, clock() - start))
    return found


def _macs(graph: Graph) -> dict[str, int | None]:
    return {entry.node.name: _known(entry.macs) for entry in costs(graph).nodes}


def _weight_bytes(graph: Graph, step: Step) -> int | None:
    """Of the weights that a step reads."""
    if step.algorithm == VIEW:
        return 0
    operands = dict.fromkeys(value for name in step.nodes for value in graph.node(name).operands)
    return _total(_known(value.weight.type.bytes) for value in operands if value.weight is not None)


def _known(dim: Dim | None) -> int | None:
    return dim if dim is not None and is_known(dim) else None


def _total(parts: Iterable[int | None]) -> int | None:
    return _known(total(parts))


__all__ = ["REPEAT", "RULES", "RunProfile", "StepProfile", "profile"]
