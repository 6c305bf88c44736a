"""``cnnir simplify``: the same network in fewer nodes."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from cnnir.cli.models import open_model
from cnnir.cli.output import OK, emit, folded, limit, say
from cnnir.cli.rewrite import check_json, check_text
from cnnir.columns import Columns
from cnnir.compare import at_common_sizes, figures, figures_text
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import save
from cnnir.graph import Graph
from cnnir.passes import PassResult, apply

_FREEZE, _SIMPLIFY = "freeze-inputs", "simplify"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``cnnir simplify``."""
    parser.add_argument("--check", choices=("values",), help="run the network before and after, and compare")
    parser.add_argument(
        "--keep-inputs", action="store_true", help="leave weights alone that callers may give as inputs"
    )
    parser.add_argument("--all", action="store_true", help="list what stays, and why")


def simplify(options: argparse.Namespace) -> int:
    """``cnnir simplify``: 0."""
    if options.output == "-":
        raise CnnirError("usage", "an ONNX model is binary and needs a file", hint="give one with -o FILE")
    graph = open_model(options)
    frozen = graph if options.keep_inputs else apply(graph, _FREEZE).graph
    result = apply(frozen, _SIMPLIFY, check=options.check)
    if options.output is not None:
        save(result.graph, options.output)
        say(options.output)
    if options.json:
        emit(json.dumps(_as_json(graph, result, options.output), indent=2) + "\n", None)
        return OK
    emit(folded(_lines(graph, result, every=options.all), limit(None)), None)
    return OK


def _lines(graph: Graph, result: PassResult, *, every: bool) -> list[str]:
    width = limit(None)
    lines = [f"{graph.name}: {len(graph)} -> {len(result.graph)} nodes, in {result.stages[0].seconds:.2f} s"]
    lines += [f"  {metric}: {count}" for metric, count in result.metrics.items()]
    frozen = len(graph.provenance.listed) - len(result.graph.provenance.listed)
    lines += [f"  inputs with a default value that are constants now: {frozen} (--keep-inputs keeps them)"] * bool(
        frozen
    )
    rows = [(kind, str(before), str(after)) for kind, (before, after) in _kinds(graph, result.graph).items()]
    if rows:
        lines += [
            "",
            *Columns(("op", "before", "after"), rows, right=(1, 2), width=width or sys.maxsize, gap=2).lines(),
        ]
    lines += ["", *figures_text(figures(*at_common_sizes(graph, result.graph)[:2]), width).splitlines()]
    if result.check is not None:
        lines.append(check_text(result.check))
    if result.unchecked:
        lines.append(f"values not compared: {result.unchecked}")
    if result.refusals and not every:
        lines.append(f"{len(result.refusals)} places stay as they are (--all says why)")
    return [*lines, *(f"stays: {refusal}" for refusal in result.refusals if every)]


def _kinds(before: Graph, after: Graph) -> dict[str, tuple[int, int]]:
    """How many nodes of each kind there were and are, where that has changed."""
    counts = [Counter(node.op.kind for node in graph.nodes) for graph in (before, after)]
    kinds = sorted({*counts[0], *counts[1]})
    return {kind: (counts[0][kind], counts[1][kind]) for kind in kinds if counts[0][kind] != counts[1][kind]}


def _as_json(graph: Graph, result: PassResult, output: str | None) -> dict[str, Any]:
    before, after, sizes = at_common_sizes(graph, result.graph)
    return {
        "schema": "cnnir.simplify/1",
        "graph": graph.name,
        "output": output,
        "bytes": Path(output).stat().st_size if output is not None else None,
        "nodes": [len(graph), len(result.graph)],
        "ops": {kind: list(counts) for kind, counts in _kinds(graph, result.graph).items()},
        "metrics": result.metrics,
        "refusals": [{"reason": refusal.reason, "nodes": list(refusal.nodes)} for refusal in result.refusals],
        "figures": [figure.as_json() for figure in figures(before, after)],
        "sizes": dict(sizes),
        "check": check_json(result.check),
        "unchecked": result.unchecked,
    }
