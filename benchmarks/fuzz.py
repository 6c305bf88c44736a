"""A long run of random networks against ONNX Runtime, and of spoilt files against the reader.

    python -m benchmarks.fuzz [--graphs N] [--files N] [--first SEED]

The tests run a sample of both; this runs as many as are asked for. A network is planned, run in its arena and compared
with ONNX Runtime on the exported file. A spoilt file, in its bytes or in its parts, is read: what comes is a graph that
holds together and can be written, or one clear line. Prints every surprise with its seed, and exits with 1 when there
was one.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence

from tests.onnx import test_fuzz, test_random


def main(argv: Sequence[str] | None = None) -> int:
    """Both runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=1000, metavar="N", help="random networks (default: 1000)")
    parser.add_argument("--files", type=int, default=2600, metavar="N", help="spoilt files (default: 2600)")
    parser.add_argument("--first", type=int, default=1000, metavar="SEED", help="the first seed (default: 1000)")
    options = parser.parse_args(argv)
    warnings.simplefilter("error")
    chunk = test_fuzz.MODELS_A_CHUNK
    chunks = range(options.first, options.first + -(-options.files // (2 * chunk)))
    seeds = range(options.first, options.first + options.graphs)
    surprises = _run("random networks", test_random.test_runtime_agrees, seeds, 1)
    surprises += _run("files spoilt in their bytes", test_fuzz.test_spoilt_bytes, chunks, chunk)
    surprises += _run("files spoilt in their parts", test_fuzz.test_spoilt_parts, chunks, chunk)
    return 1 if surprises else 0


def _run(what: str, check: Callable[[int], None], seeds: Iterable[int], each: int) -> int:
    begin, count, surprises = time.perf_counter(), 0, 0
    for seed in seeds:
        count += each
        try:
            check(seed)
        except Exception as error:  # noqa: BLE001  every one is told, none stops the run
            surprises += 1
            print(f"{what}, seed {seed}: {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
    print(f"{count} {what}: {surprises} surprises, {time.perf_counter() - begin:.0f} s", flush=True)
    return surprises


if __name__ == "__main__":
    sys.exit(main())
