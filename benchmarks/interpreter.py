"""Compiled plans on one thread, beside ONNX Runtime and onnx.reference: times, errors, and the memory of each.

    python -m benchmarks.interpreter [--match TEXT] [--repeat N] [--no-reference]

The nine real networks of the onnx package with drawn weights, and the zoo's MobileNets and EfficientNet-B0. Each runs
in a process of its own; there cnnir's fastest plan, its smallest and the peers take turns, N times each (7), and
medians of their CPU time are shown. Errors are those of the values before Softmax, relative to the largest of ONNX
Runtime's. Memory:

- ``arena``: what the plan says, workspace included;
- ``measured``: what NumPy holds for the arena, and the most that a run allocates beside it, as tracemalloc has it;
- ``process``: how far the process grew above the weights, each engine in a process of its own.

Exits with 1 when a target is missed: the geometric mean of the nine at most 1.0 of ONNX Runtime's time, none above 1.6,
MobileNets at most 2.0; at least 9 times faster than onnx.reference each, and 40 times in geometric mean; measured
memory within 1 % or 64 KiB of what was planned; ResNet-50 planned and compiled in under a second of CPU, weights apart.
"""

import argparse
import gc
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402  the number of threads is read when it is loaded
import onnxruntime  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

import cnnir  # noqa: E402
from cnnir import zoo  # noqa: E402
from cnnir.graph import Graph  # noqa: E402
from cnnir.interpreter import Program  # noqa: E402
from cnnir.passes.memory import fastest  # noqa: E402
from tests.models import NAMES, before_softmax, path, random_input, with_random_weights  # noqa: E402

MOBILE = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")
OTHERS = ("efficientnet_b0",)

MEAN, EACH, MOBILE_EACH = 1.0, 1.6, 2.0
REFERENCE_EACH, REFERENCE_MEAN = 9.0, 40.0
SHARE, SLACK = 0.01, 64 * 1024
COMPILED = "resnet50"
COMPILE_SECONDS = 1.0

ENGINES = ("cnnir", "runtime", "reference")


def network(name: str) -> Graph:
    """A network up to what Softmax reads, with drawn weights."""
    graph = with_random_weights(cnnir.load(path(name))) if name in NAMES else zoo.build(name)
    graph.set_outputs([graph.value(before_softmax(graph)[-1])])
    return graph.apply("simplify").graph


def session(file: Path) -> Callable[[dict[str, Any]], Any]:
    """ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    made = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda feed: made.run(None, feed)


def timed(run: Callable[[], object]) -> float:
    """Seconds of CPU: of one thread, which is what the run takes on a machine that does nothing else."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def measured(program: Program, graph: Graph, feed: dict[str, Any]) -> int:
    """Bytes of the arena, and the most that a run allocates beside its results."""
    gc.collect()
    tracemalloc.start()
    try:
        program = Program(graph, program.plan, like=program)
        program(feed)
        gc.collect()
        arena = program.plan.arena_bytes
        held = [trace.size for trace in tracemalloc.take_snapshot().traces if trace.domain == np.lib.tracemalloc_domain]
        largest = max(size for size in held if size >= arena)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        found = program(feed)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    pools = sum(pool.alignment for pool in program.plan.pools)
    return largest - pools + peak - sum(array.nbytes for array in found.values())


def compare(name: str, repeat: int, *, with_reference: bool) -> dict[str, Any]:
    """All figures of one network that are taken in one process."""
    graph = network(name)
    feed = random_input(graph)
    fast = graph.compile()
    small = Program(graph, fastest(graph, goal="memory"), like=fast)
    begin = time.process_time()
    Program(graph, fastest(graph), like=fast)
    compiled = time.process_time() - begin
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        cnnir.save(graph, file)
        runtime = session(file)
        runs: dict[str, Callable[[], object]] = {
            "fast": lambda: fast(feed), "small": lambda: small(feed), "runtime": lambda: runtime(feed)
        }  # fmt: skip
        if with_reference:
            reference = ReferenceEvaluator(str(file))
            runs["reference"] = lambda: reference.run(None, feed)
        expected, (found,), (other,) = runtime(feed)[0], fast(feed).values(), small(feed).values()
        times: dict[str, list[float]] = {key: [] for key in runs}
        for _ in range(repeat):
            for key, run in runs.items():
                times[key].append(timed(run))
    largest = float(np.abs(expected).max())
    return {
        **{key: statistics.median(values) for key, values in times.items()},
        "error": max(float(np.abs(array - expected).max()) / largest for array in (found, other)),
        "planned": [fast.plan.arena_bytes, small.plan.arena_bytes],
        "measured": [measured(fast, graph, feed), measured(small, graph, feed)],
        "forms": fast.form_bytes,
        "compiled": compiled,
    }


def grown(name: str, engine: str) -> int:
    """How far this process grows above the weights while one engine runs a network."""
    graph = network(name)
    feed = random_input(graph)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        cnnir.save(graph, file)
        weights = sum(value.weight.array().nbytes for value in graph.weights if value.weight is not None and value.uses)
        del graph
        child = [sys.executable, "-m", "benchmarks.interpreter", "--grow", engine, str(file)]
        (value,) = feed.values()
        np.save(Path(folder) / "feed.npy", value)
        result = subprocess.run(child, capture_output=True, text=True, check=True)
    return int(result.stdout) - weights


def grow(engine: str, file: Path) -> int:
    """The most memory of this process while the engine runs the file, above what it had before it read it."""
    feed = {cnnir.load(file).inputs[0].name: np.load(file.parent / "feed.npy")}
    before = process_bytes("VmRSS")
    # The peak is that of the process which started this one until it is forgotten.
    Path("/proc/self/clear_refs").write_text("5")
    run: Callable[[dict[str, Any]], Any]
    if engine == "cnnir":
        run = cnnir.load(file).apply("simplify").graph.compile()
    elif engine == "runtime":
        run = session(file)
    else:
        evaluator = ReferenceEvaluator(str(file))
        run = lambda given: evaluator.run(None, given)  # noqa: E731
    for _ in range(2):
        run(feed)
    return process_bytes("VmHWM") - before


def process_bytes(what: str) -> int:
    """A figure of this process, as Linux has it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(what))) * 1024


HEADINGS = (
    "cnnir ms", "/runtime", "/reference", "error", "arena", "measured", "small ms", "/runtime", "arena", "measured",
    "process", "runtime's", "reference's", "compile s",
)  # fmt: skip


def row(name: str, found: dict[str, Any], sizes: Sequence[int | None]) -> str:
    """One line of the table."""
    reference = found.get("reference")
    cells = [
        f"{found['fast'] * 1e3:.1f}", f"{found['fast'] / found['runtime']:.2f}",
        f"1/{reference / found['fast']:.0f}" if reference else "-", f"{found['error']:.0e}",
        f"{found['planned'][0]:,}", f"{found['measured'][0]:,}",
        f"{found['small'] * 1e3:.1f}", f"{found['small'] / found['runtime']:.2f}",
        f"{found['planned'][1]:,}", f"{found['measured'][1]:,}",
        *(f"{size / 2**20:.1f} MiB" if size is not None else "-" for size in sizes), f"{found['compiled']:.2f}",
    ]  # fmt: skip
    return f"{name:20}" + "".join(f"{cell:>13}" for cell in cells)


def missed(found: dict[str, dict[str, Any]]) -> list[str]:
    """The targets that were missed."""
    result = []
    ratios = {name: figures["fast"] / figures["runtime"] for name, figures in found.items()}
    nine = [ratios[name] for name in NAMES if name in ratios]
    if nine and geometric(nine) > MEAN:
        result.append(f"geometric mean {geometric(nine):.2f} of ONNX Runtime's time, {MEAN} asked for")
    for name, ratio in ratios.items():
        most = MOBILE_EACH if name in MOBILE else EACH if name in NAMES else math.inf
        if ratio > most:
            result.append(f"{name}: {ratio:.2f} of ONNX Runtime's time, {most} asked for")
    faster = {name: f["reference"] / f["fast"] for name, f in found.items() if "reference" in f}
    result += [f"{name}: {x:.1f} times as fast as onnx.reference" for name, x in faster.items() if x < REFERENCE_EACH]
    if faster and geometric(list(faster.values())) < REFERENCE_MEAN:
        result.append(f"geometric mean {geometric(list(faster.values())):.1f} times as fast as onnx.reference")
    for name, figures in found.items():
        for planned, real in zip(figures["planned"], figures["measured"], strict=True):
            if abs(real - planned) > max(SHARE * planned, SLACK):
                result.append(f"{name}: {real:,} bytes measured, {planned:,} planned")
    if COMPILED in found and found[COMPILED]["compiled"] > COMPILE_SECONDS:
        result.append(f"{COMPILED}: {found[COMPILED]['compiled']:.2f} s of CPU to plan and compile")
    return result


def geometric(ratios: Sequence[float]) -> float:
    """Their geometric mean."""
    return math.exp(sum(math.log(ratio) for ratio in ratios) / len(ratios))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only networks whose name contains this")
    parser.add_argument("--repeat", type=int, default=7, help="medians of so many (default: 7)")
    parser.add_argument("--no-reference", action="store_true", help="leave out onnx.reference, which is slow")
    parser.add_argument("--grow", nargs=2, metavar=("ENGINE", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.grow:
        print(grow(options.grow[0], Path(options.grow[1])))
        return 0
    if options.one:
        print(json.dumps(compare(options.one, options.repeat, with_reference=not options.no_reference)))
        return 0
    names = [name for name in (*NAMES, *MOBILE, *OTHERS) if options.match in name]
    print(f"{'':20}" + "".join(f"{heading:>13}" for heading in HEADINGS))
    found = {}
    for name in names:
        given = ["--repeat", str(options.repeat), *(["--no-reference"] if options.no_reference else [])]
        child = [sys.executable, "-m", "benchmarks.interpreter", "--one", name, *given]
        found[name] = json.loads(subprocess.run(child, stdout=subprocess.PIPE, text=True, check=True).stdout)
        engines = [engine for engine in ENGINES if engine != "reference" or not options.no_reference]
        sizes = [grown(name, engine) if engine in engines else None for engine in ENGINES]
        print(row(name, found[name], sizes), flush=True)
    nine = [found[name]["fast"] / found[name]["runtime"] for name in NAMES if name in found]
    small = [found[name]["small"] / found[name]["runtime"] for name in NAMES if name in found]
    if nine:
        print(f"geometric mean of {len(nine)}: {geometric(nine):.3f} of ONNX Runtime's time")
        print(f"the smallest plans: {geometric(small):.3f}")
    misses = missed(found)
    print("\n".join(f"missed: {miss}" for miss in misses) if misses else "all targets reached")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
