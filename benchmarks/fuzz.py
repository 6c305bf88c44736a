"""A long run of random models against ONNX Runtime and ONNX's reference, and of spoilt files against the reader.

    python -m benchmarks.fuzz [--graphs N] [--files N] [--networks N] [--first SEED] [--jobs N]

The tests run a sample of each; this runs as many as are asked for, in processes of their own. A random model is drawn
from all ops at the edges of their attributes, in any opset: each node is judged by both others on the same operands,
and the whole is planned, simplified, written and read again. A random network is planned, run in its arena and
compared with ONNX Runtime. A spoilt file gives a graph that works or one clear line, within limits of time and of
memory: a process that exceeds them, or dies, is a surprise. Prints counts by op and by opset, every surprise with the
command that repeats it, and exits with 1 when there was one.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks.limits import Job, run_jobs
from tests.property.judging import Tally

WHAT = ("graphs", "networks", "files")


def main(argv: Sequence[str] | None = None) -> int:
    """All runs that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=1000, metavar="N", help="random models (default: 1000)")
    parser.add_argument("--networks", type=int, default=300, metavar="N", help="random networks (default: 300)")
    parser.add_argument("--files", type=int, default=2000, metavar="N", help="spoilt files (default: 2000)")
    parser.add_argument("--first", type=int, default=1000, metavar="SEED", help="the first seed (default: 1000)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    options = parser.parse_args(argv)
    if options.jobs < 1:
        parser.error("--jobs: at least one process has to check the seeds")
    surprises = 0
    for what in WHAT:
        count = getattr(options, what)
        if count:
            surprises += _run(what, range(options.first, options.first + count), options.jobs)
    return 1 if surprises else 0


def _run(what: str, seeds: range, jobs: int) -> int:
    begin, total, surprises = time.perf_counter(), Tally(), 0
    for job in run_jobs(what, seeds, jobs):
        total += job.tally
        for surprise in job.tally.surprises:
            surprises += 1
            print(f"{what}, seed {job.seed}: {' '.join(surprise.split())[:600]}", flush=True)
            print(f"    {_again(what, job)}", flush=True)
    print(f"{len(seeds)} {what}: {surprises} surprises, {time.perf_counter() - begin:.0f} s", flush=True)
    for line in _told(total):
        print(line, flush=True)
    return surprises


def _again(what: str, job: Job) -> str:
    """The command that repeats one seed."""
    counts = " ".join(f"--{name} {int(name == what)}" for name in WHAT)
    return f"python -m benchmarks.fuzz {counts} --first {job.seed}"


def _told(tally: Tally) -> Iterator[str]:
    """What was counted, the frequent first."""
    for title, counts in (
        ("computed nodes, by op", tally.ops),
        ("models, by opset", dict(sorted(tally.opsets.items()))),
        ("files, by what became of them", tally.files),
        ("refused by all, by op", tally.refused),
        ("computed here alone, by op", tally.unjudged),
        ("left to the fallback, by op", tally.opaque),
    ):
        shown = [f"{name} {count}" for name, count in counts.items() if count]
        if shown:
            yield f"  {title}: {', '.join(sorted(shown) if title.endswith('op') else shown)}"
    for reason, count in tally.departures.most_common():
        yield f"  {count:6} {reason}"


if __name__ == "__main__":
    sys.exit(main())
