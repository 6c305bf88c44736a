"""What is spilled, and what budgets are said to hold, against everything tried: a long run over small random networks.

    python -m benchmarks.pools [--graphs N] [--first SEED]

Each seed gives a small network, a plan of it in one arena, and memories too small for it. What moving bytes costs has
to be the least over all choices of memories that have a placement, found by trying all; or it is refused where there is
none.
Both judges, the proof and the oracle, have to take the plan, and a run of it has to give the bits of a free run.
Prints what was met, every surprise with its seed, and exits with 1 when there was one.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from cnnir.errors import CnnirError
from cnnir.graph import Graph
from cnnir.interpreter import seeded_feed
from cnnir.passes.memory import Memory
from cnnir.plan import MemoryPlan
from tests.passes.budgeting import all_orders, drawn_options, surprises
from tests.passes.spilling import Room, least_cost, lots_of
from tests.plan import oracle
from tests.random_graphs import random_graph

LOTS = 11
"""Bodies of a network at most, so that all choices can be tried."""


def main(argv: Sequence[str] | None = None) -> int:
    """All seeds that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=1000, metavar="N", help="random networks (default: 1000)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (default: 0)")
    options = parser.parse_args(argv)
    begin, met, surprises, seed = time.perf_counter(), Counter[str](), 0, options.first
    while min(met["networks"], met["networks with budgets"]) < options.graphs:
        spilling = spilled(seed, met) if met["networks"] < options.graphs else ()
        budgets = budgeted(seed, met) if met["networks with budgets"] < options.graphs else ()
        for line in chain(spilling, budgets):
            surprises += 1
            print(f"seed {seed}: {line}", flush=True)
        seed += 1
    print(f"{surprises} surprises, {time.perf_counter() - begin:.0f} s")
    for name, count in sorted(met.items()):
        print(f"  {count:7,} {name}")
    return 1 if surprises else 0


def spilled(seed: int, met: Counter[str]) -> Iterator[str]:
    """What is wrong with a plan over memories of one small network; nothing for one that is not small."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(2, 9)))
    whole = graph.plan(fuse="steps" if rng.integers(2) else "none", order="file", alignment=4)
    lots = lots_of(json.loads(whole.to_json()))
    if len(lots) > LOTS:
        return
    met["networks"] += 1
    memories = _memories(rng, whole)
    expected = least_cost(lots, [Room(memory.capacity, memory.cost) for memory in memories], 4)
    fuse = "steps" if whole.options["fuse"] == "steps" else "none"
    try:
        plan = graph.plan(fuse=fuse, order="file", alignment=4, pools=memories)
    except CnnirError as error:
        met[error.code] += 1
        if error.code != "pools-full" or expected is not None:
            yield f"{error}, but there is a way that costs {expected}"
        return
    met["spilled"] += plan.bounds["traffic"].reached > 0
    if (plan.bounds["traffic"].reached, plan.bounds["traffic"].bytes) != (expected, expected):
        yield f"moving costs {plan.bounds['traffic']}, the least is {expected}"
    yield from _wrong(graph, plan)


def budgeted(seed: int, met: Counter[str]) -> Iterator[str]:
    """What is wrong with answers about budgets of one small network; nothing for one that is not small."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, int(rng.integers(2, 8)))
    orders = all_orders(graph)
    if orders is None:
        return
    met["networks with budgets"] += 1
    order = "auto" if rng.integers(3) else "file"
    yield from surprises(graph, orders, order, rng, met, drawn_options(rng))


def _memories(rng: np.random.Generator, whole: MemoryPlan) -> list[Memory]:
    """Two or three, the cheapest first, some of them too small together."""
    fast = Memory("fast", int(whole.arena_bytes * rng.uniform(0.2, 1)))
    slow = Memory("slow", None if rng.random() < 0.7 else int(whole.arena_bytes * rng.uniform(0.2, 1)), 2)
    bank = Memory("bank", int(whole.arena_bytes * rng.uniform(0.1, 0.5)), 1)
    return [fast, bank, slow] if rng.random() < 0.4 else [fast, slow]


def _wrong(graph: Graph, plan: MemoryPlan) -> Iterator[str]:
    if complaint := oracle.complaint(graph, plan.to_json()):
        yield f"the oracle refuses it: {complaint}"
    given = seeded_feed(graph, 0)
    free, planned = graph.run(given), graph.run(given, plan=plan, poison=True)
    for name, array in free.items():
        if not np.array_equal(planned[name], array, equal_nan=True):
            yield f"{name} is not what a free run gives"


if __name__ == "__main__":
    sys.exit(main())
