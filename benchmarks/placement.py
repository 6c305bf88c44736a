"""Placement on the instances of MiniMalloc: ``python -m benchmarks.placement FOLDER``.

FOLDER holds ``NAME.CAPACITY.csv`` files, as https://github.com/google/minimalloc has them. For each the height, the
bound, seconds of one core and search nodes. The exit code is 1 when one is not placed within the capacity in its name.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cnnir.passes.memory import place
from cnnir.passes.memory.placement.minimalloc import read_buffers

EFFORT = 20_000_000
"""Nodes for each file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Place every file of a folder; 0 when all lie within their capacities."""
    parser = argparse.ArgumentParser(description="Placement on the instances of MiniMalloc.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--effort", type=int, default=EFFORT, metavar="NODES", help="search nodes for each file")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--match", default="", metavar="TEXT", help="only files whose names begin so")
    parser.add_argument("--capacity", type=int, metavar="BYTES", help="another capacity than the one in the name")
    options = parser.parse_args(arguments)
    files = sorted(options.folder.glob(f"{options.match}*.*.csv"))
    if not files:
        parser.error(f"no file NAME.CAPACITY.csv matches {options.folder}/{options.match}")
    print(f"{'file':20}{'buffers':>8}{'height':>12}{'bound':>12}{'seconds':>10}{'nodes':>12}  found")
    missed, total = [], 0.0
    for file in files:
        table = read_buffers(file.read_text(), file.name)
        capacity = int(file.name.split(".")[-2]) if options.capacity is None else options.capacity
        begin = time.process_time()
        found = place(table.bodies, capacity=capacity, effort=options.effort, seed=options.seed)
        seconds = time.process_time() - begin
        total += seconds
        if found.height > capacity:
            missed.append(file.name)
        cells = f"{len(table.rows):>8}{found.height:>12}{found.bound:>12}{seconds:>10.2f}{found.nodes:>12}"
        print(f"{file.name:20}{cells}  {found.status}, {found.heuristic}", flush=True)
    print(f"{total:.1f} seconds; not within the capacity: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
