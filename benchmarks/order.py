"""Orders of random problems: how many are proved to be best, how fast, and how far the others may be from it.

    python -m benchmarks.order [--seeds N] [--tasks N]

Watts-Strogatz networks WS(n, 4, 0.75) as in RandWire, each result one unit, n from 32 to 96; then stacks of such cells,
each of which reads the two before it, up to a hundred thousand tasks. Exits with 1 when a stated target is missed: all
networks of 32 nodes proved, in 0.2 s of CPU in the median; all of 64 nodes proved, each within 10 s; the largest stack
within 5 minutes, with memory that grows no faster than the stack.
"""

import argparse
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Sequence

from cnnir.passes.memory.order import schedule
from cnnir.passes.memory.problem import Atom, Problem, Task, profile
from cnnir.zoo.randwire import Wiring, watts_strogatz

NEIGHBOURS, PROBABILITY = 4, 0.75
MEDIAN_LIMIT = 0.2
"""Seconds of CPU for a network of 32 nodes, in the median."""

SECONDS_LIMIT = 10.0
"""Seconds of CPU for each network of 64 nodes."""

STACK_LIMIT = 300.0
"""Seconds of CPU for the largest stack."""

GROWTH_LIMIT = 1.5
"""How much more memory a task may take in the largest stack than in one of a tenth of its size."""

CELL = 32
"""Nodes of each cell of a stack; one more joins its ends."""


class Maker:
    """Tasks with one result each, added one after the other."""

    def __init__(self) -> None:
        """Begin with the input, atom 0: one unit, given."""
        self.sizes = [1]
        self.reads: list[tuple[int, ...]] = []

    def add(self, reads: Sequence[int], size: int = 1) -> int:
        """The atom that a new task writes."""
        self.reads.append(tuple(dict.fromkeys(reads)))
        self.sizes.append(size)
        return len(self.sizes) - 1

    def cell(self, wiring: Wiring, inputs: Sequence[int], sizes: Sequence[int]) -> int:
        """A random cell: its nodes without a source read the inputs in turn; the result joins all its ends."""
        made: list[int] = []
        for node, sources in enumerate(wiring.sources):
            reads = [made[source] for source in sources] or [inputs[node % len(inputs)]]
            made.append(self.add(reads, sizes[node]))
        return self.add([made[sink] for sink in wiring.sinks], sizes[-1])

    def problem(self) -> Problem:
        """What has been added; the last result is kept."""
        readers: list[list[int]] = [[] for _ in self.sizes]
        for task, reads in enumerate(self.reads):
            for atom in reads:
                readers[atom].append(task)
        last = len(self.sizes) - 1
        atoms = (
            Atom(size, (atom - 1,) if atom else (), tuple(readers[atom]), given=not atom, kept=atom == last)
            for atom, size in enumerate(self.sizes)
        )
        return Problem(tuple(atoms), tuple(Task(reads, (task + 1,)) for task, reads in enumerate(self.reads)))


def network(nodes: int, seed: int) -> Problem:
    """A Watts-Strogatz network: sources read the input, one output reads all ends, each result is one unit."""
    maker = Maker()
    maker.cell(watts_strogatz(nodes, NEIGHBOURS, PROBABILITY, (seed,)), [0], [1] * (nodes + 1))
    return maker.problem()


def stack(tasks: int, seed: int) -> Problem:
    """Random cells with results of 1 to 4 units, each reading the two cells before it."""
    draw = random.Random(seed)
    maker = Maker()
    ends = [0, 0]
    for number in range(-(-tasks // (CELL + 1))):
        wiring = watts_strogatz(CELL, NEIGHBOURS, PROBABILITY, (seed, number))
        ends = [ends[1], maker.cell(wiring, ends, [draw.randint(1, 4) for _ in range(CELL + 1)])]
    return maker.problem()


def networks(nodes: int, seeds: int) -> list[str]:
    """Print a row for a size of network; what it misses."""
    seconds, gaps, states = [], [], []
    for seed in range(seeds):
        problem = network(nodes, seed)
        begin = time.process_time()
        found = schedule(problem)
        seconds.append(time.process_time() - begin)
        gaps.append(found.peak / found.bound - 1)
        states.append(found.states)
    proved = sum(gap == 0 for gap in gaps)
    print(
        f"WS({nodes:3}, 4, 0.75)  {proved:2} of {seeds} proved  largest gap {max(gaps):5.1%}  states {max(states):7,}"
        f"  median {statistics.median(seconds):6.3f} s  slowest {max(seconds):6.3f} s",
        flush=True,
    )
    missed = []
    if nodes <= 2 * CELL and proved < seeds:
        missed.append(f"WS({nodes}): {seeds - proved} not proved")
    if nodes == CELL and statistics.median(seconds) > MEDIAN_LIMIT:
        missed.append(f"WS({nodes}): {statistics.median(seconds):.2f} s in the median")
    if nodes == 2 * CELL and max(seconds) > SECONDS_LIMIT:
        missed.append(f"WS({nodes}): {max(seconds):.1f} s")
    return missed


def stacks(tasks: int) -> list[str]:
    """Print a row for each size of stack; what they miss."""
    missed: list[str] = []
    grown: list[float] = []
    for size in (tasks // 100, tasks // 10, tasks):
        problem = stack(size, 0)
        count = len(problem.tasks)
        own = max(profile(problem, range(count)))
        begin = time.process_time()
        found = schedule(problem)
        seconds = time.process_time() - begin
        tracemalloc.start()
        schedule(stack(size, 0))
        memory = tracemalloc.get_traced_memory()[1] / count
        tracemalloc.stop()
        grown.append(memory)
        print(
            f"stack of {count:7,} tasks  file {own} -> {found.peak}, bound {found.bound}"
            f"  states {found.states:9,}  {seconds:6.1f} s  {memory:,.0f} B a task",
            flush=True,
        )
        if size == tasks and seconds > STACK_LIMIT:
            missed.append(f"stack of {count} tasks: {seconds:.0f} s")
    if grown[-1] > GROWTH_LIMIT * grown[-2]:
        missed.append("memory grows faster than the stack")
    return missed


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each kind of problem; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20, help="networks of each size")
    parser.add_argument("--tasks", type=int, default=100_000, help="of the largest stack; 0 leaves the stacks out")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("without a network of each size nothing would be measured")
    missed = [line for nodes in (32, 48, 64, 80, 96) for line in networks(nodes, options.seeds)]
    if options.tasks:
        missed.extend(stacks(options.tasks))
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
