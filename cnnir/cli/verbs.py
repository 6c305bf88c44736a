"""What each verb does with its arguments; each gives an exit code."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cnnir.cli import ranges, travelling, workspace
from cnnir.cli.models import open_model, spelled
from cnnir.cli.output import FINDINGS, OK, UNKNOWN, emit, emit_all, page, say, wants, width
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import read_plan, save
from cnnir.graph import Graph
from cnnir.passes.memory import find_rewritten, fits
from cnnir.plan import SCHEMA, MemoryPlan
from cnnir.reports import plan_html, plan_svg, table_html, why
from cnnir.reports.text import COLUMNS, steps_text, table_text
from cnnir.reports.why_html import why_html
from cnnir.reports.why_text import why_text
from cnnir.text import print_graph
from cnnir.units import format_bytes
from cnnir.zoo.pattern import to_pattern


def table(options: Namespace) -> int:
    """``cnnir table``: 0, or 3 when a total is not known."""
    found = open_model(options, notes=False).table()  # they stand below the rows
    if options.json or wants(options.output, "json"):
        emit(found.to_json(), options.output)
    elif wants(options.output, "html"):
        emit(page(found.graph, table_html(found)), options.output)
    else:
        columns = _columns(options.columns)
        text = table_text(found, width=width(options.output), every_row=options.all, columns=columns)
        emit(text, options.output)
    return OK if found.totals.known else UNKNOWN


def _columns(names: str | None) -> Sequence[str]:
    chosen = COLUMNS if names is None else [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in COLUMNS:
            raise CnnirError("usage", "the table has no such column", expected=", ".join(COLUMNS), got=name)
    return list(dict.fromkeys(chosen))


def plan(options: Namespace) -> int:
    """``cnnir plan``: 0, 1 when it does not fit into the budget, 3 when that, a size or workspace is not known."""
    graph = open_model(options)
    if options.range:
        return ranges.plan(graph, options, _planning(options))
    try:
        graph, found, answer = _planned(graph, options)
    except CnnirError as error:
        if error.code not in ("size-unknown", "workspace-unknown") or not options.json:
            raise
        unknown = {"schema": SCHEMA, "graph": graph.name, "arena_bytes": None, "reason": str(error)}
        emit(json.dumps(unknown, indent=2) + "\n", options.output)
        return UNKNOWN
    text, is_prose = _why_text(found, graph, options) if options.why else _plan_text(found, options)
    if answer is not None and is_prose:
        text += f"{answer.text}\n"
    elif answer is not None:
        sys.stderr.write(f"{answer.text}\n")
    texts = {options.output: text, **({options.svg: plan_svg(found)} if options.svg else {})}
    emit_all(texts, travelling.files_of(graph, found, options))
    return OK if answer is None else answer.code


class _Answer(NamedTuple):
    """What is told beside a plan, of a budget or of rewrites, in words; and the exit code."""

    text: str
    code: int


def _planned(graph: Graph, options: Namespace) -> tuple[Graph, MemoryPlan, _Answer | None]:
    """The graph that is planned, the plan that the arguments ask for, and what is told of it beside."""
    budget: int | None = options.budget
    if options.stored:
        found = stored_plan(graph, options)
        return graph, found, None if budget is None else _stored_fit(found, budget)
    if options.rewrite:
        return _rewritten(graph, options)
    if budget is None:
        return graph, make_plan(graph, options), None
    answer = fits(graph, budget, **_planning(options))
    codes = {"fits": OK, "does not fit": FINDINGS, "unknown": UNKNOWN}
    return graph, answer.plan, _Answer(str(answer), codes[answer.verdict])


def _rewritten(graph: Graph, options: Namespace) -> tuple[Graph, MemoryPlan, _Answer]:
    """The network as it is rewritten for its plan, and what was done to it."""
    for name in ("budget", "why"):
        if getattr(options, name):
            raise CnnirError("usage", f"--{name} is about the network as it is, --rewrite about another one")
    found = find_rewritten(graph, **_planning(options))
    told = "".join(f"\n  {change}" for change in found.changes) or " no: it would not be lower"
    return found.graph, found.plan, _Answer(f"rewritten:{told}", OK)


def _stored_fit(found: MemoryPlan, budget: int) -> _Answer:
    """Of a plan that is taken as it is."""
    spare = budget - found.arena_bytes
    if spare >= 0:
        return _Answer(f"fits into {format_bytes(budget)}, {format_bytes(spare)} to spare", OK)
    return _Answer(f"this plan does not fit into {format_bytes(budget)}: {format_bytes(-spare)} too much", FINDINGS)


def _plan_text(found: MemoryPlan, options: Namespace) -> tuple[str, bool]:
    """The plan in the form that the arguments, or the output file's name, ask for; and whether that is prose."""
    if options.json or wants(options.output, "json"):
        return found.to_json(), False
    if wants(options.output, "svg"):
        return plan_svg(found), False
    if wants(options.output, "html"):
        return page(found.graph, plan_html(found)), False
    steps = "\n" + steps_text(found, width=width(options.output)) if options.steps else ""
    return f"{found}\n{steps}", True


def _why_text(found: MemoryPlan, graph: Graph, options: Namespace) -> tuple[str, bool]:
    """Why the plan needs what it needs, in the form that is asked for; and whether that is prose."""
    if wants(options.output, "svg"):
        raise CnnirError("usage", "--why is told in words", got=options.output, hint="draw the map with --svg FILE")
    answer = why(found, graph, model=spelled(options))
    if options.json or wants(options.output, "json"):
        return answer.to_json(), False
    if wants(options.output, "html"):
        return page(found.graph, why_html(answer)), False
    columns = width(options.output)
    steps = "\n" + steps_text(found, width=columns) if options.steps else ""
    return f"{why_text(answer, width=columns)}{steps}", True


def stored_plan(graph: Graph, options: Namespace) -> MemoryPlan:
    """The plan that the model's file carries; what asks for a plan of another kind is refused."""
    asked = [name for name, default in options.planning.items() if getattr(options, name) != default]
    if asked:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in asked)
        raise CnnirError("usage", f"--stored takes the plan as it is, {names} asks for a new one")
    return read_plan(graph)


def make_plan(graph: Graph, options: Namespace) -> MemoryPlan:
    """The plan that the arguments ask for."""
    return graph.plan(**_planning(options))


def _planning(options: Namespace) -> dict[str, Any]:
    """The planner's options."""
    if options.in_place and options.no_in_place:
        raise CnnirError("usage", "--in-place names nodes that --no-in-place forbids")
    return {
        "order": options.order,
        "fuse": options.fuse,
        "concat": True if options.concat else None,
        "views": not options.no_views,
        "strided": options.strided,
        "alignment": options.alignment,
        "in_place": options.in_place or not options.no_in_place,
        "count_inputs": not options.no_inputs,
        "count_outputs": not options.no_outputs,
        "pools": options.pool or None,
        "weights": options.weights,
        "layout": options.layout,
        "goal": options.goal,
        **workspace.asked(options),
    }


def export(options: Namespace) -> int:
    """``cnnir export``: 0."""
    to_stdout = options.output in (None, "-")
    if to_stdout and (options.to == "onnx" or options.json):
        what = "an ONNX model is binary and" if options.to == "onnx" else f"beside the JSON, the {options.to}"
        raise CnnirError("usage", f"{what} needs a file", hint="give one with -o FILE")
    if options.convert and options.opset is None:
        raise CnnirError("usage", "--convert needs an opset to convert to", hint="give one with --opset N")
    _require_use(options)
    graph = open_model(options, opset=options.opset if options.convert else None)
    if options.to != "onnx":
        text = print_graph(graph) if options.to == "text" else f"{to_pattern(graph)}\n"
        emit(text, options.output)
        size = len(text.encode())
    else:
        save(
            graph, options.output, opset=options.opset, ir_version=options.ir_version,
            external_data=options.external_data,
        )  # fmt: skip
        say(options.output)
        size = Path(options.output).stat().st_size
    if options.json:
        source = graph.provenance
        result = {
            "schema": "cnnir.export/1",
            "graph": graph.name,
            "format": options.to,
            "output": options.output,
            "bytes": size,
            "nodes": len(graph),
            "notes": graph.notes,
            "opset": options.opset or source.opsets.get(""),
            "ir_version": options.ir_version or source.ir_version,
        }
        emit(json.dumps(result, indent=2) + "\n", None)
    return OK


def _require_use(options: Namespace) -> None:
    """Refuse options of ``export`` that only an ONNX file can follow."""
    given = {
        "--opset": options.opset is not None and not options.convert,
        "--ir-version": options.ir_version is not None,
        "--external-data": bool(options.external_data),
    }
    unused = [name for name, is_given in given.items() if is_given]
    if options.to != "onnx" and unused:
        way_out = "--opset with --convert converts the graph first" if "--opset" in unused else "leave it out"
        raise CnnirError("usage", f"{', '.join(unused)} says how an ONNX file is written", got=f"--to {options.to}",
                         hint=way_out)  # fmt: skip
