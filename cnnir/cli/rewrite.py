"""``cnnir rewrite`` and ``cnnir passes``: running passes, and finding out which there are."""

import argparse
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cnnir.cli.models import open_model
from cnnir.cli.output import OK, emit, folded, limit, say
from cnnir.compare import Figure, at_common_sizes, figures, figures_text
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import save
from cnnir.passes import Pass, PassResult, Pipeline, StageRecord, ValueCheck, all_passes, apply, broken_passes
from cnnir.passes.options import option_defaults, required_options
from cnnir.reports.table import ACCOUNTING

_SHOWN = 12
"""Changes and refusals listed of each pass; the rest are counted, and in the JSON."""

_ARENA = "planned arena: activations alone, in the file's own order"
"""The rule of that figure; those of the others stand with the per-layer table."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``cnnir rewrite``."""
    parser.add_argument(
        "-p", "--passes", required=True, metavar="PIPELINE", help="for instance 'fold,fc-to-conv{dense=true}'"
    )
    parser.add_argument("--check", choices=("values",), help="run the network before and after each pass, and compare")
    parser.add_argument("--all", action="store_true", help="list every change and refusal")


def rewrite(options: argparse.Namespace) -> int:
    """``cnnir rewrite``: 0."""
    if options.output == "-":
        raise CnnirError("usage", "an ONNX model is binary and needs a file", hint="give one with -o FILE")
    graph = open_model(options)
    result = apply(graph, Pipeline.parse(options.passes), check=options.check)
    if options.output is not None:
        save(result.graph, options.output)
        say(options.output)
    before, after, sizes = at_common_sizes(graph, result.graph)
    found = figures(before, after)
    if options.json:
        emit(json.dumps(_as_json(graph.name, result, options.output, found, sizes), indent=2) + "\n", None)
        return OK
    columns = limit(None)
    lines = [line for stage in result.stages for line in _lines(stage, every=options.all)]
    lines += ["", *figures_text(found, columns).splitlines(), *_below(result, found, sizes)]
    emit(folded(lines, columns), None)
    return OK


def _lines(stage: StageRecord, *, every: bool) -> list[str]:
    lines = [f"{stage.stage}: {stage.nodes_before} -> {stage.nodes_after} nodes, {stage.seconds:.2f} s"]
    if stage.check is not None:
        lines.append(f"  {check_text(stage.check)}")
    if stage.unchecked:
        lines.append(f"  values not compared: {stage.unchecked}")
    for word, entries in (("changed", stage.changes), ("refused", stage.refusals)):
        shown = entries if every else entries[:_SHOWN]
        lines += [f"  {word}: {entry}" for entry in shown]
        if len(shown) < len(entries):
            lines.append(f"  {word}: {len(entries) - len(shown)} more (--all lists them)")
    if not stage.changes and not stage.refusals:
        lines.append("  nothing to do")
    return lines


def check_text(check: ValueCheck) -> str:
    """A comparison of values in words."""
    where = f", at {_sizes(check.sizes)}" if check.sizes else ""
    if check.equal:
        return f"values equal, off by at most {check.relative:.1e} of the largest{where}"
    return f"values changed, as the pass may, by at most {check.relative:.1e} of the largest{where}"


def _below(result: PassResult, found: Iterable[Figure], sizes: Mapping[str, int]) -> list[str]:
    """What stands below the figures: sizes, the error of all passes together, and how the figures were counted."""
    lines = [f"at {_sizes(sizes)}"] if sizes else []
    if result.check is not None:
        where = f", at {_sizes(result.check.sizes)}" if result.check.sizes else ""
        lines.append(f"outputs: off by at most {result.check.relative:.1e} of the largest{where}")
    if result.unchecked:
        lines.append(f"outputs not compared: {result.unchecked}")
    names = {figure.name for figure in found}
    return [*lines, *(f"rule: {rule}" for rule in (*ACCOUNTING, _ARENA) if rule.partition(":")[0] in names)]


def _sizes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


def _as_json(
    name: str, result: PassResult, output: str | None, found: Iterable[Figure], sizes: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "schema": "cnnir.rewrite/1",
        "graph": name,
        "output": output,
        "bytes": Path(output).stat().st_size if output is not None else None,
        "metrics": result.metrics,
        "stages": [
            {
                "stage": stage.stage,
                "seconds": stage.seconds,
                "nodes_before": stage.nodes_before,
                "nodes_after": stage.nodes_after,
                "changes": [{"what": change.what, "nodes": list(change.nodes)} for change in stage.changes],
                "refusals": [{"reason": refusal.reason, "nodes": list(refusal.nodes)} for refusal in stage.refusals],
                "preserves": stage.preserves,
                "check": check_json(stage.check),
                "unchecked": stage.unchecked,
            }
            for stage in result.stages
        ],
        "figures": [figure.as_json() for figure in found],
        "sizes": dict(sizes),
        "check": check_json(result.check),
        "unchecked": result.unchecked,
    }


def check_json(check: ValueCheck | None) -> dict[str, Any] | None:
    """The comparison; JSON has no infinity."""
    if check is None:
        return None
    figures = {"absolute": check.absolute, "relative": check.relative}
    return {
        **{name: number if math.isfinite(number) else "infinite" for name, number in figures.items()},
        "equal": check.equal,
        "sizes": dict(check.sizes),
    }


def add_passes_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``cnnir passes``."""
    parser.add_argument("what", choices=("list",), help="list every pass, those of installed packages too")
    parser.add_argument("--json", action="store_true", help="the result as JSON (cnnir.passes/1)")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")


def passes(options: argparse.Namespace) -> int:
    """``cnnir passes list``: 0."""
    found, broken = {name: _described(cls) for name, cls in all_passes().items()}, broken_passes()
    if options.json:
        content = {
            "schema": "cnnir.passes/1",
            "passes": found,
            "broken": {name: list(why) for name, why in broken.items()},
        }
        emit(json.dumps(content, indent=2) + "\n", None)
        return OK
    lines = []
    for name, entry in found.items():
        lines.append(f"{name}: {entry['summary']}")
        lines.append(f"  keeps {entry['preserves']}")
        lines += [f"  {option}, must be given" for option in entry["required"]]
        lines += [f"  {option}={default}" for option, default in entry["options"].items()]
    lines += [f"{name}: broken, {reason}" for name, reasons in broken.items() for reason in reasons]
    emit(folded(lines, limit(None)), None)
    return OK


def _described(cls: type[Pass]) -> dict[str, Any]:
    summary = (cls.__doc__ or "").strip().splitlines()
    return {
        "summary": summary[0] if summary else "",
        "preserves": cls.preserves,
        "options": option_defaults(cls),
        "required": list(required_options(cls)),
    }
