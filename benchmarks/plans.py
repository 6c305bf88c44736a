"""A long run of random plans before two judges: the product's proof, and an oracle that shares no code with it.

    python -m benchmarks.plans [--graphs N] [--first SEED] [--jobs N]

Each seed gives a random network, layers wired as they come or the blocks that real networks are built of; for it the
planner's plan, asked for by options that are all drawn (`tests/plan/asked.py`), and a plan drawn at random, fused and
shared as it comes, in two pools, under random alignments. Both judges have to take both plans. A run by the executor
with all dead bytes spoilt before each step has to give the bits of a free run, or what is within rounding where sums
are taken in another order; so has the compiled program, spoilt and not spoilt the same bits. Then the plans are spoilt
in some ways each: what the oracle refuses, the proof has to refuse. Prints what was met, every surprise with its seed,
and exits with 1 when there was one.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.plan import MemoryPlan
from tests.plan import oracle, oracle_orders
from tests.plan.asked import drawn_options, wrong_runs
from tests.plan.drawn import drawn_plan
from tests.plan.spoiling import SPOILERS
from tests.random_blocks import random_blocks
from tests.random_graphs import random_graph

CHUNK = 25
"""Seeds that a process takes at a time."""

SPOILT = 7
"""Kinds of faults, drawn anew for each plan."""


def main(argv: Sequence[str] | None = None) -> int:
    """All seeds that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=1000, metavar="N", help="random networks (default: 1000)")
    parser.add_argument("--first", type=int, default=1000, metavar="SEED", help="the first seed (default: 1000)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    options = parser.parse_args(argv)
    if options.jobs < 1 or options.graphs < 1:
        parser.error("--graphs, --jobs: at least one process has to check one seed")
    begin, met, surprises = time.perf_counter(), Counter[str](), 0
    seeds = range(options.first, options.first + options.graphs)
    with ProcessPoolExecutor(options.jobs) as pool:
        for found, told in pool.map(judged, seeds, chunksize=CHUNK):
            met += found
            surprises += len(told)
            for line in told:
                print(line, flush=True)
    print(f"{len(seeds)} networks: {surprises} surprises, {time.perf_counter() - begin:.0f} s")
    for name, count in sorted(met.items()):
        print(f"  {count:9,} {name}")
    return 1 if surprises else 0


def judged(seed: int) -> tuple[Counter[str], list[str]]:
    """What one seed's plans held, and what was wrong with them."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(3, 24))) if seed % 2 else random_blocks(rng, int(rng.integers(1, 4)))
    met, surprises = Counter[str](), list[str]()
    try:
        for what, plan in (("planned", _planned(graph, rng, met)), ("drawn", drawn_plan(graph, rng))):
            met.update(_kinds(what, plan))
            surprises += [f"seed {seed}, {what}: {line}" for line in _wrong(graph, plan, met)]
            surprises += [f"seed {seed}, {what}: {line}" for line in _overlooked(graph, plan, rng, met)]
    except Exception as error:  # noqa: BLE001  whatever it is, it is a surprise
        surprises.append(f"seed {seed}: {type(error).__name__}: {error}")
    return met, surprises


def _planned(graph: Graph, rng: np.random.Generator, met: Counter[str]) -> MemoryPlan:
    """The planner's plan, asked for at random."""
    options = drawn_options(graph, rng)
    for name in ("fuse", "layout", "workspace", "strided", "views"):
        met[f"asked: {name}={options[name]}"] += 1
    return graph.plan(**options)


def _wrong(graph: Graph, plan: MemoryPlan, met: Counter[str]) -> Iterator[str]:
    """A right plan that is refused, or that gives other numbers."""
    if complaint := oracle.complaint(graph, plan.to_json()):
        yield f"the oracle refuses it: {complaint}"
    if refusal := _refusal(graph, plan):
        yield f"the proof refuses it: {refusal}"
        return
    if complaint := oracle_orders.complaint(plan.to_json()):
        yield complaint
    met["orders held against all others"] += oracle_orders.least_peak(plan.to_json()) is not None
    if MemoryPlan.from_json(plan.to_json()) != plan:
        yield "it does not come back from JSON"
    yield from wrong_runs(graph, plan, met)


def _overlooked(graph: Graph, plan: MemoryPlan, rng: np.random.Generator, met: Counter[str]) -> Iterator[str]:
    """A spoilt plan that only the oracle refuses."""
    for index in rng.permutation(len(SPOILERS))[:SPOILT]:
        spoiler = SPOILERS[int(index)]
        spoilt = spoiler(plan, rng)
        if spoilt is None or spoilt == plan:
            continue
        complaint, refusal = oracle.complaint(graph, spoilt.to_json()), _refusal(graph, spoilt)
        met["faults that both refuse"] += bool(complaint and refusal)
        met["changes that both take"] += not complaint and not refusal
        met["changes that the proof alone refuses"] += bool(refusal) and not complaint
        if complaint and not refusal:
            yield f"{spoiler.__name__} is overlooked: {complaint}"


def _refusal(graph: Graph, plan: MemoryPlan) -> CnnirError | None:
    try:
        plan.check(graph)
    except CnnirError as error:
        return error
    return None


def _kinds(what: str, plan: MemoryPlan) -> Iterator[str]:
    """What the plan says, thing by thing."""
    for step in plan.steps:
        yield f"{what}: {step.algorithm} steps"
        yield from [f"{what}: fused steps"] * (len(step.nodes) > 1)
        yield from [f"{what}: results written over operands"] * len(step.donations)
        yield from [f"{what}: steps with strips"] * (step.scratch is not None and step.scratch.strips > 0)
    yield from [f"{what}: nodes computed again"] * (len(plan.order) - len(set(plan.order)))
    yield from [f"{what}: values over several storages"] * sum(len(v.pieces or ()) > 1 for v in plan.values.values())
    yield from [f"{what}: slices off the alignment"] * sum(not storage.aligned for storage in plan.storages)
    yield from [f"{what}: pools in use"] * sum(pool.bytes > 0 for pool in plan.pools)


if __name__ == "__main__":
    sys.exit(main())
