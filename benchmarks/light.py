"""Times on the nine real networks of the onnx package, beside those of its peers.

    python -m benchmarks.light [--match TEXT] [--repeat N]

For each network: loading (beside ``onnx.load``), inferring all shapes anew (beside ``onnx.shape_inference``), planning
(beside making an ONNX Runtime session, which optimises and plans too) and running (beside ``onnx.reference`` and ONNX
Runtime with as many threads). Everything is timed in one process, the best of N; a ratio is cnnir's time over the
peer's, so below 1 is faster. Exits with 1 when a stated target is missed: loading, inferring and planning
DenseNet-121 in under half a second of CPU, loading VGG-19 in as little.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

import cnnir
from cnnir.exporters.onnx import write
from cnnir.weights import AnyArray
from tests.models import NAMES, before_softmax, path, random_input, with_random_weights

PLANNED, PLANNED_LIMIT = "densenet121", 0.5
"""A network of many nodes, and the seconds of CPU for loading, inferring and planning it."""

LOADED, LOADED_LIMIT = "vgg19", 0.5
"""A network of 548 MiB of weights, and the seconds for loading it: well under one, since none of them is made."""

_SLOW = 5.0
"""A run that took longer than this is not repeated."""


@dataclass
class Times:
    """Best times of one network, in seconds of wall time; `cpu` is that of load, infer and plan together."""

    load: float
    infer: float
    plan: float
    run: float
    planned: float
    cpu: float
    onnx_load: float
    onnx_infer: float
    session: float
    reference: float
    runtime: float
    difference: float


def main(argv: Sequence[str] | None = None) -> int:
    """Print the ratios; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description="Times on nine real networks, beside onnx and ONNX Runtime.")
    parser.add_argument("--match", default="", help="only networks whose name contains this")
    parser.add_argument("--repeat", type=int, default=5, help="the best of so many (default: 5)")
    options = parser.parse_args(argv)
    wanted = [name for name in NAMES if options.match in name]
    if not wanted:
        parser.error(f"no network matches {options.match}; there are {', '.join(NAMES)}")
    print("seconds (ratio to the peer: below 1, cnnir is faster)")
    headings = (
        "load",
        "/onnx",
        "infer",
        "/onnx",
        "plan",
        "/session",
        "run",
        "/reference",
        "/runtime",
        "planned",
        "off",
    )
    print(f"{'':14}" + "".join(f"{heading:>11}" for heading in headings))
    missed: list[str] = []
    for name in wanted:
        times = measure(path(name), options.repeat)
        _show(name, times)
        for what, seconds, limit in _targets(name, times):
            verdict = "met" if seconds < limit else "MISSED"
            print(f"{'':14} {what}: {seconds:.3f} s, target {limit} s, {verdict}")
            missed += [what] if seconds >= limit else []
    return 1 if missed else 0


def _targets(name: str, times: Times) -> list[tuple[str, float, float]]:
    """What was promised of a network: words, seconds measured, and the limit."""
    if name == PLANNED:
        return [("CPU of load + infer + plan", times.cpu, PLANNED_LIMIT)]
    return [("load", times.load, LOADED_LIMIT)] if name == LOADED else []


def measure(file: Path, repeat: int) -> Times:
    """Time one network; its constant weights give way to seeded random ones for the runs."""
    graph = cnnir.load(file)
    model = onnx.load(file)
    random_graph = with_random_weights(graph)
    # What goes into a last Softmax is compared too: behind it, large differences can look small.
    random_graph.set_outputs(random_graph.value(name) for name in before_softmax(graph))
    feed = random_input(random_graph)
    random_model = write(random_graph).SerializeToString()
    session = _session(random_model)
    reference = ReferenceEvaluator(onnx.load_from_string(random_model))
    plan = random_graph.plan()
    outputs = [value.name for value in random_graph.outputs]
    expected = session.run(outputs, feed)
    found = random_graph.run(feed, plan=plan)
    return Times(
        load=_best(lambda: cnnir.load(file), repeat),
        infer=_best(lambda: graph.apply("infer-shapes"), repeat),
        plan=_best(graph.plan, repeat),
        run=_best(lambda: random_graph.run(feed), repeat),
        planned=_best(lambda: random_graph.run(feed, plan=plan), repeat),
        cpu=_best(cnnir.load(file).apply("infer-shapes").graph.plan, repeat, time.process_time),
        onnx_load=_best(lambda: onnx.load(file), repeat),
        onnx_infer=_best(lambda: onnx.shape_inference.infer_shapes(model, strict_mode=True), repeat),
        session=_best(lambda: _session(random_model), repeat),
        reference=_best(lambda: reference.run(outputs, feed), repeat),
        runtime=_best(lambda: session.run(outputs, feed), repeat),
        difference=max(_off(found[name], np.asarray(value)) for name, value in zip(outputs, expected, strict=True)),
    )


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _best(action: Callable[[], object], repeat: int, clock: Callable[[], float] = time.perf_counter) -> float:
    best = float("inf")
    for _ in range(repeat):
        begin = clock()
        action()
        elapsed = clock() - begin
        best = min(best, elapsed)
        if elapsed > _SLOW:
            break
    return best


def _off(found: AnyArray, expected: AnyArray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _show(name: str, times: Times) -> None:
    cells = [
        f"{times.load:.4f}", f"{times.load / times.onnx_load:.2f}",
        f"{times.infer:.4f}", f"{times.infer / times.onnx_infer:.2f}",
        f"{times.plan:.4f}", f"{times.plan / times.session:.2f}",
        f"{times.run:.4f}", f"{times.run / times.reference:.3f}", f"{times.run / times.runtime:.2f}",
        f"{times.planned:.4f}", f"{times.difference:.0e}",
    ]  # fmt: skip
    print(f"{name:14}" + "".join(f"{cell:>11}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
