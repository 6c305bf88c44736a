"""A long run of random networks through random sequences of passes, each step judged by ONNX Runtime.

    python -m benchmarks.sequences [--examples N] [--first SEED]

The tests run the first few; this runs as many as there is time for. Prints every seed that fails, with the passes that
led there, and exits with 1 when there was one.
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence

from tests.passes.sequences import run_sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the seeds that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=500, metavar="N", help="how many (default: 500)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (default: 0)")
    options = parser.parse_args(argv)
    warnings.simplefilter("error")
    begin, failures = time.perf_counter(), 0
    stages, changes = Counter[str](), 0
    for seed in range(options.first, options.first + options.examples):
        try:
            outcome = run_sequence(seed)
        except Exception as error:  # noqa: BLE001  every one is told, none stops the run
            failures += 1
            print(f"{type(error).__name__}: {error}", flush=True)
            continue
        stages.update(outcome.stages)
        changes += outcome.changes
    seconds = time.perf_counter() - begin
    told = f"{sum(stages.values())} passes, {changes} changes, {failures} failures"
    print(f"{options.examples} sequences, {told}, {seconds:.0f} s")
    for stage, count in stages.most_common():
        print(f"{count:7} {stage}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
