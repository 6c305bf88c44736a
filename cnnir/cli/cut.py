"""``cnnir cut``: a sub-network as a model of its own."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path

from cnnir.cli.models import open_model
from cnnir.cli.output import emit, say
from cnnir.errors import CnnirError
from cnnir.exporters.onnx import save
from cnnir.graph import Value
from cnnir.passes import PassResult
from cnnir.passes.parts.cut import cut_result


def add_arguments(parser: ArgumentParser) -> None:
    """What ``cnnir cut`` takes besides what every verb takes."""
    parser.add_argument(
        "--from", dest="from_", action="append", default=[], metavar="NAMES",
        help="values that become inputs, separated by commas; may be repeated (default: the network's inputs)",
    )  # fmt: skip
    parser.add_argument(
        "--to", action="append", default=[], metavar="NAMES",
        help="values that become outputs, likewise (default: the outputs that rest on --from)",
    )  # fmt: skip


def cut(options: Namespace) -> int:
    """``cnnir cut``: 0."""
    if options.output in (None, "-"):
        raise CnnirError("usage", "an ONNX model is binary and needs a file", hint="give one with -o FILE")
    graph = open_model(options)
    result = cut_result(graph, _names(options.from_), _names(options.to))
    save(result.graph, options.output)
    say(options.output)
    emit(_as_json(result, options.output) if options.json else _text(result), None)
    return 0


def _names(given: Iterable[str]) -> list[str]:
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def _text(result: PassResult) -> str:
    part = result.graph
    lines = [f"input {value.name}: {value.type}" for value in part.inputs]
    lines += [f"output {value.name}: {value.type}" for value in part.outputs]
    lines += [str(change) for change in result.changes]
    return "\n".join([*lines, ""])


def _as_json(result: PassResult, output: str) -> str:
    part = result.graph
    content = {
        "schema": "cnnir.cut/1",
        "graph": part.name,
        "output": output,
        "bytes": Path(output).stat().st_size,
        "inputs": _interface(part.inputs),
        "outputs": _interface(part.outputs),
        "nodes": len(part),
        "nodes_removed": result.metrics["nodes removed"],
        "changes": [str(change) for change in result.changes],
        "notes": part.notes,
    }
    return json.dumps(content, indent=2) + "\n"


def _interface(values: Iterable[Value]) -> list[dict[str, str]]:
    return [{"name": value.name, "type": str(value.type)} for value in values]
