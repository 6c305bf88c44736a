"""``cnnir rewrite`` and ``cnnir passes``: running passes, and finding out which there are."""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from cnnir.cli.models import open_model
from cnnir.cli.output import OK, emit, say
from cnnir.exporters.onnx import save
from cnnir.passes import Pass, PassResult, Pipeline, all_passes, apply
from cnnir.passes.base import StageRecord, option_name

_SHOWN = 12
"""Changes and refusals listed of each pass; the rest are counted, and in the JSON."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``cnnir rewrite``."""
    parser.add_argument(
        "-p", "--passes", required=True, metavar="PIPELINE", help="for instance 'fold,fc-to-conv{dense=true}'"
    )
    parser.add_argument("--check", choices=("values",), help="run the network before and after each pass, and compare")
    parser.add_argument("--all", action="store_true", help="list every change and refusal")


def rewrite(options: argparse.Namespace) -> int:
    """``cnnir rewrite``: 0."""
    graph = open_model(options)
    result = apply(graph, Pipeline.parse(options.passes), check=options.check)
    if options.output is not None:
        save(result.graph, options.output)
        say(options.output)
    if options.json:
        emit(json.dumps(_as_json(graph.name, result, options.output), indent=2) + "\n", None)
    else:
        emit("".join(f"{line}\n" for stage in result.stages for line in _lines(stage, every=options.all)), None)
    return OK


def _lines(stage: StageRecord, *, every: bool) -> list[str]:
    lines = [f"{stage.stage}: {stage.nodes_before} -> {stage.nodes_after} nodes, {stage.seconds:.2f} s"]
    if stage.check is not None:
        lines.append(f"  values equal, off by at most {stage.check.relative:.1e} of the largest")
    for word, entries in (("changed", stage.changes), ("refused", stage.refusals)):
        shown = entries if every else entries[:_SHOWN]
        lines += [f"  {word}: {entry}" for entry in shown]
        if len(shown) < len(entries):
            lines.append(f"  {word}: {len(entries) - len(shown)} more (--all lists them)")
    return lines


def _as_json(name: str, result: PassResult, output: str | None) -> dict[str, Any]:
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
                "check": None
                if stage.check is None
                else {"absolute": stage.check.absolute, "relative": stage.check.relative},
            }
            for stage in result.stages
        ],
    }


def add_passes_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``cnnir passes``."""
    parser.add_argument("what", choices=("list",), help="list every pass, those of installed packages too")
    parser.add_argument("--json", action="store_true", help="the result as JSON (cnnir.passes/1)")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")


def passes(options: argparse.Namespace) -> int:
    """``cnnir passes list``: 0."""
    found = {name: _described(cls) for name, cls in all_passes().items()}
    if options.json:
        emit(json.dumps({"schema": "cnnir.passes/1", "passes": found}, indent=2) + "\n", None)
        return OK
    lines = []
    for name, entry in found.items():
        lines.append(f"{name}: {entry['summary']}")
        lines.append(f"  keeps {entry['preserves']}")
        lines += [f"  {option}={default}" for option, default in entry["options"].items()]
    emit("".join(f"{line}\n" for line in lines), None)
    return OK


def _described(cls: type[Pass]) -> dict[str, Any]:
    summary = (cls.__doc__ or "").strip().splitlines()
    return {
        "summary": summary[0] if summary else "",
        "preserves": cls.preserves,
        "options": {option_name(item.name): item.default for item in fields(cls)},
    }
