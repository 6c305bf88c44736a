"""``simplify`` beside onnxsim and onnxslim, on a folder of real exports: nodes left, and time, in one run.

    python -m pip install --group peers
    python -m benchmarks.simplify FOLDER [--match TEXT] [--values] [--rounds N]

FOLDER holds ``models/*.onnx``. Counted are the nodes that rest on an input of the network: what makes constants is
none, however it is written. Timed is the whole way from file to file, CPU time of the fastest of N rounds. With
``--values`` the network is run before and after, in NumPy. Exits with 1 when ours leaves more nodes than a peer does,
is slower than one in sum or in the geometric mean, or changes values; with 2 when there is nothing to measure.
"""

import argparse
import contextlib
import importlib
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx

import cnnir
from cnnir import CnnirError
from cnnir.exporters.onnx import opaque
from cnnir.ops import base

Simplifier = Callable[[Path, Path], None]


def ours(source: Path, target: Path) -> None:
    """From file to file, as if it were the first one: what was inferred for another round is forgotten."""
    base._inferred.clear()
    opaque._inferred.clear()
    cnnir.save(cnnir.load(source).apply("freeze-inputs,simplify").graph, target)


def onnxsim(source: Path, target: Path) -> None:
    """Likewise, without its own check of values."""
    peer = importlib.import_module("onnxsim")  # a dependency of this benchmark alone
    onnx.save(peer.simplify(onnx.load(source), check_n=0)[0], target)


def onnxslim(source: Path, target: Path) -> None:
    """Likewise."""
    peer = importlib.import_module("onnxslim")  # a dependency of this benchmark alone
    onnx.save(peer.slim(onnx.load(source)), target)


PEERS: dict[str, Simplifier] = {"onnxsim": onnxsim, "onnxslim": onnxslim}


def main(argv: Sequence[str] | None = None) -> int:
    """A line for each model, the sums, and what was missed."""
    parser = argparse.ArgumentParser(description="simplify beside onnxsim and onnxslim.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--match", default="", help="only models whose name contains this")
    parser.add_argument("--values", action="store_true", help="run each network before and after")
    parser.add_argument("--rounds", type=int, default=3, help="take the fastest of so many")
    options = parser.parse_args(argv)
    models = [path for path in sorted((options.folder / "models").glob("*.onnx")) if options.match in path.name]
    if not models:
        print(f"no model in {options.folder / 'models'} matches")
        return 2
    missed: list[str] = []
    spent: dict[str, dict[str, float]] = {name: {} for name in ("ours", *PEERS)}
    print(f"{'':46}{'file':>7}" + "".join(f"{name:>9}{'ms':>8}" for name in spent))
    for model in models:
        nodes = {"file": _count(onnx.load(model, load_external_data=False))}
        cells = []
        for name, simplifier in {"ours": ours, **PEERS}.items():
            count, seconds = _measured(simplifier, model, options.rounds)
            nodes[name] = count
            spent[name][model.stem] = seconds
            cells.append(f"{'failed' if count < 0 else count:>9}{seconds * 1e3:>8.0f}")
        print(f"{model.stem:46}{nodes['file']:>7}" + "".join(cells), flush=True)
        missed += [
            f"{model.stem}: {nodes['ours']} nodes, {peer} leaves {nodes[peer]}"
            for peer in PEERS
            if nodes["ours"] < 0 or 0 <= nodes[peer] < nodes["ours"]
        ]
        missed += [f"{model.stem}: {why}" for why in (_values(model) if options.values else ())]
    for peer in PEERS:
        missed += _slower(peer, spent["ours"], spent[peer])
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


def _slower(peer: str, ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[str]:
    """Print the ratios; what is missed."""
    ratios = {model: seconds / theirs[model] for model, seconds in ours.items()}
    total, mean = sum(ours.values()) / sum(theirs.values()), statistics.geometric_mean(ratios.values())
    print(f"time, ours / {peer}: {total:.2f} in sum, {mean:.2f} in the geometric mean")
    slower = [f"{model} {ratio:.2f}" for model, ratio in ratios.items() if ratio > 1]
    print(f"  slower on {len(slower)} of {len(ratios)}" + (f": {', '.join(slower)}" if slower else ""))
    return [f"slower than {peer}"] if total > 1 or mean > 1 else []


def _measured(simplifier: Simplifier, model: Path, rounds: int) -> tuple[int, float]:
    """Nodes left, -1 where it fails, and the CPU time of the fastest round."""
    best = float("inf")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.onnx"
        for _ in range(rounds):
            begin = time.process_time()
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    simplifier(model, target)
            except Exception:  # noqa: BLE001  whatever a peer raises, it has failed
                return -1, time.process_time() - begin
            best = min(best, time.process_time() - begin)
        return _count(onnx.load(target, load_external_data=False)), best


def _count(model: onnx.ModelProto) -> int:
    """Nodes that rest on an input."""
    graph = model.graph
    resting = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
    count = 0
    for node in graph.node:
        captured = {name for attribute in node.attribute for inner in attribute.g.node for name in inner.input}
        if resting.intersection([*node.input, *captured]):
            resting.update(node.output)
            count += 1
    return count


def _values(model: Path) -> list[str]:
    """What the value check finds."""
    graph = cnnir.load(model).apply("freeze-inputs").graph
    try:
        result = graph.apply("simplify", check="values")
    except CnnirError as error:
        return [str(error)]
    return [f"values not compared: {result.unchecked}"] if result.unchecked else []


if __name__ == "__main__":
    sys.exit(main())
