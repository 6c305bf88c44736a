"""Load a folder of real exports and compare shapes and MACs with the truth that comes with them.

    python -m benchmarks.corpus FOLDER [--match TEXT] [--passes PIPELINE]

FOLDER holds ``models/*.onnx``, ``shapes/*.json`` (the true shape of every tensor) and ``truth.json`` (true MACs). For
each model: is it loaded, how many nodes are opaque, how many shapes are right, not known or wrong, and are the MACs?
Not known is allowed, wrong is not: a wrong figure makes the exit code 1.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnir import CnnirError, Graph, load
from cnnir.analysis import costs
from cnnir.dims import is_known
from cnnir.ops import Opaque
from cnnir.passes import graph_symbols
from cnnir.types import TensorType


@dataclass
class Verdict:
    """What came of one model."""

    name: str
    seconds: float = 0.0
    opaque: int = 0
    right: int = 0
    unknown: int = 0
    wrong: int = 0
    macs: str = "unknown"
    error: str = ""

    @property
    def failed(self) -> bool:
        """True when a figure is wrong or the model is refused."""
        return bool(self.error) or self.wrong > 0 or self.macs.startswith("wrong")


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each model and the sums."""
    parser = argparse.ArgumentParser(description="Compare shapes and MACs of real exports with the truth.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--match", default="", help="only models whose name contains this")
    parser.add_argument("--passes", default="", help="passes to run first, for instance fold")
    options = parser.parse_args(argv)
    truths = {entry["key"]: entry for entry in json.loads((options.folder / "truth.json").read_text())}
    verdicts = []
    for name, truth in truths.items():
        if options.match in name:
            verdicts.append(_judge(options.folder, name, truth, options.passes))
            _show(verdicts[-1])
    _sums(verdicts)
    return 1 if any(verdict.failed for verdict in verdicts) else 0


def _judge(folder: Path, name: str, truth: Mapping[str, Any], passes: str) -> Verdict:
    verdict = Verdict(name)
    found = json.loads((folder / "shapes" / f"{name}.json").read_text())
    begin = time.perf_counter()
    try:
        graph = _at_true_size(load(folder / "models" / f"{name}.onnx"), found["input"])
        if passes:
            graph = graph.apply(passes).graph
    except CnnirError as error:
        verdict.error = str(error)
        return verdict
    verdict.seconds = time.perf_counter() - begin
    verdict.opaque = sum(isinstance(node.op, Opaque) for node in graph.nodes)
    for value in graph.values:
        true = found["shapes"].get(value.name)
        if true is None or value.weight is not None:
            continue
        if not isinstance(value.type, TensorType) or not all(is_known(dim) for dim in value.type.shape):
            verdict.unknown += 1
        elif list(value.type.shape) == true:
            verdict.right += 1
        else:
            verdict.wrong += 1
    macs = costs(graph).macs
    if macs is not None and is_known(macs):
        verdict.macs = "right" if macs == truth["macs"] else f"wrong: {macs:,} for {truth['macs']:,}"
    return verdict


def _at_true_size(graph: Graph, true: Mapping[str, Sequence[int]]) -> Graph:
    """Symbolic dims bound to the size at which the truth was found."""
    bindings: dict[str, int] = {}
    for value in graph.inputs:
        if isinstance(value.type, TensorType) and value.name in true:
            pairs = zip(value.type.shape, true[value.name], strict=True)
            bindings.update((str(dim), size) for dim, size in pairs if not is_known(dim))
    return graph.bind(**{name: bindings[name] for name in graph_symbols(graph) if name in bindings})


def _show(verdict: Verdict) -> None:
    if verdict.error:
        print(f"{verdict.name:44} refused: {verdict.error}")
        return
    print(
        f"{verdict.name:44} {verdict.seconds:6.2f} s, {verdict.opaque:4} opaque; shapes {verdict.right:5} right,"
        f" {verdict.unknown:4} unknown, {verdict.wrong:3} wrong; MACs {verdict.macs}",
        flush=True,
    )


def _sums(verdicts: Sequence[Verdict]) -> None:
    loaded = [verdict for verdict in verdicts if not verdict.error]
    print(
        f"{len(loaded)} of {len(verdicts)} loaded, {sum(v.opaque == 0 for v in loaded)} without an opaque node; shapes:"
        f" {sum(v.right for v in loaded)} right, {sum(v.unknown for v in loaded)} unknown,"
        f" {sum(v.wrong for v in loaded)} wrong; MACs: {sum(v.macs == 'right' for v in loaded)} right,"
        f" {sum(v.macs == 'unknown' for v in loaded)} unknown, {sum(v.macs.startswith('wrong') for v in loaded)} wrong"
    )


if __name__ == "__main__":
    sys.exit(main())
