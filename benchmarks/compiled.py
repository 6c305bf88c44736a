"""Compiled plans of many graphs: poisoned runs give the same bits, and both what the plain kernels give.

    python -m benchmarks.compiled [--graphs N] [--first SEED] [--zoo] [--match TEXT]

Random graphs of the blocks that networks are built of (2,000), or every network of the zoo at a small size where it has
one. Each is compiled by the fastest plan and by the smallest; the run, a poisoned run and the unplanned run of the same
feed are compared. Exits with 1 for any difference: of a bit between the first two, of more than 1e-4 of the largest
result to the third.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from cnnir import zoo
from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import Program, seeded_feed
from cnnir.passes.memory import fastest
from tests.random_blocks import random_blocks

TOLERANCE = 1e-4
SMALL = 96
"""Pixels along an axis, for networks that take any size."""


def surprises(graph: Graph) -> Iterator[str]:
    """What differs, for both plans."""
    feed = seeded_feed(graph, 0)
    expected = graph.run(feed)
    first: Program | None = None
    for goal in ("time", "memory"):
        program = Program(graph, fastest(graph, goal=goal), like=first)
        first = first or program
        found, poisoned = program(feed), program(feed, poison=True)
        for name, array in expected.items():
            if not np.array_equal(found[name], poisoned[name], equal_nan=True):
                yield f"{goal}: {name} differs when what is free is poisoned"
            largest = max(float(np.abs(array).max(initial=0)), 1e-30)
            error = float(np.abs(found[name] - array).max(initial=0)) / largest
            if not error <= TOLERANCE:
                yield f"{goal}: {name} is off by {error:.1e} of its largest element"


def networks(match: str) -> Iterator[tuple[str, Graph]]:
    """The zoo's, small where that is possible."""
    for name in zoo.NETWORKS:
        if match in name:
            try:
                yield name, zoo.build(name, size=SMALL)
            except CnnirError:
                yield name, zoo.build(name)


def main(argv: Sequence[str] | None = None) -> int:
    """Print what differs; 1 when something does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=2000, help="random graphs (default: 2000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--zoo", action="store_true", help="the zoo's networks in their place")
    parser.add_argument("--match", default="", help="of the zoo, only those whose name contains this")
    options = parser.parse_args(argv)
    seeds = range(options.first, options.first + options.graphs)
    drawn = ((f"seed {seed}", random_blocks(np.random.default_rng(seed))) for seed in seeds)
    count = wrong = 0
    for name, graph in networks(options.match) if options.zoo else drawn:
        found = list(surprises(graph))
        count, wrong = count + 1, wrong + bool(found)
        for line in found:
            print(f"{name}: {line}", flush=True)
    print(f"{count} graphs, {wrong} with surprises")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
