"""``cnnir run``: a network computed in NumPy, and what can be told of that."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from cnnir.cli import ways
from cnnir.cli.feeds import feed_of
from cnnir.cli.models import open_model
from cnnir.cli.output import OK, emit_all, width
from cnnir.cli.parsing import pair, whole
from cnnir.cli.values import packed, summary, words
from cnnir.cli.ways import Way, way
from cnnir.errors import CnnirError
from cnnir.files import Contents
from cnnir.graph import Graph
from cnnir.interpreter.profiling import REPEAT, RunProfile
from cnnir.passes.parts.cut import cut
from cnnir.reports.profile import profile_document, profile_text, trace
from cnnir.weights import AnyArray

SCHEMA = "cnnir.run/1"


def add_arguments(parser: ArgumentParser) -> None:
    """What ``cnnir run`` takes besides what every verb takes."""
    parser.add_argument(
        "--input", action="append", default=[], type=pair, metavar="NAME=FILE.npy",
        help="what to feed; once for each input",
    )  # fmt: skip
    parser.add_argument("--seed", type=whole("a seed"), metavar="N", help="feed random numbers to the inputs not given")
    parser.add_argument(
        "--outputs", metavar="NAMES", help="values wanted, separated by commas; any node's (default: outputs)"
    )
    parser.add_argument("--no-fallback", action="store_true", help="refuse nodes that cnnir itself has no kernel for")
    ways.add_arguments(parser)
    parser.add_argument(
        "--profile", action="store_true",
        help="tell where the time goes, step by step, the slowest first; compiled, by the fastest plan where none is "
        "asked for",
    )  # fmt: skip
    parser.add_argument("--trace", metavar="FILE.json", help="write a timed run as Chrome's trace events")
    parser.add_argument("--repeat", type=whole("runs"), metavar="N", help=f"runs that are timed (default: {REPEAT})")


def run(options: Namespace) -> int:
    """``cnnir run``: 0."""
    graph = open_model(options)
    names = [name.strip() for name in options.outputs.split(",")] if options.outputs else None
    timed = options.profile or options.trace is not None
    if options.repeat is not None and not timed:
        raise CnnirError("usage", "--repeat says how often a profile runs", hint="give --profile as well")
    if timed and not (options.planned or options.plan):
        options.fast = True
    graph, names = _asked(graph, names, options)
    feed = feed_of(graph, options.input, options.seed)
    chosen = way(graph, feed, options, compiled=timed)
    found = chosen.run(feed, names)
    repeat = REPEAT if options.repeat is None else options.repeat
    profile = chosen.program.profile(feed, repeat) if timed and chosen.program is not None else None
    files: dict[Path, Contents] = {}
    if options.output is not None:
        files[Path(options.output)] = packed(found, options.output)
    if options.trace is not None and profile is not None:
        if Path(options.trace) in files:
            raise CnnirError("usage", "two results cannot go into one file", got=options.trace)
        files[Path(options.trace)] = trace(profile).encode()
    shown = profile if options.profile else None
    emit_all({None: _as_json(found, chosen, shown) if options.json else _text(found, chosen, shown)}, files)
    return OK


def _asked(graph: Graph, names: list[str] | None, options: Namespace) -> tuple[Graph, list[str] | None]:
    """What has to be run for the values wanted.

    The fastest plan is one of what they rest on, and no more: a plan of all would not store each of them.
    """
    if not options.fast or names is None:
        return graph, names
    return cut(graph, to=names), None


def _text(found: dict[str, AnyArray], chosen: Way, profile: RunProfile | None) -> str:
    lines = [f"{name}: {words(summary(array))}" for name, array in found.items()]
    told = chosen.told()
    lines += [told] if told is not None else []
    for node, reason in chosen.fallback.nodes.items():
        lines.append(f"{chosen.graph.node(node).label} was computed by ONNX's reference implementation: {reason}")
    rests = [name for name in chosen.fallback.values(chosen.graph) if name in found]
    lines += [f"values that rest on it: {', '.join(rests)}"] if rests else []
    table = "" if profile is None else f"\n{profile_text(profile, width=width(None))}"
    return "".join(f"{line}\n" for line in lines) + table


def _as_json(found: dict[str, AnyArray], chosen: Way, profile: RunProfile | None) -> str:
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "graph": chosen.graph.name,
        "arena_bytes": None if chosen.plan is None else chosen.plan.arena_bytes,
        "compiled": chosen.program is not None,
        "outputs": {name: summary(array) for name, array in found.items()},
        "fallback": chosen.fallback.nodes,
    }
    if profile is not None:
        result["profile"] = profile_document(profile)
    return json.dumps(result, indent=2) + "\n"


__all__ = ["SCHEMA", "add_arguments", "run"]
