"""``cnnir run``: a network computed in NumPy, and what can be told of that."""

import json
import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnir.cli import ways
from cnnir.cli.feeds import feed_of
from cnnir.cli.models import open_model
from cnnir.cli.output import FINDINGS, OK, UNKNOWN, emit_all, say, width
from cnnir.cli.parsing import pair, whole
from cnnir.cli.values import Dump, packed, summary, words
from cnnir.cli.ways import Way, way
from cnnir.compare.judging import Comparison, Verdict, verdict_document, verdict_text
from cnnir.errors import CnnirError
from cnnir.exporters.onnx.judges import JUDGES, judged
from cnnir.files import Contents
from cnnir.graph import Graph
from cnnir.interpreter import Done, Watch
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
    parser.add_argument("--until", metavar="NODE", help="the values of this node; nothing behind it is run")
    parser.add_argument("--dump-values", metavar="DIR", help="write each value that is stored to a file, NAME.npy")
    ways.add_arguments(parser)
    parser.add_argument(
        "--profile", action="store_true",
        help="tell where the time goes, step by step, the slowest first; compiled, by the fastest plan where none is "
        "asked for",
    )  # fmt: skip
    parser.add_argument("--trace", metavar="FILE.json", help="write a timed run as Chrome's trace events")
    parser.add_argument("--repeat", type=whole("runs"), metavar="N", help=f"runs that are timed (default: {REPEAT})")
    parser.add_argument(
        "--compare", choices=tuple(JUDGES),
        help="hold every value against that runtime's, and tell the first that differs; exit with 1 when one does",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", type=_tolerance, metavar="ERROR",
        help="with --compare: relative to the largest element of a value (default: 1e-4, more for narrow floats)",
    )  # fmt: skip


def run(options: Namespace) -> int:
    """``cnnir run``: 0, 1 when a value differs from the runtime that it is compared with, 3 when none could be."""
    _check(options)
    timed = options.profile or options.trace is not None
    graph, names = _asked(open_model(options), options)
    feed = feed_of(graph, options.input, options.seed)
    chosen = way(graph, feed, options, compiled=timed)
    comparison = None
    if options.compare:
        theirs = judged(chosen.graph, feed, options.compare)
        comparison = Comparison(chosen.graph, options.compare, theirs, options.tolerance)
    dump = None if options.dump_values is None else Dump(Path(options.dump_values))
    found = chosen.run(feed, names, _both(comparison, dump))
    profile = None
    if timed and chosen.program is not None:
        profile = chosen.program.profile(feed, REPEAT if options.repeat is None else options.repeat)
    verdict = None if comparison is None else comparison.verdict
    told = _Told(chosen, found, profile if options.profile else None, verdict)
    if dump is not None:
        say(f"{dump.count} values to {options.dump_values}")
    emit_all({None: told.as_json() if options.json else told.text()}, _files(options, found, profile))
    return told.code


def _check(options: Namespace) -> None:
    """Refuse what means nothing together; where times are asked for and no way to run, it is the fastest.

    Raises:
        CnnirError: ``usage``.
    """
    timed = options.profile or options.trace is not None
    if options.repeat is not None and not timed:
        raise CnnirError("usage", "--repeat says how often a profile runs", hint="give --profile as well")
    if options.tolerance is not None and not options.compare:
        raise CnnirError("usage", "--tolerance is for what is compared", hint="give --compare RUNTIME as well")
    if options.trace is not None and options.trace == options.output:
        raise CnnirError("usage", "two results cannot go into one file", got=options.trace)
    if options.until is not None and options.outputs is not None:
        raise CnnirError("usage", "--until names a node, --outputs values: one of them says what is wanted")
    if options.until is not None and options.plan:
        raise CnnirError("usage", "--until runs a part of the network, a plan in a file is one of the whole")
    if timed and not (options.planned or options.plan):
        options.fast = True


def _asked(graph: Graph, options: Namespace) -> tuple[Graph, list[str] | None]:
    """What has to be run for the values wanted, and their names where the outputs do not say it.

    The fastest plan is one of what they rest on, and no more: a plan of all would not store each of them.
    """
    if options.until is not None:
        return cut(graph, to=[value.name for value in graph.node(options.until).outputs]), None
    if options.outputs is None:
        return graph, None
    names = [name.strip() for name in options.outputs.split(",")]
    return (cut(graph, to=names), None) if options.fast else (graph, names)


def _both(first: Watch | None, second: Watch | None) -> Watch | None:
    """Who watches, one after the other."""
    watching = [watch for watch in (first, second) if watch is not None]

    def watch(done: Done) -> None:
        for each in watching:
            each(done)

    return watch if watching else None


def _files(options: Namespace, found: dict[str, AnyArray], profile: RunProfile | None) -> dict[Path, Contents]:
    files: dict[Path, Contents] = {}
    if options.output is not None:
        files[Path(options.output)] = packed(found, options.output)
    if options.trace is not None and profile is not None:
        files[Path(options.trace)] = trace(profile).encode()
    return files


@dataclass(frozen=True)
class _Told:
    """What is told of a run."""

    chosen: Way
    found: dict[str, AnyArray]
    profile: RunProfile | None
    verdict: Verdict | None

    @property
    def code(self) -> int:
        if self.verdict is None:
            return OK
        if self.verdict.first is not None:
            return FINDINGS
        return OK if self.verdict.compared else UNKNOWN

    def text(self) -> str:
        chosen, fallback = self.chosen, self.chosen.fallback
        lines = [f"{name}: {words(summary(array))}" for name, array in self.found.items()]
        told = chosen.told()
        lines += [told] if told is not None else []
        for node, reason in fallback.nodes.items():
            label = chosen.graph.node(node).label
            lines.append(f"{label} was computed by ONNX's reference implementation: {reason}")
        rests = [name for name in fallback.values(chosen.graph) if name in self.found]
        lines += [f"values that rest on it: {', '.join(rests)}"] if rests else []
        text = "".join(f"{line}\n" for line in lines)
        text += verdict_text(self.verdict) if self.verdict is not None else ""
        return text + (f"\n{profile_text(self.profile, width=width(None))}" if self.profile is not None else "")

    def as_json(self) -> str:
        chosen = self.chosen
        result: dict[str, Any] = {
            "schema": SCHEMA,
            "graph": chosen.graph.name,
            "arena_bytes": None if chosen.plan is None else chosen.plan.arena_bytes,
            "compiled": chosen.program is not None,
            "outputs": {name: summary(array) for name, array in self.found.items()},
            "fallback": chosen.fallback.nodes,
        }
        if self.verdict is not None:
            result["compare"] = verdict_document(self.verdict)
        if self.profile is not None:
            result["profile"] = profile_document(self.profile)
        return json.dumps(result, indent=2) + "\n"


def _tolerance(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise ArgumentTypeError(f"expected a tolerance such as 1e-4, got {text!r}")
    return found


__all__ = ["SCHEMA", "add_arguments", "run"]
