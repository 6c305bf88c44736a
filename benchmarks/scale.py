"""How time and memory grow with a network, up to a hundred thousand nodes: random cells in a stack.

    python -m benchmarks.scale [--nodes N] [--svg docs/images/scale.svg]

Builds the stacks of `tests/stacks.py`, plans each with the options that `graph.plan()` has by default, and proves the
plan anew. Each size runs in a process of its own; the columns are seconds of CPU of its phases, where the plan holds
all of forming, order, placement, writing and a first proof, and the peak of the process's memory beyond what it takes
to start. Exits with 1 when a plan is refused or has no bound, when the largest takes more than 5 minutes, or when time
or memory of any phase grows faster from a tenth of the largest to the largest than nodes to the power of 1.3.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.growth_chart import growth_svg
from cnnir.files import write_file
from cnnir.graph import Graph
from cnnir.passes.memory.attempts import EFFORT
from cnnir.passes.memory.emission import entries, lay_out
from cnnir.passes.memory.forming import Choices, form
from cnnir.passes.memory.order import schedule
from cnnir.passes.memory.placement import Body, Slice, place
from tests.stacks import stack

SECONDS_LIMIT = 300.0
"""CPU seconds for plan and proof of the largest."""

EXPONENT_LIMIT = 1.3
"""Of the growth from a tenth of the largest to the largest: 1 is linear, 2 is quadratic."""

LEAST_SECONDS = 0.2
"""A phase that is over sooner than that at the smaller size says nothing about growth."""

ALIGNMENT = 64
PHASES = ("build", "form", "order", "lay out", "place", "plan", "check")
Result = TypeVar("Result")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each size; 1 when a stated bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100_000, metavar="N", help="of the largest (default: 100000)")
    parser.add_argument("--seed", type=int, default=0, help="of the networks (default: 0)")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the growth")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure is not None:
        print(json.dumps(measured(options.measure, options.seed)))
        return 0
    if options.nodes < 1000:
        parser.error("growth needs a thousand nodes at least")
    sizes = [options.nodes * share // 100 for share in (1, 3, 10, 30, 100)]
    print(f"{'nodes':>7}  {'  '.join(f'{name:>7}' for name in PHASES)}  {'MiB':>6}  {'arena':>8}  placement order")
    rows = [_row(size, options.seed) for size in sizes]
    if options.svg is not None:
        write_file(options.svg, growth_svg(rows, ("build", "plan", "check")))
    lines = missed(rows[-3], rows[-1])
    for line in lines:
        print(f"missed: {line}")
    return 1 if lines else 0


def _row(nodes: int, seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scale", "--measure", str(nodes), "--seed", str(seed)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, float] = json.loads(run.stdout)
    seconds = "  ".join(f"{row[name]:7.2f}" for name in PHASES)
    gaps = f"{row['placement gap']:8.1%}  {row['order gap']:.1%}"
    print(f"{row['nodes']:7,.0f}  {seconds}  {row['bytes'] / 2**20:6.0f}  {row['arena']:8,.0f}  {gaps}", flush=True)
    return row


class Clock:
    """Seconds of CPU of pieces of work, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, work: Callable[[], Result]) -> Result:
        begin = time.process_time()
        result = work()
        self.seconds[name] = time.process_time() - begin
        return result


def measured(nodes: int, seed: int) -> dict[str, float]:
    """Seconds of CPU of each phase for one network, bytes of the process, and how far the plan is from its bounds."""
    stack(60, seed).plan()  # what is imported late is not counted
    before, clock = _own_bytes(), Clock()
    graph = clock("build", partial(stack, nodes, seed))
    run_phases(graph, clock, EFFORT["auto"])
    plan = clock("plan", graph.plan)
    clock("check", partial(plan.check, graph))
    figures = {"nodes": len(graph), "bytes": _own_bytes() - before, "arena": plan.arena_bytes}
    gaps = {f"{name} gap": bound.reached / bound.bytes - 1 for name, bound in plan.bounds.items()}
    return {**clock.seconds, **figures, **gaps}


def run_phases(graph: Graph, clock: Clock, effort: int) -> None:
    """One pass through each of a plan's phases; a plan goes through some of them several times."""
    formation = clock("form", partial(form, graph, Choices("none", concat=False)))
    found = clock("order", partial(schedule, formation.problem, effort=effort))
    steps = entries(formation, found.order)
    layout = clock("lay out", partial(lay_out, formation, steps, ALIGNMENT))
    bodies: dict[int, list[Slice]] = {}
    for room in layout.rooms:
        bodies.setdefault(room.body, []).append(Slice(room.at, room.bytes, room.first, room.last))
    clock("place", partial(place, [Body(tuple(slices)) for slices in bodies.values()], ALIGNMENT, effort=0))


def _own_bytes() -> int:
    """The most memory that the process has taken until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def missed(small: dict[str, float], large: dict[str, float]) -> list[str]:
    """What is not as it is to be: the time of the largest, and what grows faster than it may from a smaller one."""
    found = []
    seconds = large["plan"] + large["check"]
    if seconds > SECONDS_LIMIT:
        found.append(f"{large['nodes']:,.0f} nodes take {seconds:.0f} s")
    for name in (*PHASES, "bytes"):
        if name == "bytes" or small[name] >= LEAST_SECONDS:
            exponent = math.log(large[name] / small[name]) / math.log(large["nodes"] / small["nodes"])
            print(f"{name}: nodes to the power of {exponent:.2f}")
            if exponent > EXPONENT_LIMIT:
                found.append(f"{name} grows with nodes to the power of {exponent:.2f}")
    return found


if __name__ == "__main__":
    sys.exit(main())
