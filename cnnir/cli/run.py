"""``cnnir run``: a network computed in NumPy, and what can be told of that."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from cnnir.cli import ways
from cnnir.cli.feeds import feed_of
from cnnir.cli.models import open_model
from cnnir.cli.output import OK, emit, say
from cnnir.cli.parsing import pair, whole
from cnnir.cli.values import packed, summary, words
from cnnir.cli.ways import Way, way
from cnnir.files import write_file
from cnnir.graph import Graph
from cnnir.passes.parts.cut import cut
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


def run(options: Namespace) -> int:
    """``cnnir run``: 0."""
    graph = open_model(options)
    names = [name.strip() for name in options.outputs.split(",")] if options.outputs else None
    graph, names = _asked(graph, names, options)
    feed = feed_of(graph, options.input, options.seed)
    chosen = way(graph, feed, options)
    found = chosen.run(feed, names)
    if options.output is not None:
        write_file(Path(options.output), packed(found, options.output))
        say(options.output)
    emit(_as_json(found, chosen) if options.json else _text(found, chosen), None)
    return OK


def _asked(graph: Graph, names: list[str] | None, options: Namespace) -> tuple[Graph, list[str] | None]:
    """What has to be run for the values wanted.

    The fastest plan is one of what they rest on, and no more: a plan of all would not store each of them.
    """
    if not options.fast or names is None:
        return graph, names
    return cut(graph, to=names), None


def _text(found: dict[str, AnyArray], chosen: Way) -> str:
    lines = [f"{name}: {words(summary(array))}" for name, array in found.items()]
    told = chosen.told()
    lines += [told] if told is not None else []
    for node, reason in chosen.fallback.nodes.items():
        lines.append(f"{chosen.graph.node(node).label} was computed by ONNX's reference implementation: {reason}")
    rests = [name for name in chosen.fallback.values(chosen.graph) if name in found]
    lines += [f"values that rest on it: {', '.join(rests)}"] if rests else []
    return "".join(f"{line}\n" for line in lines)


def _as_json(found: dict[str, AnyArray], chosen: Way) -> str:
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "graph": chosen.graph.name,
        "arena_bytes": None if chosen.plan is None else chosen.plan.arena_bytes,
        "compiled": chosen.program is not None,
        "outputs": {name: summary(array) for name, array in found.items()},
        "fallback": chosen.fallback.nodes,
    }
    return json.dumps(result, indent=2) + "\n"


__all__ = ["SCHEMA", "add_arguments", "run"]
