"""Networks with open sizes: what is known while they are open, and what they are at two bindings."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.corpus.case import SIMPLIFY, Case
from benchmarks.corpus.figures import compare_shapes
from benchmarks.corpus.row import Row
from benchmarks.corpus.runtime import Judge, RuntimeUnfitError, runtime_outputs, runtime_tensors
from benchmarks.corpus.values import written
from cnnir import CnnirError, Graph, load
from cnnir.dims import UnknownDim
from cnnir.types import TensorType

_STEPS = ((29, 58), (8, 24), (32, 64))
"""By how much the first and each further open size of the image grow; the first pair that a network allows is taken.
Sizes that strides do not divide come first."""


def judge_open(case: Case, row: Row) -> None:
    """Both bindings, each against ONNX Runtime's own shapes and outputs."""
    if not case.sizes:
        return
    graph = load(case.weighted)
    simplified = graph.apply(SIMPLIFY).graph
    for what, one in (("loaded", graph), ("simplified", simplified)):
        unknown = _unknown(one)
        if unknown:
            row.faults.append(f"open, {what}: {len(unknown)} tensors have an unknown dim, the first is {unknown[0]}")
        _judge_refusal(one, case.sizes, row, f"open, {what}")
    other = _other_sizes(simplified, case, row)
    if other is None:
        return
    path = written(simplified, case, row, "exported with open sizes")
    graphs = {"loaded": graph, "simplified": simplified}
    errors = [_judge_binding(graphs, path, case, row, sizes) for sizes in (case.sizes, other)]
    row.cells["open"] = f"{max(errors):.0e}"
    row.notes.append(f"also at {_shown(other)}")
    row.counts["networks with open sizes"] += 1


def _unknown(graph: Graph) -> list[str]:
    """Tensors with a dim that is neither a number nor symbolic."""
    return [
        f"{value.name}: {value.type}"
        for value in graph.values
        if not isinstance(value.type, TensorType) or any(isinstance(dim, UnknownDim) for dim in value.type.shape)
    ]


def _judge_refusal(graph: Graph, sizes: Mapping[str, int], row: Row, what: str) -> None:
    """A plan must be refused by an error that names every open dim and says what to do."""
    try:
        graph.plan()
    except CnnirError as error:
        unnamed = [name for name in sizes if name not in str(error)]
        if unnamed or not error.hint:
            row.faults.append(f"{what}: the refused plan names no {', '.join(unnamed) or 'way out'}: {error}")
    else:
        row.faults.append(f"{what}: a plan was made of sizes that are not known")


def _other_sizes(simplified: Graph, case: Case, row: Row) -> dict[str, int] | None:
    """A batch of 2 and a larger image whose sides differ, as the network allows it; who refuses one is made sure of."""
    refused: list[str] = []
    for sizes in _candidates(simplified, case.sizes):
        try:
            simplified.bind(**sizes)
        except CnnirError as error:
            refused.append(f"{_shown(sizes)}: {error}")
            with contextlib.suppress(RuntimeUnfitError):
                runtime_outputs(case.weighted, case.feed(sizes))
                row.faults.append(f"open: refused here and run by onnxruntime, {refused[-1]}")
            continue
        return sizes
    row.faults.append(f"open: no other binding is allowed, the last tried is {refused[-1]}")
    return None


def _candidates(graph: Graph, true: Mapping[str, int]) -> Iterator[dict[str, int]]:
    batch = {
        str(value.type.shape[0]) for value in graph.inputs if isinstance(value.type, TensorType) and value.type.shape
    }
    for first, further in _STEPS:
        sizes: dict[str, int] = {}
        steps = iter((first, *[further] * len(true)))
        for name, size in true.items():
            sizes[name] = size + 1 if name in batch else size + next(steps)
        yield sizes


def _shown(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


def _judge_binding(graphs: Mapping[str, Graph], path: Path, case: Case, row: Row, sizes: Mapping[str, int]) -> float:
    """Shapes of all tensors and values of the outputs, ours and those of the exported file; the largest error."""
    shown = _shown(sizes)
    feed = case.feed(sizes)
    try:
        judged = runtime_tensors(case.weighted, feed, case.scratch)
    except RuntimeUnfitError as error:
        row.faults.append(f"open: allowed here and refused by onnxruntime, {shown}: {error}")
        return 0.0
    shapes = {name: array.shape for name, array in judged.items()}
    judge = Judge({value.name: judged[value.name] for value in graphs["loaded"].outputs}, lambda: case.exact(sizes))
    worst = 0.0
    for what, graph in graphs.items():
        bound = graph.bind(**sizes)
        compare_shapes(graph, shapes, row, "open", f"{what} open at {shown}", sizes)
        compare_shapes(bound, shapes, row, "open", f"{what} bound to {shown}")
        worst = max(worst, judge.compare(bound.run(feed), row, f"{what} bound to {shown}"))
    try:
        exported = runtime_outputs(path, feed)
    except RuntimeUnfitError as error:
        row.faults.append(f"exported with open sizes, at {shown}: {error}")
        return worst
    return max(worst, judge.compare(exported, row, f"exported with open sizes, at {shown}"))
