"""Every network of the zoo at full size: figures, times, and NumPy against ONNX Runtime.

    python -m benchmarks.zoo [--match TEXT] [--no-values]

For each network: parameters, MACs and planned peak; seconds of CPU for making it and printing its table, for linting
it, and for planning it and proving the plan; and how far NumPy, inside the planned arena, and ONNX Runtime are apart
on the exported file, relative to the largest element (biases and statistics random, what a last Softmax reads
compared too). Exits with 1 when a stated target is missed: table and lint each in under two seconds of CPU, the
difference below one in ten thousand.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnir import zoo
from cnnir.lint import report
from cnnir.reports.text import format_count, table_text
from cnnir.units import format_size
from tests.zoo.judge import difference

PRINT_LIMIT = 2.0
"""Seconds of CPU for making a network and printing its table, and for linting it."""

DIFFERENCE_LIMIT = 1e-4
"""Between NumPy and ONNX Runtime, relative to the largest element."""

_HEADINGS = ("params", "MACs", "peak", "table, s", "lint, s", "plan, s", "difference", "run, s")


@dataclass
class Result:
    """What came of one network.

    Attributes:
        params: Trained parameters.
        macs: Multiply-accumulates of one run.
        peak: The planned arena.
        table: Seconds of CPU for making the network and printing its table.
        lint: Seconds of CPU for linting it.
        plan: Seconds of CPU for planning it and proving the plan.
        difference: Between NumPy and ONNX Runtime, relative; None where it was not asked for.
        values: Seconds by the clock that the comparison took.
    """

    params: str
    macs: str
    peak: str
    table: float
    lint: float
    plan: float
    difference: float | None
    values: float

    @property
    def missed(self) -> list[str]:
        """The targets that were missed, in words."""
        times = {"table": self.table, "lint": self.lint}
        found = [f"{what}: {took:.2f} s, target {PRINT_LIMIT} s" for what, took in times.items() if took >= PRINT_LIMIT]
        if self.difference is not None and not self.difference < DIFFERENCE_LIMIT:
            found.append(f"difference: {self.difference:.1e}, target {DIFFERENCE_LIMIT}")
        return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each network; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description="Every network of the zoo at full size.")
    parser.add_argument("--match", default="", help="only networks whose name contains this")
    parser.add_argument("--no-values", action="store_true", help="figures and times alone: nothing is run")
    options = parser.parse_args(argv)
    wanted = [name for name in zoo.NETWORKS if options.match in name]
    if not wanted:
        parser.error(f"no network matches {options.match}; there are {', '.join(zoo.NETWORKS)}")
    print(f"{'':20}" + "".join(f"{heading:>17}" for heading in _HEADINGS))
    missed: list[str] = []
    for name in wanted:
        result = measure(name, values=not options.no_values)
        _show(name, result)
        missed += [f"{name}, {words}" for words in result.missed]
    for words in missed:
        print(f"MISSED {words}")
    return 1 if missed else 0


def measure(name: str, *, values: bool) -> Result:
    """Make, tabulate, plan and run one network as it is without options."""
    begin = time.process_time()
    graph = zoo.build(name)
    table = graph.table()
    table_text(table)
    printed = time.process_time()
    report(graph)
    linted = time.process_time()
    plan = graph.plan()
    plan.check(graph)
    planned = time.process_time()
    off = None
    started = time.perf_counter()
    if values:
        with tempfile.TemporaryDirectory() as folder:
            off = difference(graph, Path(folder), planned=True)
    return Result(
        format_count(table.totals.params),
        format_count(table.totals.macs),
        format_size(plan.arena_bytes),
        printed - begin,
        linted - printed,
        planned - linted,
        off,
        time.perf_counter() - started,
    )


def _show(name: str, result: Result) -> None:
    off = "" if result.difference is None else f"{result.difference:.1e}"
    cells = (
        result.params,
        result.macs,
        result.peak,
        f"{result.table:.3f}",
        f"{result.lint:.3f}",
        f"{result.plan:.3f}",
        off,
    )
    print(f"{name:20}" + "".join(f"{cell:>17}" for cell in (*cells, f"{result.values:.1f}")), flush=True)


if __name__ == "__main__":
    sys.exit(main())
