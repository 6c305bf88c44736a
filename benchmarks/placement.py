"""Placement on the instances of MiniMalloc: ``python -m benchmarks.placement FOLDER``.

FOLDER holds ``NAME.CAPACITY.csv`` files, as https://github.com/google/minimalloc has them. For each the height, the
bound, seconds of one core and search nodes. Three goals, and the exit code is 1 when one is missed:

1. each file lies within the capacity in its name,
2. D and J lie within `LOWER`, too,
3. all of this takes less than `SECONDS` together, where numba is installed.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cnnir.passes.memory import place
from cnnir.passes.memory.placement.compiled import is_available
from cnnir.passes.memory.placement.minimalloc import read_buffers

EFFORT = 20_000_000
"""Nodes for each file."""

LOWER = {"D": 1_015_808, "J": 1_034_240}
"""Lower capacities for files whose bound leaves room for them, in bytes."""

SECONDS = 60
"""Of one core."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Place every file of a folder; 0 when all goals are reached."""
    parser = argparse.ArgumentParser(description="Placement on the instances of MiniMalloc.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--effort", type=int, default=EFFORT, metavar="NODES", help="search nodes for each file")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--match", default="", metavar="TEXT", help="only files whose names begin so")
    parser.add_argument("--capacity", type=int, metavar="BYTES", help="this one in the place of the goals")
    options = parser.parse_args(arguments)
    files = sorted(options.folder.glob(f"{options.match}*.*.csv"))
    if not files:
        parser.error(f"no file NAME.CAPACITY.csv matches {options.folder}/{options.match}")
    goals = [(file, int(file.name.split(".")[-2])) for file in files]
    goals += [(file, LOWER[name]) for file in files if (name := file.name.split(".")[0]) in LOWER]
    if options.capacity is not None:
        goals = [(file, options.capacity) for file in files]
    print(f"{'file':8}{'capacity':>10}{'buffers':>9}{'height':>10}{'bound':>10}{'seconds':>9}{'nodes':>11}  found")
    missed, total = [], 0.0
    for file, capacity in goals:
        table = read_buffers(file.read_text(), file.name)
        begin = time.process_time()
        found = place(table.bodies, capacity=capacity, effort=options.effort, seed=options.seed)
        seconds = time.process_time() - begin
        total += seconds
        name = file.name.split(".")[0]
        if found.height > capacity:
            missed.append(f"{name} within {capacity}")
        cells = f"{len(table.rows):>9}{found.height:>10}{found.bound:>10}{seconds:>9.2f}{found.nodes:>11}"
        print(f"{name:8}{capacity:>10}{cells}  {found.status}, {found.heuristic}", flush=True)
    if is_available() and total >= SECONDS:
        missed.append(f"less than {SECONDS} seconds")
    print(f"{total:.1f} seconds {'with' if is_available() else 'without'} numba; missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
